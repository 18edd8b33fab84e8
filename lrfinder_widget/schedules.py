"""What follows the choice: torch's schedulers set from a learning rate, and the code for them."""

from __future__ import annotations

import math
from contextlib import contextmanager
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, SequentialLR

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.optimizer_lr import checked_rate, group_ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Kind = Literal["one_cycle", "warmup_cosine", "constant"]
KINDS: tuple[str, ...] = get_args(Kind)

WARMUP_PART = 20  # by default one step in 20 warms up
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
    "constant": (),
}
# Numbers that torch takes and that make no schedule. (A comparison with NaN never holds.)
LIMITS: dict[str, tuple[Callable[[float], bool], str]] = {
    "final": (lambda part: 0 <= part < 1, "from 0 to below 1"),
    "pct_start": (lambda part: 0 < part < 1, "between 0 and 1"),
    "div_factor": (lambda factor: 1 <= factor < math.inf, "of at least 1"),
    "final_div_factor": (lambda factor: 0 < factor < math.inf, "above 0"),
}


def one_cycle(optimizer: Optimizer, total_steps: int, lr: float, **options: Any) -> OneCycleLR:
    """Return torch's `OneCycleLR` that rises to `lr` and falls to almost nothing.

    Parameters
    ----------
    optimizer
        The optimizer to schedule. Each parameter group's peak keeps its ratio to the first's.
    total_steps
        How many optimizer steps the whole training has; call ``scheduler.step()`` after each.
    lr
        The peak of the first parameter group.
    **options
        Those of `torch.optim.lr_scheduler.OneCycleLR`, such as ``pct_start=0.3`` and
        ``div_factor=25``. Unlike there, ``cycle_momentum`` is on only where the optimizer has
        momentum: given to plain SGD, it would make the steps up to 20 times as large as those
        that the rate was found with.

    Raises
    ------
    SettingsError
        If something given cannot be used; then the optimizer is as it was.
    """
    steps, peak = _whole("total_steps", total_steps, at_least=2), checked_rate(lr)
    checked = _checked("one_cycle", options, steps)
    peaks = [peak * ratio for ratio in _ratios(optimizer)]
    checked.setdefault("cycle_momentum", _has_momentum(optimizer))
    with _as_it_was_on_error(optimizer):
        return OneCycleLR(optimizer, max_lr=peaks, total_steps=steps, **checked)


def warmup_cosine(
    optimizer: Optimizer, total_steps: int, lr: float, **options: Any
) -> SequentialLR:
    """Return torch's `LinearLR` up to `lr`, and after it `CosineAnnealingLR`.

    Parameters
    ----------
    optimizer
        The optimizer to schedule. Its parameter groups keep their ratio to the first.
    total_steps
        How many optimizer steps the whole training has; call ``scheduler.step()`` after each.
    lr
        The peak of the first parameter group.
    **options
        ``warmup_steps``: how many steps come before the peak; by default 5 % of them all, but
        one at least. ``final``: the rate after the last step as a part of the peak, 0 by default.

    Raises
    ------
    SettingsError
        If something given cannot be used; then the optimizer is as it was.
    """
    steps, peak = _whole("total_steps", total_steps, at_least=2), checked_rate(lr)
    checked = _checked("warmup_cosine", options, steps)
    ratios = _ratios(optimizer)
    _check_floor(checked.get("final", 0.0), ratios)
    warmup_steps = checked.get("warmup_steps", max(1, steps // WARMUP_PART))
    # SequentialLR begins by giving every group its initial rate, in place where it is a tensor.
    # One that an earlier scheduler left there would win over the current rate.
    for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
        group["initial_lr"] = peak * ratio
    warmup = LinearLR(optimizer, start_factor=1 / (warmup_steps + 1), total_iters=warmup_steps)
    floor = peak * checked.get("final", 0.0)
    cosine = CosineAnnealingLR(optimizer, T_max=steps - warmup_steps, eta_min=floor)
    return SequentialLR(optimizer, [warmup, cosine], milestones=[warmup_steps])


def code(
    kind: Kind,
    lr: float,
    *,
    optimizer: Optimizer | None = None,
    total_steps: int | None = None,
    **options: Any,
) -> str:
    """Return the lines that do the same without this package.

    Parameters
    ----------
    kind
        ``"one_cycle"``, ``"warmup_cosine"``, or ``"constant"``, which only sets the rate.
    lr
        The peak, or the constant rate, of the first parameter group.
    optimizer
        If given, the lines are those for this optimizer and shorter; else they work out the
        ratios of the parameter groups themselves, from whatever is called ``optimizer`` there.
    total_steps
        How many optimizer steps the training has; by default the lines take
        ``epochs * len(loader)``.
    **options
        Those of `one_cycle` or `warmup_cosine`.

    Raises
    ------
    SettingsError
        If something given cannot be used.
    """
    if kind not in KINDS:
        raise SettingsError(f"the schedule must be one of {', '.join(KINDS)} (got {kind!r})")
    rate = checked_rate(lr)
    steps = None if total_steps is None else _whole("total_steps", total_steps, at_least=2)
    checked = _checked(kind, options, steps)
    ratios = None if optimizer is None else _ratios(optimizer)
    if ratios is not None:
        _check_floor(checked.get("final", 0.0), ratios)
    target = [f"lr = {rate!r}", *_group_lines(ratios)]
    length = f"total_steps = {steps or 'epochs * len(loader)'}"
    if kind == "constant":
        lines = [*target, *_writing("lr", ratios)]
    elif kind == "one_cycle":
        lines = [
            "from torch.optim.lr_scheduler import OneCycleLR",
            "",
            *target,
            length,
            *_one_cycle_lines(optimizer, _peaks(ratios), checked),
        ]
    else:
        lines = [
            "from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR",
            "",
            *target,
            length,
            *_writing("initial_lr", ratios),
            *_warmup_cosine_lines(checked),
        ]
    if kind != "constant":
        lines += ["", "# After each optimizer.step():", "# scheduler.step()"]
    return "\n".join(lines) + "\n"


def _peaks(ratios: list[float] | None) -> str:
    return "lr" if _all_alike(ratios) else "peaks"


def _group_lines(ratios: list[float] | None) -> list[str]:
    """Lines that make ``peaks``, one rate for each parameter group, where one is not enough."""
    if _all_alike(ratios):
        return []
    lines = ["# Each parameter group keeps its ratio to the first."]
    if ratios is None:
        rate = 'float(group.get("initial_lr", group["lr"]))'
        return [
            *lines,
            f"rates = [{rate} for group in optimizer.param_groups]",
            "peaks = [lr * (rate / rates[0]) for rate in rates]",
        ]
    return [*lines, f"peaks = [lr * ratio for ratio in {ratios!r}]"]


def _writing(key: str, ratios: list[float] | None) -> list[str]:
    """Lines that give each parameter group its rate."""
    if _all_alike(ratios):
        return ["for group in optimizer.param_groups:", f'    group["{key}"] = lr']
    return [
        "for group, peak in zip(optimizer.param_groups, peaks, strict=True):",
        f'    group["{key}"] = peak',
    ]


def _one_cycle_lines(
    optimizer: Optimizer | None, peaks: str, options: Mapping[str, Any]
) -> list[str]:
    lines = []
    given = {name: repr(value) for name, value in options.items()}
    if optimizer is None and "cycle_momentum" not in given:
        lines = [
            "# Momentum is cycled only where there is some.",
            "with_momentum = all(",
            '    group.get("momentum") or "betas" in group for group in optimizer.param_groups',
            ")",
        ]
        given["cycle_momentum"] = "with_momentum"
    elif optimizer is not None and not _has_momentum(optimizer):
        given.setdefault("cycle_momentum", "False")
    arguments = {"max_lr": peaks, "total_steps": "total_steps", **given}
    return [
        *lines,
        "scheduler = OneCycleLR(",
        "    optimizer,",
        *(f"    {name}={value}," for name, value in arguments.items()),
        ")",
    ]


def _warmup_cosine_lines(options: Mapping[str, Any]) -> list[str]:
    warmup_steps = options.get("warmup_steps", f"max(1, total_steps // {WARMUP_PART})")
    floor = f", eta_min=lr * {options['final']!r}" if options.get("final") else ""
    return [
        f"warmup_steps = {warmup_steps}",
        "warmup = LinearLR(",
        "    optimizer, start_factor=1 / (warmup_steps + 1), total_iters=warmup_steps",
        ")",
        f"cosine = CosineAnnealingLR(optimizer, T_max=total_steps - warmup_steps{floor})",
        "scheduler = SequentialLR(optimizer, [warmup, cosine], milestones=[warmup_steps])",
    ]


def _all_alike(ratios: list[float] | None) -> bool:
    return ratios is not None and set(ratios) == {1.0}


def _has_momentum(optimizer: Optimizer) -> bool:
    return all(group.get("momentum") or "betas" in group for group in optimizer.param_groups)


@contextmanager
def _as_it_was_on_error(optimizer: Optimizer) -> Iterator[None]:
    """Put the parameter groups back if torch refuses; it writes to them while it still checks."""
    before = [dict(group) for group in optimizer.param_groups]
    try:
        yield
    except (TypeError, ValueError, ArithmeticError) as error:
        for group, content in zip(optimizer.param_groups, before, strict=True):
            for key in set(group) - set(content):
                del group[key]
            group.update(content)
        raise SettingsError(f"OneCycleLR refuses what it was given: {error}") from error


# What may be asked for, checked before anything is changed.


def _ratios(optimizer: Optimizer) -> list[float]:
    if not isinstance(optimizer, Optimizer):
        raise SettingsError(
            f"optimizer must be a torch.optim.Optimizer (got {type(optimizer).__name__})"
        )
    return group_ratios(optimizer)


def _checked(kind: str, options: Mapping[str, Any], steps: int | None) -> dict[str, Any]:
    """Return the options that were given, as plain numbers; None counts as not given."""
    allowed = OPTIONS[kind]
    for name in options:
        if name not in allowed:
            known = f"its options are {', '.join(allowed)}" if allowed else "it takes none"
            raise SettingsError(f"{kind} has no option {name!r}; {known}")
    checked = {name: _plain(value) for name, value in options.items() if value is not None}
    for name, value in checked.items():
        if name in LIMITS:
            checked[name] = _number(name, value)
        elif name == "warmup_steps":
            checked[name] = _whole(name, value, at_least=0)
    if steps is not None:
        _check_against(steps, checked)
    return checked


def _check_against(steps: int, options: Mapping[str, Any]) -> None:
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


def _check_floor(final: float, ratios: list[float]) -> None:
    if final and not _all_alike(ratios):
        raise SettingsError(
            "final must be 0 where parameter groups have different learning rates, since "
            f"CosineAnnealingLR has one floor for all of them (got {final:g})"
        )


def _whole(name: str, value: Any, *, at_least: int) -> int:
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
