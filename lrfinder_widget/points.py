"""A point of a sweep, and the points of a run as they come."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE: Mapping[str, float] = MappingProxyType({})


class Point(NamedTuple):
    """One optimizer step.

    Attributes
    ----------
    index
        Its number in the sweep, from 0 on.
    lr
        The learning rate that was used.
    loss
        The loss before the step; the mean of its micro-batches.
    val_loss
        The loss on the validation batches after the step; NaN if there are none.
    grad_norm
        The norm of all gradients before clipping; NaN if it was not measured.
    metrics
        Other scalars that the user's ``compute_loss`` returned.
    """

    index: int  # type: ignore[assignment]  # tuple.index is not used
    lr: float
    loss: float
    val_loss: float = math.nan
    grad_norm: float = math.nan
    metrics: Mapping[str, float] = NONE


class Points:
    """The points of one or more sweeps, one list for each of their numbers.

    All lists are equally long; a metric that a step did not report is NaN there.
    """

    def __init__(self) -> None:
        self.lrs: list[float] = []
        self.losses: list[float] = []
        self.val_losses: list[float] = []
        self.grad_norms: list[float] = []
        self.metrics: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self.losses)

    def append(self, point: Point) -> None:
        """Take a point up."""
        count = len(self.losses)
        for name in point.metrics:
            self.metrics.setdefault(name, [math.nan] * count)
        for name, values in self.metrics.items():
            values.append(point.metrics.get(name, math.nan))
        self.val_losses.append(point.val_loss)
        self.grad_norms.append(point.grad_norm)
        self.lrs.append(point.lr)
        # Last: who reads from another thread counts these.
        self.losses.append(point.loss)

    def at(self, position: int, index: int) -> Point:
        """Return the point at `position`, as number `index` of its sweep."""
        return Point(
            index,
            self.lrs[position],
            self.losses[position],
            self.val_losses[position],
            self.grad_norms[position],
            {name: values[position] for name, values in self.metrics.items()},
        )

    def part(self, start: int, end: int | None = None) -> Points:
        """Return a copy of the points from `start` to before `end`."""
        part = Points()
        span = slice(start, end)
        part.lrs, part.losses = self.lrs[span], self.losses[span]
        part.val_losses, part.grad_norms = self.val_losses[span], self.grad_norms[span]
        part.metrics = {name: values[span] for name, values in self.metrics.items()}
        return part
