"""The stream of points from a running sweep to the pages that show it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfinder_widget.widget.messages import points_block, smoothed_block, with_block

if TYPE_CHECKING:
    from numpy.typing import NDArray

Send = Callable[[dict[str, Any], list[bytes] | None], None]

# A message costs 0.7 kB and 0.3 ms of the sweep, and an eye follows 20 pictures a second.
POINTS_SECONDS = 1 / 20
SMOOTHED_SECONDS = 1 / 5
# Smoothing a long curve takes its time: spend at most this share on it.
_SMOOTHING_SHARE = 0.01
# Of the range of the line: a fifth of a pixel on a chart 200 pixels high.
_INVISIBLE = 1e-3


class PointStream:
    """Pushes what is new, at most so often, and answers pages that ask for what they lack.

    Parameters
    ----------
    send
        Sends a custom message to every page.
    smooth
        Smooths the learning rates and losses so far.
    """

    def __init__(
        self,
        send: Send,
        smooth: Callable[[Sequence[float], Sequence[float]], Sequence[float]],
    ) -> None:
        self._send = send
        self._smooth = smooth
        self._lock = threading.Lock()
        self.binary = True
        self._reset(0, 0)

    def _reset(self, run: int, total: int) -> None:
        self._run = run
        self._total = total
        self._sent = 0
        self._sent_line = np.empty(0)
        self._next_points = 0.0
        self._next_smoothed = time.monotonic() + SMOOTHED_SECONDS

    def begin(self, run: int, total: int) -> None:
        """Start with run `run` of `total` points."""
        with self._lock:
            self._reset(run, total)

    def push_if_due(
        self, lrs: Sequence[float], losses: Sequence[float], seconds_left: float | None
    ) -> None:
        """Push the points since the last push, and the smoothed line, as far as it is time."""
        now = time.monotonic()
        if now < self._next_points:
            return
        self._next_points = now + POINTS_SECONDS
        self._push_points(lrs, losses, seconds_left)
        if now >= self._next_smoothed:
            self._push_line(lrs, losses)
            took = time.monotonic() - now
            self._next_smoothed = now + max(SMOOTHED_SECONDS, took / _SMOOTHING_SHARE)

    def flush(self, lrs: Sequence[float], losses: Sequence[float]) -> None:
        """Push everything that is not yet sent, and the final smoothed line."""
        self._push_points(lrs, losses, 0.0)
        self._push_line(lrs, losses)

    def _push_points(
        self, lrs: Sequence[float], losses: Sequence[float], seconds_left: float | None
    ) -> None:
        with self._lock:
            offset, self._sent = self._sent, len(losses)
            if self._sent > offset:
                self._send_points(lrs, losses, offset, seconds_left)

    def push_smoothed(self, lrs: Sequence[float], losses: Sequence[float]) -> None:
        """Push the whole smoothed line as it is now; it replaces the one before."""
        self._sent_line = np.empty(0)
        self._push_line(lrs, losses)

    def _push_line(self, lrs: Sequence[float], losses: Sequence[float]) -> None:
        """Push the smoothed line from where a page would see that it has changed."""
        # Lists that the sweep appends to: the shorter one tells how many points are whole.
        count = min(len(lrs), len(losses))
        if count == 0:
            return
        line = np.asarray(self._smooth(lrs[:count], losses[:count]))
        offset = _first_change(self._sent_line, line)
        if offset == count == len(self._sent_line):
            return
        # What is not sent again stays what the pages have, or small changes would add up.
        self._sent_line = np.concatenate([self._sent_line[:offset], line[offset:]])
        head = {"kind": "smoothed", "run": self._run, "offset": offset, "count": count - offset}
        self._send(*with_block(head, smoothed_block(line[offset:]), binary=self.binary))

    def answer(
        self,
        fields: Mapping[str, Any],
        lrs: Sequence[float],
        losses: Sequence[float],
        seconds_left: float | None,
    ) -> None:
        """Send the points that a page lacks, and the smoothed line if it asks for it."""
        have = fields["have"] if fields["run"] == self._run else 0
        # Lists that the sweep appends to: the shorter one tells how many points are whole.
        count = min(len(lrs), len(losses))
        if have < count:
            self._send_points(lrs[:count], losses[:count], have, seconds_left)
        if fields["smoothed"]:
            self.push_smoothed(lrs[:count], losses[:count])

    def _send_points(
        self,
        lrs: Sequence[float],
        losses: Sequence[float],
        offset: int,
        seconds_left: float | None,
    ) -> None:
        head = {
            "kind": "points",
            "run": self._run,
            "offset": offset,
            "count": len(losses) - offset,
            "total": self._total,
            "seconds_left": seconds_left,
        }
        block = points_block(lrs[offset:], losses[offset:])
        self._send(*with_block(head, block, binary=self.binary))


def _first_change(before: NDArray[np.float64], now: NDArray[np.float64]) -> int:
    common = min(len(before), len(now))
    if common == 0:
        return 0
    visible = _INVISIBLE * (np.nanmax(now) - np.nanmin(now)) if np.isfinite(now).any() else 0.0
    same = np.abs(before[:common] - now[:common]) <= visible
    same |= np.isnan(before[:common]) & np.isnan(now[:common])
    return common if same.all() else int(np.argmin(same))
