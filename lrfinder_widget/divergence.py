"""When a sweep has gone too far: the test that is asked after each point."""

from __future__ import annotations

import math
import sys

AVERAGED = 3
# A jump this many times past the limit is a blow-up at once; short of that, one batch may be bad.
JUMP = 25.0
# The rise must also be this share of the range seen, or else a loss that has come close to zero
# would diverge at its first wiggle.
SMALLEST_RISE = 0.05
# Points before negative losses are judged closely: the range of fewer is mostly chance.
SETTLED = 8
# Smallest range of negative losses, as a share of their size.
SMALLEST_RANGE = 0.01
_LARGEST = sys.float_info.max
# Spans that hold no number, and all of them that are finite.
_NONE = (math.inf, -math.inf)
_ALL = (-_LARGEST, _LARGEST)


def recent_average(before_last: float, last: float, loss: float) -> float:
    """Return the median of the last three losses.

    A median trails by one point, and a single bad batch does not move it.
    """
    low, high = (before_last, last) if before_last < last else (last, before_last)
    if loss < low:
        return low
    return min(loss, high)


class Divergence:
    """Tells, loss by loss, whether a sweep has diverged.

    Parameters
    ----------
    threshold
        A multiple of the best loss so far; ``None`` means never.

    Attributes
    ----------
    harmless : (float, float)
        The lowest and highest loss that cannot have diverged now, and that sets no mark.
    waiting : list of float
        Such losses, not judged yet.

    Notes
    -----
    Positive losses have diverged when their recent average exceeds ``threshold`` times the best
    such average. A ratio says nothing once a loss has been zero or negative (an ELBO, a
    log-density): then the rise above the best is compared with ``threshold`` times the range seen
    up to the best.
    """

    def __init__(self, threshold: float | None) -> None:
        self._threshold = threshold
        self._count = 0
        self._before_last = self._last = 0.0
        self._best = self._lowest = self._highest = self._range = 0.0
        self.harmless = _ALL if threshold is None else _NONE
        self.waiting: list[float] = []

    def update(self, loss: float) -> bool:
        """Take the next loss and return whether the sweep has diverged."""
        low, high = self.harmless
        if low <= loss <= high:
            self.waiting.append(loss)
            return False
        return self.judge(loss)

    def judge(self, loss: float) -> bool:
        """Take the next loss, one that is not `harmless`, and return whether it has diverged."""
        threshold = self._threshold
        if threshold is None:
            return False
        for waiting in self.waiting:
            self._judge(waiting, threshold)
        self.waiting.clear()
        diverged = self._judge(loss, threshold)
        # The best is no lower than the lowest, and negative losses are not judged by a ratio.
        settled = self._count > SETTLED and self._lowest > 0
        highest = min(threshold * self._lowest, _LARGEST)
        self.harmless = (self._lowest, highest) if settled else _NONE
        return diverged

    def _judge(self, loss: float, threshold: float) -> bool:
        if loss - loss != 0.0:  # NaN or infinity
            return True
        self._count += 1
        if self._count == 1:
            self._before_last = self._last = loss
            self._best = self._lowest = self._highest = loss
            return False
        average = recent_average(self._before_last, self._last, loss)
        self._before_last, self._last = self._last, loss
        best, limit = self._best, self._limit(threshold)
        self._remember(loss, average)
        if limit <= 0:
            return False
        return loss - best > JUMP * limit or (self._count > AVERAGED and average - best > limit)

    def _limit(self, threshold: float) -> float:
        """How far above the best the loss may stand; zero where there is no scale to judge by."""
        if self._lowest > 0:
            return max((threshold - 1) * self._best, SMALLEST_RISE * self._range)
        size = max(abs(self._lowest), abs(self._best))
        if self._count <= SETTLED:
            return JUMP * max(self._range, size)
        return threshold * max(self._range, SMALLEST_RANGE * size)

    def _remember(self, loss: float, average: float) -> None:
        if loss < self._lowest:
            self._lowest = loss
        elif loss > self._highest:
            self._highest = loss
        # The best counts once it is the average of three, so that one lucky batch sets no mark.
        if self._count == AVERAGED or (self._count > AVERAGED and average < self._best):
            self._best = average
        # Frozen while the loss rises: a range that grew with the rise would never be exceeded.
        if self._count <= SETTLED or average <= self._best:
            self._range = self._highest - self._best
