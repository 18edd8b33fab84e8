"""An endless stream of batches from any loader, which finds its loader as it left it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from torch.utils.data.dataloader import _BaseDataLoaderIter

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.no_loader import refuse_data
from lrfinder_widget.training.own_loader import end_own_iterators, kept_iterators, own_copy
from lrfinder_widget.training.worker_interrupts import interrupts_held_back

if TYPE_CHECKING:
    from collections.abc import Callable


_END = object()


def _references_of_one_variable() -> int:
    generator = (each for each in "")
    return sys.getrefcount(generator)


_ALONE = _references_of_one_variable()


class BatchStream:
    """Batches without end: the loader is started again whenever it is exhausted.

    Parameters
    ----------
    loader
        A ``DataLoader`` or any iterable of batches that can be iterated more than once; see
        `lrfinder_widget.training.own_loader` and `lrfinder_widget.training.replay`.
    fixed
        Whether to give the first batch again and again.
    on_start
        Is called when the loader is started: it may draw from random generators then.

    Raises
    ------
    SettingsError
        If ``loader`` is no iterable or can be read only once (nothing is read from it), if it is
        empty, or if it yields nothing when it is started again.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        *,
        fixed: bool = False,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        refuse_one_shot(loader)
        self._fixed = fixed
        self._on_start = on_start
        self._source = own_copy(loader)
        self._iterator: Iterator[Any] = iter(())
        self._is_kept = False
        self._iterator_with_workers: Any = None
        self._batches = 0

    def __iter__(self) -> Iterator[Any]:
        for starts in itertools.count():
            self._start()
            before = self._batches
            # No `for`: it would ask the iterator for an iterator, and hold on to it past `close`.
            while (batch := next(self._iterator, _END)) is not _END:
                self._batches += 1
                yield batch
                while self._fixed:
                    yield batch
            # A stateful loader that stands at the end of an epoch has nothing at its first start.
            if self._batches == before and starts:
                raise SettingsError(self._dry())

    def _start(self) -> None:
        self._on_start()
        self.close()
        self.end_workers()
        kept = kept_iterators(self._source)
        with interrupts_held_back():
            self._iterator = iter(self._source)
        self._is_kept = any(self._iterator is each for each in kept)

    def _dry(self) -> str:
        if self._batches == 0:
            return "the loader is empty: it yields no batch; give it at least one"
        return (
            f"the loader ran dry after {self._batches} batches and yields nothing when it is "
            "started again; pass a loader that can be iterated repeatedly (a DataLoader, a list "
            "of batches, or an object whose __iter__ starts afresh)"
        )

    def close(self) -> None:
        """Let go of the iterator; a generator of the user's runs its ``finally``.

        One that was not made for the sweep is the user's, who reads on from it.
        """
        iterator, self._iterator = self._iterator, iter(())
        # A generator that somebody else holds on to, in a global or a dict, is theirs.
        is_held = isinstance(iterator, GeneratorType) and sys.getrefcount(iterator) > _ALONE
        theirs = self._is_kept or is_held
        if callable(getattr(iterator, "_shutdown_workers", None)):
            self._iterator_with_workers = iterator
        elif callable(getattr(iterator, "close", None)) and not theirs:
            iterator.close()  # type: ignore[attr-defined]

    def end_workers(self) -> None:
        """Wait for the worker processes of a closed iterator to end, which may take a while."""
        iterator, self._iterator_with_workers = self._iterator_with_workers, None
        if iterator is not None:
            iterator._shutdown_workers()  # noqa: SLF001 - or it happens whenever it is collected
        end_own_iterators(self._source)


def is_one_shot(loader: object) -> bool:
    """Return whether what is read from `loader` is gone; reads nothing."""
    # A class of the user's with a length may return itself from __iter__ and start afresh there
    # (`lrfinder_widget.training.held_iterators` sees to one that does not); iter(DataLoader) has a
    # length too, and does not. Generators, map, zip, file readers and the like are gone once read.
    return isinstance(loader, (GeneratorType, _BaseDataLoaderIter)) or (
        isinstance(loader, Iterator) and not hasattr(loader, "__len__")
    )


def refuse_one_shot(loader: object, name: str = "loader") -> None:
    """Raise `SettingsError` unless `loader` gives batches, repeatedly; reads nothing."""
    if isinstance(loader, (str, bytes)) or not (
        isinstance(loader, Iterable) or hasattr(type(loader), "__getitem__")
    ):
        message = (
            f"{name} must be a DataLoader or an iterable of batches (got {type(loader).__name__})"
        )
        raise SettingsError(message)
    refuse_data(loader, name)
    if is_one_shot(loader):
        instead = "a DataLoader, a list, or an object whose __iter__ starts afresh"
        if isinstance(loader, _BaseDataLoaderIter):
            instead = "the DataLoader itself, not iter(...) of it"
        remedy = ", or replay=True to have them back (result.loader)" if name == "loader" else ""
        message = (
            f"{name} is a one-shot {type(loader).__name__}: the batches that the sweep reads "
            f"would be lost to your training; pass {instead}{remedy} (nothing was read)"
        )
        raise SettingsError(message)
