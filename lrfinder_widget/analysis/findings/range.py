"""Findings about where the sweep began and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrfinder_widget.analysis.findings.finding import finding, number, power_of_ten
from lrfinder_widget.analysis.findings.learning import EDGE, HIGH_RATE, at_start, never_moved
from lrfinder_widget.analysis.findings.traits import FEWEST, leaps, level, scatter
from lrfinder_widget.divergence import AVERAGED, Divergence
from lrfinder_widget.stop_reasons import COMPLETED, DIVERGED, NON_FINITE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfinder_widget.analysis.findings.finding import Finding, Reading
    from lrfinder_widget.analysis.findings.traits import Traits

    Vector = NDArray[np.float64]

# The share of the points within which a loss that explodes does so at once.
AT_ONCE = 0.25
# Lower by this, and some decades lie before the explosion.
FAR_BELOW = 1e4
# Thresholds to propose; None switches the test off.
THRESHOLDS = (10.0, 30.0, 100.0, 300.0, 1000.0)
# Standard errors by which the last points lie above all others when a noisy loss does rise, and
# deviations of single losses by which the last lies above the lowest.
CLIMBED = 4.0
# Where the loss has come back by this share of its fall, and not in the last two or three points
# only, the valley has been seen.
BEGUN = 0.04
BEYOND = 4
HIGHEST = 10.0  # where a range that was far too low should end


def explodes_at_once(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that the loss rises from the first steps on, without having fallen."""
    points = _exploded_after(reading, traits)
    settings = reading.settings
    if points is None or settings.num_iter < FEWEST or points > AT_ONCE * settings.num_iter:
        return None
    rate = float(reading.lrs[min(points, len(reading.lrs)) - 1])
    return finding(
        reading,
        "explodes_at_once",
        "error",
        f"The loss explodes within {points} point{'s' * (points > 1)}, at a rate of "
        f"{number(rate)}: start at a much lower rate, and check that inputs and targets are scaled "
        "to about 1.",
        start_lr=power_of_ten(min(settings.start_lr, rate) / FAR_BELOW),
    )


def never_rose(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that the range ends before the loss turns."""
    if reading.stop_reason != COMPLETED:
        return None
    still = never_moved(reading, traits)
    if not still and (traits is None or not traits.learns or traits.turned):
        return None
    end_lr = float(reading.settings.end_lr)
    rates = f"up to the last rate of {number(end_lr)}"
    shape = (
        f"The loss stays at {number(level(reading))} {rates}"
        if still
        else f"The loss falls and does not rise again {rates}"
    )
    higher = power_of_ten(10 * end_lr, up=True)
    return finding(
        reading,
        "never_rose",
        "warning",
        f"{shape}: the range ends too early to show which rates are too high.",
        end_lr=max(higher, HIGHEST if still else HIGH_RATE),
    )


def stopped_too_early(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that it was noise, not a blow-up, that exceeded the threshold."""
    if reading.stop_reason != DIVERGED or reading.settings.diverge_threshold is None:
        return None
    losses = reading.losses[np.isfinite(reading.losses)]
    if len(losses) < 2 * AVERAGED or not _within_what_was_seen(losses):
        return None
    if _rises_to_the_end(losses) or (traits is not None and _really_rose(traits)):
        return None
    return finding(
        reading,
        "stopped_too_early",
        "warning",
        f"The sweep stopped at a rate of {number(reading.lrs[-1])} because the loss, at "
        f"{number(np.median(losses[-AVERAGED:]))}, exceeded "
        f"{number(reading.settings.diverge_threshold)} times its best, but losses scattered as "
        "widely before: this was noise, no blow-up.",
        diverge_threshold=_threshold_that_holds(losses, reading.settings.diverge_threshold),
    )


def edge_of_range(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that the suggestion lies at an end of the range."""
    if traits is None or not traits.learns or reading.suggestion is None:
        return None
    settings, suggestion = reading.settings, reading.suggestion
    changes: dict[str, float]
    if at_start(reading, traits):
        side, changes = "start", {"start_lr": power_of_ten(settings.start_lr / 100)}
    elif reading.stop_reason == COMPLETED and EDGE * suggestion >= traits.lrs[-1]:
        side, changes = "end", {"end_lr": power_of_ten(settings.end_lr * 10, up=True)}
    else:
        return None
    return finding(
        reading,
        "edge_of_range",
        "warning",
        f"The suggestion of {number(suggestion)} lies at the {side} of the range: the best rate "
        "may lie outside.",
        **changes,
    )


def _really_rose(traits: Traits) -> bool:
    if not traits.learns:
        return traits.climb >= CLIMBED
    beyond = len(traits.line) - 1 - traits.bottom
    return traits.turned_by(BEGUN) and beyond >= BEYOND


def _exploded_after(reading: Reading, traits: Traits | None) -> int | None:
    """Return after how many points the loss exploded, if it did without having fallen."""
    if traits is not None:
        if traits.learns or traits.starts_high or traits.take_off >= len(traits.line):
            return None
        after = traits.line[traits.take_off :]
        # A loss that comes back was an outlier, or a hump that the model got over.
        blown = float(np.median(after)) >= float(traits.line[traits.take_off])
        return int(np.searchsorted(reading.lrs, traits.lrs[traits.take_off])) + 1 if blown else None
    ended = (reading.stop_reason == DIVERGED and _ends_highest(reading.losses)) or (
        reading.stop_reason == NON_FINITE and leaps(reading.losses)
    )
    return len(reading.losses) if ended else None


def _ends_highest(losses: Vector) -> bool:
    """Whether a loss among the last is the highest, as none is that has only come back."""
    finite = losses[np.isfinite(losses)]
    return bool(finite.size) and int(np.argmax(finite)) >= len(finite) - AVERAGED


def _rises_to_the_end(losses: Vector) -> bool:
    """Whether the loss rises at the end by more than its scatter from point to point.

    Either each of the last lies above the one before, or the last above all since the lowest. As
    few as are averaged when a sweep is stopped would not tell that from noise: it is one more.
    """
    since = losses[int(np.argmin(losses)) :]
    steadily = bool((np.diff(losses[-AVERAGED - 1 :]) > 0).all())
    highest = len(since) > AVERAGED and float(since[-1]) > float(since[:-1].max())
    if not (steadily or highest):
        return False
    # Losses that scatter by factors do so evenly in their logarithm.
    scales = [losses, np.log(losses)] if losses.min() > 0 else [losses]
    return all(scale[-1] - scale.min() > CLIMBED * scatter(scale) for scale in scales)


def _within_what_was_seen(losses: Vector) -> bool:
    """Whether the loss ended no higher than it had been, but for an outlier of the usual kind."""
    before, last = losses[:-AVERAGED], losses[-AVERAGED:]
    middle = float(np.median(last))
    if len(losses) >= FEWEST:
        return middle <= float(before.max()) and not leaps(np.append(before, last[-1]))
    # The highest of so few says little.
    return not (_far_above(middle, before) or _far_above(last[-1], before))


def _far_above(loss: float, before: Vector) -> bool:
    """Whether a loss lies above all before by more than their range.

    Heavy-tailed losses scatter evenly in their logarithm: among these, ten times as much as
    before may be nothing unusual.
    """
    losses = np.append(before, loss)
    return leaps(losses) and not (losses.min() > 0 and not leaps(np.log(losses)))


def _threshold_that_holds(losses: Vector, current: float) -> float | None:
    """Return the second lowest proposal that these losses do not exceed, to leave some room."""
    holding = [
        threshold
        for threshold in THRESHOLDS
        if threshold > current and not _trips(losses, threshold)
    ]
    return holding[1] if len(holding) > 1 else None


def _trips(losses: Vector, threshold: float) -> bool:
    divergence = Divergence(threshold)
    return any(divergence.update(loss) for loss in losses.tolist())
