"""The rooms of the package stand in one order, and each imports only from those above it."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lrfinder_widget"

ROOMS = (
    "errors",
    "seeding",
    "settings",
    "stop_reasons",
    "points",
    "interrupts",
    "scheduler_rates",
    "parameter_groups",
    "rate_writing",
    "rate_notes",
    "optimizer_lr",
    "training",
    "divergence",
    "analysis",
    "journal",
    "journal_reading",
    "iteration",
    "sweep",
    "series",
    "dispatch",
    "figure",
    "schedule_options",
    "schedules",
    "schedule_code",
    "result_files",
    "choice",
    "result",
    "following",
    "series_result",
    "find",
    "function_sweep",
    "failure",
    "pace",
    "switch_interval",
    "thread_context",
    "runner",
    "adapters",
    "widget",
    "command",
    "__main__",
)
JUPYTER = {"IPython", "anywidget", "comm", "ipykernel", "ipywidgets", "traitlets"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imported_modules(path: Path) -> Iterator[str]:
    """Every imported module as a dotted name, relative imports resolved."""
    package = ("lrfinder_widget", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def rooms_used(path: Path) -> set[str]:
    parts = [module.split(".") for module in imported_modules(path)]
    return {part[1] for part in parts if part[0] == "lrfinder_widget" and len(part) > 1}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_belongs_to_a_room(path):
    assert room_of(path) in (*ROOMS, "__init__")


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room_of(path) != "__init__"], ids=name
)
def test_a_module_imports_only_from_its_own_room_and_those_above_it(path):
    above = ROOMS[: ROOMS.index(room_of(path)) + 1]
    assert rooms_used(path) <= set(above)


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) != "widget"], ids=name)
def test_only_the_widget_imports_jupyter(path):
    roots = {module.split(".")[0] for module in imported_modules(path)}
    assert not roots & JUPYTER


def loaded_after(statements: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after the statements."""
    code = f"{statements}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {module.split(".")[0] for module in json.loads(answer.stdout.splitlines()[-1])}


def test_importing_the_package_loads_no_jupyter_no_pictures_and_no_framework():
    heavy = JUPYTER | {"plotly", "matplotlib", "lightning", "transformers", "keras"}
    # torch itself may load some of these on some machines; what counts is what we add.
    added = loaded_after("import lrfinder_widget") - loaded_after("import torch")
    assert "lrfinder_widget" in added
    assert not added & heavy


def test_naming_the_widget_class_loads_it():
    assert "anywidget" in loaded_after("from lrfinder_widget import LRFinderWidget")
