"""The objects that a loader (or a loss) is made of: what may draw, count or keep an order."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data.dataloader import _BaseDataLoaderIter

from lrfinder_widget.training.attributes import Attributes
from lrfinder_widget.training.function_snapshot import closed_over
from lrfinder_widget.training.machinery import is_machinery, is_of_library
from lrfinder_widget.training.memory import items_of
from lrfinder_widget.training.own_generators import GENERATORS

# A dataset may hold a million samples in a list: what has a generator of its own stands in short
# containers (a list of transforms, a dict of splits).
_LONGEST_CONTAINER = 256
_MOST_OBJECTS = 20_000

_OPAQUE = (str, bytes, bytearray, int, float, complex, bool, type(None), type, types.ModuleType)


def reachable_from(roots: Iterable[Any]) -> list[Any]:
    """Return the objects that `roots` are made of, the roots included.

    Follows attributes, short containers, bound methods, ``functools.partial``, and what a function
    closes over or names among its globals, since transforms and losses are often lambdas. Leaves
    out tensors, arrays, Python modules and classes; an ``nn.Module`` and an optimizer are returned,
    not followed.
    """
    found: dict[int, Any] = {}
    kinds: set[type] = set()
    waiting = list(roots)
    while waiting and len(found) < _MOST_OBJECTS:
        thing = waiting.pop()
        if id(thing) in found or isinstance(thing, (*_OPAQUE, torch.Tensor, np.ndarray)):
            continue
        if is_machinery(thing) or _is_reading(thing):
            continue
        if _is_of_process_groups(thing):
            continue
        found[id(thing)] = thing
        if type(thing) not in kinds:
            kinds.add(type(thing))
            waiting.extend(_class_parts(type(thing)))
        if not isinstance(thing, (nn.Module, Optimizer)):
            waiting.extend(_parts(thing))
    return list(found.values())


def _is_reading(thing: Any) -> bool:
    """Return whether this is where the user's own reading of a loader stands.

    The sweep reads through copies (`lrfinder_widget.training.own_loader`), and a thread of the
    loader's may go on with it meanwhile.
    """
    if isinstance(thing, _BaseDataLoaderIter):
        return True
    torchdatas = type(thing).__module__.startswith("torchdata.") and isinstance(thing, Iterator)
    return torchdatas and not hasattr(thing, "reset")  # what has one is a node, and holds the data


def _is_of_process_groups(thing: Any) -> bool:
    """Return whether this is torch's own: groups, meshes, what FSDP keeps.

    The last is seen to in `lrfinder_widget.training.sharding`.
    """
    own = type(thing).__module__.startswith("torch.distributed.")
    return own and not isinstance(thing, (nn.Module, Optimizer))


def _parts(thing: Any) -> Iterable[Any]:  # noqa: PLR0911 - one for each kind of object
    if isinstance(thing, GENERATORS):
        return ()
    if isinstance(thing, (dict, list, tuple, set, frozenset)):
        return items_of(thing) if len(thing) <= _LONGEST_CONTAINER else ()
    if isinstance(thing, Mapping):
        return list(thing.values()) if len(thing) <= _LONGEST_CONTAINER else ()
    if isinstance(thing, functools.partial):
        return (thing.func, *thing.args, *thing.keywords.values())
    if isinstance(thing, types.MethodType):
        return (thing.__self__, thing.__func__)
    if isinstance(thing, types.FunctionType):
        return _function_parts(thing)
    return Attributes(thing).values()


def _class_parts(kind: type) -> list[Any]:
    """Return what the methods of the user's own classes name: in notebooks, a global generator."""
    parts: list[Any] = []
    for base in kind.__mro__:
        if is_of_library(base):
            continue
        for value in vars(base).values():
            function = getattr(value, "__func__", value)
            if isinstance(function, types.FunctionType):
                parts += _function_parts(function)
            elif isinstance(value, GENERATORS):
                parts.append(value)
    return parts


def _function_parts(function: types.FunctionType) -> list[Any]:
    parts = [*vars(function).values(), *closed_over(function)]
    names = function.__code__.co_names
    # Of the globals only these: a name may be anything, and following it leads far away.
    values = (function.__globals__.get(name) for name in names)
    parts += [value for value in values if _is_state(value)]
    return parts


def _is_state(value: Any) -> bool:
    if isinstance(value, (*GENERATORS, nn.Module, Optimizer)):
        return True
    # An average of the weights, say; not a data set, which holds tensors in a tuple or none.
    attributes = getattr(value, "__dict__", {}) if not isinstance(value, _OPAQUE) else {}
    return any(_is_tensors(each) for each in list(attributes.values()))


def _is_tensors(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, torch.Tensor)
