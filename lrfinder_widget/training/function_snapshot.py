"""A function before a sweep: its attributes, and the variables around it that it assigns."""

from __future__ import annotations

import dis
import types
from functools import lru_cache
from typing import Any

from lrfinder_widget.training.attributes import Attributes
from lrfinder_widget.training.machinery import is_machinery, is_of_library

_ASSIGNS = {"STORE_DEREF", "DELETE_DEREF"}


class FunctionSnapshot:
    """A function's own state.

    Of the variables that it closes over, only those count that its code assigns (``nonlocal``):
    the others are for whoever does to change, such as the cell that made the function.
    """

    def __init__(self, function: types.FunctionType) -> None:
        self._attributes = Attributes(function)
        self._variables = [(cell, cell.cell_contents) for cell in _assigned(function)]

    def restore(self) -> None:
        """Put attributes and variables back; what is in them is `Memory`'s."""
        self._attributes.restore()
        for cell, before in self._variables:
            if _is_empty(cell) or not is_machinery(cell.cell_contents):
                cell.cell_contents = before


def closed_over(function: types.FunctionType) -> list[Any]:
    """Return what a function has at hand when it is called: defaults, and variables around it."""
    cells = [cell for cell in function.__closure__ or () if not _is_empty(cell)]
    return [
        *(function.__defaults__ or ()),
        *(function.__kwdefaults__ or {}).values(),
        *(cell.cell_contents for cell in cells),
    ]


def _assigned(function: types.FunctionType) -> list[types.CellType]:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    if not cells or is_of_library(function):
        return []
    names = _names_assigned(function.__code__)
    return [cell for name, cell in cells.items() if name in names and not _is_empty(cell)]


@lru_cache(maxsize=1000)  # code does not change, and is slow to read
def _names_assigned(code: types.CodeType) -> set[str]:
    """Return the variables of surrounding functions that code, or functions in it, assign."""
    names = {each.argval for each in dis.get_instructions(code) if each.opname in _ASSIGNS}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names |= _names_assigned(inner) & {*inner.co_freevars}
    return names


def _is_empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - there is no other way to ask
    except ValueError:  # not filled yet
        return True
    return False
