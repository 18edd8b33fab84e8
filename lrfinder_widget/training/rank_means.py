"""The mean over ranks of what a step tells, in one collective."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.distributed as dist

from lrfinder_widget.training.step import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = 7


class Agreed(NamedTuple):
    """What all ranks know after a step.

    Attributes
    ----------
    outcome
        The mean over ranks; None if the gradient scalers skipped the step.
    stopping
        Whether a rank wants to end here.
    all_measure
        Whether each rank measures gradient norms.
    """

    outcome: Outcome | None
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

    def mean(self, outcome: Outcome | None, *, stopping: bool, measures: bool) -> Agreed:
        """Return the mean over ranks of what a step told, None for one that was skipped."""
        own: Mapping[str, float] = {} if outcome is None else outcome.metrics
        unknown = any(name not in self._names for name in own)
        loss, val_loss, norm = (0.0, 0.0, 0.0) if outcome is None else outcome[:3]
        header = [outcome is not None, loss, val_loss, norm, stopping, measures, unknown]
        values = [own.get(name, 0.0) for name in self._names]
        present = [name in own for name in self._names]
        sums = self._sum([*header, *values, *present])
        if sums[6]:  # a metric that a rank reports for the first time: all take up its name
            self._learn(own)
            return self.mean(outcome, stopping=stopping, measures=measures)
        taken, size = sums[0], self._size
        agreed = None
        if taken:
            # Where only some skipped, the others' loss is not finite, and neither is this mean.
            agreed = Outcome(
                sums[1] / taken, sums[2] / taken, sums[3] / taken, self._metrics(sums[_HEADER:])
            )
        return Agreed(agreed, stopping=sums[4] > 0, all_measure=sums[5] == size)

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
