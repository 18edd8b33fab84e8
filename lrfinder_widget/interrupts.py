"""Ctrl-C at the right moment.

An exception that comes between any two instructions cannot be met by ``try`` and ``finally`` alone:
it may come in the first line of the ``finally``. So the handler itself is asked to wait.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interrupts:
    """Lets a KeyboardInterrupt through only while `open`; at other times it waits.

    A block of it may be left open only where whatever is raised does no harm: in the user's own
    code, and while the caller has the point. What comes through closes it, so that the ways out
    are not interrupted again. Does nothing outside of the main thread, which alone is interrupted.

    Parameters
    ----------
    held
        Whether to hold anything back at all.

    Attributes
    ----------
    open
        Whether an interrupt is let through at the moment.
    waiting
        The signal's number and frame that came meanwhile, if one did.
    ended
        Whether the block has ended: from then on nothing waits.
    """

    def __init__(self, *, held: bool = True) -> None:
        self.open = False
        self.waiting: tuple[int, Any] | None = None
        self.ended = False
        self._held = held
        self._before: Any = None

    def __enter__(self) -> Self:
        if self._held and threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            # Otherwise nobody is interrupted, or by something that Python cannot call.
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._arrive)
        return self

    def __exit__(self, *_: object) -> None:
        self.open = False
        # Whoever has put another handler in place meanwhile keeps it.
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._arrive:
            signal.signal(signal.SIGINT, self.handler_before())
        # That other handler may yet put this one back: from here on it holds up nothing.
        self.open = self.ended = True
        self.pass_on()

    def hold(self) -> None:
        """Hold back what comes from here on, unless the block has ended."""
        self.open = self.ended

    def let_through(self) -> None:
        """Open, and let through what came meanwhile."""
        self.open = True
        if self.waiting is not None:
            self.open = False
            self.pass_on()
            self.open = True

    def pass_on(self) -> None:
        """Let through what came meanwhile, and hold back again what comes from here on."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            self._before(*waiting)

    def handler_before(self) -> Any:
        """Return the handler that this one took the place of, past those whose block has ended."""
        owner = getattr(self._before, "__self__", None)
        if isinstance(owner, Interrupts) and owner.ended:
            return owner.handler_before()
        return self._before

    def _arrive(self, number: int, frame: Any) -> None:
        if self.ended:
            self._before(number, frame)
            return
        if not self.open:
            self.waiting = number, frame
            return
        self.open = False
        self._before(number, frame)
        self.open = True  # a handler that raises nothing ends nothing


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Hold a KeyboardInterrupt back until the block has ended (main thread only).

    A second Ctrl-C would otherwise leave a model half restored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[tuple[int, Any]] = []
    before: Any = signal.signal(
        signal.SIGINT, lambda number, frame: pending.append((number, frame))
    )
    try:
        yield
    finally:
        # None stands for a handler that Python did not install and cannot put back.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if pending and callable(before):
            before(*pending[0])
