"""Random generators and counters of the objects that a loader (or a loss) is made of."""

from __future__ import annotations

import functools
import random
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

# A dataset may hold a million samples in a list: what has a generator of its own stands in short
# containers (a list of transforms, a dict of splits).
_LONGEST_CONTAINER = 256
_MOST_OBJECTS = 20_000

_OPAQUE = (str, bytes, bytearray, int, float, complex, bool, type(None), type, types.ModuleType)
_GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
_SCALARS = (bool, int, float, complex, str, bytes, type(None))


def reachable_from(roots: Iterable[Any]) -> list[Any]:
    """Return the objects that `roots` are made of, the roots included.

    Follows attributes, short containers, bound methods, ``functools.partial``, and what a function
    closes over or names among its globals, since transforms and losses are often lambdas. Leaves
    out tensors, arrays, Python modules and classes; an ``nn.Module`` is returned, not followed.
    """
    found: dict[int, Any] = {}
    waiting = list(roots)
    while waiting and len(found) < _MOST_OBJECTS:
        thing = waiting.pop()
        if id(thing) in found or isinstance(thing, (*_OPAQUE, torch.Tensor, np.ndarray)):
            continue
        found[id(thing)] = thing
        if not isinstance(thing, nn.Module):
            waiting.extend(_parts(thing))
    return list(found.values())


def _parts(thing: Any) -> Iterable[Any]:  # noqa: PLR0911 - one for each kind of object
    if isinstance(thing, _GENERATORS):
        return ()
    if isinstance(thing, Mapping):
        return list(thing.values()) if len(thing) <= _LONGEST_CONTAINER else ()
    if isinstance(thing, (list, tuple, set, frozenset)):
        return thing if len(thing) <= _LONGEST_CONTAINER else ()
    if isinstance(thing, functools.partial):
        return (thing.func, *thing.args, *thing.keywords.values())
    if isinstance(thing, types.MethodType):
        return (thing.__self__, thing.__func__)
    if isinstance(thing, types.FunctionType):
        return _function_parts(thing)
    if isinstance(thing, Sequence) and not hasattr(thing, "__dict__"):
        return ()
    return list(vars(thing).values()) if hasattr(thing, "__dict__") else ()


def _function_parts(function: types.FunctionType) -> list[Any]:
    parts: list[Any] = list(function.__defaults__ or ())
    parts += (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        try:
            parts.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    names = function.__code__.co_names
    # Of the globals only these: a name may be anything, and following it leads far away.
    values = (function.__globals__.get(name) for name in names)
    parts += [value for value in values if isinstance(value, (*_GENERATORS, nn.Module))]
    return parts


def scalars_of(thing: Any) -> dict[str, Any]:
    """Return the attributes of `thing` that are plain values: counters, positions, flags."""
    if not hasattr(thing, "__dict__") or isinstance(thing, (types.FunctionType, type)):
        return {}
    return {name: value for name, value in vars(thing).items() if isinstance(value, _SCALARS)}


def generators_in(things: Iterable[Any]) -> list[SavedGenerator]:
    """Return the random generators among `things`, each with its present state.

    Those that the whole process shares are left out.
    """
    # Bound methods of the shared instances are how Python's and NumPy's module functions are made.
    shared = {
        id(random.random.__self__),  # type: ignore[attr-defined]
        id(np.random.random.__self__),  # type: ignore[attr-defined]
        id(torch.default_generator),
    }
    unique = {id(thing): thing for thing in things if isinstance(thing, _GENERATORS)}
    return [
        SavedGenerator(thing)
        for key, thing in unique.items()
        if key not in shared and not isinstance(thing, random.SystemRandom)
    ]


class SavedGenerator:
    """A random generator and the state it is to go back to."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator
        if isinstance(generator, np.random.Generator):
            self._state: Any = generator.bit_generator.state
        elif isinstance(generator, random.Random):
            self._state = generator.getstate()
        else:
            self._state = generator.get_state()

    def restore(self) -> None:
        """Put the state back."""
        if isinstance(self._generator, np.random.Generator):
            self._generator.bit_generator.state = self._state
        elif isinstance(self._generator, random.Random):
            self._generator.setstate(self._state)
        else:
            self._generator.set_state(self._state)
