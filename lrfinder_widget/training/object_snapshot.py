"""A plain object around the training before a sweep: a dataset, a sampler, a meter, a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from lrfinder_widget.training.memory import Memory

_SCALARS = (bool, int, float, complex, str, bytes, type(None))
# Larger ones are data that is read, not state that is kept: copying them would cost a data set.
_LARGEST_BYTES = 8_000_000


class ObjectSnapshot:
    """The state of one object: counters, orders, running values.

    Only attributes that it has now are put back: what somebody else adds meanwhile stays.
    """

    def __init__(self, thing: Any, memory: Memory) -> None:
        memory.remember_items(thing)
        self._thing = thing
        self._attributes = {}
        for name, value in list(getattr(thing, "__dict__", {}).items()):
            if isinstance(value, (Tensor, np.ndarray)):
                if value.nbytes > _LARGEST_BYTES:
                    continue
                memory.remember(value)
            elif not isinstance(value, (*_SCALARS, list, dict, set)):
                continue
            self._attributes[name] = value

    def restore(self) -> None:
        """Put the attributes back; the contents of tensors and containers are `Memory`'s."""
        if self._attributes:
            vars(self._thing).update(self._attributes)
