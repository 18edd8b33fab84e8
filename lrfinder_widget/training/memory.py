"""Remember tensors and containers as they are, and put their contents back in place."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrfinder_widget.training.keeping import Copies
from lrfinder_widget.training.sharding import local_part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Array = NDArray[Any]

_CONTAINERS = (dict, list, set, deque)
_ITERABLE = (list, tuple, set, frozenset, deque)


class Memory:
    """Tensors and arrays with their values, containers with their contents.

    Everything is restored *in place*: a tensor by ``copy_``, a container by the items it held, so
    that tied weights and references held elsewhere stay valid. Each object is remembered once,
    however often it is met; the extra memory is one copy of the tensors, which `copy_tensors`
    makes when all are known.
    """

    def __init__(self) -> None:
        # An alias keeps the tensor's memory, should somebody give it another (`tensor.data = …`).
        self._tensors: dict[int, tuple[Tensor, Tensor]] = {}
        self._copies: Copies | None = None
        self._arrays: dict[int, tuple[Array, Array]] = {}
        self._containers: dict[int, tuple[Any, Any]] = {}
        self._entered: set[int] = set()

    def remember(self, value: Any) -> None:
        """Remember a tensor, or a container and what is in it; other values are left alone."""
        if isinstance(value, Tensor):
            self._remember_tensor(value)
        elif isinstance(value, np.ndarray):
            self._arrays.setdefault(id(value), (value, value.copy()))
        elif isinstance(value, _CONTAINERS):
            if id(value) in self._entered:
                return
            self._entered.add(id(value))
            self.remember_items(value)
            self.remember_all(items_of(value))
        elif isinstance(value, tuple):
            self.remember_all(items_of(value))

    def remember_items(self, container: Any) -> None:
        """Remember which items a container holds, but not what is in them."""
        if isinstance(container, _CONTAINERS):
            self._containers.setdefault(id(container), (container, _shallow_copy(container)))

    def remember_all(self, values: Iterable[Any]) -> None:
        """Remember each of `values`."""
        for value in values:
            self.remember(value)

    def _remember_tensor(self, tensor: Tensor) -> None:
        if id(tensor) in self._tensors or tensor.is_meta:
            return
        self._tensors[id(tensor)] = (tensor, local_part(tensor).detach())

    def copy_tensors(self, place: str | None = None) -> None:
        """Copy the values of all tensors; see `lrfinder_widget.training.keeping`."""
        aliases = (alias for _, alias in self._tensors.values())
        self._copies = Copies(map(_whole_memory, aliases), place)

    def leaves(self) -> list[Tensor]:
        """Return the tensors among those remembered that can have a gradient of their own."""
        return [tensor for tensor, _ in self._tensors.values() if tensor.is_leaf]

    def restore(self) -> None:
        """Put back what was remembered, and let the copies go."""
        for container, items in self._containers.values():
            _refill(container, items)
        if self._copies is not None:
            self._restore_tensors(self._copies)
            self._copies.close()
        for array, values in self._arrays.values():
            if array.flags.writeable:
                array[...] = values

    def _restore_tensors(self, copies: Copies) -> None:
        with torch.no_grad():
            for (tensor, alias), value in zip(self._tensors.values(), copies, strict=True):
                own = local_part(tensor)
                if own.layout is not torch.strided:
                    own.copy_(value)  # an alias of a sparse tensor would get parts of its own
                    continue
                _whole_memory(alias).copy_(value)
                if not own.is_set_to(alias):
                    own.data = alias


def _whole_memory(tensor: Tensor) -> Tensor:
    """Return `tensor`, or a flat view of its storage where its elements overlap (an expanded one).

    Torch refuses to write into a tensor of which several elements lie at one place.
    """
    if tensor.layout is not torch.strided or tensor.is_contiguous():
        return tensor
    overlaps = any(
        stride == 0 and size > 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
    )
    if not overlaps:
        return tensor
    length = tensor.untyped_storage().nbytes() // tensor.element_size()
    return tensor.as_strided((length,), (1,), 0)


def items_of(container: Any) -> list[Any]:
    """Return what a container holds, a dict's values.

    Iterating over a subclass of the user's may do anything: read a loader, draw random numbers.
    All are taken at once, since another thread may add to it meanwhile.
    """
    if isinstance(container, dict):
        return list(dict.values(container))
    kind: Any = next(kind for kind in _ITERABLE if isinstance(container, kind))
    return list(kind.__iter__(container))


def _shallow_copy(container: Any) -> Any:
    # Not copy.copy: subclasses may copy deeply, or refuse (a defaultdict of a library's own).
    if isinstance(container, dict):
        return dict(dict.items(container))
    return items_of(container)


def _refill(container: Any, items: Any) -> None:
    """Put the items back, if it does not hold just these: what was not changed keeps its order."""
    if isinstance(container, dict):
        if not _same_items(container, items) or not _same_items(container.values(), items.values()):
            container.clear()
            container.update(items)
    elif isinstance(container, list):
        if not _same_items(items_of(container), items):
            container[:] = items
    elif isinstance(container, set):
        if len(container) != len(items) or not container.issuperset(items):
            container.clear()
            container.update(items)
    elif not _same_items(container, items):
        container.clear()
        container.extend(items)


def _same_items(now: Iterable[Any], then: Iterable[Any]) -> bool:
    # Not by ==, which tensors answer element by element.
    return [*map(id, now)] == [*map(id, then)]
