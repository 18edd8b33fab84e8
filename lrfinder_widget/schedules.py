"""What follows the choice: torch's schedulers set from a learning rate."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CyclicLR,
    LinearLR,
    OneCycleLR,
    SequentialLR,
)

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.optimizer_lr import checked_rate
from lrfinder_widget.schedule_options import (
    check_floor,
    check_steps,
    checked_options,
    has_momentum,
    lower_bound,
    ratios_of,
    whole,
)
from lrfinder_widget.scheduler_rates import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.optim import Optimizer

Kind = Literal["one_cycle", "warmup_cosine", "cyclic", "constant"]
KINDS: tuple[str, ...] = get_args(Kind)

WARMUP_PART = 20  # by default one step in 20 warms up


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
    steps, peak = whole("total_steps", total_steps, at_least=2), checked_rate(lr)
    checked = checked_options("one_cycle", options)
    check_steps(steps, checked)
    peaks = [peak * ratio for ratio in ratios_of(optimizer)]
    checked.setdefault("cycle_momentum", has_momentum(optimizer))
    with _as_it_was_on_error(optimizer, "OneCycleLR"):
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
    steps, peak = whole("total_steps", total_steps, at_least=2), checked_rate(lr)
    checked = checked_options("warmup_cosine", options)
    check_steps(steps, checked)
    ratios = ratios_of(optimizer)
    check_floor(checked.get("final", 0.0), ratios)
    warmup_steps = checked.get("warmup_steps", max(1, steps // WARMUP_PART))
    # SequentialLR begins by giving every group its initial rate, in place where it is a tensor.
    # One that an earlier scheduler left there would win over the current rate.
    for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
        group["initial_lr"] = peak * ratio
    warmup = LinearLR(optimizer, start_factor=1 / (warmup_steps + 1), total_iters=warmup_steps)
    floor = peak * checked.get("final", 0.0)
    cosine = CosineAnnealingLR(optimizer, T_max=steps - warmup_steps, eta_min=floor)
    return SequentialLR(optimizer, [warmup, cosine], milestones=[warmup_steps])


def cyclic(optimizer: Optimizer, step_size_up: int, lr: float, **options: Any) -> CyclicLR:
    """Return torch's `CyclicLR` that goes up to `lr` and down again, over and over.

    Parameters
    ----------
    optimizer
        The optimizer to schedule. Each parameter group's bounds keep their ratio to the first's.
    step_size_up
        How many optimizer steps a rise takes; 2 to 10 epochs in Smith's "Cyclical Learning Rates
        for Training Neural Networks", 2017. Call ``scheduler.step()`` after each.
    lr
        The upper bound of the first parameter group.
    **options
        ``base_lr``, the lower bound, by default a quarter of `lr`, and those of
        `torch.optim.lr_scheduler.CyclicLR`, such as ``mode="triangular2"``. Unlike there,
        ``cycle_momentum`` is on only where the optimizer has momentum, as with `one_cycle`.

    Raises
    ------
    SettingsError
        If something given cannot be used; then the optimizer is as it was.
    """
    peak = checked_rate(lr)
    checked = checked_options("cyclic", {**options, "step_size_up": step_size_up})
    low = lower_bound(checked, peak)
    ratios = ratios_of(optimizer)
    checked |= {
        "base_lr": [low * ratio for ratio in ratios],
        "max_lr": [peak * ratio for ratio in ratios],
    }
    checked.setdefault("cycle_momentum", has_momentum(optimizer))
    with _as_it_was_on_error(optimizer, "CyclicLR"):
        # One that an earlier scheduler left there would be taken for the first step.
        for group, base in zip(optimizer.param_groups, checked["base_lr"], strict=True):
            group["initial_lr"] = base
        return CyclicLR(optimizer, **checked)


@contextmanager
def _as_it_was_on_error(optimizer: Optimizer, kind: str) -> Iterator[None]:
    """Put the parameter groups back if torch refuses; it writes to them while it still checks."""
    before = [dict(group) for group in optimizer.param_groups]
    rates = [number(group["lr"]) for group in optimizer.param_groups]
    try:
        yield
    except (TypeError, ValueError, ArithmeticError) as error:
        for group, content, rate in zip(optimizer.param_groups, before, rates, strict=True):
            for key in set(group) - set(content):
                del group[key]
            group.update(content)
            if isinstance(group["lr"], Tensor):
                with torch.no_grad():
                    group["lr"].fill_(rate)
        raise SettingsError(f"{kind} refuses what it was given: {error}") from error
