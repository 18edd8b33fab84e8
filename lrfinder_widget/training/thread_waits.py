"""Whether a thread waits for another one, told by where it stands."""

from __future__ import annotations

import sys
import threading

# joblib looks every few milliseconds whether its threads have ended, in a loop of its own.
_WAITING = (threading.__file__.replace("\\", "/"), "/joblib/parallel.py")


def waits_for_a_thread(thread: int) -> bool:
    """Return whether `thread` stands in ``Thread.join``, ``Future.result`` and the like.

    A step that hands its parts to threads of its own waits for them there.
    """
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way to look
    return frame is not None and frame.f_code.co_filename.replace("\\", "/").endswith(_WAITING)
