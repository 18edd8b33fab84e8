"""What a benchmark says in the end: one plain table, and the same as JSON."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "lrfinder-widget", "torch", "numpy", "ipykernel", "jupyterlab", "anywidget", "plotly"
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One measured thing.

    Attributes
    ----------
    what, budget, measured
        In words, with units; ``budget`` is empty where there is none.
    value
        The number that ``limit`` bounds.
    limit, at_least
        The budget as a number, and whether it is a lower bound.
    """

    what: str
    measured: str
    value: float
    budget: str = ""
    limit: float | None = None
    at_least: bool = False

    @property
    def ok(self) -> bool | None:
        """Whether the budget is kept; None where there is none."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def verdict(self) -> str:
        """The last column of the table."""
        return {None: "", True: "ok", False: "OVER"}[self.ok]


def publish(name: str, rows: list[Row], details: dict[str, Any]) -> None:
    """Print the table and write ``results/<name>.json``."""
    print(table(rows))
    over = [row for row in rows if row.ok is False]
    if over:
        print(f"\n!!! {len(over)} of {len(rows)} OVER BUDGET:")
        for row in over:
            print(f"!!!   {row.what}: {row.measured} (budget {row.budget})")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {
        "benchmark": name,
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "rows": [{**asdict(row), "ok": row.ok} for row in rows],
        "details": details,
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to benchmarks/results/{path.name}")


def table(rows: list[Row]) -> str:
    """Lay the rows out in columns."""
    cells = [("what", "budget", "measured", "")]
    cells += [(row.what, row.budget, row.measured, row.verdict) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "-" * len(max(lines, key=len)), *lines[1:]])


def machine() -> dict[str, Any]:
    """Return what the figures depend on beside the code."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages that take part."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
