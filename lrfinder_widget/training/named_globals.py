"""The globals that a function's code loads, and what it takes from modules of the user's own."""

from __future__ import annotations

import dis
import types
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lrfinder_widget.training.machinery import is_users_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_TAKES = {"LOAD_ATTR", "LOAD_METHOD"}


def globals_named(function: types.FunctionType, wanted: Callable[[Any], bool]) -> list[Any]:
    """Return the globals that a function names, or a function, class or comprehension inside it.

    Of a module of the user's own it is what the code takes from it: ``helpers.noise``.

    Parameters
    ----------
    wanted
        Which are returned: a name may stand for anything.
    """
    named = function.__globals__
    found: list[Any] = []
    for code in _with_inner(function.__code__):
        # The names of attributes are among these. To tell them from globals takes as long as a
        # thousand names, and is left for the few functions that name something wanted.
        candidates = [named[name] for name in code.co_names if name in named]
        if any(_is_own_module(each) or wanted(each) for each in candidates):
            loaded = [_follow(path, named) for path in _paths(code)]
            found += [each for each in loaded if wanted(each)]
    return found


def _with_inner(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _with_inner(inner)


@lru_cache(maxsize=1000)  # code does not change
def _paths(code: types.CodeType) -> tuple[tuple[str, ...], ...]:
    """Return each global that code loads with the names of the attributes it takes at once."""
    paths: list[tuple[str, ...]] = []
    goes_on = False
    for instruction in dis.get_instructions(code):
        if instruction.opname in _LOADS:
            paths.append((instruction.argval,))
            goes_on = True
        elif instruction.opname in _TAKES and goes_on:
            paths[-1] += (instruction.argval,)
        else:
            goes_on = False
    return tuple(dict.fromkeys(paths))


def _follow(path: tuple[str, ...], named: dict[str, Any]) -> Any:
    """Return what stands at the end of a path, as far as it leads through modules."""
    first, *rest = path
    value = named.get(first)
    for name in rest:
        if not _is_own_module(value):
            break
        value = vars(value).get(name)
    return value


def _is_own_module(value: Any) -> bool:
    return isinstance(value, types.ModuleType) and is_users_own(value.__name__)
