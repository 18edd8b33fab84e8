"""What is no part of a training, though one may hold it: machinery, and the code of libraries."""

from __future__ import annotations

import sys
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


def is_machinery(thing: Any) -> bool:
    """Return whether this runs a training, or something else, rather than being part of it."""
    # An optimizer of an adapter's stands for one of the user's.
    ours = type(thing).__module__.split(".")[0] in _MACHINERY
    return ours and not isinstance(thing, Optimizer)


def is_of_library(code: Any) -> bool:
    """Return whether a class or function is a library's, not the user's own."""
    return str(code.__module__).split(".")[0] in _LIBRARIES
