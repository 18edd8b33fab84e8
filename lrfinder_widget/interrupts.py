"""Ctrl-C at the right moment."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


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
