"""A hash of all that decides how a pair trains, so that a change of one task leaves the others.

It covers the source of the functions and classes that take part, as far as this package defines
them; comments and layout do not count.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import platform
import textwrap
from functools import partial
from typing import Any

import numpy as np
import sklearn
import torch

from benchmarks.regret.tasks import OPTIMIZERS, Pair, Task
from benchmarks.regret.training import train

PACKAGE = "benchmarks.regret."


def fingerprint(pair: Pair, *settings: object) -> str:
    """Hash a pair, how it is trained, further settings, and the libraries."""
    task = pair.task
    optimizer = OPTIMIZERS[pair.optimizer]([torch.nn.Parameter(torch.zeros(1))], 0.1)
    sources: dict[str, str] = {}
    for thing in (task.make_model, task.make_data, Task, train):
        collect(thing, sources)
    parts = {
        "pair": (pair.name, task.batch_size, task.steps, repr(task.loss_fn)),
        "optimizer": (type(optimizer).__name__, sorted(optimizer.defaults.items())),
        "settings": settings,
        "libraries": (torch.__version__, np.__version__, sklearn.__version__),
        "python": platform.python_version(),  # its sources are data
        "sources": sorted(sources.items()),
    }
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def collect(thing: Any, sources: dict[str, str]) -> None:
    """Add the source of a function or class of this package, and of what it names."""
    if isinstance(thing, partial):
        collect(thing.func, sources)
        sources["arguments"] = repr((thing.args, sorted(thing.keywords.items())))
        return
    name = f"{thing.__module__}.{thing.__qualname__}"
    if name in sources or not name.startswith(PACKAGE):
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing))))
    sources[name] = ast.unparse(tree)
    home = importlib.import_module(thing.__module__)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for word in sorted(used):
        value = getattr(home, word, None)
        if isinstance(value, int | float | str | tuple):
            sources[f"{home.__name__}.{word}"] = repr(value)
        elif hasattr(value, "__qualname__"):
            collect(value, sources)
