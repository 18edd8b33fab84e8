"""Smoothing a curve of losses, without lag or in the classic way.

The lag-free line is a local linear regression: at each point a straight line is fitted to the
points around it, weighted by a Gaussian, and read off there. Unlike a moving average it shifts
nothing sideways and is unbiased at both ends.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]

# Standard deviation of the Gaussian in decades: 0.35 decade wide at half of its height.
WIDTH = 0.15
LARGEST = 1e100  # a blow-up whatever its size; beyond it sums would overflow
REACH = 3.0  # standard deviations, beyond which weights are below 1 %
MEDIAN_REACH = 2  # points to either side: one bad batch of five does not move a median
SMALLEST_SPREAD = 1e-9  # of the neighbours' steps, below which they are one point
FINEST = 8.0  # blocks per standard deviation that a long curve is cut into


def smooth(lrs: ArrayLike, losses: ArrayLike, beta: float | None = None) -> Vector:
    """Return the smoothed losses.

    Parameters
    ----------
    lrs, losses
        The points. Non-finite losses are NaN in the answer and ignored by all others.
    beta
        ``None`` smooths without lag. A number selects the debiased exponential moving average,
        which trails behind by about ``1 / (1 - beta)`` points.

    Notes
    -----
    ``smooth(lrs, a * losses + b)`` is ``a * smooth(lrs, losses) + b``, and a straight line over
    the points stays as it is.
    """
    values = np.asarray(losses, dtype=np.float64)
    finite = np.isfinite(values)
    values = bounded(values)
    smoothed = np.full(values.shape, np.nan)
    if not finite.any():
        return smoothed
    if beta is not None:
        smoothed[finite] = _moving_average(values[finite], beta)
        return smoothed
    steps = np.flatnonzero(finite).astype(np.float64)
    smoothed[finite] = _lag_free(steps, values[finite], _width_in_points(lrs))
    return smoothed


def bounded(losses: Vector) -> Vector:
    """Return the losses, finite ones no larger than what sums and squares of many can hold."""
    return np.where(np.isfinite(losses), np.clip(losses, -LARGEST, LARGEST), losses)


def _moving_average(values: Vector, beta: float) -> list[float]:
    average, smoothed = 0.0, []
    for count, value in enumerate(values.tolist(), start=1):
        average = beta * average + (1 - beta) * value
        smoothed.append(average / (1 - beta**count))
    return smoothed


def _width_in_points(lrs: ArrayLike) -> float:
    rates = np.asarray(lrs, dtype=np.float64)
    decades = math.log10(rates[-1] / rates[0]) if len(rates) > 1 else 0.0
    widest = len(rates) / 4
    wanted = WIDTH * (len(rates) - 1) / decades if decades > 0 else widest
    return max(1.0, min(wanted, widest))


class _Points(NamedTuple):
    steps: Vector
    values: Vector
    weights: Vector


def _lag_free(steps: Vector, values: Vector, width: float) -> Vector:
    centre = running_median(values)
    noise = 1.4826 * float(np.median(np.abs(values - centre)))
    room = _room(centre, noise)
    weights = _fading(np.abs(values - centre), 5 * noise + 0.15 * room)
    points = _Points(steps, values, weights)
    size = int(width / FINEST)
    if size <= 1:
        return _local_lines(points, width, math.ceil(REACH * width), room)[0]
    # A long curve is summed up in blocks much shorter than the kernel: the same line, far sooner.
    blocks = _blocks(points, size)
    heights, slopes = _local_lines(blocks, width, math.ceil(REACH * width / size), room)
    line = np.interp(steps, blocks.steps, heights)
    for end, outside in ((0, steps < blocks.steps[0]), (-1, steps > blocks.steps[-1])):
        line[outside] = heights[end] + slopes[end] * (steps[outside] - blocks.steps[end])
    return line


def _room(centre: Vector, noise: float) -> float:
    """How far apart losses may lie and still belong to one neighbourhood.

    That is the fall from the start level to the best loss, which the blow-up soon exceeds. What
    the blow-up itself adds is left out: a last loss of 1e6 must not make all else look alike.
    """
    level = np.median(centre[: max(3, len(centre) // 10)])
    return float(max(level - centre.min(), 0.0)) + 4 * noise


def _local_lines(points: _Points, width: float, reach: int, room: float) -> tuple[Vector, Vector]:
    """Fit a weighted line around each point and return its height and slope there.

    Neighbours whose loss is out of reach of the point's own level do not count, so that a
    blow-up at the end does not leak back into the valley, nor the valley into the blow-up.
    Since a fitted line stays a line under any weights, this bends nothing that is straight.
    """
    steps, values, weights = points
    centre = running_median(values)
    reach = min(reach, len(steps) - 1)

    def around(array: Vector) -> NDArray[np.float64]:
        return sliding_window_view(np.pad(array, reach), 2 * reach + 1)

    offset = (around(steps) - steps[:, None]) / width
    rise = around(values) - centre[:, None]
    weight = around(weights) * np.exp(-0.5 * offset**2) * _fading(np.abs(rise), room)
    mass, first = weight.sum(axis=1), (weight * offset).sum(axis=1)
    second = (weight * offset**2).sum(axis=1)
    level, tilt = (weight * rise).sum(axis=1), (weight * offset * rise).sum(axis=1)
    spread = mass * second - first**2
    # One point alone gives no slope; none at all (an outlier among outliers) gives its median.
    sloped = spread > SMALLEST_SPREAD * mass * second
    slope = np.divide(mass * tilt - first * level, spread, out=np.zeros_like(mass), where=sloped)
    height = np.divide(level - slope * first, mass, out=np.zeros_like(mass), where=mass > 0)
    return centre + height, slope / width


def _blocks(points: _Points, size: int) -> _Points:
    """Return the means of successive blocks, weighted by what is in them."""
    starts = np.arange(0, len(points.steps), size)
    mass = np.add.reduceat(points.weights, starts)
    filled = mass > 0  # outliers alone make no block
    steps = np.add.reduceat(points.weights * points.steps, starts)[filled] / mass[filled]
    values = np.add.reduceat(points.weights * points.values, starts)[filled] / mass[filled]
    return _Points(steps, values, mass[filled])


def _fading(distance: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Weight 1 up to the limit, then falling smoothly to 0 at twice the limit."""
    if limit <= 0:
        return (distance <= 0).astype(np.float64)
    beyond = np.maximum(np.minimum(distance, 2 * limit) / limit - 1, 0.0)
    return np.asarray((1 - beyond**2) ** 2)


def running_median(values: Vector) -> Vector:
    """Return the median of each point and two neighbours at either side, fewer at the ends.

    The window shrinks on both sides alike, so that nothing shifts. On a curve of few points it is
    smaller everywhere: there the bottom of a valley may be a single point.
    """
    medians = values.copy()
    for reach in range(1, min(MEDIAN_REACH, len(values) // 10) + 1):
        inside = len(values) - 2 * reach
        shifted = [values[start : start + inside] for start in range(2 * reach + 1)]
        # What `np.median` gives, in a fifth of its time: a smoothed line is drawn live.
        medians[reach : reach + inside] = np.partition(shifted, reach, axis=0)[reach]
    return medians
