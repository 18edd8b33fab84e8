"""What the ranks of a sweep tell one another outside of collectives, through the group's store.

A collective needs all ranks: one that has failed, or has not come yet, can only be heard of here.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch.distributed as dist

_ROOT = "lrfinder-widget"
# How soon a rank that waits in a collective hears of an error.
_LOOK_SECONDS = 0.1
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Notice:
    """Why a rank ended the sweep for all: an error of this type, or "" for an ordinary stop."""

    rank: int
    type: str = ""
    message: str = ""

    @classmethod
    def of(cls, rank: int, error: BaseException | None) -> Notice:
        """Describe `error`, raised on `rank`."""
        if error is None:
            return cls(rank)
        return cls(rank, type(error).__name__, str(error).strip())


class Board:
    """The part of the store that belongs to one sweep.

    Every rank makes one for each sweep: they count them, and so mean the same.
    """

    def __init__(self, group: dist.ProcessGroup) -> None:
        self._rank, self._size = group.rank(), group.size()
        store: Any = group.get_group_store()
        number = store.add(f"{_ROOT}/count/{self._rank}", 1)
        self._prefix = f"{_ROOT}/{number}/"
        self._store = store
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def post(self, key: str, notice: Notice) -> Notice:
        """Post a notice, unless there is one under that key; return the one that is there."""
        posted = self._store.compare_set(self._prefix + key, "", json.dumps(asdict(notice)))
        return Notice(**json.loads(posted))

    def read(self, key: str) -> Notice | None:
        """Return the notice under a key, if there is one."""
        return _read(self._store, self._prefix + key)

    def exchange(self, told: dict[str, Any]) -> list[dict[str, Any]] | Notice:
        """Tell the other ranks something, and return what each told, or why one never will.

        Raises
        ------
        TimeoutError
            If a rank tells nothing within the group's timeout.
        """
        keys = [f"{self._prefix}told/{rank}" for rank in range(self._size)]
        self._store.set(keys[self._rank], json.dumps(told))
        deadline = time.monotonic() + self._store.timeout.total_seconds()
        while missing := [rank for rank, key in enumerate(keys) if not self._store.check([key])]:
            notice = self.read("error")
            if notice is not None:
                return notice
            if time.monotonic() > deadline:
                who = ", ".join(map(str, missing))
                raise TimeoutError(
                    f"rank {who} did not begin the sweep within the process group's timeout; call "
                    "it on every rank"
                )
            time.sleep(_POLL_SECONDS)
        return [json.loads(self._store.get(key)) for key in keys]

    def watch(self, hear: Callable[[], object]) -> None:
        """Call `hear` on a thread of its own once an error of another rank is posted."""
        # A connection of its own: another thread may hold this one while it waits.
        store = self._store.clone() if hasattr(self._store, "clone") else self._store

        def work() -> None:
            while not self._ended.wait(_LOOK_SECONDS):
                try:
                    notice = _read(store, self._prefix + "error")
                except RuntimeError:  # the store's host is gone, and collectives with it
                    return
                if notice is not None and notice.rank != self._rank:
                    hear()
                    return

        self._watcher = threading.Thread(target=work, name="lrfinder-widget ranks", daemon=True)
        self._watcher.start()

    def end(self) -> None:
        """End the watching."""
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()


def _read(store: Any, key: str) -> Notice | None:
    if not store.check([key]):
        return None
    return Notice(**json.loads(store.get(key)))
