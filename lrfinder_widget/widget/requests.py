"""What pages ask, carried out: each request is checked, queued, and answered."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.widget.messages import BadMessageError, Request, parse_request, request_id
from lrfinder_widget.widget.state import PROBE

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfinder_widget.runner import Runner
    from lrfinder_widget.schedules import Kind

# A page may ask again and again; beyond this many waiting commands it is not a person.
_MOST_WAITING = 64
# Every answer to a resync reaches every page: the same question again at once needs no other.
_SAME_ANSWER_SECONDS = 0.05
# Without a subshell the page's messages are handled on the main thread, one after the other. Hosts
# that hold back what a thread sends (Colab) show a reply only if it is sent meanwhile.
_REPLY_SECONDS = 0.25
_LOOK_SECONDS = 0.002
# An error may repeat what the page sent.
_LONGEST_ERROR = 300


class Actions(Protocol):
    """What requests may do with a widget."""

    runner: Runner

    def send_message(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        """Send a custom message to every page."""

    def greet(self, *, binary: bool | None) -> None:
        """Take note of a page, and of whether binary buffers reach it."""

    def send_all(self, request: Request) -> None:
        """Send the whole state, and the points that a page lacks."""

    def start_with(self, changes: dict[str, Any]) -> Future[Any]:
        """Start a run with changed settings."""

    def configure(self, changes: dict[str, Any]) -> None:
        """Change the settings for the next run."""

    def apply_rate(self, lr: float) -> None:
        """Set the optimizer's rate; on the runner's thread."""

    def check_undo(self) -> None:
        """Raise if there is nothing to undo."""

    def undo_rate(self) -> None:
        """Put the former rate back; on the runner's thread."""

    def code(self, schedule: Kind, lr: float) -> str:
        """Return lines that train at a rate."""

    def put_picture(self) -> None:
        """Put the static picture beside the widget."""

    def encoded_picture(self) -> dict[str, str]:
        """Return the static picture as base64."""


class Requests:
    """Answers the requests of pages; called on whichever thread the host handles messages."""

    def __init__(self, actions: Actions, *, on_subshell: Callable[[], bool]) -> None:
        self._actions = actions
        self._runner = actions.runner
        self._on_subshell = on_subshell
        self._last_resync: tuple[Any, float] = (None, 0.0)

    def handle(self, content: Any) -> None:
        """Check a message and do what it asks, or say what is wrong with it."""
        number = request_id(content)
        try:
            request = parse_request(content)
            number = request.id
            future = getattr(self, f"_{request.kind}")(request)
        except (BadMessageError, LRFinderError) as problem:
            self.refuse(number, problem)
            return
        if not isinstance(future, Future):
            self._accept(number, future)
            return
        future.add_done_callback(lambda done: self._report(request.id, done))
        if not self._on_subshell():
            deadline = time.monotonic() + _REPLY_SECONDS
            while not future.done() and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)

    def refuse(self, number: int | None, problem: BaseException) -> None:
        """Tell the page why nothing was changed."""
        text = (str(problem) or type(problem).__name__)[:_LONGEST_ERROR]
        self._actions.send_message({"kind": "reply", "id": number, "ok": False, "error": text})

    def _accept(self, number: int | None, more: dict[str, Any] | None = None) -> None:
        self._actions.send_message({"kind": "reply", "id": number, "ok": True, **(more or {})})

    def _report(self, number: int, done: Future[Any]) -> None:
        problem = done.exception()
        if problem is not None:
            self.refuse(number, problem)
        else:
            self._accept(number, done.result())

    def _hello(self, request: Request) -> None:
        binary = request.fields["binary"]
        if binary is None:
            welcome = {"kind": "welcome", "id": request.id, "probe": True}
            self._actions.send_message(welcome, [PROBE])
        self._last_resync = (None, 0.0)  # what this page asks now has not been answered to it
        self._actions.greet(binary=binary)

    def _resync(self, request: Request) -> None:
        key = tuple(request.fields.values())
        last, at = self._last_resync
        now = time.monotonic()
        if key != last or now - at >= _SAME_ANSWER_SECONDS:
            self._last_resync = (key, now)
            self._actions.send_all(request)

    def _run(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._actions.start_with(request.fields["settings"])

    def _pause(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._runner.pause()

    def _resume(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._runner.resume()

    def _stop(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._runner.stop()

    def _configure(self, request: Request) -> None:
        self._actions.configure(request.fields["settings"])

    def _apply(self, request: Request) -> Future[Any]:
        self._refuse_flood()
        return self._runner.call(lambda: self._actions.apply_rate(request.fields["lr"]))

    def _undo(self, _: Request) -> Future[Any]:
        self._refuse_flood()
        self._actions.check_undo()
        return self._runner.call(self._actions.undo_rate)

    def _code(self, request: Request) -> dict[str, str]:
        return {"code": self._actions.code(**request.fields)}

    def _picture(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._runner.job(self._actions.put_picture)

    def _save_picture(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._runner.job(self._actions.encoded_picture)

    def _refuse_stale(self, request: Request) -> None:
        self._refuse_flood()
        if request.fields["run"] != self._runner.run_id:
            raise LRFinderError(
                f"{request.kind} is meant for run {request.fields['run']}, but this is run "
                f"{self._runner.run_id}"
            )

    def _refuse_flood(self) -> None:
        if self._runner.waiting > _MOST_WAITING:
            raise LRFinderError("too many requests at once; try again in a moment")
