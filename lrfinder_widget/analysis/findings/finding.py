"""A finding, and what findings are made from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lrfinder_widget.settings import SweepSettings

    Vector = NDArray[np.float64]

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """Something odd about a sweep.

    Parameters
    ----------
    name
        What it is called in code, such as ``"too_noisy"``.
    severity
        ``"info"``, ``"warning"`` (the suggestion may be off) or ``"error"`` (there is none).
    text
        One sentence.
    changes
        Settings for another sweep that may do better; empty where no setting helps.
    """

    name: str
    severity: Severity
    text: str
    changes: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def action(self) -> str:
        """What to do, for a button; empty where no setting helps."""
        if not self.changes:
            return ""
        return "Run again with " + ", ".join(
            f"{name} = {number(value) if isinstance(value, float) else value}"
            for name, value in self.changes.items()
        )


# Powers of ten from which on an exponent reads better than zeros.
_PADDED = 5


NO_NORMS: NDArray[np.float64] = np.empty(0)


class Reading(NamedTuple):
    """A sweep as the findings see it: one run, or the median of several.

    ``smoothed`` is the line that is shown, ``run_suggestions`` holds what each run suggests by
    itself. ``optimizer`` is the class's name; ``network`` is "transformer", "convolutional",
    "recurrent", "perceptron" or unknown (""); ``batch_size`` may be unknown (0). ``grad_norms`` may
    be empty or NaN.
    """

    lrs: Vector
    losses: Vector
    smoothed: Vector
    settings: SweepSettings
    stop_reason: str
    suggestion: float | None
    run_suggestions: tuple[float, ...] = ()
    optimizer: str = ""
    network: str = ""
    batch_size: int = 0
    grad_norms: Vector = NO_NORMS


def finding(reading: Reading, name: str, severity: Severity, text: str, **changes: Any) -> Finding:
    """Make a finding whose changes are valid beside the other settings, or are none at all."""
    settings = reading.settings
    differing = {
        key: value for key, value in changes.items() if value != getattr(settings, key, None)
    }
    try:
        settings.replace(**differing)
    except SettingsError:  # at the limits of a float, or against settings far from the usual
        differing = {}
    return Finding(name, severity, text, differing)


def number(value: float) -> str:
    """Return a number for people: two digits, and no padding in the exponent."""
    mantissa, mark, exponent = f"{value:.2g}".partition("e")
    if not mark:
        return mantissa
    return f"{value:.0f}" if 0 <= int(exponent) < _PADDED else f"{mantissa}e{int(exponent)}"


def power_of_ten(value: float, *, up: bool = False) -> float:
    """Return the nearest power of ten at or below a positive value, or at or above it."""
    if not (0 < value < math.inf):
        return value
    # Almost a power is that power: 0.1 * 10 may fall short of 1 by rounding.
    exponent = math.log10(value)
    whole = math.ceil(exponent - 1e-9) if up else math.floor(exponent + 1e-9)
    return float(f"1e{whole}")
