"""Whether anybody beside the sweep computed anything."""

from __future__ import annotations

import sys
import threading
import time


class OtherThreads:
    """Tells whether the main thread, where cells run, has run since a mark.

    Judged by its processor time. A sweep on the main thread itself has nobody beside it.

    Attributes
    ----------
    watched : bool
        Whether anybody can run beside it whose time can be read.
    """

    def __init__(self) -> None:
        main = threading.main_thread()
        self._clock: int | None = None
        if main is not threading.current_thread() and hasattr(time, "pthread_getcpuclockid"):
            self._clock = time.pthread_getcpuclockid(main.ident or 0)
        self.watched = self._clock is not None
        self._spent = self._now()

    def _now(self) -> int:
        if self._clock is None or sys.is_finalizing():
            return 0
        return time.clock_gettime_ns(self._clock)

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
        )
