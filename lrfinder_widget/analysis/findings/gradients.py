"""Findings about the norms of the gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfinder_widget.analysis.findings.finding import finding, number
from lrfinder_widget.analysis.findings.traits import SHARE, usable
from lrfinder_widget.analysis.landmarks import noise
from lrfinder_widget.analysis.smoothing import smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfinder_widget.analysis.findings.finding import Finding, Reading
    from lrfinder_widget.analysis.findings.traits import Traits

    Vector = NDArray[np.float64]

# Norms grow by themselves while a perceptron learns, up to 20 times on the benchmark's tasks, and
# wherever the loss turns. What counts is growth between these: where the loss lies at its bottom.
# There, norms of healthy sweeps stay within this factor, or within so many deviations of their
# noise.
GROWTH = 3.0
CERTAIN = 4.0
# So many decades before the loss turns: nearer, both are one blow-up.
AHEAD = 0.15
# The share of the norms before their growth that is not to be clipped.
SPARED = 0.9


def gradients_grow_first(reading: Reading, traits: Traits | None) -> Finding | None:
    """Find that gradients grow while the loss does not show it yet."""
    norms = _norms(reading)
    turn = None if traits is None else _turn(traits)
    if traits is None or norms is None or turn is None:
        return None
    decades = np.log10(norms)
    line = smooth(traits.lrs, decades)
    first, last = _fallen(traits), int(np.searchsorted(traits.lrs, traits.lrs[turn] / 10**AHEAD))
    if last - first <= 1:
        return None
    trough = first + int(np.argmin(line[first:last]))
    growth = line[last - 1] - line[trough]
    at_first = float(np.median(line[: first + 1]))
    if growth < max(math.log10(GROWTH), CERTAIN * noise(decades)) or line[last - 1] < at_first:
        return None
    # Once through half of its growth, it has begun.
    onset = trough + int(np.argmax(line[trough:last] > line[trough] + growth / 2))
    bound = float(np.quantile(norms[:onset], SPARED))
    if reading.settings.clip_grad_norm is not None and reading.settings.clip_grad_norm <= bound:
        return None
    return finding(
        reading,
        "gradients_grow_first",
        "info",
        f"From a rate of {number(traits.lrs[onset])} on the gradients grow, to "
        f"{number(10**growth)} times their norm, before the loss turns at "
        f"{number(traits.lrs[turn])}: clip them to a norm of {number(bound)}, below which nine in "
        "ten of them were until then.",
        clip_grad_norm=float(f"{bound:.2g}"),
    )


def _norms(reading: Reading) -> Vector | None:
    """Return the norms at the points that are judged; None if one of them has none."""
    if len(reading.grad_norms) != len(reading.losses):
        return None
    norms = reading.grad_norms[usable(reading)]
    return norms if (np.isfinite(norms) & (norms > 0)).all() else None


def _fallen(traits: Traits) -> int:
    """Return the index at which the loss has come down to its bottom; 0 if it never falls."""
    if not traits.learns:
        return 0
    ground = traits.line[traits.bottom] + SHARE * traits.fall
    return int(np.argmax(traits.line[: traits.bottom + 1] <= ground))


def _turn(traits: Traits) -> int | None:
    """Return the index at which the loss has begun to rise from its bottom."""
    ceiling = traits.line[traits.bottom] + max(SHARE * traits.fall, traits.noise)
    above = np.flatnonzero(traits.line[traits.bottom :] > ceiling)
    return traits.bottom + int(above[0]) if above.size else None
