"""What an object's attributes are bound to, in its ``__dict__`` and in its slots."""

from __future__ import annotations

import io
import mmap
import types
from typing import Any

from lrfinder_widget.training.machinery import is_machinery

_NOTHING = object()
_FILES = (io.IOBase, mmap.mmap)


class Attributes:
    """The attributes of an object at one moment."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing
        self._named = dict(getattr(thing, "__dict__", {}))
        self._slots = [(slot, _in_slot(slot, thing)) for slot in _slots_of(type(thing))]
        self._open_files = [
            value for value in self.values() if isinstance(value, _FILES) and not value.closed
        ]

    def values(self) -> list[Any]:
        """Return what is bound."""
        return [
            *self._named.values(),
            *(value for _, value in self._slots if value is not _NOTHING),
        ]

    def restore(self) -> None:
        """Bind what was bound, and unbind what was not.

        Machinery stays: somebody may keep the widget of this very sweep here meanwhile. So does all
        of an object whose file has been closed since: what it put off reading it holds now, and
        could not read again.
        """
        if any(file.closed for file in self._open_files):
            return
        named = getattr(self._thing, "__dict__", {})
        for name, now in list(named.items()):
            before = self._named.get(name, _NOTHING)
            if now is before or is_machinery(now):
                continue
            if before is _NOTHING:
                del named[name]
            else:
                named[name] = before
        for name in self._named.keys() - named.keys():
            named[name] = self._named[name]
        for slot, before in self._slots:
            now = _in_slot(slot, self._thing)
            if now is before or is_machinery(now):
                continue
            if before is _NOTHING:
                slot.__delete__(self._thing)
            else:
                slot.__set__(self._thing, before)


def _slots_of(kind: type) -> list[types.MemberDescriptorType]:
    # The descriptors: a private slot's name is not the one that the class wrote, and a frozen
    # dataclass refuses `setattr`.
    return [
        slot
        for base in kind.__mro__
        if "__slots__" in vars(base)
        for slot in vars(base).values()
        if isinstance(slot, types.MemberDescriptorType)
    ]


def _in_slot(slot: types.MemberDescriptorType, thing: Any) -> Any:
    try:
        return slot.__get__(thing)
    except AttributeError:  # nothing is bound there
        return _NOTHING
