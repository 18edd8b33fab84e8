"""The sweep for scripts: `lr_find` on a torch model, `range_test` on any function."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrfinder_widget.analysis.rules import resolve
from lrfinder_widget.dispatch import run_on
from lrfinder_widget.divergence import Divergence
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.journal import Journal
from lrfinder_widget.points import Point, Points
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.series import Series
from lrfinder_widget.settings import SweepSettings, learning_rates
from lrfinder_widget.sweep import COMPLETED, DIVERGED, NON_FINITE, OUT_OF_MEMORY
from lrfinder_widget.training.accelerated import accelerated
from lrfinder_widget.training.distributed import announced, in_process_group, leads
from lrfinder_widget.training.training import Training

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from lrfinder_widget.following import Followed


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
        cancels the repeats that have not begun.
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
        checked = _checked_settings(settings)
        points = Points()
        written = Journal(journal) if journal is not None and leads() else None
        series = Series(training, checked, journal=written)
        if executor is not None and in_process_group():
            raise SettingsError(
                "executor cannot be used in a process group, whose ranks make each sweep "
                "together; leave it out"
            )
    if executor is not None:
        if journal is not None:
            raise SettingsError(
                "journal cannot be used with executor: points come from there only when a whole "
                "sweep has ended; leave one of them out"
            )
        return _on_executor(executor, training, series, progress)
    with series, _bar(series.total, "step", progress and leads()) as bar:
        for point in series:
            points.append(point)
            if not point.index:
                bar.total = series.total  # less than before if the last sweep ended early
            if progress:
                bar.update()
    return result_of(series, points)


def result_of(
    series: Series | Followed,
    points: Points,
    settings: SweepSettings | None = None,
) -> LRFinderResult:
    """Return the result of a series from all its points so far.

    Parameters
    ----------
    series
        Where the points come from; it may be in progress.
    points
        The points of all its sweeps, one after the other.
    settings
        Those to read the curve with; by default the series' own.
    """
    count = len(points)
    reasons = series.stop_reasons or [series.stop_reason]
    starts = [start for start in series.starts if start < count or OUT_OF_MEMORY in reasons] or [0]
    results = [
        _result(
            points.part(start, end),
            settings=settings or series.settings,
            stop_reason=reason,
            notes=tuple(series.notes),
            loss_name=series.loss_name,
            optimizer=series.optimizer,
            network=series.network,
            batch_size=series.batch_size,
        )
        for start, end, reason in zip(starts, [*starts[1:], count], reasons, strict=False)
    ]
    for result in results:
        result.loader = series.loader
    return LRFinderResult.combined(results)


def _result(points: Points, **rest: Any) -> LRFinderResult:
    return LRFinderResult(**points.columns(), **rest)


def _on_executor(
    executor: Executor,
    training: Training,
    series: Series,
    progress: bool,  # noqa: FBT001 - a flag passed on
) -> LRFinderResult:
    series.check_free()  # a copy made in the middle of a sweep would start from its weights
    settings = series.settings
    with _bar(settings.repeats, "run", progress) as bar:
        runs = run_on(executor, training, settings, bar.update)
    results = [
        _result(
            run.points,
            settings=settings,
            stop_reason=run.stop_reason,
            notes=(*series.notes, *run.notes),
            loss_name=run.loss_name,
            optimizer=series.optimizer,
            network=series.network,
            batch_size=run.batch_size,
        )
        for run in runs
    ]
    return LRFinderResult.combined(results)


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
    checked = _checked_settings(settings)
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
    return _result(points, settings=checked, stop_reason=stop_reason)


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


def _checked_settings(settings: dict[str, Any]) -> SweepSettings:
    checked = SweepSettings.from_keywords(**settings)
    resolve(checked.rule)
    return checked


def _bar(total: int, unit: str, progress: bool) -> Any:  # noqa: FBT001 - a flag passed on
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="Learning-rate sweep", unit=unit, disable=not progress)


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
