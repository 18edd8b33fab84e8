"""A page without a browser: greets a widget in a real kernel, and takes in what it sends."""

from __future__ import annotations

import itertools
import time
from typing import Any

SECONDS = 120  # nothing here takes longer, also on a slow machine


class Page:
    """The page's side of one widget.

    As in JupyterLab 4.4 and later its messages go to a subshell.

    Parameters
    ----------
    kernel
        The `RealKernel` of the tests.
    widget
        An expression for the widget, which is displayed already.
    """

    def __init__(self, kernel: Any, widget: str) -> None:
        self._kernel = kernel
        self._comm = kernel.comm_of(widget)
        self._subshell = kernel.new_subshell()
        self._ids = itertools.count(1)
        self._taken = 0
        self.status: dict[str, Any] = {}
        self.points = 0
        self.messages = 0

    def greet(self) -> None:
        """Say hello as the front end does, the second time with what the first has shown."""
        self.ask("hello", binary=None)
        self.ask("hello", binary=True)

    def ask(self, kind: str, **fields: Any) -> None:
        """Send a request and wait for its answer."""
        content = {"kind": kind, "id": next(self._ids), **fields}
        answer = self._kernel.ask(self._comm, content, subshell=self._subshell)
        if not answer["ok"]:
            raise RuntimeError(f"{kind} was refused: {answer['error']}")

    def run(self) -> None:
        """Start a sweep, as its button does."""
        self.ask("run", run=self.status.get("run", 0))
        self.until(lambda: self.status.get("state") == "running", "a run")

    def stop(self) -> float:
        """Stop the sweep; return the seconds from the click to *stopped*, restored by then."""
        began = time.perf_counter()
        content = {"kind": "stop", "id": next(self._ids), "run": self.status["run"]}
        self._kernel.send(self._comm, content, subshell=self._subshell)
        self.until(lambda: self.status["state"] == "stopped", "the stop")
        return time.perf_counter() - began

    def wait(self, state: str) -> None:
        """Wait until the widget says that it is in a state."""
        self.until(lambda: self.status.get("state") == state, state)

    def wait_points(self, count: int) -> None:
        """Wait until so many points of the run have arrived."""
        self.until(lambda: self.points >= count, f"{count} points")

    def points_a_second(self, seconds: float) -> float:
        """Return how fast points arrive, between the first and the last message in a while."""
        first = self._next_points()
        last = first
        while last[0] - first[0] < seconds:
            last = self._next_points()
        return (last[1] - first[1]) / (last[0] - first[0])

    def _next_points(self) -> tuple[float, int]:
        before = self.points
        self.until(lambda: self.points > before, "points")
        return time.perf_counter(), self.points

    def until(self, condition: Any, what: str) -> None:
        """Wait for a condition on what has arrived."""

        def met() -> bool:
            self._take()
            return bool(condition())

        self._kernel.until(met, what, SECONDS)

    def forget(self) -> None:
        """Let go of what has arrived, which would otherwise pile up."""
        self._take()
        self._kernel.iopub.clear()
        self._taken = 0

    def _take(self) -> None:
        arrived = self._kernel.iopub
        for message in arrived[self._taken :]:
            content = message["content"]
            if message["msg_type"] == "comm_msg" and content["comm_id"] == self._comm:
                self._hear(content["data"])
        self._taken = len(arrived)

    def _hear(self, data: dict[str, Any]) -> None:
        self.messages += 1
        if data["method"] == "update" and "status" in data["state"]:
            status = data["state"]["status"]
            if status["run"] != self.status.get("run"):
                self.points = 0
            self.status = status
        elif data["method"] == "custom" and data["content"]["kind"] == "points":
            content = data["content"]
            if content["run"] == self.status.get("run"):
                self.points = max(self.points, content["offset"] + content["count"])
