"""An optimizer's learning rate: read it, write it, undo that; schedulers are brought along."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.parameter_groups import group_factors, group_label
from lrfinder_widget.rate_notes import rate_notes
from lrfinder_widget.rate_writing import Writes
from lrfinder_widget.scheduler_rates import (
    check_owner,
    is_known,
    number,
    scaled_rates,
    warm_up_positions,
    with_nested,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping, Sequence

    from torch.optim import Optimizer


def get_lr(optimizer: Optimizer) -> float:
    """Return the learning rate of the optimizer's first parameter group."""
    return number(optimizer.param_groups[0]["lr"])


def set_lr(
    optimizer: Optimizer,
    lr: float,
    *,
    scheduler: Any = None,
    groups: str | Sequence[str] = "ratios",
) -> None:
    """Give the optimizer a learning rate, and bring its scheduler along.

    `lr` is the first parameter group's; the others keep their ratio to it. The ratios are those
    of ``initial_lr`` where every group has it, since a warm-up may stand at 0, else those of the
    current rates. A rate held in a tensor is written in place.

    Parameters
    ----------
    optimizer
        The optimizer to change.
    lr
        The new learning rate, positive and finite.
    scheduler
        The optimizer's scheduler, or a list of them. Its ``base_lrs``, ``initial_lr`` and the
        limits of `OneCycleLR` and `CyclicLR` are scaled by the same factor as the rate, nested
        schedulers included, so that from its next step on the schedule is the one that a
        scheduler built with `lr` would follow. Without it, a scheduler that computes rates from
        its own base overwrites `lr` at its next step.
    groups
        ``"ratios"``: as above; ``"equal"``: every group gets `lr`; names of groups (their own
        ``"name"``, or ``"group 1"``): only these are written, the optimizer's first of them with
        `lr`.

    Raises
    ------
    SettingsError
        If `lr` cannot be used, there is no such group, or the groups have no ratio to keep; then
        nothing is changed.

    Warns
    -----
    UserWarning
        If `scheduler` is of a kind whose rates cannot be scaled.

    Notes
    -----
    The current rate becomes `lr` itself, with one exception. `LinearLR` and `ConstantLR` as
    warm-ups multiply the rate they find. Were it `lr` in the middle of the warm-up, its end would
    overshoot `lr`; so the rate then keeps its place in the warm-up, which ends at `lr`.

    With `OneCycleLR`, `lr` is where the cycle starts; its peak stays as many times higher as it
    was.

    Examples
    --------
    >>> set_lr(optimizer, 3e-3, scheduler=scheduler)
    >>> get_lr(optimizer)
    0.003
    """
    for warning in change_lr(optimizer, lr, scheduler, groups=groups).warnings:
        warnings.warn(warning, UserWarning, stacklevel=2)


@dataclass(frozen=True)
class GroupRate:
    """A parameter group's rate before and after a change."""

    label: str
    before: float
    after: float


@dataclass(frozen=True)
class RateChange:
    """What `change_lr` did.

    Attributes
    ----------
    lr
        The learning rate that was asked for.
    groups
        Each parameter group's rate before and after; the same where it is not swept.
    notes
        What was brought along, in sentences for the user.
    warnings
        What could not be brought along, likewise.
    """

    lr: float
    groups: list[GroupRate]
    notes: list[str]
    warnings: list[str]
    _writes: Writes

    def undo(self) -> None:
        """Put back every value that was written, in place where it is a tensor."""
        self._writes.undo()


def change_lr(
    optimizer: Optimizer,
    lr: float,
    scheduler: Any = None,
    *,
    groups: str | Sequence[str] = "ratios",
    places: Iterable[tuple[MutableMapping[str, Any], str]] = (),
) -> RateChange:
    """Do what `set_lr` does, and return a record that can undo it.

    `places` are mappings and keys under which the rate is kept elsewhere; it is written there too.
    """
    rate = checked_rate(lr)
    factors = group_factors(optimizer, groups)
    given = scheduler if isinstance(scheduler, (list, tuple)) else [scheduler]
    given = [each for each in given if each is not None]
    schedulers = list({id(each): each for each in with_nested(given)}.values())
    for each in schedulers:
        check_owner(each, optimizer)
    known = [each for each in schedulers if is_known(each)]
    unknown = {type(each).__name__ for each in schedulers if not is_known(each)}
    places = list(places)

    own = optimizer.param_groups
    before = _rates(own)
    bases = [number(group.get("initial_lr", group["lr"])) for group in own]
    targets = [None if factor is None else rate * factor for factor in factors]
    positions = warm_up_positions(own, given)
    # All planned before the first is written: some may share a tensor.
    planned: list[tuple[Any, Any, float]] = [
        (group, "lr", target * position)
        for group, target, position in zip(own, targets, positions, strict=True)
        if target is not None
    ]
    held = [scaled_rates(each, own, bases, targets) for each in known]
    planned.extend(write for rates in held for writes in rates.values() for write in writes)
    planned.extend((place, key, rate) for place, key in places)
    writes = _written(planned, known, own)

    first = next(index for index, factor in enumerate(factors) if factor is not None)
    labels = [group_label(group, index) for index, group in enumerate(own)]
    return RateChange(
        rate,
        list(map(GroupRate, labels, before, _rates(own))),
        rate_notes(rate, own, first, zip(known, held, strict=True), places),
        [
            f"the schedule of {name} could not be scaled: it may overwrite the new learning rate "
            "at its next step; build it anew with that rate"
            for name in sorted(unknown)
        ],
        writes,
    )


def checked_rate(lr: Any) -> float:
    """Return `lr` as a float; raise `SettingsError` unless it is positive and finite."""
    value = lr.item() if isinstance(lr, (Tensor, np.ndarray)) and lr.ndim == 0 else lr
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise SettingsError(f"lr must be a number (got {lr!r}, of type {type(lr).__name__})")
    try:
        rate = float(value)
    except OverflowError:
        rate = math.inf
    if not (math.isfinite(rate) and rate > 0):
        raise SettingsError(f"lr must be positive and finite (got {lr!r})")
    return rate


def _written(
    planned: list[tuple[Any, Any, float]], schedulers: list[Any], groups: list[dict[str, Any]]
) -> Writes:
    """Write everything, or nothing if a place refuses."""
    writes = Writes()
    try:
        for place, key, value in planned:
            writes.put(place, key, value)
        for each in schedulers:
            if "_last_lr" in vars(each):
                writes.put(vars(each), "_last_lr", [_copy(group["lr"]) for group in groups])
    except BaseException:
        writes.undo()
        raise
    return writes


def _rates(groups: list[dict[str, Any]]) -> list[float]:
    return [number(group["lr"]) for group in groups]


def _copy(rate: Any) -> Any:
    return rate.detach().clone() if isinstance(rate, Tensor) else rate
