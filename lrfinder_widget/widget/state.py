"""What pages are told: plain dicts from the kernel's objects."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfinder_widget.analysis.turning import has_fallen, has_turned
from lrfinder_widget.parameter_groups import describe, group_factors, group_label
from lrfinder_widget.runner import DONE, RUNNING, Runner
from lrfinder_widget.runner import STOPPED as HALTED
from lrfinder_widget.stop_reasons import DIVERGED, NON_FINITE, OUT_OF_MEMORY, STOPPED
from lrfinder_widget.training.guard import rates_at_rest
from lrfinder_widget.widget.form_words import in_form_words
from lrfinder_widget.widget.messages import PAGE_SETTINGS, exact_block
from lrfinder_widget.widget.stream import ALWAYS, OPTIONAL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch.optim import Optimizer

    from lrfinder_widget.failure import Failure
    from lrfinder_widget.optimizer_lr import RateChange
    from lrfinder_widget.result import LRFinderResult
    from lrfinder_widget.settings import SweepSettings

# A block that a page looks for to learn whether its host passes binary buffers on.
PROBE = struct.pack("<d", 1.0)


def plain(value: Any) -> Any:
    """Return a NumPy or torch scalar as Python's number."""
    return value.item() if hasattr(value, "item") else value


def page_settings(settings: SweepSettings) -> dict[str, Any]:
    """Return the settings that a page shows."""
    everything = settings.to_dict()
    return {name: everything[name] for name in (*PAGE_SETTINGS, "rule")}


def optimizer_state(optimizer: Optimizer, swept: str | Sequence[str]) -> dict[str, Any]:
    """Return the optimizer's name, and each group's rate and its multiple of the one to set.

    The multiple (``ratio``) is None for a group that is not `swept`, which Apply leaves alone.
    """
    name, detail = describe(optimizer)
    own = optimizer.param_groups
    facts = zip(own, rates_at_rest(optimizer), group_factors(optimizer, swept), strict=True)
    groups = [
        {"label": group_label(group, index), "lr": rate, "ratio": factor}
        for index, (group, rate, factor) in enumerate(facts)
    ]
    return {"name": name, "detail": detail, "groups": groups}


def applied_state(change: RateChange) -> dict[str, Any]:
    """Return what was written, as read back from the optimizer."""
    groups = [
        {"label": group.label, "before": group.before, "after": group.after}
        for group in change.groups
    ]
    return {
        "lr": change.lr,
        "groups": groups,
        "notes": [*change.notes],
        "warnings": [*change.warnings],
        "undo": True,
    }


def curve_state(result: LRFinderResult) -> dict[str, Any]:
    """Return the finished curve: the names of its columns, and of each the numbers of all runs."""
    columns = {
        name: np.concatenate([getattr(run, name) for run in result.runs])
        for name in (*ALWAYS, "smoothed", *OPTIONAL)
    }
    names = [name for name in columns if name not in OPTIONAL or np.isfinite(columns[name]).any()]
    return {"curve": exact_block(*(columns[name] for name in names)), "columns": names}


def error_state(failure: Failure) -> dict[str, str]:
    """Return a failure as text."""
    return {"type": failure.type, "message": failure.message, "where": failure.where}


def suggestion_list(result: LRFinderResult) -> list[dict[str, Any]]:
    """Return each rule's suggestion, the one to follow first; none if it was stopped too soon."""
    found = result.suggestions
    if not found or not tells(result):
        return []
    listed = [_suggestion(result.suggestion, "auto", "Suggested")]
    return listed + [
        _suggestion(suggestion, name, suggestion.label)
        for name, suggestion in found.items()
        if name != "auto"
    ]


def tells(result: LRFinderResult) -> bool:
    """Return whether a curve shows more than the plateau on which it was stopped."""
    return any(
        run.stop_reason != STOPPED or has_fallen(run.losses, run.smoothed) for run in result.runs
    )


def good_rates(result: LRFinderResult) -> list[float] | None:
    """Return the interval of rates about as good as the suggested one, where there are any."""
    nothing_good = any(finding.severity == "error" for finding in result.findings)
    return [*result.interval] if result.interval and tells(result) and not nothing_good else None


def _suggestion(suggestion: Any, rule: str, label: str) -> dict[str, Any]:
    return {
        "rule": rule,
        "label": label,
        "lr": suggestion.lr,
        "index": suggestion.index,
        "why": suggestion.why,
    }


def finding_list(
    result: LRFinderResult, settable: Collection[str] = PAGE_SETTINGS
) -> list[dict[str, Any]]:
    """Return what is to be said about the curve, the most severe first.

    What is not `settable` from the page is not offered as a button either.
    """
    listed = []
    for finding in result.findings:
        offered = set(finding.changes) <= set(settable)
        changes = finding.changes if offered else {}
        listed.append(
            {
                "name": finding.name,
                "severity": finding.severity,
                "text": finding.text,
                "changes": {name: plain(value) for name, value in changes.items()},
                "action": in_form_words(finding.action) if offered else "",
            }
        )
    return listed


def live_suggestions(result: LRFinderResult) -> list[dict[str, Any]]:
    """Return the suggestions of a sweep in progress, once its curve has turned."""
    if not has_turned(result.losses, result.smoothed):
        return []
    try:
        return suggestion_list(result)
    except Exception:  # noqa: BLE001 - a rule of the user's may need the whole curve
        return []


def status_state(
    runner: Runner,
    result: LRFinderResult | None,
    *,
    notes: Sequence[str],
    queued: bool,
    picture: int,
    follows: str,
    copies: bool,
) -> dict[str, Any]:
    """Return how the sweep stands, and of one that is done, what the result says of its runs."""
    sweep_notes = runner.sweep.notes if runner.sweep else []
    return {
        "state": runner.state,
        "run": runner.run_id,
        "total": runner.total,
        "points": len(runner.points),
        "repeats": runner.sweep.settings.repeats if runner.sweep else 1,
        "starts": [*runner.starts],
        "text": _ending(runner, result),
        "unsuggested": _unsuggested(runner, result),
        "notes": [*sweep_notes, *notes],
        "slowed": runner.state == RUNNING and runner.pace.slowed,
        "controls": "queued" if queued else "live",
        "picture": picture,
        "follows": follows,
        "copies": copies,
    }


def _ending(runner: Runner, result: LRFinderResult | None) -> str:
    if runner.end_note:
        return runner.end_note
    sweep = runner.sweep
    if runner.state != DONE or sweep is None:
        return ""
    if result is not None and len(result.runs) > 1:
        agreed = f" · suggestions {result.spread.words}" if result.spread else ""
        return f"{len(result.runs)} runs{agreed}"
    threshold = sweep.settings.diverge_threshold or 0.0
    words = {
        DIVERGED: f"stopped at {threshold:g}× the best",  # noqa: RUF001 - a multiplication sign
        NON_FINITE: f"stopped at step {len(runner.points)}: the loss is not finite",
        OUT_OF_MEMORY: f"memory ran out at step {len(runner.points) + 1}",
    }
    return words.get(sweep.stop_reason, "")


def _unsuggested(runner: Runner, result: LRFinderResult | None) -> str:
    """Return why a sweep that has ended suggests nothing; empty if it does, or if it failed."""
    if runner.state not in (DONE, HALTED):
        return ""
    if not runner.points:
        why = "the sweep ended before its first point"
    elif result is None or not result.suggestions:
        why = "too few points"
    elif not tells(result):
        why = "the loss had not fallen yet"
    else:
        return ""
    return f"No suggestions: {why}. Drag the marker to choose."
