"""Findings about what the model learns: nothing, nothing more, too little to see, or late."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrfinder_widget.analysis.findings.finding import finding, number, power_of_ten
from lrfinder_widget.analysis.findings.traits import CERTAIN, level, usable
from lrfinder_widget.analysis.shape import is_flat
from lrfinder_widget.analysis.suggestion import MIN_POINTS
from lrfinder_widget.stop_reasons import COMPLETED, DIVERGED

if TYPE_CHECKING:
    from lrfinder_widget.analysis.findings.finding import Finding, Reading
    from lrfinder_widget.analysis.findings.traits import Traits

# Up to here some rate makes any model move; a range that ends below may only be too low.
HIGH_RATE = 1.0
# Standard errors that a loss which never moves hardly ever reaches by chance, up or down, or up
# and down together.
NEVER_BY_CHANCE = 4.0
NEVER_TOGETHER = 5.5
# Standard deviation over mean of the losses of single samples. Untrained, it is about 1 or less
# (that of squared normal errors is 1.4); once most samples are right, a few make up the loss.
FEW_SAMPLES = 2.0
# A fall of this share of the loss would have shown, and there is none.
NOTHING_LEFT = 0.02
MORE_POINTS = 3
# So many do not make the next sweep better by being more; larger batches do.
MANY_POINTS = 500
AGREEING = 3.0  # largest over smallest suggestion of several runs
# A plateau this long, which leaves fewer points than this to learn in.
PLATEAU = 0.85
FEW_LEFT = 20
ROOM_BEFORE = 100.0
# A suggestion within this factor of an end would lie beyond it if it could.
EDGE = 1.5


def flat_everywhere(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that no rate changes the loss."""
    if not _is_flat(reading, traits) or reading.settings.end_lr < HIGH_RATE:
        return None
    last = reading.lrs[usable(reading)[-1]]
    return finding(
        reading,
        "flat_everywhere",
        "error",
        f"The loss stays at {number(level(reading))} at all rates up to {number(last)}, so the "
        "model does not learn: check that the optimizer holds the parameters that the loss depends "
        "on, and that nothing detaches the loss or freezes them.",
    )


def never_moved(reading: Reading, traits: Traits | None) -> bool:
    """Whether the loss is flat over a range that ends before rates become high."""
    return _is_flat(reading, traits) and reading.settings.end_lr < HIGH_RATE


def already_converged(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that the loss only rises, though a fall would have shown."""
    if traits is None or traits.learns or not _rises(reading, traits):
        return None
    if traits.level <= 0:  # no measure of how much there could be to learn
        return None
    visible = CERTAIN * traits.descent_error / traits.level
    spread = traits.noise / traits.level * math.sqrt(reading.batch_size)
    if visible > NOTHING_LEFT and spread < FEW_SAMPLES:
        return None
    return finding(
        reading,
        "already_converged",
        "warning",
        f"The loss never falls below the {number(traits.level)} it starts at, it only rises: the "
        "model is trained already, or something keeps it from learning, so choose a rate well "
        "below the rise, or sweep a fresh model.",
    )


def too_noisy(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that batches scatter too much for the fall of the loss to be seen."""
    if traits is None or not _rises(reading, traits):
        return None
    if traits.learns and not _misled(reading, traits):
        return None
    runs = reading.run_suggestions
    if len(runs) > 1 and max(runs) <= AGREEING * min(runs):
        return None
    settings = reading.settings
    many = settings.num_iter >= MANY_POINTS
    changes = {} if many else {"num_iter": MORE_POINTS * settings.num_iter}
    return finding(
        reading,
        "too_noisy",
        "warning",
        f"The loss scatters by {number(traits.noise)} from batch to batch and falls by hardly more "
        f"than chance would make it, so {len(traits.losses)} points do not show where it is "
        f"lowest: take {'larger batches' if many else 'more points or larger batches'} (a model "
        "that is trained already looks like this too).",
        **changes,
    )


def plateau_then_learning(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that most of the points went into rates too low to learn at."""
    if traits is None or not traits.learns:
        return None
    onset, points = traits.onset, len(traits.losses)
    if not (PLATEAU * points <= onset < points and points - onset < FEW_LEFT):
        return None
    start_lr = power_of_ten(traits.lrs[onset] / ROOM_BEFORE)
    if start_lr <= reading.settings.start_lr:
        return None
    return finding(
        reading,
        "plateau_then_learning",
        "info",
        f"The loss is flat for the first {onset} of {points} points and falls only from a rate of "
        f"{number(traits.lrs[onset])} on: a sweep that starts higher shows the descent in more "
        "points.",
        start_lr=start_lr,
    )


def _misled(reading: Reading, traits: Traits) -> bool:
    """Whether a chance low on the plateau made the suggestion, not the descent behind it."""
    lowest_on_plateau = traits.bottom < traits.descended
    return lowest_on_plateau and at_start(reading, traits)


def at_start(reading: Reading, traits: Traits) -> bool:
    """Whether the suggestion lies at the start of the range."""
    return reading.suggestion is not None and reading.suggestion <= EDGE * traits.lrs[0]


def _is_flat(reading: Reading, traits: Traits | None) -> bool:
    if reading.stop_reason != COMPLETED:
        return False
    if traits is None:  # few points tell only a loss that is constant from chance
        losses = reading.losses[usable(reading)]
        return len(losses) >= MIN_POINTS and is_flat(losses)
    return (
        max(traits.descent, traits.climb) < NEVER_BY_CHANCE
        and traits.descent + traits.climb < NEVER_TOGETHER
        and traits.take_off == len(traits.line)
    )


def _rises(reading: Reading, traits: Traits) -> bool:
    """Whether the loss does nothing but rise, as far as can be seen."""
    if traits.starts_high and not traits.learns:
        return False
    return reading.stop_reason == DIVERGED or not _is_flat(reading, traits)
