"""Why a sweep ended."""

from __future__ import annotations

COMPLETED = "completed"
DIVERGED = "diverged"
NON_FINITE = "non-finite loss"
STOPPED = "stopped"
OUT_OF_MEMORY = "out of memory"
STOP_REASONS = (COMPLETED, DIVERGED, NON_FINITE, STOPPED, OUT_OF_MEMORY)
