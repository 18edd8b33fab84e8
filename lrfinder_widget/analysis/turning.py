"""Whether a growing curve shows enough for a suggestion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# The smoothed loss has turned when it has come back by this share of the way it fell. Less would
# take each wave of a noisy descent for the turn.
_RISE = 0.1
# It has fallen when that way is this many times the noise of single batches; less is a plateau,
# whose line wavers too.
_FALL = 3.0
_POINTS = 20


def has_turned(losses: ArrayLike, smoothed: ArrayLike) -> bool:
    """Return whether the loss, shape (n,), has fallen and begun to rise again.

    Judged on the smoothed line, shape (n,), against the scatter of the points about it.
    """
    fall, noise, rise = _course(losses, smoothed)
    return fall > _FALL * noise and rise > _RISE * fall > 0


def has_fallen(losses: ArrayLike, smoothed: ArrayLike) -> bool:
    """Return whether the loss has left its plateau, be it that it falls still; see `has_turned`."""
    fall, noise, _ = _course(losses, smoothed)
    return fall > _FALL * noise


def _course(losses: ArrayLike, smoothed: ArrayLike) -> tuple[float, float, float]:
    """Return how far the line fell, the noise about it, and how far it has come back up."""
    values, line = np.asarray(losses, dtype=np.float64), np.asarray(smoothed, dtype=np.float64)
    finite = np.isfinite(values) & np.isfinite(line)
    values, line = values[finite], line[finite]
    if len(line) < _POINTS:
        return 0.0, 0.0, 0.0
    lowest = int(np.argmin(line))
    fall = float(line[: lowest + 1].max() - line[lowest])
    # Up to the bottom: behind it the blow-up scatters more than any batch.
    noise = float(np.std(values[: lowest + 1] - line[: lowest + 1]))
    return fall, noise, float(line[-1] - line[lowest])
