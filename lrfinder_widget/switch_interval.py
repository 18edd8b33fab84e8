"""Quick turns between threads while a sweep runs beside a busy cell."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Torch lets go of the interpreter in each operation and waits one switch interval to get it back
# from a cell that computes in Python: at the default of 5 ms a step of a small MLP takes 110 ms
# instead of 0.3, at this value 5 ms.
_SECONDS = 2e-4

_lock = threading.Lock()
_users = 0
_before = 0.0


@contextmanager
def quick_thread_switching() -> Iterator[None]:
    """Lower ``sys.setswitchinterval`` for the block; nested and parallel blocks count as one."""
    global _users, _before  # noqa: PLW0603 - the interval is a setting of the whole process
    with _lock:
        if _users == 0:
            _before = sys.getswitchinterval()
            sys.setswitchinterval(min(_SECONDS, _before))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            # Whoever set it meanwhile keeps what they set.
            if _users == 0 and abs(sys.getswitchinterval() - min(_SECONDS, _before)) < _SECONDS / 2:
                sys.setswitchinterval(_before)
