"""Whether anybody beside the sweep computed anything."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The main thread's processor time when it began to wait for a sweep; None while it does not wait.
_waits_since: int | None = None


class OtherThreads:
    """Tells whether the main thread, where cells run, has run since a mark.

    Judged by its processor time. A sweep on the main thread itself has nobody beside it.

    Attributes
    ----------
    watched : bool
        Whether the main thread runs beside it, and its time can be read.
    unseen : bool
        Whether it runs beside it, and its time cannot be read (macOS, Windows).
    """

    def __init__(self) -> None:
        main = threading.main_thread()
        self._clock: int | None = None
        beside = main is not threading.current_thread()
        if beside and hasattr(time, "pthread_getcpuclockid"):
            self._clock = time.pthread_getcpuclockid(main.ident or 0)
        self.watched = self._clock is not None
        self.unseen = beside and not self.watched
        self._spent = self._now()

    def _now(self) -> int:
        if self._clock is None or sys.is_finalizing():
            return 0
        since = _waits_since  # one read: the main thread may end its wait just now
        return time.clock_gettime_ns(self._clock) if since is None else since

    def mark(self) -> None:
        """Start to look from now on."""
        self._spent = self._now()

    def ran(self) -> bool:
        """Return whether it ran since the mark."""
        # Asked after every step: written out, since a call of `_now` is what costs.
        clock = self._clock
        return (
            clock is not None
            and not sys.is_finalizing()
            and time.clock_gettime_ns(clock) != self._spent
            and self._now() != self._spent
        )


@contextmanager
def waiting_for_sweeps() -> Iterator[None]:
    """Do not count what the main thread spends in the block: it wakes there, but runs no cell."""
    global _waits_since  # noqa: PLW0603 - there is one main thread
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _waits_since = time.thread_time_ns()
    try:
        yield
    finally:
        # What it does from here on counts again, and so does what it spent in the block.
        _waits_since = None
