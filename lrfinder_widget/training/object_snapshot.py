"""A plain object around the training before a sweep: a dataset, a sampler, a meter, a loss."""

from __future__ import annotations

import functools
import types
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lrfinder_widget.training.attributes import Attributes
from lrfinder_widget.training.buffer_snapshot import BUFFERS, BufferSnapshot
from lrfinder_widget.training.function_snapshot import FunctionSnapshot, closed_over
from lrfinder_widget.training.memory import items_of
from lrfinder_widget.training.same_bits import parts_of_sparse

if TYPE_CHECKING:
    from collections.abc import Collection

    import torch
    from numpy.typing import NDArray

    from lrfinder_widget.training.memory import Memory

# Larger ones are data that is read, not state that is kept: copying them would cost a data set.
_LARGEST_BYTES = 8_000_000
# In a container, where a list of batches may lie as well, only what is certainly no data.
_LARGEST_BYTES_OF_ITEMS = 4_000
# As many tensors or arrays are samples.
_MOST_ITEMS = 5_000


class ObjectSnapshot:
    """The state of one object: counters, orders, running values.

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
        for item in _items_of_container(thing):
            if _bytes(item) <= _LARGEST_BYTES_OF_ITEMS or item.shape in shapes:
                memory.remember(item)
        self._bound = (
            FunctionSnapshot(thing) if isinstance(thing, types.FunctionType) else Attributes(thing)
        )
        self._buffer = BufferSnapshot(thing, _LARGEST_BYTES) if isinstance(thing, BUFFERS) else None
        for value in _values_of(thing, self._bound):
            if isinstance(value, (Tensor, np.ndarray)) and (
                _bytes(value) <= _LARGEST_BYTES or value.shape in shapes
            ):
                memory.remember(value)

    def restore(self) -> None:
        """Put the attributes back; the contents of tensors and containers are `Memory`'s."""
        self._bound.restore()
        if self._buffer is not None:
            self._buffer.restore()


def _values_of(thing: Any, bound: FunctionSnapshot | Attributes) -> list[Any]:
    """Return what an object has by name."""
    if isinstance(bound, Attributes):
        arguments = isinstance(thing, functools.partial)
        return [*thing.args, *thing.keywords.values()] if arguments else bound.values()
    return [*vars(thing).values(), *closed_over(thing)]


def _items_of_container(thing: Any) -> list[Any]:
    """Return the tensors and arrays in a container that holds not very many things."""
    if not isinstance(thing, (dict, list, tuple, deque)):
        return []
    items = items_of(thing)
    if len(items) > _MOST_ITEMS:
        return []
    return [item for item in items if isinstance(item, (Tensor, np.ndarray))]


def _bytes(value: Tensor | NDArray[Any]) -> int:
    # A sparse tensor does not tell.
    parts = parts_of_sparse(value) if isinstance(value, Tensor) else []
    return sum(part.nbytes for part in parts) if parts else value.nbytes
