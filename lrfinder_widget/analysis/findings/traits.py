"""What can be measured on a curve before it is judged: level, noise, descent, rise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lrfinder_widget.analysis import landmarks
from lrfinder_widget.analysis.shape import first_above
from lrfinder_widget.analysis.smoothing import smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfinder_widget.analysis.findings.finding import Reading

    Vector = NDArray[np.float64]

# A curve of fewer finite points has no shape that could be told from chance.
FEWEST = 20
# Standard errors. Each test takes the best of some eighty places, so that noise alone comes to
# about 2, passes 3 in about one curve of twelve and 4 in one of a hundred. Real sweeps whose fall
# stays below 3 have their lowest point decades apart from one seed to the next.
CERTAIN = 3.0
# The loss has turned once it has come back by this share of its fall, and its descent has begun
# once it is through this share of it.
SHARE = 0.1
# Of the losses' size: single precision tells no smaller differences.
ROUNDING = 1e-7
# How far above the start level, in noise, a line is no longer on it.
_ABOVE = 4.0
# How far off both neighbours, in noise, one loss is an outlier: normal noise hardly gets there.
_OFF = 5.0
# No fewer points than this make a descent.
_FEWEST_IN_A_ROW = 3


class Traits(NamedTuple):
    """Measures of a curve, over the finite points that rules look at.

    Attributes
    ----------
    lrs, losses, line
        The points and the lag-free line through them.
    level
        The loss at the start.
    noise
        The scatter of single batches, as a standard deviation.
    bottom
        The index of the line's lowest point before the blow-up.
    fall, rise
        How far the line falls from the level to the bottom, and rises at most behind it.
    descent, climb
        By how many standard errors some tenth of the points lies below, or above, all before it. A
        single point far off makes no descent.
    descended
        The index at which that tenth begins for `descent`.
    descent_error
        The standard error of the difference there.
    take_off
        The index from which the line lies above all that was before, its length if it never does.
        A line that comes down from above at the start has not taken off there.
    starts_high
        Whether it does: after an outlier, or a descent over before there are points to see it in.
    """

    lrs: Vector
    losses: Vector
    line: Vector
    level: float
    noise: float
    bottom: int
    fall: float
    rise: float
    descent: float
    descended: int
    descent_error: float
    climb: float
    take_off: int
    starts_high: bool

    @property
    def learns(self) -> bool:
        """Whether the loss falls by more than chance explains."""
        return self.descent >= CERTAIN

    @property
    def turned(self) -> bool:
        """Whether the loss has fallen and begun to come back."""
        return self.turned_by(SHARE)

    def turned_by(self, share: float) -> bool:
        """Whether the loss has fallen and then come back by this share of its fall."""
        return self.learns and self.rise > share * self.fall

    @property
    def onset(self) -> int:
        """The index from which the line is on its descent for good, up to the bottom."""
        high = np.flatnonzero(self.line[: self.bottom + 1] > self.level - SHARE * self.fall)
        return int(high[-1]) + 1 if high.size else 0


def usable(reading: Reading) -> NDArray[np.intp]:
    """Return the indices of the finite points, less those that rules skip."""
    finite = np.flatnonzero(np.isfinite(reading.losses))
    settings = reading.settings
    return finite[settings.skip_start : max(len(finite) - settings.skip_end, settings.skip_start)]


def traits_of(reading: Reading) -> Traits | None:
    """Measure a curve; None if it has too few points."""
    points = usable(reading)
    if len(points) < FEWEST:
        return None
    losses = reading.losses[points]
    # A moving average lags behind, so that its bottom is not where the loss is lowest.
    whole = reading.smoothed
    if reading.settings.beta is not None:
        whole = smooth(reading.lrs, reading.losses)
    line = np.where(np.isfinite(whole[points]), whole[points], losses)
    few = _few(losses)
    start = level(reading)
    noise = scatter(losses)
    ceiling = start + max(start - float(line.min()), _ABOVE * noise)
    take_off = first_above(line, ceiling)
    bottom = int(np.argmin(line[: max(take_off, 1)]))
    calm = _without_outliers(losses, noise)
    # A linear sweep may have learned, and blown up, before two tenths of its points are over.
    fewer = min(few, max(take_off // 2, _FEWEST_IN_A_ROW))
    descent, descended, descent_error = _drop(calm[:take_off], fewer, noise)
    return Traits(
        lrs=reading.lrs[points],
        losses=losses,
        line=line,
        level=start,
        noise=noise,
        bottom=bottom,
        fall=max(start - float(line[bottom]), 0.0),
        rise=float(line[bottom:].max() - line[bottom]),
        descent=descent,
        descended=descended,
        descent_error=descent_error,
        # What is back from a single low point has not climbed; high ones may be the blow-up.
        climb=_drop(-np.maximum(losses, calm), few, noise)[0],
        take_off=take_off,
        starts_high=bool(line[0] > ceiling),
    )


def level(reading: Reading) -> float:
    """Return the loss at the start."""
    losses = reading.losses[usable(reading)]
    return float(np.median(losses[: _few(losses)]))


def scatter(losses: Vector) -> float:
    """Return the scatter of single losses, whatever slope or blow-up they lie on."""
    return max(landmarks.noise(losses), ROUNDING * float(np.median(np.abs(losses))))


def leaps(losses: Vector) -> bool:
    """Return whether the last finite loss lies above all before by more than their range."""
    finite = losses[np.isfinite(losses)]
    if len(finite) <= 1:
        return False
    before = finite[:-1]
    return float(finite[-1]) > 2 * float(before.max()) - float(before.min())


def _few(losses: Vector) -> int:
    """Return how many points in a row are taken together."""
    return max(5, len(losses) // 10)


def _without_outliers(losses: Vector, noise: float) -> Vector:
    """Return the losses with single outliers moved to the nearer of their two neighbours.

    One point is no descent, however far off it lies. At an end it is compared with the two points
    next to it.
    """
    middle = np.median(sliding_window_view(np.pad(losses, 1), 3), axis=1)
    middle[0], middle[-1] = np.median(losses[:3]), np.median(losses[-3:])
    return np.where(np.abs(losses - middle) > _OFF * noise, middle, losses)


def _drop(losses: Vector, few: int, noise: float) -> tuple[float, int, float]:
    """Return by how much some `few` points in a row lie below all before them.

    That is in standard errors, with the index of the first of these points, and such an error.
    """
    starts = np.arange(few, len(losses) - few + 1)
    if not starts.size or noise <= 0:
        return 0.0, 0, noise
    # The first is taken away, or else a great common shift would eat the sums' digits.
    sums = np.concatenate([[0.0], np.cumsum(losses - losses[0])])
    before, within = sums[starts] / starts, (sums[starts + few] - sums[starts]) / few
    errors = noise * np.sqrt(1 / starts + 1 / few)
    drops = (before - within) / errors
    best = int(np.argmax(drops))
    return float(drops[best]), int(starts[best]), float(errors[best])
