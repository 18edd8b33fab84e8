"""An optimizer's learning rate: read it, write it, undo that; schedulers are brought along."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrfinder_widget.errors import SettingsError
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
        ``"ratios"``: as above; ``"equal"``: every group gets `lr`; names of groups: only these
        are written, the first of them with `lr`.

    Raises
    ------
    SettingsError
        If `lr` cannot be used, or the groups have no ratio to keep; then nothing is changed.

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
    for note in change_lr(optimizer, lr, scheduler, groups=groups).notes:
        warnings.warn(note, UserWarning, stacklevel=2)


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
        Each parameter group's rate before and after.
    notes
        What could not be brought along, in sentences for the user.
    """

    lr: float
    groups: list[GroupRate]
    notes: list[str]
    _writes: _Writes

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

    own = optimizer.param_groups
    before = _floats(own, "lr")
    bases = [number(group.get("initial_lr", group["lr"])) for group in own]
    targets = [
        base if factor is None else rate * factor
        for base, factor in zip(bases, factors, strict=True)
    ]
    positions = warm_up_positions(own, given)
    # All planned before the first is written: some may share a tensor.
    planned: list[tuple[Any, Any, float]] = [
        (group, "lr", target * position)
        for group, target, position, factor in zip(own, targets, positions, factors, strict=True)
        if factor is not None
    ]
    for each in known:
        planned.extend(scaled_rates(each, own, bases, targets))
    planned.extend((place, key, rate) for place, key in places)

    writes = _Writes()
    for place, key, value in planned:
        writes.put(place, key, value)
    for each in known:
        if "_last_lr" in vars(each):
            writes.put(vars(each), "_last_lr", [_copy(group["lr"]) for group in own])
    labels = [group_label(group, index) for index, group in enumerate(own)]
    return RateChange(
        rate,
        list(map(GroupRate, labels, before, _floats(own, "lr"))),
        [
            f"the schedule of {name} could not be scaled: it may overwrite the new learning rate "
            "at its next step; build it anew with that rate"
            for name in sorted(unknown)
        ],
        writes,
    )


def group_ratios(optimizer: Optimizer) -> list[float]:
    """Return each parameter group's rate as a multiple of the first group's.

    Raises
    ------
    SettingsError
        If the first group's rate is 0 and another's is not: no multiple of 0 keeps that ratio.
    """
    return _ratios_to_first(optimizer.param_groups)


def _ratios_to_first(groups: list[dict[str, Any]]) -> list[float]:
    rates = _floats(groups, "lr")
    if all("initial_lr" in group for group in groups):
        initial = _floats(groups, "initial_lr")
        rates = initial if any(initial) else rates
    if rates[0] == 0:
        if any(rates):
            raise SettingsError(
                "the first parameter group's learning rate is 0, so the others have no ratio to "
                f"it; give it a rate above 0 first (got rates {', '.join(f'{r:g}' for r in rates)})"
            )
        return [1.0] * len(rates)
    return [rate / rates[0] for rate in rates]


def group_factors(
    optimizer: Optimizer, groups: str | Sequence[str] = "ratios"
) -> list[float | None]:
    """Return each parameter group's rate as a multiple of the learning rate; None if not swept.

    Parameters
    ----------
    groups
        ``"ratios"``, ``"equal"`` or names of groups; see `SweepSettings`.

    Raises
    ------
    SettingsError
        If there is no group of such a name, or there are no ratios to keep.
    """
    own = optimizer.param_groups
    if groups == "equal":
        return [1.0] * len(own)
    if groups == "ratios":
        return [*group_ratios(optimizer)]
    labels = [group_label(group, index) for index, group in enumerate(own)]
    for name in groups:
        if name not in labels:
            raise SettingsError(
                f"the optimizer has no parameter group {name!r}; it has {', '.join(labels)}"
            )
    swept = [index for index, label in enumerate(labels) if label in groups]
    ratios = _ratios_to_first([own[index] for index in swept])
    factors: list[float | None] = [None] * len(own)
    for index, ratio in zip(swept, ratios, strict=True):
        factors[index] = ratio
    return factors


def group_label(group: dict[str, Any], index: int) -> str:
    """Return a parameter group's own name, or its number."""
    return str(group.get("name", f"group {index}"))


def describe(optimizer: Optimizer) -> tuple[str, str]:
    """Return the optimizer's name and what distinguishes it, such as ``"momentum 0.9"``."""
    group = optimizer.param_groups[0]
    parts = []
    if group.get("momentum"):
        parts.append(f"momentum {float(group['momentum']):g}")
    if group.get("betas"):
        parts.append("betas " + ", ".join(f"{float(beta):g}" for beta in group["betas"]))
    if group.get("weight_decay"):
        parts.append(f"weight decay {float(group['weight_decay']):g}")
    return type(optimizer).__name__, " · ".join(parts)


class RateWriter:
    """Writes one learning rate after another, as a sweep does at each step.

    The ratios of the parameter groups are those at its construction.
    """

    def __init__(self, optimizer: Optimizer, groups: str | Sequence[str] = "ratios") -> None:
        factors = group_factors(optimizer, groups)
        pairs = [
            (group, factor)
            for group, factor in zip(optimizer.param_groups, factors, strict=True)
            if factor is not None
        ]
        self._numbers = [(g, ratio) for g, ratio in pairs if not isinstance(g["lr"], Tensor)]
        self._tensors = [(g["lr"], ratio) for g, ratio in pairs if isinstance(g["lr"], Tensor)]
        first = pairs[0][0]["lr"]
        self._dtype = first.dtype if isinstance(first, Tensor) else None

    def write(self, lr: float) -> float:
        """Give every swept group its rate, and return the first one's as it is held there."""
        for group, ratio in self._numbers:
            group["lr"] = lr * ratio
        if not self._tensors:
            return lr
        for tensor, ratio in self._tensors:
            _fill(tensor, lr * ratio)
        if self._dtype is None:
            return lr
        # Rounded on the CPU: reading the group's own tensor back would wait for an accelerator.
        return torch.tensor(lr, dtype=self._dtype, device="cpu").item()


class _Writes:
    """Every value written, and what stood there before."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, Any, Any, Tensor | None]] = []

    def put(self, place: Any, key: Any, value: Any) -> None:
        before = place[key]
        if isinstance(before, Tensor):
            self._done.append((place, key, before, before.detach().clone()))
            _fill(before, value)
        else:
            self._done.append((place, key, before, None))
            place[key] = value

    def undo(self) -> None:
        for place, key, before, content in reversed(self._done):
            place[key] = before
            if content is not None:
                with torch.no_grad():
                    before.copy_(content)


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


def _fill(tensor: Tensor, value: float) -> None:
    with torch.no_grad():
        tensor.fill_(value)


def _floats(groups: list[dict[str, Any]], key: str) -> list[float]:
    return [number(group[key]) for group in groups]


def _copy(rate: Any) -> Any:
    return rate.detach().clone() if isinstance(rate, Tensor) else rate
