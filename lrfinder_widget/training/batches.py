"""An endless stream of batches from any loader, which finds its loader as it left it."""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import GeneratorType
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader

from lrfinder_widget.errors import SettingsError


class BatchStream:
    """Batches without end: the loader is started again whenever it is exhausted.

    A ``DataLoader`` is read through a shallow copy with an iterator of its own, because
    ``iter(loader)`` on a loader with persistent workers leaves that iterator behind and changes
    what the next epoch draws.

    Parameters
    ----------
    loader
        A ``DataLoader`` or any iterable of batches that can be iterated more than once.

    Raises
    ------
    SettingsError
        If ``loader`` is no iterable or can be read only once (nothing is read from it), if it is
        empty, or if it yields nothing when it is started again.
    """

    def __init__(self, loader: Iterable[Any]) -> None:
        refuse_one_shot(loader)
        self._source = own_copy(loader)
        self._iterator: Iterator[Any] | None = None
        self._iterator_with_workers: Any = None
        self.batches = 0
        self.restarts = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._iterator is None:
            self._start()
        try:
            batch = next(self._iterator)  # type: ignore[arg-type]
        except StopIteration:
            self._start()
            try:
                batch = next(self._iterator)  # type: ignore[arg-type]
            except StopIteration:
                raise SettingsError(self._dry()) from None
        self.batches += 1
        return batch

    def _start(self) -> None:
        self.close()
        self.end_workers()
        with _interrupts_held_back():
            self._iterator = iter(self._source)
        self.restarts += 1

    def _dry(self) -> str:
        if self.batches == 0:
            return "the loader is empty: it yields no batch; give it at least one"
        return (
            f"the loader ran dry after {self.batches} batches and yields nothing when it is "
            "started again; pass a loader that can be iterated repeatedly (a DataLoader, a list "
            "of batches, or an object whose __iter__ starts afresh)"
        )

    def close(self) -> None:
        """Let go of the iterator; a generator of the user's runs its ``finally``."""
        iterator, self._iterator = self._iterator, None
        if callable(getattr(iterator, "_shutdown_workers", None)):
            self._iterator_with_workers = iterator
        elif callable(getattr(iterator, "close", None)):
            iterator.close()  # type: ignore[union-attr]

    def end_workers(self) -> None:
        """Wait for the worker processes of a closed iterator to end, which may take a while."""
        iterator, self._iterator_with_workers = self._iterator_with_workers, None
        if iterator is not None:
            iterator._shutdown_workers()  # noqa: SLF001 - or it happens whenever it is collected


def refuse_one_shot(loader: object) -> None:
    """Raise `SettingsError` unless `loader` can be iterated repeatedly; reads nothing."""
    if isinstance(loader, (str, bytes)) or not (
        isinstance(loader, Iterable) or hasattr(type(loader), "__getitem__")
    ):
        message = (
            f"loader must be a DataLoader or an iterable of batches (got {type(loader).__name__})"
        )
        raise SettingsError(message)
    # A class of the user's with a length may return itself from __iter__ and start afresh there;
    # generators, map, zip, file readers and the like are gone once read.
    one_shot = isinstance(loader, GeneratorType) or (
        isinstance(loader, Iterator) and not hasattr(loader, "__len__")
    )
    if one_shot:
        message = (
            f"loader is a one-shot {type(loader).__name__}: the batches that the sweep reads "
            "would be lost to your training; pass a DataLoader, a list, or an object whose "
            "__iter__ starts afresh (nothing was read)"
        )
        raise SettingsError(message)


def own_copy(loader: Iterable[Any]) -> Iterable[Any]:
    """Return a ``DataLoader``'s shallow copy without its running workers; others are returned."""
    if not isinstance(loader, DataLoader):
        return loader
    own = copy.copy(loader)
    # Through __dict__, since DataLoader forbids to set these after its construction.
    own.__dict__["_iterator"] = None
    own.__dict__["persistent_workers"] = False
    if own.num_workers > 0:
        own.__dict__["worker_init_fn"] = _WorkerInit(own.worker_init_fn)
    return own


class _WorkerInit:
    """Shield a worker from SIGINT, then do the user's own initialisation.

    The notebook's interrupt button signals the whole process group; workers that die of it would
    take a sweep with them that the interrupt was not meant for.
    """

    def __init__(self, then: Callable[[int], None] | None) -> None:
        self._then = then

    def __call__(self, worker: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if self._then is not None:
            self._then(worker)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Block SIGINT in this thread while workers are started, which inherit the mask.

    Without it a worker could be hit between its start and `_WorkerInit`.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def to_device(value: Any, device: torch.device) -> Any:
    """Move the tensors in `value` to `device`, in nested containers too; the rest stays."""
    if isinstance(value, torch.Tensor):
        return value if value.device == device else value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        # A mapping of its own kind (a transformers.BatchEncoding, say) need not survive: the
        # model is called with its items.
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, PackedSequence):
        return value if value.data.device == device else value.to(device)  # type: ignore[arg-type]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(item, device) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(to_device(item, device) for item in value)
    return value
