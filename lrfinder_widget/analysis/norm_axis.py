"""The axis of a picture's gradient norms; in numbers, for any drawing library."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Norms that span more than this are shown on a logarithmic axis, as at a blow-up.
DECADE = 10.0
# In shares of the span, so that the line does not run along the frame.
AIR = 0.08
# Norms that hardly differ are not stretched until their noise fills the picture.
LEAST_SPAN = 0.1
# An axis that ends further above most of the norms would press these to its bottom.
BLOW_UP = 1e6


class NormAxis(NamedTuple):
    """How gradient norms are shown."""

    logarithmic: bool
    low: float
    high: float


def norm_axis(norms: NDArray[np.float64]) -> NormAxis | None:
    """Return the axis for these norms, None if there is nothing to show."""
    shown = norms[np.isfinite(norms) & (norms > 0)]
    if not shown.size:
        return None
    least, most = float(shown.min()), float(min(shown.max(), BLOW_UP * np.median(shown)))
    if most > DECADE * least:
        factor = (most / least) ** AIR
        return NormAxis(logarithmic=True, low=least / factor, high=most * factor)
    span = max(most - least, LEAST_SPAN * most)
    return NormAxis(logarithmic=False, low=least - AIR * span, high=least + (1 + AIR) * span)
