"""What a change of the learning rate brought along, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lrfinder_widget.scheduler_rates import cycle_limits, number, with_nested

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def rate_notes(
    rate: float,
    groups: list[dict[str, Any]],
    first: int,
    schedulers: Iterable[tuple[Any, Mapping[str, Any]]],
    places: Iterable[tuple[Any, str]],
) -> list[str]:
    """Return what to tell about a change that has been made.

    Parameters
    ----------
    rate
        The learning rate that was asked for.
    groups
        The optimizer's parameter groups.
    first
        The index of the group that has the learning rate.
    schedulers
        Each scheduler, with what was written of it, by name.
    places
        The mappings and keys that were written beside.
    """
    notes = []
    for scheduler, written in schedulers:
        kind = type(scheduler).__name__
        # Those that combine others hold nothing else than these.
        combines = len(list(with_nested([scheduler]))) > 1
        if written and not combines:
            notes.append(f"{kind}'s {_listed(list(written))} set too.")
        limits = cycle_limits(scheduler, groups, first)
        if limits is not None:
            notes.append(_cycle(kind, *limits))
    now = number(groups[first]["lr"])
    # A tensor may hold it with fewer digits.
    if not math.isclose(now, rate, rel_tol=0.01):
        notes.append(
            f"The warm-up goes on: the learning rate is {now:.3g} now and ends at {rate:.3g}."
        )
    notes += [f"The {key} kept beside the optimizer was set too." for _, key in places]
    return list(dict.fromkeys(notes))


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last} were" if others else f"{last} was"


def _cycle(kind: str, start: float, peak: float) -> str:
    times = f", {peak / start:.3g} times higher as before" if start else ""
    return (
        f"{kind}'s cycle starts at {start:.3g} and peaks at {peak:.3g}{times}; to peak at "
        f"{start:.3g}, build it anew."
    )
