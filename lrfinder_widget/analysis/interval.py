"""Which learning rates are about as good as the suggested one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

# How far a rate may lie from the suggested one and do about as well: a smaller rate only trains
# more slowly, a larger one soon does harm. On the benchmark's pairs the regret at these ends is at
# most 0.05 in three of four cases (benchmarks/suggestions.py prints how often).
BELOW = 2.0
ABOVE = 1.5


def interval(lrs: Vector, smoothed: Vector, suggested: float) -> tuple[float, float]:
    """Return the lowest and the highest of the rates that are about as good as the suggested one.

    Parameters
    ----------
    lrs, smoothed
        The curve; points whose loss is not finite are no part of the range.
    suggested
        The rate that was suggested, which lies within the answer.
    """
    swept = lrs[np.isfinite(smoothed)]
    low, high = suggested / BELOW, suggested * ABOVE
    if swept.size:
        # A rule of the user's own may suggest what lies outside of the range.
        low = min(max(low, float(swept[0])), suggested)
        high = max(min(high, float(swept[-1])), suggested)
    return low, high
