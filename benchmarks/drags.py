"""How long a page works in each frame while the marker is dragged over ten long curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from frame_times import traced
from plain_page import plain_page
from report import Row
from wire_cells import DRAWN, WATCH_WIDGET, widget_cells

if TYPE_CHECKING:
    from frame_times import Work
    from ground import Laboratory

POINTS, CURVES = 10_000, 10
MOVES = 200
LONGEST_RUN = 600  # seconds for all of the curves


def drag_plainly(laboratory: Laboratory) -> list[Work]:
    """Drag the marker where nothing else is on the page."""
    with plain_page(laboratory.browser, CURVES, POINTS) as page:
        return drag(laboratory.browser, page)


def drag_in_jupyterlab(laboratory: Laboratory) -> list[Work]:
    """Drag the marker in a notebook, when its sweeps have ended."""
    with laboratory.notebook(widget_cells(0, POINTS, curves=CURVES)) as tab:
        tab.run(0)
        tab.run(1)
        tab.slider.wait_for()
        tab.page.evaluate(WATCH_WIDGET)
        tab.run(2)
        total = POINTS * CURVES
        tab.page.wait_for_function(DRAWN, arg=total, timeout=1e3 * LONGEST_RUN, polling=200)
        tab.settled()
        return drag(laboratory.browser, tab.page)


def drag(browser: Any, page: Any) -> list[Work]:
    """Drag the marker to and fro; return the work of each frame."""
    box = page.locator(".lrf-canvas .u-over").bounding_box()
    mouse, height = page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + 10, height)
    mouse.down()
    with traced(browser, page) as frames:
        for move in range(MOVES):
            share = 0.5 - 0.45 * math.cos(move / 15)
            mouse.move(box["x"] + share * box["width"], height)
    mouse.up()
    return frames


DRAGS = {"plain page": drag_plainly, "JupyterLab": drag_in_jupyterlab}


def drag_rows(where: str, frames: list[Work]) -> list[Row]:
    """Compare the frames in which the pointer moved with their budget."""
    moved = [frame for frame in frames if frame.moved]
    what = f"drag over {CURVES} curves of {POINTS:,} points, {where}"
    measures = {
        "script and paint": ([frame.drew for frame in moved], "≤ 8 ms", 8),
        "all of the main thread, its processor time": ([frame.worked for frame in moved], "", None),
        # A busy machine stretches what a frame lasts more than its work.
        "all of the main thread, by the clock": ([frame.lasted for frame in moved], "", None),
    }
    rows = []
    for measure, (values, *budget) in measures.items():
        p95 = float(np.percentile(values, 95))
        told = f"{p95:.1f} ms, median {np.median(values):.1f} ms of {len(values)} frames"
        rows.append(Row(f"{what}: {measure} a frame, p95", told, p95, *budget))
    return rows
