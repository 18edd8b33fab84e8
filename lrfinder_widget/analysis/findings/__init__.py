"""Findings: what is odd about a sweep, in words, and what to change."""

from __future__ import annotations

from lrfinder_widget.analysis.findings.context import non_finite_loss, overflow, unusual_rate
from lrfinder_widget.analysis.findings.finding import Finding, Reading
from lrfinder_widget.analysis.findings.gradients import gradients_grow_first
from lrfinder_widget.analysis.findings.learning import (
    already_converged,
    flat_everywhere,
    plateau_then_learning,
    too_noisy,
)
from lrfinder_widget.analysis.findings.range import (
    edge_of_range,
    explodes_at_once,
    never_rose,
    stopped_too_early,
)
from lrfinder_widget.analysis.findings.resources import out_of_memory
from lrfinder_widget.analysis.findings.traits import traits_of
from lrfinder_widget.analysis.smoothing import bounded
from lrfinder_widget.stop_reasons import STOPPED

__all__ = ["Finding", "Reading", "find_findings"]

# One of these at most, the first that holds: each explains away those after it.
_FAULTS = (
    non_finite_loss,
    stopped_too_early,
    explodes_at_once,
    flat_everywhere,
    never_rose,
    already_converged,
    too_noisy,
    edge_of_range,
)
# These are for curves without a fault.
_REMARKS = (overflow, plateau_then_learning, gradients_grow_first, unusual_rate)


def find_findings(reading: Reading) -> tuple[Finding, ...]:
    """Return what is odd about a sweep; nothing where all is well.

    That is one fault, a warning or an error, or else any number of remarks.

    Scaling the losses changes nothing. Shifting them changes only what speaks of a loss near
    zero: the threshold of divergence, and whether a model is trained already.
    """
    exhausted = out_of_memory(reading)
    if exhausted is not None:
        return (exhausted,)
    # The end of a curve that was stopped by hand means nothing.
    if reading.stop_reason == STOPPED or not len(reading.losses):
        return ()
    # Once, for all that looks at them.
    reading = reading._replace(
        losses=bounded(reading.losses), grad_norms=bounded(reading.grad_norms)
    )
    traits = traits_of(reading)
    for check in _FAULTS:
        fault = check(reading, traits)
        if fault is not None:
            return (fault,)
    remarks = [check(reading, traits) for check in _REMARKS]
    return tuple(remark for remark in remarks if remark is not None)
