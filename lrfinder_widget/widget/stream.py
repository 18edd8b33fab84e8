"""The stream of points from a running sweep to the pages that show it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lrfinder_widget.widget.messages import points_block, smoothed_block, with_block

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Send = Callable[[dict[str, Any], list[bytes] | None], None]

# A message costs 0.7 kB and 0.3 ms of the sweep, and an eye follows 20 pictures a second.
POINTS_SECONDS = 1 / 20
SMOOTHED_SECONDS = 1 / 5
# Smoothing a long curve takes its time: spend at most this share on it.
_SMOOTHING_SHARE = 0.01
# Of the range of the line: a fifth of a pixel on a chart 200 pixels high.
_INVISIBLE = 1e-3


class Points(NamedTuple):
    """The points of a run, those of its sweeps one after the other, and where each begins."""

    lrs: Sequence[float]
    losses: Sequence[float]
    starts: Sequence[int] = (0,)

    def whole(self) -> Points:
        """Return the points that are whole, of lists that the sweep appends to meanwhile."""
        count = min(len(self.lrs), len(self.losses))
        begun = [start for start in self.starts if start == 0 or start < count]
        return Points(self.lrs[:count], self.losses[:count], begun)


class PointStream:
    """Pushes what is new, at most so often, and answers pages that ask for what they lack.

    Parameters
    ----------
    send
        Sends a custom message to every page.
    smooth
        Smooths learning rates and losses, given where among them each sweep begins.
    """

    def __init__(
        self,
        send: Send,
        smooth: Callable[[Sequence[float], Sequence[float], Sequence[int]], ArrayLike],
    ) -> None:
        self._send = send
        self._smooth = smooth
        self._lock = threading.Lock()
        self.binary = True
        self._reset(0)

    def _reset(self, run: int) -> None:
        self._run = run
        self._sent = 0
        self._sent_line = np.empty(0)
        self._settled = 0  # before this point the line belongs to sweeps that have ended
        self._next_points = 0.0
        self._next_smoothed = time.monotonic() + SMOOTHED_SECONDS

    def begin(self, run: int) -> None:
        """Start with run `run`."""
        with self._lock:
            self._reset(run)

    def push_if_due(self, points: Points, seconds_left: float | None) -> None:
        """Push the points since the last push, and the smoothed line, as far as it is time."""
        now = time.monotonic()
        if now < self._next_points:
            return
        self._next_points = now + POINTS_SECONDS
        self._push_points(points, seconds_left)
        if now >= self._next_smoothed:
            self._push_line(points)
            took = time.monotonic() - now
            self._next_smoothed = now + max(SMOOTHED_SECONDS, took / _SMOOTHING_SHARE)

    def flush(self, points: Points, seconds_left: float | None = 0.0) -> None:
        """Push everything that is not yet sent, and the smoothed line with all of it."""
        self._push_points(points, seconds_left)
        self._push_line(points)

    def _push_points(self, points: Points, seconds_left: float | None) -> None:
        with self._lock:
            offset, self._sent = self._sent, len(points.losses)
            if self._sent > offset:
                self._send_points(points, offset, seconds_left)

    def push_smoothed(self, points: Points) -> None:
        """Push the whole smoothed line as it is now; it replaces the one before."""
        with self._lock:
            self._sent_line = np.empty(0)
            self._settled = 0
        self._push_line(points)

    def _push_line(self, points: Points) -> None:
        """Push the smoothed line from where a page would see that it has changed."""
        points = points.whole()
        count = len(points.losses)
        with self._lock:
            settled = self._settled
            if count <= settled:
                return
            begun = [start - settled for start in points.starts if start >= settled]
            fresh = self._smooth(points.lrs[settled:], points.losses[settled:], begun)
            line = np.concatenate([self._sent_line[:settled], np.asarray(fresh)])
            self._settled = points.starts[-1]
            offset = _first_change(self._sent_line, line)
            if offset == count == len(self._sent_line):
                return
            # What is not sent again stays what the pages have, or small changes would add up.
            self._sent_line = np.concatenate([self._sent_line[:offset], line[offset:]])
            head = {"kind": "smoothed", "run": self._run, "offset": offset, "count": count - offset}
            self._send(*with_block(head, smoothed_block(line[offset:]), binary=self.binary))

    def answer(self, fields: Mapping[str, Any], points: Points, seconds_left: float | None) -> None:
        """Send the points that a page lacks, and the smoothed line if it asks for it."""
        have = fields["have"] if fields["run"] == self._run else 0
        points = points.whole()
        if have < len(points.losses):
            self._send_points(points, have, seconds_left)
        if fields["smoothed"]:
            self.push_smoothed(points)

    def _send_points(self, points: Points, offset: int, seconds_left: float | None) -> None:
        head = {
            "kind": "points",
            "run": self._run,
            "offset": offset,
            "count": len(points.losses) - offset,
            "starts": [*points.starts],
            "seconds_left": seconds_left,
        }
        block = points_block(points.lrs[offset:], points.losses[offset:])
        self._send(*with_block(head, block, binary=self.binary))


def _first_change(before: NDArray[np.float64], now: NDArray[np.float64]) -> int:
    common = min(len(before), len(now))
    if common == 0:
        return 0
    visible = _INVISIBLE * (np.nanmax(now) - np.nanmin(now)) if np.isfinite(now).any() else 0.0
    same = np.abs(before[:common] - now[:common]) <= visible
    same |= np.isnan(before[:common]) & np.isnan(now[:common])
    return common if same.all() else int(np.argmin(same))
