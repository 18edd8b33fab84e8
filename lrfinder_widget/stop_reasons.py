"""Why a sweep ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPLETED = "completed"
DIVERGED = "diverged"
NON_FINITE = "non-finite loss"
STOPPED = "stopped"
OUT_OF_MEMORY = "out of memory"
STOP_REASONS = (COMPLETED, DIVERGED, NON_FINITE, STOPPED, OUT_OF_MEMORY)


def overall_reason(reasons: Sequence[str], expected: int) -> str:
    """Return why most of the sweeps ended, the first of them on a tie.

    ``"out of memory"`` if one had to; else ``"stopped"`` if not all of the `expected` ones came to
    their end.
    """
    if OUT_OF_MEMORY in reasons:
        return OUT_OF_MEMORY
    if len(reasons) < expected or reasons[-1] == STOPPED:
        return STOPPED
    return Counter(reasons).most_common(1)[0][0]
