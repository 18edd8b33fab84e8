"""The position of a loader that can tell and set it."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from lrfinder_widget.training.own_loader import has_own_copy


class LoaderState:
    """Where a loader stands, and put back there.

    A loader that is read through a copy (`lrfinder_widget.training.own_loader`) stays where it is,
    and asking some of these for their state moves them.
    """

    def __init__(self, loader: Any) -> None:
        self._load = None
        ask = getattr(loader, "state_dict", None)
        load = getattr(loader, "load_state_dict", None)
        if callable(ask) and callable(load) and not _is_covered(loader):
            self._load = load
            self._state = copy.deepcopy(ask())

    def restore(self) -> None:
        """Put the loader back where it was."""
        if self._load is not None:
            self._load(self._state)


def _is_covered(loader: Any) -> bool:
    return isinstance(loader, nn.Module) or has_own_copy(loader)
