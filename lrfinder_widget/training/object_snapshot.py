"""A plain object around the training before a sweep: a dataset, a sampler, a meter, a loss."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lrfinder_widget.training.memory import items_of

if TYPE_CHECKING:
    from collections.abc import Collection

    import torch

    from lrfinder_widget.training.memory import Memory

_SCALARS = (bool, int, float, complex, str, bytes, type(None))
# Larger ones are data that is read, not state that is kept: copying them would cost a data set.
_LARGEST_BYTES = 8_000_000
# In a container, where a list of batches may lie as well, only what is certainly no data.
_LARGEST_BYTES_OF_ITEMS = 4_000


class ObjectSnapshot:
    """The state of one object: counters, orders, running values.

    Only attributes that it has now are put back: what somebody else adds meanwhile stays.

    Parameters
    ----------
    thing
        The object.
    memory
        What remembers its tensors and containers.
    shapes
        Those of the model's parameters: tensors shaped like one (averages of them, say) are state
        however large they are.
    """

    def __init__(self, thing: Any, memory: Memory, shapes: Collection[torch.Size] = ()) -> None:
        memory.remember_items(thing)
        for item in _tensors_in(thing):
            if item.nbytes <= _LARGEST_BYTES_OF_ITEMS or item.shape in shapes:
                memory.remember(item)
        self._thing = thing
        self._attributes = {}
        for name, value in list(getattr(thing, "__dict__", {}).items()):
            if isinstance(value, (Tensor, np.ndarray)):
                if value.nbytes > _LARGEST_BYTES and value.shape not in shapes:
                    continue
                memory.remember(value)
            elif not isinstance(value, (*_SCALARS, list, dict, set)):
                continue
            self._attributes[name] = value

    def restore(self) -> None:
        """Put the attributes back; the contents of tensors and containers are `Memory`'s."""
        if self._attributes:
            vars(self._thing).update(self._attributes)


def _tensors_in(thing: Any) -> list[Tensor]:
    if not isinstance(thing, (dict, list, tuple, deque)):
        return []
    return [item for item in items_of(thing) if isinstance(item, Tensor)]
