"""What is said at the end: the suggestion, other choices, findings, and the line to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfinder_widget.analysis.layout import short
from lrfinder_widget.analysis.repeats import geometric_mean
from lrfinder_widget.analysis.turning import has_fallen
from lrfinder_widget.command.config import RATE
from lrfinder_widget.stop_reasons import DIVERGED, NON_FINITE, OUT_OF_MEMORY, STOPPED

if TYPE_CHECKING:
    from lrfinder_widget.command.config import Config
    from lrfinder_widget.command.output import Output
    from lrfinder_widget.result import LRFinderResult

# The rules that people know besides the middle of the good range.
CLASSICS = (("steepest", "Steepest descent"), ("minimum_10", "Minimum / 10"))
EARLY = {
    DIVERGED: (
        "the loss rose above {threshold:g} times its best; --diverge_threshold sets how far it may"
    ),
    NON_FINITE: "the loss was no longer a finite number",
    OUT_OF_MEMORY: "the memory did not suffice; try a smaller --batch_size",
}


def rounded(lr: float) -> float:
    """Return a rate with the three digits that a sweep can tell."""
    return float(f"{lr:.3g}")


def usable(result: LRFinderResult) -> bool:
    """Return whether there is a suggestion, and nothing that speaks against its use."""
    return bool(result.suggestions) and why_unusable(result) is None


def why_unusable(result: LRFinderResult) -> str | None:
    """Return what speaks against any suggestion, a sentence; None if nothing does."""
    for finding in result.findings:
        if finding.severity == "error":
            return finding.text
    if any(
        run.stop_reason != STOPPED or has_fallen(run.losses, run.smoothed) for run in result.runs
    ):
        return None
    return (
        f"The sweep was stopped after {len(result.lrs)} of {result.settings.num_iter} points, "
        "before the loss had fallen."
    )


def report_early_end(output: Output, result: LRFinderResult) -> None:
    """Warn of a sweep that ended before its last point."""
    for number, run in enumerate(result.runs, start=1):
        if run.stop_reason not in EARLY or len(run.lrs) == run.settings.num_iter:
            continue
        which = f"run {number} stopped" if len(result.runs) > 1 else "stopped"
        threshold = run.settings.diverge_threshold or 0
        output.warn(
            f"{which} early, after {len(run.lrs)} of {run.settings.num_iter} points: "
            f"{EARLY[run.stop_reason].format(threshold=threshold)}."
        )


def report(output: Output, result: LRFinderResult) -> None:
    """Say what was found."""
    report_early_end(output, result)
    if result.suggestions:
        _report_rates(output, result)
    elif why_unusable(result) is None:
        output.warn("there are too few points for a suggestion; raise --num_iter.")
    for finding in result.findings:
        action = f" {finding.action}." if finding.action else ""
        if finding.severity == "info":
            output.say(f"Note: {finding.text}{action}")
        else:
            output.warn(f"{finding.text}{action}")
    for note in result.notes:
        output.say(f"Note: {note}")


def _report_rates(output: Output, result: LRFinderResult) -> None:
    suggestion = result.suggestion
    low, high = result.interval or (suggestion.lr, suggestion.lr)
    output.headline(f"Suggested learning rate: {short(suggestion.lr)}")
    output.say(f"  {suggestion.why}")
    if result.spread is not None:
        output.say(f"  {result.spread.sentence}")
    output.say(f"  Good range: {short(low)} to {short(high)}, where rates do about as well")
    for rule, label in CLASSICS:
        output.say(f"  {label}: {short(result.suggestions[rule].lr)}")
    output.say(f"  Middle of the good range: {short(geometric_mean((low, high)))}")


def report_change(output: Output, config: Config, lr: float) -> None:
    """Say which line of the config to change."""
    part = config.part("optimizer")
    now = None if part is None else part.arguments.get("lr")
    place = f"{config.path}:{config.line(*RATE)}"
    if now is None:
        output.say(f"To train with it, give the optimizer the argument lr: {lr:g} ({place})")
    else:
        output.say(f"To train with it, change {place} from lr: {now} to lr: {lr:g}")
