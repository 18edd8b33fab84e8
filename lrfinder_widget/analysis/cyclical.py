"""The two learning rates between which a cyclical schedule goes up and down.

After Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3: the lower
bound is where, in a range test, the accuracy starts to rise, and the upper one where it slows,
becomes ragged or starts to fall. Here it is the loss that is read: where it starts to fall, and
where it stops falling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrfinder_widget.analysis.landmarks import noise
from lrfinder_widget.analysis.repeats import geometric_mean
from lrfinder_widget.analysis.shape import lowest
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.analysis.suggestion import MIN_POINTS
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfinder_widget.analysis.curve import Curve

# The loss has started to fall after this share of its fall, and has stopped before the last such
# share: the ends of a fall are long and flat, and noise would move them by decades.
SHARE = 0.1
# The share of the range at its left that is taken for the level that the loss falls from.
START = 0.1
# A fall of fewer deviations of the noise is one that nine in ten curves of noise alone do not show.
CERTAIN = 1.5


def cyclical_bounds(
    curves: Sequence[Curve], *, skip_start: int = 0, skip_end: int = 0
) -> tuple[float, float]:
    """Return the lower and the upper bound: the geometric means over curves of the same thing.

    A curve that shows none has no say. The lag-free smoothing is read, whichever is shown: a
    moving average would shift both bounds to the right.

    Raises
    ------
    NotEnoughPointsError
        If no curve has enough points.
    LRFinderError
        If the loss falls on none of them.
    """
    found: list[tuple[float, float]] = []
    problems: list[LRFinderError] = []
    for curve in curves:
        try:
            found.append(_bounds(curve, skip_start, skip_end))
        except LRFinderError as problem:
            problems.append(problem)
    if not found:
        raise problems[0]
    lows, highs = zip(*found, strict=True)
    return geometric_mean(lows), geometric_mean(highs)


def _bounds(curve: Curve, skip_start: int, skip_end: int) -> tuple[float, float]:
    usable = curve.usable(skip_start, skip_end)
    if len(usable) < MIN_POINTS:
        raise NotEnoughPointsError(
            f"cyclical bounds need at least {MIN_POINTS} points with a finite loss (got "
            f"{len(usable)} of {len(curve)} recorded); raise num_iter, or skip fewer points"
        )
    line = smooth(curve.lrs, curve.losses)[usable]
    bottom = lowest(line)
    level = float(np.median(line[: _start(curve.lrs[usable])]))
    fall = level - float(line[bottom])
    if not bottom or fall <= max(CERTAIN * noise(curve.losses[usable]), 0.0):
        raise LRFinderError(
            "the loss does not fall, or no more than chance would make it, so there are no "
            "cyclical bounds; sweep other learning rates, or raise num_iter or the batch size"
        )
    before = np.flatnonzero(line[:bottom] > level - SHARE * fall)
    low = int(before[-1]) if before.size else 0
    fallen = line[low + 1 :] <= line[bottom] + SHARE * fall
    high = low + 1 + int(np.argmax(fallen))
    return float(curve.lrs[usable[low]]), float(curve.lrs[usable[high]])


def _start(lrs: NDArray[np.float64]) -> int:
    """Return how many points lie before the fall: a tenth of the decades and of the points.

    A tenth of the points alone would be most of the decades in a linear sweep.
    """
    decades = np.log10(lrs / lrs[0])
    within = int(np.searchsorted(decades, START * decades[-1], side="right"))
    return max(1, min(within, int(START * len(lrs))))
