"""Findings about what the machine gives: memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfinder_widget.analysis.findings.finding import finding
from lrfinder_widget.stop_reasons import OUT_OF_MEMORY

if TYPE_CHECKING:
    from lrfinder_widget.analysis.findings.finding import Finding, Reading


def out_of_memory(reading: Reading) -> Finding | None:
    """Find that the sweep ended because memory ran out."""
    if reading.stop_reason != OUT_OF_MEMORY:
        return None
    steps = 2 * reading.settings.accumulation_steps
    size = f" ({reading.batch_size} now)" if reading.batch_size else ""
    return finding(
        reading,
        "out_of_memory",
        "error",
        f"Memory ran out at step {len(reading.losses) + 1} of {reading.settings.num_iter}: halve "
        f"the loader's batch size{size}; with accumulation_steps={steps} a step then trains on as "
        "many samples as before.",
        accumulation_steps=steps,
    )
