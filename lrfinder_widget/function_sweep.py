"""The learning-rate range test of any training loop, given as a function."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrfinder_widget.analysis.rules import resolve
from lrfinder_widget.divergence import Divergence
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.points import Point, Points
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.settings import SweepSettings, learning_rates
from lrfinder_widget.stop_reasons import COMPLETED, DIVERGED, NON_FINITE

if TYPE_CHECKING:
    from collections.abc import Callable


def range_test(train_fn: Callable[[float], Any], **settings: Any) -> LRFinderResult:
    """Sweep any training loop: ``train_fn(lr)`` does one step at `lr` and returns its loss.

    >>> result = range_test(lambda lr: step_of_mine(lr), num_iter=200)  # doctest: +SKIP

    Stopping, rules and figures are those of `lr_find`; putting the training back as it was is up
    to the caller.

    Parameters
    ----------
    train_fn
        Takes a learning rate, returns the loss as a number (or what ``float`` takes), or a dict
        with ``"loss"`` and other scalars, which ``result.metrics`` holds; ``"val_loss"`` and
        ``"grad_norm"`` among them become the result's ``val_losses`` and ``grad_norms``.
    **settings
        See `SweepSettings`; ``device`` and ``seed`` mean nothing here, and ``repeats`` is refused.

    Raises
    ------
    SettingsError
        If a setting cannot be used, or `train_fn` returns no number.
    """
    checked = SweepSettings.from_keywords(**settings)
    resolve(checked.rule)
    if not callable(train_fn):
        raise SettingsError(
            f"train_fn must be a function train_fn(lr) -> loss (got {type(train_fn).__name__})"
        )
    if checked.repeats != 1:
        raise SettingsError(
            "range_test cannot put back what train_fn trains, so that a second sweep would not "
            f"start from the same state (got repeats={checked.repeats}); use lr_find, or restore "
            "by yourself between several calls and join them with LRFinderResult.combined"
        )
    diverged = Divergence(checked.diverge_threshold)
    points = Points()
    stop_reason = COMPLETED
    for index, lr in enumerate(learning_rates(checked).tolist()):
        point = _point(index, lr, train_fn(lr))
        points.append(point)
        if not math.isfinite(point.loss):
            stop_reason = NON_FINITE
            break
        if diverged.update(point.loss):
            stop_reason = DIVERGED
            break
    return LRFinderResult(**points.columns(), settings=checked, stop_reason=stop_reason)


def _point(index: int, lr: float, returned: Any) -> Point:
    """Return what a step of the user's reported."""
    if not isinstance(returned, Mapping):
        return Point(index, lr, _number(returned))
    if "loss" not in returned:
        raise SettingsError(
            "train_fn returned a dict without 'loss' (it has "
            f"{', '.join(map(str, returned)) or 'nothing'}); return the loss under that key"
        )
    loss = _number(returned["loss"])
    others = {str(name): _scalar(each) for name, each in returned.items() if name != "loss"}
    scalars = {name: each for name, each in others.items() if each is not None}
    return Point(
        index,
        lr,
        loss,
        scalars.pop("val_loss", math.nan),
        scalars.pop("grad_norm", math.nan),
        scalars,
    )


def _number(loss: Any) -> float:
    number = _scalar(loss)
    if number is None:
        raise SettingsError(
            f"train_fn must return the loss as a number (got {type(loss).__name__})"
        )
    return number


def _scalar(value: Any) -> float | None:
    """Return a scalar of any framework as a number, None for all else."""
    if isinstance(value, (str, bool)):
        return None
    detach = getattr(value, "detach", None)  # torch warns where a gradient would be lost
    try:
        return float(detach() if callable(detach) else value)
    except (TypeError, ValueError, RuntimeError):
        return None
