"""Worker processes of a loader that the notebook's interrupt button does not end."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class WorkerInit:
    """Shield a worker from SIGINT, then do the user's own initialisation.

    The notebook's interrupt button signals the whole process group; workers that die of it would
    take a sweep with them that the interrupt was not meant for.
    """

    def __init__(self, then: Callable[[int], None] | None) -> None:
        self._then = then

    def __call__(self, worker: int) -> None:
        """Shield the worker of this number, in its own process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if self._then is not None:
            self._then(worker)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Block SIGINT in this thread while workers are started, which inherit the mask.

    Without it a worker could be hit between its start and `WorkerInit`.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
