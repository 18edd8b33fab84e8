"""What may be asked of a schedule, checked before anything is changed."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.optim import Optimizer

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.parameter_groups import group_ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OPTIONS = {
    # All that OneCycleLR takes, but for what is decided here: the peak and the number of steps.
    "one_cycle": (
        "pct_start",
        "anneal_strategy",
        "cycle_momentum",
        "base_momentum",
        "max_momentum",
        "div_factor",
        "final_div_factor",
        "three_phase",
    ),
    "warmup_cosine": ("warmup_steps", "final"),
    # CyclicLR's, but for a scale function of one's own, which no lines to paste could hold.
    "cyclic": (
        "base_lr",
        "step_size_up",
        "step_size_down",
        "mode",
        "gamma",
        "cycle_momentum",
        "base_momentum",
        "max_momentum",
    ),
    "constant": (),
}
# Numbers that torch takes and that make no schedule. (A comparison with NaN never holds.)
LIMITS: dict[str, tuple[Callable[[float], bool], str]] = {
    "final": (lambda part: 0 <= part < 1, "from 0 to below 1"),
    "pct_start": (lambda part: 0 < part < 1, "between 0 and 1"),
    "div_factor": (lambda factor: 1 <= factor < math.inf, "of at least 1"),
    "final_div_factor": (lambda factor: 0 < factor < math.inf, "above 0"),
    "gamma": (lambda factor: 0 < factor <= 1, "above 0 and at most 1"),
    "base_lr": (lambda rate: 0 < rate < math.inf, "above 0"),
}
LEAST = {"warmup_steps": 0, "step_size_up": 1, "step_size_down": 1}
MODES = ("triangular", "triangular2", "exp_range")
# CyclicLR's lower bound, where none is given, as a part of the upper one: Smith, 2017, section 3.3,
# has a third or a quarter.
LOWER_PART = 4


def checked_options(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as plain numbers; None counts as not given.

    Raises
    ------
    SettingsError
        If the schedule has no such option, or its value cannot be used.
    """
    allowed = OPTIONS[kind]
    for name in options:
        if name not in allowed:
            known = f"its options are {', '.join(allowed)}" if allowed else "it takes none"
            raise SettingsError(f"{kind} has no option {name!r}; {known}")
    checked = {name: _plain(value) for name, value in options.items() if value is not None}
    for name, value in checked.items():
        if name in LIMITS:
            checked[name] = _number(name, value)
        elif name in LEAST:
            checked[name] = whole(name, value, at_least=LEAST[name])
    if checked.get("mode", MODES[0]) not in MODES:
        raise SettingsError(f"mode must be one of {', '.join(MODES)} (got {checked['mode']!r})")
    return checked


def check_steps(steps: int, options: Mapping[str, Any]) -> None:
    """Check what depends on how many steps there are."""
    if options.get("warmup_steps", 0) >= steps:
        raise SettingsError(
            f"warmup_steps must leave some of the {steps} total_steps for the cosine "
            f"(got {options['warmup_steps']})"
        )
    # Where the rise ends with the very first step, torch divides by its length, which is 0.
    part = options.get("pct_start", 0)
    if part * steps == 1:
        raise SettingsError(
            f"pct_start must not give the rise just one of the {steps} total_steps "
            f"(got {part:g}; try {1.5 * part:g})"
        )


def check_floor(final: float, ratios: Sequence[float]) -> None:
    """Check that all parameter groups can end at the same part of their peak."""
    if final and not all_alike(ratios):
        raise SettingsError(
            "final must be 0 where parameter groups have different learning rates, since "
            f"CosineAnnealingLR has one floor for all of them (got {final:g})"
        )


def lower_bound(options: Mapping[str, Any], peak: float) -> float:
    """Return the rate at which cycles up to `peak` begin."""
    low: float = options.get("base_lr", peak / LOWER_PART)
    if low >= peak:
        raise SettingsError(
            f"base_lr must be smaller than the learning rate at which cycles peak (got {low:g} for "
            f"a peak of {peak:g})"
        )
    return low


def ratios_of(optimizer: Any) -> list[float]:
    """Return each parameter group's rate as a multiple of the first's."""
    if not isinstance(optimizer, Optimizer):
        raise SettingsError(
            f"optimizer must be a torch.optim.Optimizer (got {type(optimizer).__name__})"
        )
    return group_ratios(optimizer)


def all_alike(ratios: Sequence[float] | None) -> bool:
    """Return whether all groups are known to have the same rate."""
    return ratios is not None and set(ratios) == {1.0}


def has_momentum(optimizer: Optimizer) -> bool:
    """Return whether there is a momentum to cycle in every group."""
    return all(group.get("momentum") or "betas" in group for group in optimizer.param_groups)


def whole(name: str, value: Any, *, at_least: int) -> int:
    """Return a number of optimizer steps."""
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, Integral):
        raise SettingsError(f"{name} must be a whole number of optimizer steps (got {value!r})")
    if plain < at_least:
        raise SettingsError(f"{name} must be at least {at_least} (got {plain})")
    return int(plain)


def _number(name: str, value: Any) -> float:
    fits, wanted = LIMITS[name]
    if isinstance(value, bool) or not isinstance(value, Real) or not fits(float(value)):
        raise SettingsError(f"{name} must be a number {wanted} (got {value!r})")
    return float(value)


def _plain(value: Any) -> Any:
    # In pasted code, NumPy's numbers would need NumPy.
    return value.item() if isinstance(value, np.generic) else value
