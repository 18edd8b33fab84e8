"""How long Chromium's main thread works in each animation frame, from a trace of the page."""

from __future__ import annotations

import bisect
import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CATEGORIES = [
    "devtools.timeline",
    "disabled-by-default-devtools.timeline",
    "disabled-by-default-devtools.timeline.frame",
    "toplevel",
    "__metadata",
]
_TASK = "RunTask"
_FRAME = "BeginMainThreadFrame"
# What the browser's own developer tools count as scripting, rendering and painting. Around it,
# tasks take up input and messages of the tools that measure.
_SCRIPT_AND_PAINT = {
    "EventDispatch", "FunctionCall", "FireAnimationFrame", "TimerFire", "RunMicrotasks",
    "EvaluateScript", "V8.GCScavenger", "MinorGC", "MajorGC", "UpdateLayoutTree", "Layout",
    "HitTest", "PrePaint", "Paint", "Layerize", "UpdateLayer", "Commit",
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """What the main thread did between one frame's beginning and the next one's.

    Attributes
    ----------
    lasted, worked
        Milliseconds of all its tasks, by the clock on the wall and by the thread's own.
    drew
        Milliseconds of scripts, style, layout and paint among these, by the thread's own clock.
    moved
        Whether the pointer moved in it.
    """

    lasted: float
    worked: float
    drew: float
    moved: bool


@contextmanager
def traced(browser: Any, page: Any) -> Iterator[list[Work]]:
    """Yield a list that holds, after the block, the work of each frame."""
    found: list[Work] = []
    browser.start_tracing(page=page, categories=CATEGORIES)
    try:
        yield found
    finally:
        trace = browser.stop_tracing()
    found += work_by_frame(json.loads(trace)["traceEvents"])


def work_by_frame(events: list[dict[str, Any]]) -> list[Work]:
    """Return the work of each frame of a trace.

    Counts every task of the main thread of the page that drew most: scripts (JupyterLab's too),
    style, layout and paint. Rasterising happens on other threads and is not in it.
    """
    frames = Counter((event["pid"], event["tid"]) for event in events if event["name"] == _FRAME)
    if not frames:
        raise RuntimeError(f"the trace holds no {_FRAME}: this Chromium names its events otherwise")
    busiest = max(frames, key=frames.__getitem__)
    own = [event for event in events if (event["pid"], event["tid"]) == busiest]
    starts = sorted(event["ts"] for event in own if event["name"] == _FRAME)
    lasted, worked, drew = ([0.0] * len(starts) for _ in range(3))
    moved = [False] * len(starts)
    outer = _outermost(event for event in own if event["name"] in _SCRIPT_AND_PAINT)
    for event in own:
        # The frame that it ends in: the task that begins a frame starts just before its mark.
        frame = bisect.bisect_right(starts, event["ts"] + event.get("dur", 0)) - 1
        if frame < 0:
            continue
        if event["name"] == _TASK:
            lasted[frame] += event.get("dur", 0) / 1e3
            worked[frame] += event.get("tdur", 0) / 1e3
        if event["name"] == "EventDispatch" and event["args"]["data"]["type"] == "pointermove":
            moved[frame] = True
        if id(event) in outer:
            drew[frame] += event.get("tdur", 0) / 1e3
    return [Work(*values) for values in zip(lasted, worked, drew, moved, strict=True)]


def _outermost(events: Iterable[dict[str, Any]]) -> set[int]:
    """Return the identities of the events that lie in none of the others."""
    found = set()
    end = -1
    for event in sorted(events, key=lambda each: (each["ts"], -each.get("dur", 0))):
        if event["ts"] >= end:
            found.add(id(event))
            end = event["ts"] + event.get("dur", 0)
    return found
