"""The objects that a loader (or a loss) is made of: what may draw, count or keep an order."""

from __future__ import annotations

import functools
import io
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data.dataloader import _BaseDataLoaderIter

from lrfinder_widget.training.attributes import Attributes
from lrfinder_widget.training.function_snapshot import closed_over
from lrfinder_widget.training.machinery import is_machinery, is_of_library, is_users_own
from lrfinder_widget.training.memory import items_of
from lrfinder_widget.training.named_globals import globals_named
from lrfinder_widget.training.own_generators import GENERATORS

# A dataset may hold a million samples in a list: what has a generator of its own stands in short
# containers (a list of transforms, a dict of splits).
_LONGEST_CONTAINER = 256
_MOST_OBJECTS = 20_000

_OPAQUE = (str, bytes, int, float, complex, bool, type(None), type, types.ModuleType)
_NOT_FOLLOWED = (*_OPAQUE, np.ndarray)
_STATEFUL = (*GENERATORS, nn.Module, Optimizer)


def reachable_from(roots: Iterable[Any]) -> list[Any]:
    """Return the objects that `roots` are made of, the roots included.

    Follows attributes, short containers, bound methods, ``functools.partial``, and what a function
    closes over or names among its globals, since transforms and losses are often lambdas. Leaves
    out arrays, Python modules, classes, and tensors but for leaves that gather a gradient; an
    ``nn.Module`` and an optimizer are returned, not followed.
    """
    found: dict[int, Any] = {}
    classes: set[type] = set()
    waiting = list(roots)
    while waiting and len(found) < _MOST_OBJECTS:
        thing = waiting.pop()
        if id(thing) in found or isinstance(thing, _NOT_FOLLOWED):
            continue
        if isinstance(thing, torch.Tensor):
            if gathers_gradient(thing):
                found[id(thing)] = thing
            continue
        if is_machinery(thing) or _is_reading(thing):
            continue
        if _is_of_process_groups(thing):
            continue
        found[id(thing)] = thing
        if type(thing) not in classes:
            new = [kind for kind in type(thing).__mro__ if kind not in classes]
            classes.update(new)
            waiting.extend(part for kind in new for part in _class_parts(kind))
        if not isinstance(thing, (nn.Module, Optimizer)):
            waiting.extend(_parts(thing))
    return list(found.values())


def gathers_gradient(thing: Any) -> bool:
    """Return whether a backward pass leaves a gradient on this: the points of a PINN, say."""
    return isinstance(thing, torch.Tensor) and thing.requires_grad and thing.is_leaf


def _is_reading(thing: Any) -> bool:
    """Return whether this is where somebody's own reading stands.

    Of a loader the sweep reads copies (`lrfinder_widget.training.own_loader`), and a thread of the
    loader's may go on with it meanwhile. A file stays where it was read to, and so must what it
    keeps beside its position (a buffer of what is unpacked), as must a picture of Pillow's, which
    reads its file when it is first used.
    """
    if isinstance(thing, (_BaseDataLoaderIter, io.IOBase)):
        return True
    library = type(thing).__module__.split(".")[0]
    if library == "torchdata" and isinstance(thing, Iterator):
        return not hasattr(thing, "reset")  # what has one is a node, and holds the data
    return library == "PIL"


def _is_of_process_groups(thing: Any) -> bool:
    """Return whether this is torch's own: groups, meshes, what FSDP keeps.

    The last is seen to in `lrfinder_widget.training.sharding`.
    """
    own = type(thing).__module__.startswith("torch.distributed.")
    return own and not isinstance(thing, (nn.Module, Optimizer))


def _parts(thing: Any) -> Iterable[Any]:  # noqa: PLR0911 - one for each kind of object
    if isinstance(thing, GENERATORS):
        return ()
    if isinstance(thing, (dict, list, tuple, set, frozenset, deque)):
        return _without_samples(items_of(thing))
    if isinstance(thing, Mapping):
        values = thing.values() if len(thing) <= _LONGEST_CONTAINER else ()
        return [*Attributes(thing).values(), *values]
    if isinstance(thing, functools.partial):
        return (thing.func, *thing.args, *thing.keywords.values())
    if isinstance(thing, types.MethodType):
        return (thing.__self__, thing.__func__)
    if isinstance(thing, types.FunctionType):
        return _function_parts(thing)
    return Attributes(thing).values()


def _without_samples(items: list[Any]) -> list[Any]:
    """Return the items of a container, or none of one that is as long as a data set."""
    # A long one is of one kind: there is an optimizer for each parameter, say.
    short = len(items) <= _LONGEST_CONTAINER or isinstance(items[0], (nn.Module, Optimizer))
    return items if short else []


def _class_parts(kind: type) -> list[Any]:
    """Return what the methods of a user's own class name: in notebooks, a global generator."""
    parts: list[Any] = []
    if is_of_library(kind):
        return parts
    for value in vars(kind).values():
        function = getattr(value, "__func__", value)
        if isinstance(function, types.FunctionType):
            parts += _function_parts(function)
        elif isinstance(value, GENERATORS):
            parts.append(value)
    return parts


def _function_parts(function: types.FunctionType) -> list[Any]:
    named = globals_named(function, _is_followed)
    return [*vars(function).values(), *closed_over(function), *named]


def _is_followed(value: Any) -> bool:
    """Return whether a global of this value is part of a training.

    A name may stand for anything, and most of it leads far away.
    """
    if isinstance(value, types.FunctionType):
        return is_users_own(value.__module__)
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return any(map(_is_plain_state, _without_samples(items_of(value))))
    return _is_state(value)


def _is_plain_state(value: Any) -> bool:
    return isinstance(value, _STATEFUL) or gathers_gradient(value)


def _is_state(value: Any) -> bool:
    if _is_plain_state(value):
        return True
    # An average of the weights, say; not a data set, which holds tensors in a tuple or none.
    attributes = getattr(value, "__dict__", {}) if not isinstance(value, _OPAQUE) else {}
    return any(_is_tensors(each) for each in list(attributes.values()))


def _is_tensors(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, torch.Tensor)
