"""The sweep for scripts: `lr_find` on a torch model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfinder_widget.analysis.rules import resolve
from lrfinder_widget.dispatch import series_of
from lrfinder_widget.journal import Journal
from lrfinder_widget.points import Points
from lrfinder_widget.series_result import result_of
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.training.accelerated import accelerated
from lrfinder_widget.training.distributed import announced, leads
from lrfinder_widget.training.training import Training

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from lrfinder_widget.result import LRFinderResult


def lr_find(
    model: nn.Module,
    optimizer: Optimizer,
    loader: Iterable[Any],
    loss_fn: Callable[..., Tensor] | None = None,
    *,
    scheduler: Any = None,
    compute_loss: Callable[[nn.Module, Any], Any] | None = None,
    val_loader: Iterable[Any] | None = None,
    scaler: Any = None,
    journal: str | os.PathLike[str] | None = None,
    progress: bool = True,
    executor: Executor | None = None,
    **settings: Any,
) -> LRFinderResult:
    """Sweep the learning rate and return the curve and its suggestions.

    >>> result = lr_find(model, optimizer, loader)  # doctest: +SKIP
    >>> set_lr(optimizer, result.suggestion)  # doctest: +SKIP

    Trains one optimizer step at each of ``num_iter`` learning rates from ``start_lr`` to
    ``end_lr`` and records the loss (the learning-rate range test of Smith, "Cyclical Learning
    Rates for Training Neural Networks", 2017). Model, optimizer, loader and random generators are
    afterwards exactly as before, also when the sweep is interrupted or the model raises.

    With ``repeats=n`` that is done `n` times from the same state, each time with another order of
    the data and other random draws; the suggestion is made from all of them, and ``spread`` tells
    how far they agree.

    Parameters
    ----------
    model
        The model to train; it trains in the mode it is in, unless that is wholly eval mode.
    optimizer
        An optimizer of the model's parameters. Parameter groups keep their ratios to the first,
        whose rate is the learning rate.
    loader
        A ``DataLoader`` or any iterable of batches that can be iterated repeatedly. A batch is
        ``(input, target, …)``, or a dict, dataclass or named tuple with such fields.
    loss_fn
        A function of ``(output, target)`` that returns a scalar. By default inferred from the
        first batch: the model's own loss, cross-entropy, or mean-squared error.
    scheduler
        A scheduler of the optimizer; it is not stepped.
    compute_loss
        A function of ``(model, batch)`` that returns the loss, in place of forward pass and
        `loss_fn`; or a dict with ``"loss"`` and other scalars, which ``result.metrics`` holds.
    val_loader
        Batches on which the loss is evaluated after each step (``result.val_losses``); the first
        ``val_batches`` of them.
    scaler
        Your ``torch.amp.GradScaler``; by default ``amp="fp16"`` uses one of the sweep's own.
    journal
        A file to write each point to as it comes, so that a process that is killed loses at most
        the last one; `LRFinderResult.load` reads it.
    progress
        Whether to show a progress bar.
    executor
        Any `concurrent.futures.Executor` (a process pool, Dask's ``client.get_executor()``): each
        repeat trains a pickled copy of model, optimizer, loader and loss there, and what was
        passed is not touched. With a ``seed`` the result is the same as without. An interrupt
        cancels the repeats that have not begun, and ends those that have on this machine.
    **settings
        See `SweepSettings`.

    Returns
    -------
    LRFinderResult
        The curve, the suggestion and those of the other rules.

    Raises
    ------
    SettingsError
        If a setting or an argument cannot be used, or is to go to an executor and does not pickle.
    LossInferenceError
        If no loss follows from the first batch.
    SweepInProgressError
        If another sweep trains the same parameters.
    """
    training = Training(
        model=model,
        optimizer=optimizer,
        loader=loader,
        loss_fn=loss_fn,
        compute_loss=compute_loss,
        val_loader=val_loader,
        scheduler=scheduler,
        scaler=scaler,
    )
    with announced():
        training, settings = accelerated(training, settings)
        checked = SweepSettings.from_keywords(**settings)
        resolve(checked.rule)
        points = Points()
        written = Journal(journal) if journal is not None and leads() else None
        series = series_of(training, checked, executor=executor, journal=written)
    with series, _bar(series.total, progress and leads()) as bar, series.in_one_go() as found:
        for point in found:
            if point is None:  # an executor is still at it
                continue
            points.append(point)
            if not point.index:
                bar.total = series.total  # less than before if the last sweep ended early
            if progress:
                bar.update()
    return result_of(series, points)


def _bar(total: int, progress: bool) -> Any:  # noqa: FBT001 - a flag passed on
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="Learning-rate sweep", unit="step", disable=not progress)
