"""What a sweep trains: the objects of the user's training, in one piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lrfinder_widget.training.gradients import NormCost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping, Sequence

    from torch import Tensor, nn
    from torch.optim import Optimizer


@dataclass(frozen=True, kw_only=True)
class Training:
    """A model, its optimizer, its data, and how a step of its training goes.

    Users pass these one by one (`lrfinder_widget.lr_find`); an adapter makes one from a
    framework's objects.

    Parameters
    ----------
    model, optimizer, loader
        What is trained, by what, on what.
    loss_fn
        A function of ``(output, target)`` that returns a scalar; None to infer one.
    compute_loss
        A function of ``(model, batch)`` that returns the loss, or a dict with ``"loss"`` and other
        scalars; in place of forward pass and `loss_fn`.
    begin_step
        Is told all batches of a step before `compute_loss` gets the first of them: for losses that
        are normalised over all of them.
    val_loader
        Batches on which the loss is evaluated after each step.
    scheduler
        A learning-rate scheduler of the optimizer, or a list of them.
    scaler
        The user's ``torch.amp.GradScaler``.
    train_step
        A function of a batch that does the whole step, optimizer included, and returns its loss:
        for frameworks whose training code steps the optimizer itself.
    also
        Further objects that a step changes, which are put back too.
    rate_places
        Where else the learning rate is kept, as pairs of a mapping and a key: *Apply* writes it
        there too.
    notes
        What the user should know of how this was made, in plain sentences.
    norm_cost
        What its sweeps have found out about gradient norms.
    """

    model: nn.Module
    optimizer: Optimizer
    loader: Iterable[Any]
    loss_fn: Callable[..., Tensor] | None = None
    compute_loss: Callable[[nn.Module, Any], Any] | None = None
    begin_step: Callable[[Sequence[Any]], None] | None = None
    val_loader: Iterable[Any] | None = None
    scheduler: Any = None
    scaler: Any = None
    train_step: Callable[[Any], Any] | None = None
    also: tuple[Any, ...] = ()
    rate_places: tuple[tuple[MutableMapping[str, Any], str], ...] = ()
    notes: tuple[str, ...] = ()
    norm_cost: NormCost = field(default_factory=NormCost, compare=False)
