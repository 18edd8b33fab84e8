"""A point of a sweep, and the points of a run as they come."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lrfinder_widget.settings import SweepSettings

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

    def __reduce__(self) -> tuple[Any, ...]:
        return Point, (*self[:-1], dict(self.metrics))  # NONE does not pickle


class Points(list[Point]):
    """The points of one or more sweeps, one sweep after the other.

    As columns they are equally long lists; a metric that a step did not report is NaN there.
    """

    @property
    def lrs(self) -> list[float]:
        """The learning rates."""
        return [point.lr for point in self]

    @property
    def losses(self) -> list[float]:
        """The losses."""
        return [point.loss for point in self]

    @property
    def val_losses(self) -> list[float]:
        """The validation losses."""
        return [point.val_loss for point in self]

    @property
    def grad_norms(self) -> list[float]:
        """The norms of the gradients."""
        return [point.grad_norm for point in self]

    @property
    def metrics(self) -> dict[str, list[float]]:
        """Each metric, in the order in which they were first reported."""
        names = dict.fromkeys(name for point in self for name in point.metrics)
        return {name: [point.metrics.get(name, math.nan) for point in self] for name in names}

    def columns(self) -> dict[str, Any]:
        """Return all of them by name."""
        return {
            "lrs": self.lrs,
            "losses": self.losses,
            "val_losses": self.val_losses,
            "grad_norms": self.grad_norms,
            "metrics": self.metrics,
        }

    def part(self, start: int, end: int | None = None) -> Points:
        """Return the points from `start` to before `end`."""
        return Points(self[start:end])


def expected_points(starts: Sequence[int], settings: SweepSettings) -> int:
    """Return how many points a series will have if no sweep from here on ends early.

    Parameters
    ----------
    starts
        Where among its points each sweep that has begun does so.
    settings
        Those of each sweep.
    """
    to_end = settings.repeats - max(len(starts), 1) + 1
    return (starts[-1] if starts else 0) + to_end * settings.num_iter
