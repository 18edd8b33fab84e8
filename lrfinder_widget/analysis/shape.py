"""The parts of a smoothed curve that rules speak of: slope, lowest point, blow-up, flatness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

# Differences below this share of the losses' size are rounding.
ROUNDING = 1e-9
# Half of the stretch, in decades, over which a slope is taken; at least a point to either side.
SLOPE_REACH = 0.1


def before_blow_up(smoothed: Vector) -> int:
    """Return how many points come before the loss has blown up.

    It has when it stands as far above the start level as the best lies below it. What follows
    tells nothing about learning rates: the model is broken, however far its loss falls again.
    """
    level = float(np.median(smoothed[: max(1, len(smoothed) // 10)]))
    rounding = ROUNDING * float(np.abs(smoothed).min())
    ceiling = level + max(level - float(smoothed.min()), 0.0) + rounding
    return first_above(smoothed, ceiling)


def first_above(smoothed: Vector, ceiling: float) -> int:
    """Return the index at which the loss first comes to lie above a ceiling, its length if never.

    A descent that begins at the first points, or an outlier there, lies above it from the start:
    that is no rise.
    """
    above = smoothed > ceiling
    below = int(np.argmin(above)) if len(above) else 0
    risen = np.flatnonzero(above[below:])
    return below + int(risen[0]) if risen.size else len(smoothed)


def is_flat(smoothed: Vector) -> bool:
    """Return whether the losses differ by rounding only."""
    spread = float(smoothed.max() - smoothed.min())
    return spread <= ROUNDING * float(np.abs(smoothed).max())


def lowest(smoothed: Vector) -> int:
    """Return the index of the lowest loss before the blow-up, the first of equal ones."""
    values = smoothed[: before_blow_up(smoothed)]
    tie = ROUNDING * float(values.max() - values.min())
    return int(np.flatnonzero(values <= values.min() + tie)[0])


def slopes(lrs: Vector, smoothed: Vector) -> Vector:
    """Return the slope of the loss per decade of learning rate at each point.

    Taken over a fifth of a decade, so that finely spaced points (the right end of a linear sweep)
    do not turn the least wiggle into a slope.
    """
    decades = np.log10(lrs)
    indices = np.arange(len(lrs))
    left = np.searchsorted(decades, decades - SLOPE_REACH)
    right = np.searchsorted(decades, decades + SLOPE_REACH, side="right") - 1
    left = np.maximum(np.minimum(left, indices - 1), 0)
    right = np.minimum(np.maximum(right, indices + 1), len(lrs) - 1)
    run = decades[right] - decades[left]
    rise = smoothed[right] - smoothed[left]
    slope: Vector = np.divide(rise, run, out=np.zeros_like(rise), where=run > 0)
    return slope
