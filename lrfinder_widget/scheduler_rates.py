"""The learning rates that schedulers hold, and where in a warm-up they stand."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CyclicLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def number(rate: Any) -> float:
    """Return a learning rate as a float, from a tensor too (also one that is being learnt)."""
    return float(rate.detach() if isinstance(rate, Tensor) else rate)


def with_nested(schedulers: Iterable[Any]) -> Iterator[Any]:
    """Yield each scheduler and those that it combines."""
    for scheduler in schedulers:
        yield scheduler
        yield from with_nested(_inner(scheduler))


def is_known(scheduler: Any) -> bool:
    """Whether everything that the scheduler computes rates from can be scaled."""
    return (
        isinstance(getattr(scheduler, "base_lrs", None), list)
        or bool(_inner(scheduler))
        or isinstance(scheduler, ReduceLROnPlateau)  # it has no base: it multiplies what it finds
    )


def check_owner(scheduler: Any, optimizer: Optimizer) -> None:
    """Raise `SettingsError` if the scheduler was built with another optimizer."""
    owner = getattr(scheduler, "optimizer", None)
    # A wrapper (Lookahead, accelerate's optimizer) shares its groups with what it wraps.
    if isinstance(owner, Optimizer) and owner.param_groups is not optimizer.param_groups:
        raise SettingsError(
            f"the scheduler {type(scheduler).__name__} belongs to another optimizer "
            f"({type(owner).__name__}); pass the one that was built with this optimizer"
        )


def scaled_rates(
    scheduler: Any,
    groups: list[dict[str, Any]],
    bases: list[float],
    targets: list[float | None],
) -> dict[str, list[tuple[Any, Any, float]]]:
    """Return (place, key, value) for each rate that a scheduler holds, by what it calls them.

    Parameters
    ----------
    scheduler
        A scheduler that `is_known`.
    groups
        The optimizer's parameter groups.
    bases, targets
        Each group's base rate now, and the one it is to have; None where it is to keep its own.
    """
    keys = ["initial_lr", *(["max_lr", "min_lr"] if isinstance(scheduler, OneCycleLR) else [])]
    found: dict[str, list[tuple[Any, Any, float]]] = {}
    for index, (group, base, target) in enumerate(zip(groups, bases, targets, strict=True)):
        if target is None:
            continue
        for key in keys:
            if key in group:
                value = _scaled(group[key], base, target)
                found.setdefault(key, []).append((group, key, value))
        for name in ("base_lrs", "max_lrs"):
            rates = getattr(scheduler, name, None)
            # A group that was added after the scheduler was built is unknown to it.
            if isinstance(rates, list) and index < len(rates):
                value = _scaled(rates[index], base, target)
                found.setdefault(name, []).append((rates, index, value))
    return found


def cycle_limits(scheduler: Any, groups: list[dict[str, Any]], index: int) -> list[float] | None:
    """Return where the cycle of a group starts and peaks; None if the scheduler has none."""
    group = groups[index]
    if isinstance(scheduler, OneCycleLR) and "max_lr" in group:
        return [number(group["initial_lr"]), number(group["max_lr"])]
    if isinstance(scheduler, CyclicLR) and index < len(scheduler.max_lrs):
        return [number(scheduler.base_lrs[index]), number(scheduler.max_lrs[index])]
    return None


def warm_up_positions(groups: list[dict[str, Any]], schedulers: list[Any]) -> list[float]:
    """Return which part of its base rate each group keeps; 1 outside a recursive warm-up."""
    if not any(_is_warming_up(scheduler) for scheduler in schedulers):
        return [1.0] * len(groups)
    pairs = [(number(group["lr"]), number(group.get("initial_lr", 0))) for group in groups]
    return [current / initial if current and initial else 1.0 for current, initial in pairs]


def _is_warming_up(scheduler: Any) -> bool:
    if isinstance(scheduler, LinearLR):
        rising = scheduler.start_factor < scheduler.end_factor
        return rising and scheduler.last_epoch < scheduler.total_iters
    if isinstance(scheduler, ConstantLR):
        return scheduler.factor < 1 and scheduler.last_epoch < scheduler.total_iters
    inner = _inner(scheduler)
    if isinstance(scheduler, SequentialLR):
        milestones = scheduler._milestones  # noqa: SLF001 - torch has no public name for it
        inner = [inner[bisect_right(milestones, scheduler.last_epoch)]]
    return any(_is_warming_up(each) for each in inner)


def _inner(scheduler: Any) -> list[Any]:
    wrapped = getattr(scheduler, "scheduler", None)  # in accelerate's
    return [*getattr(scheduler, "_schedulers", ()), *([] if wrapped is None else [wrapped])]


def _scaled(value: Any, base: float, target: float) -> float:
    rate = number(value)
    if rate == base:
        return target
    return rate * (target / base) if base else rate
