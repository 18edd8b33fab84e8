"""Remember tensors and containers as they are, and put their contents back in place."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.keeping import Copies
from lrfinder_widget.training.kept_tensor import KeptTensor, bind_inner_tensors, inner_tensors
from lrfinder_widget.training.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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

    Parameters
    ----------
    name_of
        Tells what a user calls a tensor, for an error.
    """

    def __init__(self, name_of: Callable[[Tensor], str] = lambda _: "a tensor") -> None:
        self._name_of = name_of
        self._tensors: dict[int, KeptTensor] = {}
        self._wrappers: dict[int, tuple[Tensor, Mapping[str, Tensor]]] = {}
        self._copies: Copies | None = None
        self._arrays: dict[int, tuple[Array, Array]] = {}
        self._containers: dict[int, tuple[Any, Any]] = {}
        self._entered: set[int] = set()

    def remember(self, value: Any) -> None:
        """Remember a tensor, or a container and what is in it; other values are left alone."""
        if isinstance(value, Tensor):
            self._remember_tensor(value)
        elif isinstance(value, np.ndarray):
            if value.flags.writeable and id(value) not in self._arrays:
                self._arrays[id(value)] = (value, value.copy())
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
        if id(tensor) in self._tensors or id(tensor) in self._wrappers or tensor.is_meta:
            return
        try:
            parts = inner_tensors(tensor)
            if parts:
                self._wrappers[id(tensor)] = (tensor, parts)
            else:
                self._tensors[id(tensor)] = KeptTensor(tensor)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise SettingsError(
                f"{self._name_of(tensor)} is a {type(tensor).__name__} ({tensor.dtype}, "
                f"{tensor.layout}), which cannot be copied and put back after a sweep: "
                f"{type(error).__name__}: {error}"
            ) from error
        self.remember_all(parts.values())

    def copy_tensors(self, place: str | None = None) -> None:
        """Copy the values of all tensors; see `lrfinder_widget.training.keeping`."""
        self._copies = Copies([kept.source for kept in self._tensors.values()], place)

    def leaves(self) -> list[Tensor]:
        """Return the tensors among those remembered that can have a gradient of their own."""
        tensors = [kept.tensor for kept in self._tensors.values()]
        tensors += [tensor for tensor, _ in self._wrappers.values()]
        return [tensor for tensor in tensors if tensor.is_leaf]

    def restore(self) -> None:
        """Put back what was remembered, and let the copies go.

        What goes wrong with one thing is raised when all the others are back.
        """
        with torch.no_grad(), ExitStack() as parts:
            if self._copies is not None:
                parts.callback(self._copies.close)
            for array, values in self._arrays.values():
                parts.callback(_refill_array, array, values)
            if self._copies is not None:
                for kept, value in zip(self._tensors.values(), self._copies, strict=True):
                    parts.callback(kept.restore, value)
            for tensor, inner in self._wrappers.values():
                parts.callback(bind_inner_tensors, tensor, inner)
            for container, items in self._containers.values():
                parts.callback(_refill, container, items)


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


def _refill_array(array: Array, values: Array) -> None:
    array[...] = values


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
