"""Remember tensors and containers as they are, and put their contents back in place."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

_CONTAINERS = (dict, list, set, deque)


class Memory:
    """Tensors with their values, containers with their contents.

    Everything is restored *in place*: a tensor by ``copy_``, a container by the items it held, so
    that tied weights and references held elsewhere stay valid. Each object is remembered once,
    however often it is met; the extra memory is one copy of the tensors.
    """

    def __init__(self) -> None:
        self._tensors: dict[int, tuple[Tensor, Tensor]] = {}
        self._containers: dict[int, tuple[Any, Any]] = {}

    def remember(self, value: Any) -> None:
        """Remember a tensor, or a container and what is in it; other values are left alone."""
        if isinstance(value, Tensor):
            self._remember_tensor(value)
        elif isinstance(value, _CONTAINERS):
            if id(value) in self._containers:
                return
            self._containers[id(value)] = (value, _shallow_copy(value))
            for item in value.values() if isinstance(value, dict) else value:
                self.remember(item)
        elif isinstance(value, tuple):
            for item in value:
                self.remember(item)

    def remember_all(self, values: Iterable[Any]) -> None:
        """Remember each of `values`."""
        for value in values:
            self.remember(value)

    def _remember_tensor(self, tensor: Tensor) -> None:
        if id(tensor) in self._tensors or tensor.is_meta:
            return
        memory = _whole_memory(tensor.detach())
        self._tensors[id(tensor)] = (tensor, memory.clone())

    def restore(self) -> None:
        """Put back what was remembered."""
        for container, items in self._containers.values():
            _refill(container, items)
        with torch.no_grad():
            for tensor, value in self._tensors.values():
                _whole_memory(tensor.detach()).copy_(value)


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


def _shallow_copy(container: Any) -> Any:
    # Not copy.copy: subclasses may copy deeply, or refuse (a defaultdict of a library's own).
    return dict(container) if isinstance(container, dict) else list(container)


def _refill(container: Any, items: Any) -> None:
    if isinstance(container, dict):
        same = len(container) == len(items) and all(
            key in container and container[key] is value for key, value in items.items()
        )
        if not same:
            container.clear()
            container.update(items)
    elif isinstance(container, list):
        if len(container) != len(items) or any(
            now is not then for now, then in zip(container, items, strict=True)
        ):
            container[:] = items
    else:
        container.clear()
        (container.update if isinstance(container, set) else container.extend)(items)
