"""Turns: of all sweeps in the process, one at a time has what all of them share.

It has it for a slice of time, and gives it up before the step that comes after. A sweep that takes
no step (somebody holds the iterator, and does something else) could be waited for in vain: whoever
is next ends its slice in its stead. A sweep that is made in a step of another has its turns within
that one's.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING

from lrfinder_widget.training.thread_waits import waits_for_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable

# How long a slice goes on at most when others wait: a command reaches a sweep between two steps.
_SHARED_SECONDS = 0.05
# Who waits looks so often, and more often once the slice is over: a look takes the interpreter.
_LOOK_SECONDS, _LAST_LOOK_SECONDS = 0.005, 0.001
# A step that has waited for a thread so long may wait for one that makes the very sweep that waits.
_PATIENCE_SECONDS = 5.0

_lock = threading.RLock()
# Whose turn it is, after those in whose steps it is made.
_inside: list[Turn] = []
_queue: list[Turn] = []


class Turn:
    """One sweep's turns; what it then has is up to `_begin` and `_finish`.

    Parameters
    ----------
    seconds
        How long the first slice is.
    step
        Tells which step the sweep is in the middle of, from 1 on; 0 between two. It has to be told
        before `ends` is looked at: from there on nobody ends the slice but the sweep itself.

    Attributes
    ----------
    seconds : float
        How long the next slice will be.
    ends : float
        When the slice is over, by ``time.perf_counter()``; 0 while it is not the sweep's turn.
    """

    def __init__(self, seconds: float, step: Callable[[], int]) -> None:
        self.ends = 0.0
        self.seconds = seconds
        self._step = step
        self._thread = 0
        self._around: tuple[Turn, int] | None = None
        self._suspect: tuple[Turn, int] | None = None
        self._suspect_since = 0.0

    def _begin(self) -> None:
        """Take what all share."""
        raise NotImplementedError

    def _finish(self) -> None:
        """Give it back; on whatever thread."""
        raise NotImplementedError

    def enter(self, look: Callable[[], None] = lambda: None) -> None:
        """Wait for the turn, and begin a slice; one that goes on is ended.

        Parameters
        ----------
        look
            Called again and again while it waits; what it raises ends the wait.
        """
        self.leave()
        try:
            _queue.append(self)
            while not self._entered():
                look()
                left = min((turn.ends for turn in _inside[-1:]), default=0) - time.perf_counter()
                time.sleep(min(max(left, _LAST_LOOK_SECONDS), _LOOK_SECONDS))
        finally:
            with suppress(ValueError):  # forked meanwhile, or interrupted before it stood there
                _queue.remove(self)

    def leave(self) -> None:
        """End the slice, if there is one."""
        with _lock:
            if self not in _inside:
                return
            while _inside[-1] is not self:
                _inside[-1].leave()
            _inside.pop()
            self.ends = 0.0
            self._finish()

    def aside(self, look: Callable[[], None]) -> None:
        """Call `look` if what all share is as this sweep found it: nobody else has the turn."""
        with _lock:
            if not _inside or (self._around is not None and self._around[0] is _inside[-1]):
                look()

    def _entered(self) -> bool:
        with _lock:
            if not self._comes_up():
                return False
            self._begin()
            _inside.append(self)
            self._thread = get_ident()
            self.ends = time.perf_counter() + self.seconds
            return True

    def _comes_up(self) -> bool:
        while _inside:
            last = _inside[-1]
            if self._is_within(last):
                return True
            if _queue[0] is not self:
                return False
            if not self._may_end(last):
                return False
            last.leave()
        self._around = None
        return _queue[0] is self

    def _may_end(self, other: Turn) -> bool:
        """Return whether the slice of `other` is over while it takes no step; see that it will."""
        now = time.perf_counter()
        other.ends = min(other.ends, now + _SHARED_SECONDS)
        own_thread = other._thread == get_ident()
        return not other._step() and (own_thread or now >= other.ends)

    def _is_within(self, other: Turn) -> bool:
        """Return whether this sweep is made in a step of `other`, as far as can be seen."""
        around = other, other._step()
        if not around[1]:
            return False
        if other._thread == get_ident() or self._around == around:
            self._around = around
            return True
        now = time.perf_counter()
        if self._suspect != around or not waits_for_a_thread(other._thread):
            self._suspect, self._suspect_since = around, now
        if now - self._suspect_since < _PATIENCE_SECONDS:
            return False
        self._around = around
        return True


def _forget_other_threads() -> None:
    """Do not wait for sweeps whose threads a forked process does not have."""
    global _lock  # noqa: PLW0603 - another thread may have held it
    _lock = threading.RLock()
    _inside[:] = [turn for turn in _inside if turn._thread == get_ident()]  # noqa: SLF001 - ours
    _queue.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
