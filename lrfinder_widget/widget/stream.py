"""The stream of points from a running sweep to the pages that show it.

``{"kind": "points", "run", "offset", "count", "columns", "starts", "seconds_left"}`` brings points
from ``offset`` on. Its block holds ``columns``: learning rates and losses, and validation losses
and gradient norms from the first message on that has a finite one; a page that gets a column later
than others has lacked nothing but NaN.

``{"kind": "smoothed", "run", "offset", "count"}`` replaces the smoothed line from ``offset`` on.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lrfinder_widget.widget.messages import with_columns

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lrfinder_widget.points import Points

Send = Callable[[dict[str, Any], list[bytes] | None], None]

SMOOTHED_SECONDS = 1 / 5
# Smoothing a long curve takes its time: spend at most this share on it.
_SMOOTHING_SHARE = 0.005
# Of what is sent of the smoothed line, so that no point is sent more than twice on average.
_NEW_SHARE = 0.5
# Of the range of the losses: a fifth of a pixel on a chart 200 pixels high.
_INVISIBLE = 1e-3
# The columns of a curve, and those that are measured only if the user asks for it.
ALWAYS = ("lrs", "losses")
OPTIONAL = ("val_losses", "grad_norms")


class Shown(NamedTuple):
    """The points of a run, those of its sweeps one after the other, and where each begins.

    A sweep may append to them meanwhile: they are counted once for each message.
    """

    points: Points
    starts: Sequence[int] = (0,)

    def begun(self, count: int) -> list[int]:
        """Return the starts of the sweeps that have a point among the first `count`."""
        return [start for start in self.starts if start == 0 or start < count]


class PointStream:
    """Pushes what is new, and answers pages that ask for what they lack.

    Parameters
    ----------
    send
        Sends a custom message to every page.
    smooth
        Smooths learning rates and losses, given where among them each sweep begins.

    Attributes
    ----------
    binary : bool
        Whether the pages get binary buffers.
    page_seen : bool
        Whether a page was heard; until then, what was sent may have met none.
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
        self.page_seen = False
        self._reset(0)

    def _reset(self, run: int) -> None:
        self._run = run
        self._columns: tuple[str, ...] = ALWAYS
        self._forget_sent()
        self._repeat_at = 0
        self._next_smoothed = time.monotonic() + SMOOTHED_SECONDS

    def _forget_sent(self) -> None:
        self._sent = 0
        self._sent_line = np.empty(0)
        self._settled = 0  # before this point the line belongs to sweeps that have ended

    def begin(self, run: int) -> None:
        """Start with run `run`."""
        with self._lock:
            self._reset(run)

    def push_new(self, shown: Shown, seconds_left: float | None) -> None:
        """Push the points since the last push, and the smoothed line if it is time."""
        self._repeat_unseen(len(shown.points))
        self.push_points(shown, seconds_left)
        now = time.monotonic()
        if now >= self._next_smoothed:
            first = not len(self._sent_line)
            self.push_line(shown, least_new=_NEW_SHARE)
            # What the first one takes (imports, caches) says nothing about the next.
            took = 0.0 if first else time.monotonic() - now
            self._next_smoothed = now + max(SMOOTHED_SECONDS, took / _SMOOTHING_SHARE)

    def _repeat_unseen(self, count: int) -> None:
        """Send everything once more each time that the points have doubled, until a page is seen.

        marimo drops what comes before its page listens, and the page cannot ask for it while the
        next cell waits for the sweep.
        """
        with self._lock:
            if not self.page_seen and count >= self._repeat_at:
                self._repeat_at = 2 * count
                self._forget_sent()

    def push_points(self, shown: Shown, seconds_left: float | None = 0.0) -> None:
        """Push the points that are not yet sent."""
        with self._lock:
            offset, self._sent = self._sent, len(shown.points)
            if self._sent > offset:
                self._send_points(shown, slice(offset, self._sent), seconds_left)

    def push_smoothed(self, shown: Shown) -> None:
        """Push the whole smoothed line as it is now; it replaces the one before."""
        with self._lock:
            self._sent_line = np.empty(0)
            self._settled = 0
        self.push_line(shown)

    def push_line(self, shown: Shown, least_new: float = 0.0) -> None:
        """Push the smoothed line from where a page would see that it has changed.

        Parameters
        ----------
        least_new
            Which share of what is sent must be new points; else nothing is sent.
        """
        count = len(shown.points)
        starts = shown.begun(count)
        with self._lock:
            settled = self._settled
            if count <= settled:
                return
            begun = [start - settled for start in starts if start >= settled]
            points = shown.points.part(settled, count)
            fresh = self._smooth(points.lrs, points.losses, begun)
            line = np.concatenate([self._sent_line[:settled], np.asarray(fresh)])
            offset = _first_change(self._sent_line, line, _INVISIBLE * _range(shown.points.losses))
            if offset == count == len(self._sent_line):
                return
            if count - len(self._sent_line) < least_new * (count - offset):
                return
            self._settled = starts[-1]
            # What is not sent again stays what the pages have, or small changes would add up.
            self._sent_line = np.concatenate([self._sent_line[:offset], line[offset:]])
            head = {"kind": "smoothed", "run": self._run, "offset": offset, "count": count - offset}
            self._send(*with_columns(head, line[offset:], binary=self.binary))

    def answer(self, fields: Mapping[str, Any], shown: Shown, seconds_left: float | None) -> None:
        """Send the points that a page lacks, and the smoothed line if it asks for it."""
        have = fields["have"] if fields["run"] == self._run else 0
        count = len(shown.points)
        if have < count:
            with self._lock:
                self._send_points(shown, slice(have, count), seconds_left)
        if fields["smoothed"]:
            self.push_smoothed(shown)

    def _send_points(self, shown: Shown, span: slice, seconds_left: float | None) -> None:
        points = shown.points.part(span.start, span.stop)
        values = {name: getattr(points, name) for name in (*ALWAYS, *OPTIONAL)}
        self._columns = tuple(
            name
            for name, column in values.items()
            if name in self._columns or any(map(math.isfinite, column))
        )
        head = {
            "kind": "points",
            "run": self._run,
            "offset": span.start,
            "count": span.stop - span.start,
            "columns": [*self._columns],
            "starts": shown.begun(span.stop),
            "seconds_left": seconds_left,
        }
        columns = [values[name] for name in self._columns]
        self._send(*with_columns(head, *columns, binary=self.binary))


def _range(losses: Sequence[float]) -> float:
    finite = np.asarray(losses)[np.isfinite(losses)]
    return float(np.ptp(finite)) if finite.size else 0.0


def _first_change(before: NDArray[np.float64], now: NDArray[np.float64], visible: float) -> int:
    common = min(len(before), len(now))
    same = np.abs(before[:common] - now[:common]) <= visible
    same |= np.isnan(before[:common]) & np.isnan(now[:common])
    return common if same.all() else int(np.argmin(same))
