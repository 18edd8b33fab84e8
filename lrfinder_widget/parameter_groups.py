"""An optimizer's parameter groups: their names, and their rates as multiples of one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.scheduler_rates import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer


def group_label(group: dict[str, Any], index: int) -> str:
    """Return a parameter group's own name, or its number."""
    return str(group.get("name", _numbered(index)))


def group_ratios(optimizer: Optimizer) -> list[float]:
    """Return each parameter group's rate as a multiple of the first group's.

    Raises
    ------
    SettingsError
        If the first group's rate is 0 and another's is not: no multiple of 0 keeps that ratio.
    """
    return _ratios_to_first(optimizer.param_groups)


def group_factors(
    optimizer: Optimizer, groups: str | Sequence[str] = "ratios"
) -> list[float | None]:
    """Return each parameter group's rate as a multiple of the learning rate; None if not swept.

    Parameters
    ----------
    groups
        ``"ratios"``, ``"equal"`` or names of groups; see `SweepSettings`. Of the named ones, the
        first in the optimizer has the learning rate, and the others keep their ratio to it.

    Raises
    ------
    SettingsError
        If a name stands for no group or for several, if there are no ratios to keep, or if groups
        that are to have different rates hold theirs in the same tensor.
    """
    own = optimizer.param_groups
    factors: list[float | None]
    if groups == "equal":
        factors = [1.0] * len(own)
    elif groups == "ratios":
        factors = [*group_ratios(optimizer)]
    else:
        if isinstance(groups, str) or not groups:
            raise SettingsError(
                "groups must be 'ratios', 'equal' or a list of parameter groups' names (got "
                f"{groups!r})"
            )
        swept = _named(own, groups)
        ratios = _ratios_to_first([own[index] for index in swept])
        factors = [None] * len(own)
        for index, ratio in zip(swept, ratios, strict=True):
            factors[index] = ratio
    _check_shared_tensors(own, factors)
    return factors


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


def _numbered(index: int) -> str:
    return f"group {index}"


def _named(own: list[dict[str, Any]], names: Sequence[str]) -> list[int]:
    """Return which groups are meant, in the optimizer's order."""
    found: dict[int, str] = {}
    for name in names:
        index = _index_of(own, name)
        if index in found:
            raise SettingsError(
                f"groups names the same parameter group twice ({found[index]!r} and {name!r})"
            )
        found[index] = name
    return sorted(found)


def _index_of(own: list[dict[str, Any]], name: str) -> int:
    numbers = [_numbered(index) for index in range(len(own))]
    bearers = [i for i, group in enumerate(own) if "name" in group and str(group["name"]) == name]
    if len(bearers) > 1:
        several = ", ".join(numbers[index] for index in bearers)
        raise SettingsError(
            f"several parameter groups are called {name!r}; say which by number ({several})"
        )
    if bearers:
        return bearers[0]
    if name in numbers:
        return numbers.index(name)
    labels = [group_label(group, index) for index, group in enumerate(own)]
    near = difflib.get_close_matches(name, [*labels, *numbers], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise SettingsError(
        f"the optimizer has no parameter group {name!r}{hint} (it has {', '.join(labels)})"
    )


def _ratios_to_first(groups: list[dict[str, Any]]) -> list[float]:
    rates = [number(group["lr"]) for group in groups]
    # A warm-up may stand at 0.
    if all("initial_lr" in group for group in groups):
        initial = [number(group["initial_lr"]) for group in groups]
        rates = initial if any(initial) else rates
    if rates[0] == 0:
        if any(rates):
            raise SettingsError(
                "the first parameter group's learning rate is 0, so the others have no ratio to "
                f"it; give it a rate above 0 first (got rates {', '.join(f'{r:g}' for r in rates)})"
            )
        return [1.0] * len(rates)
    return [rate / rates[0] for rate in rates]


def _check_shared_tensors(own: list[dict[str, Any]], factors: list[float | None]) -> None:
    """Refuse to give one tensor two rates, which an optimizer's default rate may be."""
    first: dict[int, int] = {}
    for index, group in enumerate(own):
        if not isinstance(group["lr"], Tensor):
            continue
        other = first.setdefault(id(group["lr"]), index)
        if factors[other] != factors[index]:
            labels = [group_label(own[each], each) for each in (other, index)]
            raise SettingsError(
                f"the parameter groups {labels[0]} and {labels[1]} hold their learning rate in the "
                "same tensor, so they cannot have different rates; give each a tensor of its own"
            )
