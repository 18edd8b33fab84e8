"""The sweep for scripts: `lr_find` on a torch model, `range_test` on any function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfinder_widget.analysis.rules import resolve
from lrfinder_widget.divergence import Divergence
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.settings import SweepSettings, learning_rates
from lrfinder_widget.sweep import COMPLETED, DIVERGED, NON_FINITE, Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor, nn
    from torch.optim import Optimizer


def lr_find(
    model: nn.Module,
    optimizer: Optimizer,
    loader: Iterable[Any],
    loss_fn: Callable[..., Tensor] | None = None,
    *,
    scheduler: Any = None,
    progress: bool = True,
    **settings: Any,
) -> LRFinderResult:
    """Sweep the learning rate and return the curve and its suggestions.

    >>> result = lr_find(model, optimizer, loader)  # doctest: +SKIP
    >>> set_lr(optimizer, result.suggestion)  # doctest: +SKIP

    Trains one optimizer step at each of ``num_iter`` learning rates from ``start_lr`` to
    ``end_lr`` and records the loss (the learning-rate range test of Smith, "Cyclical Learning
    Rates for Training Neural Networks", 2017). Model, optimizer, loader and random generators are
    afterwards exactly as before, also when the sweep is interrupted or the model raises.

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
    progress
        Whether to show a progress bar.
    **settings
        See `SweepSettings`.

    Returns
    -------
    LRFinderResult
        The curve, the suggestion and those of the other rules.

    Raises
    ------
    SettingsError
        If a setting or an argument cannot be used.
    LossInferenceError
        If no loss follows from the first batch.
    SweepInProgressError
        If another sweep trains the same parameters.
    """
    checked = _checked_settings(settings)
    lrs: list[float] = []
    losses: list[float] = []
    sweep = Sweep(model, optimizer, loader, loss_fn, checked, scheduler=scheduler)
    with sweep, _bar(checked.num_iter, progress) as bar:
        for _, lr, loss in sweep:
            lrs.append(lr)
            losses.append(loss)
            bar.update()
    return LRFinderResult(
        lrs=np.array(lrs),
        losses=np.array(losses),
        settings=checked,
        stop_reason=sweep.stop_reason,
        notes=tuple(sweep.notes),
        loss_name=sweep.loss_name,
    )


def range_test(train_fn: Callable[[float], Any], **settings: Any) -> LRFinderResult:
    """Sweep any training loop: ``train_fn(lr)`` does one step at `lr` and returns its loss.

    >>> result = range_test(lambda lr: step_of_mine(lr), num_iter=200)  # doctest: +SKIP

    Stopping, rules and figures are those of `lr_find`; putting the training back as it was is up
    to the caller.

    Parameters
    ----------
    train_fn
        Takes a learning rate, returns the loss as a number (or what ``float`` takes).
    **settings
        See `SweepSettings`; ``device`` and ``seed`` mean nothing here.

    Raises
    ------
    SettingsError
        If a setting cannot be used, or `train_fn` returns no number.
    """
    checked = _checked_settings(settings)
    if not callable(train_fn):
        raise SettingsError(
            f"train_fn must be a function train_fn(lr) -> loss (got {type(train_fn).__name__})"
        )
    diverged = Divergence(checked.diverge_threshold)
    lrs: list[float] = []
    losses: list[float] = []
    stop_reason = COMPLETED
    for lr in learning_rates(checked).tolist():
        loss = _number(train_fn(lr))
        lrs.append(lr)
        losses.append(loss)
        if not math.isfinite(loss):
            stop_reason = NON_FINITE
            break
        if diverged.update(loss):
            stop_reason = DIVERGED
            break
    return LRFinderResult(
        lrs=np.array(lrs), losses=np.array(losses), settings=checked, stop_reason=stop_reason
    )


def _checked_settings(settings: dict[str, Any]) -> SweepSettings:
    checked = SweepSettings.from_keywords(**settings)
    resolve(checked.rule)
    return checked


def _bar(total: int, progress: bool) -> Any:  # noqa: FBT001 - a flag passed on
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="Learning-rate sweep", unit="step", disable=not progress)


def _number(loss: Any) -> float:
    try:
        return float(loss)
    except (TypeError, ValueError):
        raise SettingsError(
            f"train_fn must return the loss as a number (got {type(loss).__name__})"
        ) from None
