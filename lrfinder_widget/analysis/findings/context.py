"""Findings that compare the sweep with what is known of training: NaN, and usual rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrfinder_widget.analysis.findings.finding import finding, number
from lrfinder_widget.analysis.findings.traits import leaps
from lrfinder_widget.stop_reasons import NON_FINITE

if TYPE_CHECKING:
    from lrfinder_widget.analysis.findings.finding import Finding, Reading
    from lrfinder_widget.analysis.findings.traits import Traits

ADAPTIVE = frozenset({"Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "SparseAdam"})
# Usual rates of Adam and its kin by kind of network. Fine-tuning takes rates down to 1e-6.
USUAL = {
    "transformer": (1e-5, 1e-3),
    "convolutional": (1e-4, 1e-2),
    "recurrent": (1e-4, 1e-2),
    "perceptron": (1e-4, 1e-2),
    "": (1e-5, 1e-2),
}
KINDS = {
    "transformer": "a transformer",
    "convolutional": "a convolutional network",
    "recurrent": "a recurrent network",
    "perceptron": "a perceptron",
    "": "most networks",
}
# What SGD takes in place of Adam, and what large batches bear.
SGD_FACTOR = 10.0
LARGE_BATCH = 1024
LARGE_BATCH_FACTOR = 10.0
# Only beyond this factor of the usual is a rate worth a word: tasks differ.
FAR_OUTSIDE = 10.0


def non_finite_loss(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find a loss that is not finite though rates may not be the reason."""
    if reading.stop_reason != NON_FINITE:
        return None
    at = _where(reading)
    if _rose(reading, traits, at):
        return None
    where = _step(reading, at)
    if traits is not None and traits.learns:
        return finding(
            reading,
            "non_finite_loss",
            "warning",
            f"The loss falls and then is not finite {where}, without having risen: either rates "
            "from there on are too high, or some data hold NaN or infinity.",
        )
    before = "before any training" if at == 0 else "without having risen before"
    return finding(
        reading,
        "non_finite_loss",
        "error",
        f"The loss is not finite {where}, {before}: look for NaN or infinity in the data, for a "
        "logarithm or a division by zero in the loss, and for overflow in mixed precision.",
    )


def overflow(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that a rising loss ended in overflow, which is as it should be."""
    if reading.stop_reason != NON_FINITE:
        return None
    at = _where(reading)
    if not _rose(reading, traits, at):
        return None
    return finding(
        reading,
        "non_finite_loss",
        "info",
        f"The loss rises and is no longer finite {_step(reading, at)}: such rates are too high.",
    )


def unusual_rate(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find a suggestion far from what others use."""
    if traits is None or not traits.learns or reading.suggestion is None:
        return None
    usual = _usual(reading)
    if usual is None:
        return None
    low, high = usual
    if low / FAR_OUTSIDE <= reading.suggestion <= high * FAR_OUTSIDE:
        return None
    side = "low" if reading.suggestion < low else "high"
    return finding(
        reading,
        "unusual_rate",
        "info",
        f"The suggestion of {number(reading.suggestion)} is {side} for {reading.optimizer} on "
        f"{KINDS[reading.network]}, where {number(low)} to {number(high)} is usual: check "
        "how inputs and loss are scaled.",
    )


def _where(reading: Reading) -> int:
    """Return the index of the first loss that is not finite; a median of runs may hold none."""
    bad = np.flatnonzero(~np.isfinite(reading.losses))
    return int(bad[0]) if bad.size else len(reading.losses) - 1


def _step(reading: Reading, at: int) -> str:
    rate = number(reading.lrs[at])
    return f"at step {at + 1} of {reading.settings.num_iter}, at a rate of {rate}"


def _rose(reading: Reading, traits: Traits | None, at: int) -> bool:
    """Whether the loss was on its way up, so that high rates are the reason."""
    if traits is not None:
        return traits.turned or traits.take_off < len(traits.line)
    return leaps(reading.losses[:at])


def _usual(reading: Reading) -> tuple[float, float] | None:
    if reading.network not in USUAL:
        return None
    low, high = USUAL[reading.network]
    if reading.optimizer == "SGD":
        low, high = low * SGD_FACTOR, high * SGD_FACTOR
    elif reading.optimizer not in ADAPTIVE:
        return None
    if reading.batch_size >= LARGE_BATCH:
        high *= LARGE_BATCH_FACTOR
    return low, high
