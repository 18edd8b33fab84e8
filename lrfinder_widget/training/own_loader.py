"""A loader to read from that leaves the user's as it is, in the middle of an epoch too."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from lrfinder_widget.training.held_iterators import (
    NotToBeRead,
    OwnIterator,
    instead_of,
    is_live,
    live_attributes,
)
from lrfinder_widget.training.worker_interrupts import WorkerInit

_OURS = __name__.split(".", maxsplit=1)[0]


def own_copy(loader: Iterable[Any]) -> Iterable[Any]:
    """Return a shallow copy that reads by itself, of a kind that `has_own_copy`; others as given.

    ``iter(loader)`` on a ``DataLoader`` with persistent workers leaves an iterator behind and
    changes what the next epoch draws; on torchdata's loaders it takes the place of the iterator
    that the user is in the middle of. A loader of the user's own class is copied if it, or one that
    it reads from, is an iterator or keeps one, and so are datasets and samplers that keep one: see
    `lrfinder_widget.training.held_iterators`.
    """
    own: Any = loader
    if isinstance(loader, DataLoader):
        own = _own_data_loader(loader, {})
    elif _is_node_loader(loader):
        own = _own_nodes(loader)
    elif _may_hold(loader):
        own = _own_holder(loader, {})
    return own  # type: ignore[no-any-return]  # of the loader's own class


def has_own_copy(loader: object) -> bool:
    """Return whether `own_copy` makes one, so that the loader itself is never read."""
    return isinstance(loader, DataLoader) or _is_node_loader(loader)


def reads_on(loader: Iterable[Any]) -> bool:
    """Return whether the loader keeps an iterator of which a copy cannot have its own."""
    return any(isinstance(each, NotToBeRead) for each in _stand_ins(own_copy(loader)))


def end_own_iterators(own: Iterable[Any]) -> None:
    """End what an own copy reads in place of iterators that the user's loader keeps."""
    for stand_in in _stand_ins(own):
        if isinstance(stand_in, OwnIterator):
            stand_in.end()


def kept_iterators(own: Iterable[Any]) -> list[Any]:
    """Return the iterators that an own copy is or keeps: not made for whoever reads from it."""
    return [part for part in _parts(own, set()) if isinstance(part, Iterator)]


def _own_data_loader(loader: DataLoader[Any], owns: dict[int, Any]) -> DataLoader[Any]:
    own = _bare(loader)
    vars(own).update(_own_data(loader, owns))
    kept = live_attributes(own)
    if kept:
        # One more copy without any: a loader that names itself is not freed at once.
        source = copy.copy(own)
        vars(source).update(dict.fromkeys(kept, ()))
        for name, iterator in kept.items():
            mine = getattr(iterator, "_dataset", None) is loader.dataset
            vars(own)[name] = instead_of(iterator, source if mine else None, loader)
    return own


def _own_data(loader: DataLoader[Any], owns: dict[int, Any]) -> dict[str, Any]:
    """Return own copies of what a ``DataLoader`` reads from, by name, where they are needed."""
    if loader.num_workers > 0:
        owns[id(loader.dataset)] = loader.dataset  # copies of it are read, in other processes
    parts = {name: vars(loader).get(name) for name in ("dataset", "sampler", "batch_sampler")}
    own_parts = {name: _own_holder(part, owns) for name, part in parts.items() if _may_hold(part)}
    return {name: own for name, own in own_parts.items() if own is not parts[name]}


def _bare(loader: DataLoader[Any]) -> DataLoader[Any]:
    own = copy.copy(loader)
    # Through __dict__, since DataLoader forbids to set these after its construction.
    own.__dict__["_iterator"] = None
    own.__dict__["persistent_workers"] = False
    if "_initial_iter_for_state_dict" in own.__dict__:  # torchdata's StatefulDataLoader
        own.__dict__["_initial_iter_for_state_dict"] = False
    if own.num_workers > 0:
        own.__dict__["worker_init_fn"] = WorkerInit(own.worker_init_fn)
    return own


def _may_hold(value: object) -> bool:
    """Return whether `value` is something to read from, of a class that may keep an iterator."""
    others = (type, nn.Module, Tensor)
    if type(value).__module__.split(".")[0] == _OURS:
        return False  # made to be read by sweeps
    keeps = isinstance(value, (Iterable, Dataset)) and hasattr(value, "__dict__")
    return keeps and not isinstance(value, others) and not is_live(value)


def _own_holder(holder: Any, owns: dict[int, Any]) -> Any:
    """Return a copy of what a user's own class reads from, or itself if none is needed.

    `owns` has what is known already, since a sampler may be named in several places; within
    itself, a holder goes by its own name.
    """
    if id(holder) in owns:
        return owns[id(holder)]
    owns[id(holder)] = holder
    own_parts = {
        name: _own_part(part, owns) for name, part in vars(holder).items() if _may_hold(part)
    }
    changed = {name: own for name, own in own_parts.items() if own is not vars(holder)[name]}
    for name, iterator in live_attributes(holder).items():
        changed[name] = instead_of(iterator, _source_of(iterator, holder), holder)
    # A loader that is its own iterator stands where it was read to. What else datasets and
    # samplers keep is state of theirs, which a snapshot puts back.
    stands = isinstance(holder, Iterator) and not isinstance(holder, (Dataset, Sampler))
    if not changed and not stands:
        return holder
    own = copy.copy(holder)
    vars(own).update(changed)
    if hasattr(type(own), "__del__"):
        # Its end would be that of what it shares with the original: a file, a progress bar.
        own.__class__ = type(type(own).__name__, (type(own),), {"__del__": lambda _: None})
    owns[id(holder)] = own
    return own


def _own_part(part: Any, owns: dict[int, Any]) -> Any:
    if isinstance(part, DataLoader):
        keeps = part.persistent_workers or live_attributes(part) or _own_data(part, owns)
        return _own_data_loader(part, owns) if keeps else part
    return part if _is_node_loader(part) else _own_holder(part, owns)


def _source_of(iterator: Any, holder: Any) -> DataLoader[Any] | None:
    """Return a copy of the loader that `iterator` was made from, if `holder` keeps that too."""
    for part in vars(holder).values():
        if isinstance(part, DataLoader) and getattr(iterator, "_dataset", None) is part.dataset:
            return _own_data_loader(part, {})
    return None


def _stand_ins(own: Any) -> list[OwnIterator | NotToBeRead]:
    """Return what an own copy keeps in place of iterators of the user's."""
    return [part for part in _parts(own, set()) if isinstance(part, (OwnIterator, NotToBeRead))]


def _parts(own: Any, known: set[int]) -> Iterator[Any]:
    """Return what is read from, and all that this has for attributes."""
    known.add(id(own))
    yield own
    for part in list(getattr(own, "__dict__", {}).values()):
        if not _may_hold(part):
            yield part
        elif id(part) not in known:
            yield from _parts(part, known)


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
