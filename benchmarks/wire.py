"""Bytes, messages and latency in a real JupyterLab, beside a Plotly ``FigureWidget``.

And how long the page works in each frame of a drag, there and on a page with nothing else on it.

Run it on a quiet machine: ``.venv/bin/python benchmarks/wire.py``. It says loudly what is over its
budget, and exits with 0 all the same.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import ground
import numpy as np
from drags import DRAGS, drag_rows
from report import Row, publish
from traffic import Traffic
from wire_cells import (
    DRAWN,
    FIGURE,
    RUN_FIGURE,
    SETUP,
    WATCH_FIGURE,
    WATCH_WIDGET,
    widget_cells,
)

if TYPE_CHECKING:
    from ground import Laboratory

STEP = 0.005
SLOW_STEP = 0.02
COUNTS = (300, 3000)
WITH_NORMS = "with gradient norms"
PATIENCE = 25  # seconds that a page gets to catch up after the last step


@dataclass(frozen=True)
class Measured:
    """What one sweep took on the wire and until it was seen.

    Attributes
    ----------
    points
        How many points were planned; a `FigureWidget` may not get that far in time.
    opening, sweep
        The traffic until the empty chart stood there, and from the first step to the end.
    latencies
        Milliseconds from the end of each point's step to its pixels; of a point that was not
        drawn in time, the milliseconds until nobody waited any more.
    drawn
        How many points were drawn in time.
    """

    points: int
    opening: dict[str, Any]
    sweep: dict[str, Any]
    latencies: list[float]
    drawn: int

    @property
    def median(self) -> float:
        """The median latency in milliseconds."""
        return float(np.percentile(self.latencies, 50))

    @property
    def p95(self) -> float:
        """The latency in milliseconds that one point in twenty exceeds."""
        return float(np.percentile(self.latencies, 95))

    def details(self) -> dict[str, Any]:
        """Return it as plain data, without the single latencies."""
        return {
            "opening": self.opening,
            "sweep": self.sweep,
            "median_ms": self.median,
            "p95_ms": self.p95,
            "max_ms": max(self.latencies),
            "steps": len(self.latencies),
            "drawn": self.drawn,
        }


def main() -> None:
    """Measure everything and say so."""
    rows: list[Row] = []
    details: dict[str, Any] = {"step_seconds": STEP}
    with ground.laboratory() as laboratory:
        traffic = Traffic(laboratory.page)
        cases = [("widget", count, STEP, sweep_widget) for count in COUNTS]
        cases.insert(1, ("widget", COUNTS[0], SLOW_STEP, sweep_widget))
        cases.append((f"widget, {WITH_NORMS}", COUNTS[0], SLOW_STEP, sweep_with_norms))
        cases += [("FigureWidget", count, STEP, sweep_figure) for count in COUNTS]
        for who, count, pause, sweep in cases:
            found = sweep(laboratory, traffic, count, pause)
            name = f"{who}, {count:,} points of {1e3 * pause:.0f} ms"
            details[name] = found.details()
            rows += figure_rows(name, found) if who == "FigureWidget" else widget_rows(name, found)
        for where, measure in DRAGS.items():
            frames = measure(laboratory)
            details[f"drag_frames, {where}"] = [asdict(frame) for frame in frames]
            rows += drag_rows(where, frames)
    publish("wire", rows, details)


def sweep_with_norms(
    laboratory: Laboratory, traffic: Traffic, count: int, pause: float
) -> Measured:
    """Do the same with gradient norms recorded, a column more live and in the finished curve."""
    return sweep_widget(laboratory, traffic, count, pause, norms=True)


def sweep_widget(
    laboratory: Laboratory, traffic: Traffic, count: int, pause: float, *, norms: bool = False
) -> Measured:
    """Show the widget, run one sweep, and wait for its picture."""
    with laboratory.notebook(widget_cells(pause, count, norms=norms)) as tab:
        tab.run(0)
        traffic.clear()
        tab.run(1)
        tab.slider.wait_for()
        # Until the second hello has passed, as it has before a person finds the button.
        wait_until(tab, lambda: traffic.frames["reply"] >= 2)
        opening = traffic.counted()
        traffic.clear()
        tab.page.evaluate(WATCH_WIDGET)
        tab.run(2)
        if not until_drawn(tab, count, pause):
            print(f"  the kernel says {tab.evaluate('w.status')}")
            print(f"  the page received {dict(traffic.frames)}")
        elif tab.leftmost_point() > 0.05:
            raise RuntimeError("the canvas does not show the curve from its beginning")
        wait_until(tab, lambda: traffic.frames["update_display_data"] > 0)
        return measured(tab, count, opening, traffic)


def sweep_figure(laboratory: Laboratory, traffic: Traffic, count: int, pause: float) -> Measured:
    """Show a FigureWidget and train with one update a point."""
    run = RUN_FIGURE.replace("{points}", str(count))
    with laboratory.notebook([SETUP.replace("{pause}", str(pause)), FIGURE, run]) as tab:
        tab.run(0)
        traffic.clear()
        tab.run(1)
        tab.page.wait_for_function("document.querySelector('.js-plotly-plot')?.calcdata")
        opening = traffic.counted()
        traffic.clear()
        tab.page.evaluate(WATCH_FIGURE)
        # The page may be so busy that it learns late that the cell has ended.
        tab.run(2, wait=False)
        until_drawn(tab, count, pause)
        if tab.is_finished(2):
            tab.wait_cell(2)  # raises what the cell raised
        return measured(tab, count, opening, traffic)


def wait_until(tab: Any, condition: Any) -> None:
    """Wait for something that this process sees happen; the page's events pass meanwhile."""
    frame = "new Promise(resolve => requestAnimationFrame(() => resolve(true)))"
    for _ in range(60 * 60):  # frames of a minute
        if condition():
            return
        tab.page.evaluate(frame)
    raise TimeoutError("the page did not get that far within a minute")


def until_drawn(tab: Any, count: int, pause: float) -> bool:
    """Wait until the page has drawn all points, or nobody would wait longer; return which."""
    from playwright.sync_api import TimeoutError as TooSlowError

    seconds = count * (pause + 0.005) + PATIENCE
    try:
        # Polled rarely: looking costs the page time that it needs for drawing.
        tab.page.wait_for_function(DRAWN, arg=count, timeout=1e3 * seconds, polling=200)
    except TooSlowError:
        print(f"not all of {count} points were drawn within {seconds:.0f} s")
        return False
    return True


def measured(tab: Any, count: int, opening: dict[str, Any], traffic: Traffic) -> Measured:
    """Collect what the page and the kernel have noted."""
    gave_up, drawn = tab.page.evaluate("[Date.now(), window.drawn]")
    # Before the kernel is asked: its answers reach the page too.
    sweep = traffic.counted()
    stamps = [1e3 * stamp for stamp in tab.evaluate("stamps")]
    latencies = latencies_of(stamps, drawn, gave_up)
    return Measured(count, opening, sweep, latencies, drawn[-1][1] if drawn else 0)


def latencies_of(
    stamps: list[float], drawn: list[tuple[float, int]], gave_up: float
) -> list[float]:
    """Return for each point the milliseconds until a drawing with it was seen."""
    found = []
    drawings = iter([*drawn, (gave_up, math.inf)])
    when, count = next(drawings)
    for index, stamp in enumerate(stamps):
        while count <= index:
            when, count = next(drawings)
        found.append(when - stamp)
    return found


def widget_rows(name: str, found: Measured) -> list[Row]:
    """Compare a sweep of the widget with its budgets."""
    kinds = found.sweep["received"]
    blocks = sum(kind["of these in buffers"] for kind in kinds.values())
    a_point = blocks / found.points
    picture = sum(
        kinds.get(kind, {"bytes": 0})["bytes"] for kind in ("update_display_data", "display_data")
    )
    rows = [
        Row(f"{name}: opening", kilobytes(found.opening["bytes"]), found.opening["bytes"]),
        Row(
            f"{name}: blocks, headers aside",
            f"{a_point:.1f} bytes a point",
            a_point,
            *(("", None) if WITH_NORMS in name else ("≤ 40", 40)),
        ),
    ]
    live = found.sweep["bytes"] - picture
    told = f"{kilobytes(live)} in {found.sweep['frames']} frames"
    short = found.points == COUNTS[0]
    budget = ("≤ 150 kB", 150_000) if short else ("", None)
    rows.append(Row(f"{name}: received, picture aside", told, live, *budget))
    rows.append(Row(f"{name}: the picture", kilobytes(picture), picture))
    return [
        *rows,
        Row(
            f"{name}: step to pixels, median", f"{found.median:.0f} ms", found.median, "≤ 60 ms", 60
        ),
        Row(f"{name}: step to pixels, p95", f"{found.p95:.0f} ms", found.p95, "≤ 150 ms", 150),
    ]


def figure_rows(name: str, found: Measured) -> list[Row]:
    """Tell the same of a FigureWidget, which has no budgets."""
    told = f"{kilobytes(found.sweep['bytes'])} in {found.sweep['frames']} frames"
    least = "" if found.drawn == found.points else "≥ "
    drawn = (
        ""
        if found.drawn == found.points
        else f" ({found.drawn:,} of {len(found.latencies):,} steps' points drawn in time)"
    )
    return [
        Row(f"{name}: opening", kilobytes(found.opening["bytes"]), found.opening["bytes"]),
        Row(f"{name}: received", told, found.sweep["bytes"]),
        Row(
            f"{name}: step to pixels, median", f"{least}{found.median:.0f} ms{drawn}", found.median
        ),
        Row(f"{name}: step to pixels, p95", f"{least}{found.p95:.0f} ms{drawn}", found.p95),
    ]


def kilobytes(count: float) -> str:
    """Return bytes as text."""
    return f"{count / 1e3:,.0f} kB"


if __name__ == "__main__":
    main()
