"""What a sweep costs: time per step beside a bare loop and a peer, memory, stopping, size.

Run it on a quiet machine: ``.venv/bin/python benchmarks/overhead.py``. It says loudly what is over
its budget, and exits with 0 all the same.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
from typing import Any

import ground
import peer
from page import Page
from report import Row, publish

# For each way and sweep what `contenders.Alternation` has timed.
Times = dict[str, list[list[float]]]

WAYS = ("bare", "headless", "live", "peer")
LABELS = {
    "bare": "bare loop itself",
    "headless": "lr_find",
    "live": "live widget",
    "peer": peer.REQUIREMENT.replace("==", " "),
}
STEPS = 3000
STOPS = 20
SPIN = "spinning, end = True, False\nwhile not end:\n    pass\nspinning = False"
ENDLESS = 100_000
WATCHED_SECONDS = 4.0


def main() -> None:
    """Measure everything and say so."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--rounds", type=int, default=10, help="sweeps of each way, two or more (10)"
    )
    rounds = arguments.parse_args().rounds
    ground.one_torch_thread()
    peers = peer.install()
    rows: list[Row] = []
    details: dict[str, Any] = {"peer": peer.REQUIREMENT, "steps_a_sweep": STEPS}
    with ground.kernel() as kernel:
        # At the end of the path: the project's own packages come first.
        kernel.run(f"import sys; sys.path.append({str(peers)!r})\nimport contenders")
        details["seconds"] = times = time_steps(kernel, rounds)
        rows += step_rows(times)
    with ground.kernel() as kernel:
        details["controls"] = controls = time_controls(kernel)
        rows += control_rows(controls)
    details["snapshot"] = snapshot = snapshot_cost()
    rows += snapshot_rows(snapshot) + bundle_rows()
    publish("overhead", rows, details)


def time_steps(kernel: Any, rounds: int) -> Times:
    """Sweep in each way in turn, bare steps among those of the sweep."""
    kernel.run(f"contenders.begin()\nw = contenders.widget({STEPS})\ndisplay(w)")
    page = Page(kernel, "w")
    page.greet()

    def sweep(way: str) -> list[float]:
        if way != "live":
            return list(kernel.evaluate(f"contenders.{way}({STEPS})"))
        kernel.evaluate("contenders.begin()")
        page.run()
        page.wait("done")
        page.forget()
        return list(kernel.evaluate(f"contenders.seconds({STEPS})"))

    times: Times = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS:
            times[way].append(sweep(way))
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return times


def step_rows(times: Times) -> list[Row]:
    """Compare each way with the bare steps among its own."""
    budgets = {"live": 1.05, "headless": 1.03}
    rows = []
    for way in WAYS:
        swept, bare = (statistics.fmean(each[at] for each in times[way]) for at in (0, 1))
        ratio, error = mean_and_error([each[0] / each[1] for each in times[way]])
        limit = budgets.get(way)
        rows.append(
            Row(
                f"{LABELS[way]} against bare loop",
                f"{ratio:.3f}x ± {error:.3f} ({1e6 * swept:.0f} / {1e6 * bare:.0f} µs a step)",
                ratio,
                "" if limit is None else f"≤ {limit:.2f}x",
                limit,
            )
        )
    extra, error = mean_and_error([1e6 * (each[0] - each[1]) for each in times["headless"]])
    measured = f"{extra:.1f} ± {error:.1f} µs a step"
    rows.append(Row("lr_find on top of bare loop", measured, extra, "≤ 15 µs", 15))
    # A busy machine stretches durations more than it does work.
    for way in ("headless", "live"):
        ratio, error = mean_and_error([each[2] / each[3] for each in times[way]])
        what = f"{LABELS[way]} against bare loop, processor time of its thread"
        rows.append(Row(what, f"{ratio:.3f}x ± {error:.3f}", ratio))
    return rows


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Return the mean of two or more values, and its standard error."""
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5


def time_controls(kernel: Any) -> dict[str, Any]:
    """Time Stop, and count points, with the main thread idle and with a cell that spins."""
    kernel.run(f"import contenders\nw = contenders.widget({ENDLESS})\ndisplay(w)")
    watching = kernel.new_subshell()
    page = Page(kernel, "w")
    page.greet()
    idle = {"stops": stops(page), "points_a_second": pace(page)}
    cell = kernel.start(SPIN)
    kernel.until(
        lambda: kernel.evaluate("'spinning' in globals() and spinning", subshell=watching),
        "the spinning cell",
    )
    busy = {"stops": stops(page), "points_a_second": pace(page)}
    kernel.evaluate("globals().update(end=True)", subshell=watching)
    kernel.finish(cell)
    return {"idle": idle, "beside a spinning cell": busy}


def stops(page: Page) -> list[float]:
    """Start and stop; return the seconds that each stop took."""
    taken = []
    for _ in range(STOPS):
        page.run()
        page.wait_points(5)
        taken.append(page.stop())
        page.forget()
    return taken


def pace(page: Page) -> float:
    """Return the points a second of a sweep."""
    page.run()
    page.wait_points(5)
    found = page.points_a_second(WATCHED_SECONDS)
    page.stop()
    page.forget()
    return found


def control_rows(controls: dict[str, Any]) -> list[Row]:
    """Compare with the budgets of the controls; a step is added to that of Stop."""
    rows = []
    for where, found in controls.items():
        slowest = 1e3 * max(found["stops"])
        limit = 250 + 1e3 / found["points_a_second"]
        measured = f"{slowest:.0f} ms, median {1e3 * statistics.median(found['stops']):.0f} ms"
        what = f"Stop to stopped and restored, {where}, slowest of {STOPS}"
        rows.append(Row(what, measured, slowest, f"≤ {limit:.0f} ms", limit))
    alone, beside = (found["points_a_second"] for found in controls.values())
    share = beside / alone
    measured = f"1/{1 / share:.1f} ({beside:.0f} of {alone:.0f} a second)"
    what = "speed beside a spinning cell, against alone"
    return [*rows, Row(what, measured, share, "≥ 1/20", 1 / 20, at_least=True)]


def snapshot_cost() -> dict[str, Any]:
    """Measure the snapshot in a process of its own."""
    # With a fixed threshold glibc takes large blocks fresh from the system each time, as a sweep
    # in a notebook does; otherwise a second clone would reuse the first one's memory.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    script = [sys.executable, str(ground.HERE / "snapshot_cost.py")]
    done = subprocess.run(script, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def snapshot_rows(found: dict[str, Any]) -> list[Row]:
    """Compare with the budgets of the snapshot."""
    size = f"{found['bytes'] / 1e6:.0f} MB"
    fastest = (
        f"{1e3 * min(found['snapshot_seconds']):.0f} of {1e3 * min(found['clone_seconds']):.0f} ms"
    )
    ratio, copies = found["ratio"], found["copies_at_peak"]
    return [
        Row(
            f"snapshot taken and restored against one clone, {size}",
            f"{ratio:.2f}x, fastest {fastest}",
            ratio,
            "≤ 1.5x",
            1.5,
        ),
        # Pages and book-keeping come on top of the one copy.
        Row("peak memory of a snapshot", f"{copies:.2f} copies", copies, "1 copy", 1.02),
    ]


def bundle_rows() -> list[Row]:
    """Weigh the front end, module and style sheet together."""
    folder = ground.HERE.parent / "lrfinder_widget/widget/static"
    parts = [(folder / name).read_bytes() for name in ("widget.js", "widget.css")]
    sizes = {
        "minified": (sum(map(len, parts)) / 1e3, 100),
        "gzipped": (sum(len(gzip.compress(part)) for part in parts) / 1e3, 40),
    }
    return [
        Row(f"front end, {kind}", f"{size:.1f} kB", size, f"≤ {limit} kB", limit)
        for kind, (size, limit) in sizes.items()
    ]


if __name__ == "__main__":
    main()
