"""Lines to paste that train at a chosen learning rate without this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.optimizer_lr import checked_rate
from lrfinder_widget.schedule_options import (
    all_alike,
    check_floor,
    check_steps,
    checked_options,
    has_momentum,
    lower_bound,
    ratios_of,
    whole,
)
from lrfinder_widget.schedules import KINDS, WARMUP_PART

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.optim import Optimizer

    from lrfinder_widget.schedules import Kind


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
        ``"one_cycle"``, ``"warmup_cosine"``, ``"cyclic"``, or ``"constant"``, which only sets the
        rate.
    lr
        The peak, or the constant rate, of the first parameter group.
    optimizer
        If given, the lines are those for this optimizer and shorter; else they work out the
        ratios of the parameter groups themselves, from whatever is called ``optimizer`` there.
    total_steps
        How many optimizer steps the training has; by default the lines take
        ``epochs * len(loader)``. It means nothing to ``"cyclic"`` and ``"constant"``.
    **options
        Those of `one_cycle`, `warmup_cosine` or `cyclic`; a rise of the latter takes two epochs
        by default.

    Raises
    ------
    SettingsError
        If something given cannot be used.
    """
    if kind not in KINDS:
        raise SettingsError(f"the schedule must be one of {', '.join(KINDS)} (got {kind!r})")
    rate = checked_rate(lr)
    steps = None if total_steps is None else whole("total_steps", total_steps, at_least=2)
    checked = checked_options(kind, options)
    if steps is not None:
        check_steps(steps, checked)
    ratios = None if optimizer is None else ratios_of(optimizer)
    if ratios is not None:
        check_floor(checked.get("final", 0.0), ratios)
    if kind == "constant":
        lines = [f"lr = {rate!r}", *_group_lines(ratios, lr="peaks"), *_writing("lr", ratios)]
    elif kind == "cyclic":
        lines = _cyclic_lines(rate, optimizer, ratios, checked)
    else:
        length = f"total_steps = {steps or 'epochs * len(loader)'}"
        target = [f"lr = {rate!r}", *_group_lines(ratios, lr="peaks"), length]
        if kind == "one_cycle":
            lines = _one_cycle_lines(target, optimizer, ratios, checked)
        else:
            lines = _warmup_cosine_lines(target, ratios, checked)
    if kind != "constant":
        lines += ["", "# After each optimizer.step():", "# scheduler.step()"]
    return "\n".join(lines) + "\n"


def _group_lines(ratios: list[float] | None, **names: str) -> list[str]:
    """Lines that make lists of one rate for each parameter group, where one is not enough.

    `names` are those of the first group's rates, and of the lists.
    """
    if all_alike(ratios):
        return []
    lines = ["# Each parameter group keeps its ratio to the first."]
    factor, each = "ratio", f"ratio in {ratios!r}"
    if ratios is None:
        rate = 'float(group.get("initial_lr", group["lr"]))'
        lines.append(f"rates = [{rate} for group in optimizer.param_groups]")
        factor, each = "(rate / rates[0])", "rate in rates"
    return [*lines, *(f"{many} = [{one} * {factor} for {each}]" for one, many in names.items())]


def _writing(
    key: str, ratios: list[float] | None, one: str = "lr", many: str = "peaks"
) -> list[str]:
    """Lines that give each parameter group its rate."""
    if all_alike(ratios):
        return ["for group in optimizer.param_groups:", f'    group["{key}"] = {one}']
    each = many.removesuffix("s")
    return [
        f"for group, {each} in zip(optimizer.param_groups, {many}, strict=True):",
        f'    group["{key}"] = {each}',
    ]


def _one_cycle_lines(
    target: list[str],
    optimizer: Optimizer | None,
    ratios: list[float] | None,
    options: Mapping[str, Any],
) -> list[str]:
    before, momentum = _momentum(optimizer, options)
    arguments = {
        "max_lr": "lr" if all_alike(ratios) else "peaks",
        "total_steps": "total_steps",
        **{name: repr(value) for name, value in options.items()},
        **momentum,
    }
    return [
        "from torch.optim.lr_scheduler import OneCycleLR",
        "",
        *target,
        *before,
        *_call("OneCycleLR", arguments),
    ]


def _cyclic_lines(
    peak: float,
    optimizer: Optimizer | None,
    ratios: list[float] | None,
    options: Mapping[str, Any],
) -> list[str]:
    rest = dict(options)
    low = lower_bound(options, peak)
    rest.pop("base_lr", None)
    steps = rest.pop("step_size_up", "2 * len(loader)")
    before, momentum = _momentum(optimizer, options)
    alike = all_alike(ratios)
    arguments = {
        "base_lr": "base_lr" if alike else "bases",
        "max_lr": "lr" if alike else "peaks",
        "step_size_up": "step_size_up",
        **{name: repr(value) for name, value in rest.items()},
        **momentum,
    }
    return [
        "from torch.optim.lr_scheduler import CyclicLR",
        "",
        f"base_lr, lr = {low!r}, {peak!r}",
        *_group_lines(ratios, base_lr="bases", lr="peaks"),
        f"step_size_up = {steps}",
        *_writing("initial_lr", ratios, "base_lr", "bases"),
        *before,
        *_call("CyclicLR", arguments),
    ]


def _momentum(
    optimizer: Optimizer | None, options: Mapping[str, Any]
) -> tuple[list[str], dict[str, str]]:
    """Return lines to put before a call, and an argument of it: momentum is cycled if there."""
    if "cycle_momentum" in options:
        return [], {}
    if optimizer is not None:
        return [], {} if has_momentum(optimizer) else {"cycle_momentum": "False"}
    lines = [
        "# Momentum is cycled only where there is some.",
        "with_momentum = all(",
        '    group.get("momentum") or "betas" in group for group in optimizer.param_groups',
        ")",
    ]
    return lines, {"cycle_momentum": "with_momentum"}


def _call(scheduler: str, arguments: Mapping[str, str]) -> list[str]:
    given = [f"    {name}={value}," for name, value in arguments.items()]
    return [f"scheduler = {scheduler}(", "    optimizer,", *given, ")"]


def _warmup_cosine_lines(
    target: list[str], ratios: list[float] | None, options: Mapping[str, Any]
) -> list[str]:
    warmup_steps = options.get("warmup_steps", f"max(1, total_steps // {WARMUP_PART})")
    floor = f", eta_min=lr * {options['final']!r}" if options.get("final") else ""
    return [
        "from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR",
        "",
        *target,
        *_writing("initial_lr", ratios),
        f"warmup_steps = {warmup_steps}",
        "warmup = LinearLR(",
        "    optimizer, start_factor=1 / (warmup_steps + 1), total_iters=warmup_steps",
        ")",
        f"cosine = CosineAnnealingLR(optimizer, T_max=total_steps - warmup_steps{floor})",
        "scheduler = SequentialLR(optimizer, [warmup, cosine], milestones=[warmup_steps])",
    ]
