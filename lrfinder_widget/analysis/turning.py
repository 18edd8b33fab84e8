"""Whether a growing curve shows enough for a suggestion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# The smoothed loss has turned when it has come back by this share of the way it fell. Less would
# take each wave of a noisy descent for the turn.
_RISE = 0.1
_POINTS = 10


def has_turned(smoothed: ArrayLike) -> bool:
    """Return whether the smoothed loss, shape (n,), has fallen and begun to rise again."""
    values = np.asarray(smoothed, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) < _POINTS:
        return False
    lowest = int(np.argmin(values))
    fall = float(values[: lowest + 1].max() - values[lowest])
    return fall > 0 and float(values[-1] - values[lowest]) > _RISE * fall
