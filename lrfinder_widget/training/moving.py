"""Move a batch to a device, whatever it is made of."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

if TYPE_CHECKING:
    import torch


def to_device(value: Any, device: torch.device) -> Any:  # noqa: PLR0911 - one for each kind
    """Return `value` with the tensors in it on `device`, in nested containers too.

    What is there already, and what holds no tensors (tokens, names), is returned as it is; the
    user's own containers are not changed. From pinned memory the copy does not block.
    """
    if isinstance(value, Tensor):
        return value if value.device == device else value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return _mapping(value, device)
    if isinstance(value, PackedSequence):
        there = value.data.device == device
        return value if there else value.to(device, non_blocking=True)  # type: ignore[arg-type]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(item, device) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(to_device(item, device) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass(value, device)
    if callable(getattr(value, "to", None)) and not isinstance(value, nn.Module):
        return copy.copy(value).to(device)  # a batch of graphs, say, which would move itself
    return value


def _mapping(value: Mapping[Any, Any], device: torch.device) -> Any:
    items = {key: to_device(item, device) for key, item in value.items()}
    if type(value) is dict or all(items[key] is value[key] for key in items):
        return items if type(value) is dict else value
    if not isinstance(value, MutableMapping):
        return items
    moved = copy.copy(value)  # of its own kind, which may have attributes as well
    moved.update(items)
    return moved


def _dataclass(value: Any, device: torch.device) -> Any:
    moved = copy.copy(value)
    for field in dataclasses.fields(value):
        item = to_device(getattr(value, field.name), device)
        object.__setattr__(moved, field.name, item)  # a frozen one, too
    return moved
