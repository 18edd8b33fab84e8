"""The mean over ranks of what a step tells, in one collective."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfinder_widget.points import Point

_HEADER = 7


class Agreed(NamedTuple):
    """What all ranks know after a step.

    Attributes
    ----------
    told
        The mean over ranks of each field of a point but its number and rate; None if the gradient
        scalers skipped the step.
    stopping
        Whether a rank wants to end here.
    all_measure
        Whether each rank measures gradient norms.
    """

    told: dict[str, Any] | None
    stopping: bool
    all_measure: bool


class RankMeans:
    """Averages over the ranks of a process group.

    Parameters
    ----------
    device
        One on which the group can reduce.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._size = dist.get_world_size()
        self._names: list[str] = []

    def any(self, flag: bool) -> bool:  # noqa: FBT001 - it is the value, no option
        """Return whether `flag` is set on any rank."""
        return self._sum([float(flag)])[0] > 0

    def mean(self, point: Point | None, *, stopping: bool, measures: bool) -> Agreed:
        """Return the mean over ranks of what a step told, None for one that was skipped."""
        own: Mapping[str, float] = {} if point is None else point.metrics
        unknown = any(name not in self._names for name in own)
        numbers = [0.0] * 3 if point is None else [point.loss, point.val_loss, point.grad_norm]
        header = [point is not None, *numbers, stopping, measures, unknown]
        values = [own.get(name, 0.0) for name in self._names]
        present = [name in own for name in self._names]
        sums = self._sum([*header, *values, *present])
        if sums[6]:  # a metric that a rank reports for the first time: all take up its name
            self._learn(own)
            return self.mean(point, stopping=stopping, measures=measures)
        taken, size = sums[0], self._size
        told = None
        if taken:
            # Where only some skipped, the others' loss is not finite, and neither is this mean.
            told = {
                "loss": sums[1] / taken,
                "val_loss": sums[2] / taken,
                "grad_norm": sums[3] / taken,
                "metrics": self._metrics(sums[_HEADER:]),
            }
        return Agreed(told, stopping=sums[4] > 0, all_measure=sums[5] == size)

    def _metrics(self, sums: list[float]) -> dict[str, float]:
        count = len(self._names)
        return {
            name: value / ranks if ranks else math.nan
            for name, value, ranks in zip(self._names, sums[:count], sums[count:], strict=True)
        }

    def _learn(self, own: Mapping[str, float]) -> None:
        names: list[list[str]] = [[] for _ in range(self._size)]
        dist.all_gather_object(names, list(own))
        new = {name for each in names for name in each}.difference(self._names)
        self._names += sorted(new)

    def _sum(self, numbers: list[float]) -> list[float]:
        sums = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        dist.all_reduce(sums)
        return sums.tolist()
