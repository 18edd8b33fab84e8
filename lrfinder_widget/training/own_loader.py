"""A loader to read from that leaves the user's as it is, in the middle of an epoch too."""

from __future__ import annotations

import copy
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def own_copy(loader: Iterable[Any]) -> Iterable[Any]:
    """Return a shallow copy that reads by itself, of a kind that `has_own_copy`; others as given.

    ``iter(loader)`` on a ``DataLoader`` with persistent workers leaves an iterator behind and
    changes what the next epoch draws; on torchdata's loaders it takes the place of the iterator
    that the user is in the middle of.
    """
    if isinstance(loader, DataLoader):
        return _own_data_loader(loader)
    return _own_nodes(loader) if _is_node_loader(loader) else loader


def has_own_copy(loader: object) -> bool:
    """Return whether `own_copy` makes one, so that the loader itself is never read."""
    return isinstance(loader, DataLoader) or _is_node_loader(loader)


def _own_data_loader(loader: DataLoader[Any]) -> DataLoader[Any]:
    own = copy.copy(loader)
    # Through __dict__, since DataLoader forbids to set these after its construction.
    own.__dict__["_iterator"] = None
    own.__dict__["persistent_workers"] = False
    if "_initial_iter_for_state_dict" in own.__dict__:  # torchdata's StatefulDataLoader
        own.__dict__["_initial_iter_for_state_dict"] = False
    if own.num_workers > 0:
        own.__dict__["worker_init_fn"] = _WorkerInit(own.worker_init_fn)
    return own


def _is_node_loader(loader: object) -> bool:
    nodes: Any = sys.modules.get("torchdata.nodes")
    return nodes is not None and isinstance(loader, nodes.Loader)


def _own_nodes(loader: Any) -> Any:
    """Return a ``torchdata.nodes.Loader`` over copies of the nodes, which share data and samplers.

    Threads and processes of the user's nodes are left to them.
    """
    own = copy.copy(loader)
    own.root = _own_node(loader.root)
    own._it = None  # noqa: SLF001 - as of a DataLoader
    own._iter_for_state_dict = False  # noqa: SLF001 - as above
    return own


def _own_node(value: Any) -> Any:
    nodes: Any = sys.modules["torchdata.nodes"]
    if isinstance(value, dict):
        return {key: _own_node(each) for key, each in value.items()}
    if not isinstance(value, nodes.BaseNode):
        return value
    own = copy.copy(value)
    for name, part in vars(value).items():
        if name == "_it" and not isinstance(part, nodes.BaseNode):
            vars(own)[name] = None  # what runs now
        else:
            vars(own)[name] = _own_node(part)
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
def interrupts_held_back() -> Iterator[None]:
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
