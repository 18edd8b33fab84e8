"""Where a curve descends and where it takes off, weighed over all that its noise leaves possible.

A minimum, a steepest point or a crossing hangs on a few noisy losses: between two runs of the same
cell they jump by factors. Here a whole shape is held against all points at once,

    loss(x) = level - drop * logistic((x - descent) / width) + rise * ramp((x - take_off) / length)

with x the decimal logarithm of the learning rate: a plateau, a descent, a take-off. The level, the
drop and the rise follow from the points by least squares. Descent, take-off, width and length are
not picked but averaged over a grid, each combination weighted by its likelihood: a clear curve is
read sharply, and where noise hides the descent, the prior says how far before the take-off it
mostly lies.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lrfinder_widget.analysis.shape import ROUNDING, lowest
from lrfinder_widget.analysis.smoothing import bounded, smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

# The grid, in decades: finer steps change no answer by more than a hundredth.
STEP = 0.08
# Widths of a descent, and lengths of a take-off until the ramp ends: from as sharp as a sweep of
# 12 points a decade can tell to a slope over a few decades.
WIDTHS = np.array([0.15, 0.3, 0.5])
LENGTHS = np.array([0.2, 0.6])
# How many decades after its descent a curve takes off: seen on the healthy curves of the
# benchmark, 1.4 on average, hardly less than 0.2, and 2.5 at the most.
GAP, GAP_DEVIATION = 1.4, 0.5
NEAREST = 0.2
# A take-off may lie beyond the end of the sweep, so far that nothing of it shows.
BEYOND = 0.9
# The share of the range at its left that is taken for the plateau.
PLATEAU = 0.25
# Smaller drops than this many deviations of the noise are not told from it.
NOISE_FLOOR = 4.0
# Losses are cut at the plateau and this share of the drop above it: how far a model blows up says
# nothing about where, and must not outweigh the descent.
CEILING = 0.5
FLOOR = -3.0  # one batch far below the bottom is an outlier
# The noise is at least this share of the drop: no curve has exactly the shape above.
MISFIT = 0.05
# Drop and rise are held near the size of the curve: a prior deviation of twice that.
RIDGE = 0.25
# Points a decade from which neighbours are averaged: more would only cost time.
DENSE = 16


class Landmarks(NamedTuple):
    """The decimal logarithms of two rates, and how densely the curve is sampled.

    Parameters
    ----------
    descent
        Where the loss is half-way down from its plateau.
    take_off
        Where it begins to rise again; beyond the curve if it has not.
    density
        Points a decade around the descent.
    """

    descent: float
    take_off: float
    density: float


class _Points(NamedTuple):
    decades: Vector
    losses: Vector
    weights: Vector  # how many points each stands for


def landmarks(lrs: Vector, losses: Vector) -> Landmarks:
    """Return the landmarks of a curve.

    Parameters
    ----------
    lrs, losses
        The points as they were trained, shape (n,), finite, the rates rising. Scaling or shifting
        the losses changes nothing.
    """
    points, noise = _standardized(lrs, losses)
    first, last = float(points.decades[0]), float(points.decades[-1])
    first += min(0.3, 0.1 * (last - first))
    descents = np.arange(first, last + STEP / 2, STEP)
    take_offs = np.arange(first, last + BEYOND, STEP)
    logistic = 1 / (1 + np.exp(-_distances(points.decades, descents, WIDTHS)))
    ramp = np.clip(_distances(points.decades, take_offs, LENGTHS), 0, 1)
    misfit = _misfit(points, logistic, ramp, RIDGE * noise**2)
    # What the best shape leaves over is noise too.
    freedom = max(points.weights.sum() - 5, 1.0)
    variance = max(noise**2, float(misfit.min()) / freedom)
    at_descent = np.repeat(descents, len(WIDTHS))[:, None]
    at_take_off = np.repeat(take_offs, len(LENGTHS))[None, :]
    gap = at_take_off - at_descent
    log_weight = -0.5 * (misfit / variance + ((gap - GAP) / GAP_DEVIATION) ** 2)
    log_weight[gap < NEAREST] = -np.inf
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    descent, take_off = (float((weight * at).sum()) for at in (at_descent, at_take_off))
    return Landmarks(descent, take_off, _density(np.log10(lrs), descent))


def _density(decades: Vector, place: float) -> float:
    """Return the points a decade within half a decade of a place."""
    low, high = max(place - 0.5, float(decades[0])), min(place + 0.5, float(decades[-1]))
    count = np.count_nonzero((decades >= low) & (decades <= high))
    return max(float(count), 1.0) / max(high - low, STEP)


def noise(losses: Vector) -> float:
    """Return the standard deviation of the losses about their curve.

    How far each point lies off the middle of its neighbours holds the noise one and a half times,
    and of the curve itself next to nothing.
    """
    losses = bounded(losses)
    off = losses[1:-1] - (losses[:-2] + losses[2:]) / 2
    return 1.4826 * float(np.median(np.abs(off))) / math.sqrt(1.5)


def _standardized(lrs: Vector, losses: Vector) -> tuple[_Points, float]:
    """Return the points with the plateau at 0, the bottom at -1 and a ceiling, and their noise."""
    decades = np.log10(lrs)
    losses = bounded(losses)
    deviation = noise(losses)
    level = float(np.median(losses[: max(5, int(PLATEAU * len(losses)))]))
    smoothed = smooth(lrs, losses)
    drop = max(level - float(smoothed[lowest(smoothed)]), 0.0)
    ones = np.ones(len(losses))
    together = len(losses) / len(_averaged(_Points(decades, losses, ones)).losses)
    # The plateau's, not the largest: that a model blows up to 1e12 makes no descent small.
    rounding = ROUNDING * (abs(level) or float(np.abs(losses).max()))
    size = max(drop, NOISE_FLOOR * deviation / math.sqrt(together), rounding)
    heights = np.clip((losses - level) / size, FLOOR, CEILING)
    points = _averaged(_Points(decades, heights, ones))
    return points, max(deviation / size, MISFIT)


def _averaged(points: _Points) -> _Points:
    """Return the means of neighbours where points lie more densely than `DENSE`."""
    decades = points.decades
    if len(decades) <= DENSE * (decades[-1] - decades[0]) + 1:
        return points
    cell = np.floor((decades - decades[0]) * DENSE).astype(np.intp)
    count = np.bincount(cell)
    filled = count > 0
    means = [
        np.bincount(cell, weights=values)[filled] / count[filled]
        for values in (decades, points.losses)
    ]
    return _Points(means[0], means[1], count[filled].astype(np.float64))


def _distances(decades: Vector, places: Vector, scales: Vector) -> Matrix:
    """Return a row for each place and scale: how many scales each point lies behind the place."""
    rows = (decades - places[:, None, None]) / scales[None, :, None]
    return rows.reshape(-1, len(decades))


def _misfit(points: _Points, falls: Matrix, rises: Matrix, ridge: float) -> Matrix:
    """Return the weighted sum of squares that each pair of a fall and a rise leaves over.

    For each pair, ``level - drop * fall + rise * ramp`` with drop and rise not negative: the
    normal equations of all pairs at once, the level eliminated.
    """
    _, values, weights = points
    total = weights.sum()
    weighted = values * weights
    mean = weighted.sum() / total

    def moments(shapes: Matrix) -> tuple[Vector, Vector, Vector]:
        sums = shapes @ weights
        with_values = shapes @ weighted - sums * mean
        return sums, with_values, (shapes**2) @ weights - sums**2 / total + ridge

    fall_sum, fall_value, fall_square = moments(falls)
    rise_sum, rise_value, rise_square = moments(rises)
    both = (falls * weights) @ rises.T - np.outer(fall_sum, rise_sum) / total
    everything = float(weighted @ values - total * mean**2)

    square = fall_square[:, None] * rise_square - both**2
    fall = (rise_square * fall_value[:, None] - both * rise_value) / square
    rise = (fall_square[:, None] * rise_value - both * fall_value[:, None]) / square
    explained = fall * fall_value[:, None] + rise * rise_value
    # Of the wrong sign, one of them is not there.
    alone = np.maximum(
        np.where(fall_value < 0, fall_value**2 / fall_square, 0.0)[:, None],
        np.where(rise_value > 0, rise_value**2 / rise_square, 0.0),
    )
    return np.maximum(everything - np.where((fall > 0) | (rise < 0), alone, explained), 0.0)
