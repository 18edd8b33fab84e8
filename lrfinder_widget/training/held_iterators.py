"""Iterators that loaders and datasets keep: the user's, and what a sweep reads instead."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset, Sampler
from torch.utils.data.dataloader import _BaseDataLoaderIter

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.worker_interrupts import interrupts_held_back

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

# A copy of these reads by itself; one of a zip or a map shares what it reads.
_COPIED: tuple[type, ...] = (type(iter([])), type(iter(())), type(iter(range(0))))
# They count, and hold no batches.
_COUNTERS = (itertools.count, itertools.repeat)


def is_live(value: object) -> bool:
    """Return whether reading on from `value` takes something away from whoever keeps it."""
    if isinstance(value, _BaseDataLoaderIter):
        return True
    pythons = isinstance(value, Iterator) and type(value).__module__ in {"builtins", "itertools"}
    return pythons and not isinstance(value, _COUNTERS)


def live_attributes(holder: object) -> dict[str, Any]:
    """Return the live iterators among the attributes of `holder`."""
    return {name: value for name, value in vars(holder).items() if is_live(value)}


def instead_of(iterator: Any, source: DataLoader[Any] | None, holder: object) -> Any:
    """Return what a copy of `holder` keeps in place of its live `iterator`.

    Parameters
    ----------
    source
        A loader of the sweep's own, if one is known that gives what `iterator` does.
    """
    own = _copy_of(iterator)
    if own is not None:
        return own
    if source is not None:
        return OwnIterator(source)
    return NotToBeRead(f"{_role(holder)} ({type(holder).__name__})", type(iterator).__name__)


def _copy_of(iterator: Any) -> Any:
    """Return an iterator that stands where this one does, or None if it cannot be copied."""
    if isinstance(iterator, _COPIED):
        return copy.copy(iterator)
    if isinstance(iterator, itertools.cycle):
        try:
            parts: Any = iterator.__reduce__()
        except (TypeError, DeprecationWarning):  # Python 3.14 copies none
            return None
        _, (inner,), (seen, past) = parts
        inner = _copy_of(inner)  # a plain copy would share it, and the list
        if inner is not None:
            own: Any = itertools.cycle(inner)
            own.__setstate__((list(seen), past))
            return own
    return None


def _role(holder: object) -> str:
    if isinstance(holder, Sampler):
        return "the sampler"
    return "the dataset" if isinstance(holder, Dataset) else "the loader"


class OwnIterator:
    """Reads a ``DataLoader`` from its beginning, as the library's own class does.

    Nothing is started before the first batch is asked for.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        self._iterator: Any = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._iterator is None:
            with interrupts_held_back():
                self._iterator = _library_class(self._loader).__iter__(self._loader)
        return next(self._iterator)

    def end(self) -> None:
        """Let go of what is read, and wait for its worker processes; it may be begun anew."""
        iterator, self._iterator = self._iterator, None
        if callable(getattr(iterator, "_shutdown_workers", None)):
            iterator._shutdown_workers()  # noqa: SLF001 - or it happens whenever it is collected


class NotToBeRead:
    """Stands where a loader keeps an iterator of the user's, which a sweep must not advance.

    Most put a new one there when they are started, and never come across this; so do datasets.
    """

    def __init__(self, holder: str, kind: str) -> None:
        self.message = (
            f"{holder} keeps a {kind} and reads on from it: what the sweep reads would be lost to "
            "your training; let its __iter__ start afresh, pass what it reads from (a DataLoader, "
            "a list), or replay=True to have the batches back (result.loader) (nothing was read)"
        )

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        raise SettingsError(self.message)


def _library_class(loader: DataLoader[Any]) -> Any:
    """Return the class that really reads: subclasses of users' read on from what they keep."""
    return next(
        kind
        for kind in type(loader).__mro__
        if kind.__module__.split(".")[0] in {"torch", "torchdata"}
    )
