"""What is no part of a training, though one may hold it: machinery, and the code of libraries."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from torch.optim import Optimizer

# A loss may close over the widget itself, a lock or a pool: no part of the training. A module
# names the Lightning trainer that it was last fitted by, with its loggers and their threads.
_MACHINERY = {
    "lrfinder_widget", "anywidget", "asyncio", "comm", "concurrent", "ipykernel", "IPython",
    "ipywidgets", "lightning", "multiprocessing", "pytorch_lightning", "queue", "_thread",
    "threading", "traitlets", "zmq",
}  # fmt: skip
# Their classes close over nothing that a sweep should put back.
_LIBRARIES = {*sys.stdlib_module_names, "torch", "numpy", "torchvision", "pandas", "PIL", "keras"}
_LIBRARIES.discard("__main__")
_INSTALLED = ("site-packages", "dist-packages")


def is_machinery(thing: Any) -> bool:
    """Return whether this runs a training, or something else, rather than being part of it."""
    # An optimizer of an adapter's stands for one of the user's.
    ours = type(thing).__module__.split(".")[0] in _MACHINERY
    return ours and not isinstance(thing, Optimizer)


def is_of_library(code: Any) -> bool:
    """Return whether a class or function is a library's, not the user's own."""
    return str(code.__module__).split(".")[0] in _LIBRARIES


@cache
def is_users_own(module: str) -> bool:
    """Return whether code in the module of this name is the user's: functions of it are followed.

    Unlike a class's, which says what a model or data set does, an installed function's way leads
    far away.
    """
    if str(module).split(".")[0] in _LIBRARIES | _MACHINERY:
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return not any(folder in file for folder in _INSTALLED)
