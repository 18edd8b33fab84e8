"""How long Chromium's main thread works in each animation frame, from a trace of the page."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CATEGORIES = [
    "devtools.timeline",
    "disabled-by-default-devtools.timeline",
    "disabled-by-default-devtools.timeline.frame",
    "toplevel",
    "__metadata",
]
_TASK = "RunTask"
_FRAME = "BeginMainThreadFrame"


@contextmanager
def traced(browser: Any, page: Any) -> Iterator[list[float]]:
    """Yield a list that holds, after the block, the milliseconds of work in each frame."""
    found: list[float] = []
    browser.start_tracing(page=page, categories=CATEGORIES)
    try:
        yield found
    finally:
        trace = browser.stop_tracing()
    found += work_by_frame(json.loads(trace)["traceEvents"])


def work_by_frame(events: list[dict[str, Any]]) -> list[float]:
    """Return the milliseconds of tasks between one frame's beginning and the next one's.

    Counts every task of the main thread of the page that drew most: scripts (JupyterLab's too),
    style, layout and paint. Rasterising happens on other threads and is not in it.
    """
    frames = Counter((e["pid"], e["tid"]) for e in events if e["name"] == _FRAME)
    if not frames:
        raise RuntimeError(f"the trace holds no {_FRAME}: this Chromium names its events otherwise")
    ((busiest, _),) = frames.most_common(1)
    own = [e for e in events if (e["pid"], e["tid"]) == busiest]
    starts = sorted(e["ts"] for e in own if e["name"] == _FRAME)
    tasks = [(e["ts"], e["dur"]) for e in own if e["name"] == _TASK and "dur" in e]
    work: defaultdict[int, float] = defaultdict(float)
    place = 0
    for begins, lasts in sorted(tasks):
        # The frame that a task ends in: a task that begins a frame starts just before its mark.
        while place + 1 < len(starts) and starts[place + 1] < begins + lasts:
            place += 1
        if starts[place] < begins + lasts:
            work[place] += lasts / 1e3
    return [work[place] for place in range(len(starts))]
