"""The pages that show a widget: what they are told, and what they may do with it."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

from lrfinder_widget.errors import LRFinderError, SettingsError
from lrfinder_widget.figure import png
from lrfinder_widget.points import Points
from lrfinder_widget.runner import CLOSED, DONE, FAILED, Runner
from lrfinder_widget.widget import state
from lrfinder_widget.widget.cells import Cells
from lrfinder_widget.widget.form_words import in_form_words
from lrfinder_widget.widget.host import (
    Displays,
    Route,
    deliver_as_addressed,
    has_subshells,
    when_closed,
)
from lrfinder_widget.widget.messages import (
    PAGE_SETTINGS,
    BadMessageError,
    Request,
    exact_block,
    parse_selection,
    with_columns,
)
from lrfinder_widget.widget.requests import Requests
from lrfinder_widget.widget.stream import PointStream, Shown

if TYPE_CHECKING:
    from concurrent.futures import Future

    from lrfinder_widget.analysis.repeats import Band
    from lrfinder_widget.result import LRFinderResult
    from lrfinder_widget.schedules import Kind
    from lrfinder_widget.widget.finder import Finder
    from lrfinder_widget.widget.widget import LRFinderWidget

TRAITS = (
    "status", "settings", "selection", "suggestions", "optimizer", "applied", "loss", "error",
    "curve", "columns", "band", "interval", "findings",
)  # fmt: skip
# Blocks of numbers, which hosts without binary buffers get by message.
BLOCKS = ("curve", "band")
_NO_CURVE: dict[str, Any] = {"curve": b"", "columns": []}
_SUGGESTION_SECONDS = 0.5
# Suggesting takes its time on a long curve: spend at most this share on it.
_SUGGESTION_SHARE = 0.005


class Pages:
    """Writes the widget's synced traits, streams its points, carries out what pages ask.

    It listens to the runner (`lrfinder_widget.runner.Listener`) and does what requests may do
    (`lrfinder_widget.widget.requests.Actions`). One writer, under one lock: traits set from
    several threads were seen to arrive in another order.

    Parameters
    ----------
    widget
        Whose traits and comm lead to the pages.
    """

    runner: Runner
    finder: Finder

    def __init__(self, widget: LRFinderWidget) -> None:
        self._widget = widget
        self.lock = threading.RLock()
        self.route = Route()
        self.displays = Displays()
        self.cells = Cells(out_of_sight=self._stop_unseen, ended=self.refresh_rates)
        self._queued_clicks = not has_subshells()
        self._picture_of = 0
        self._picture_error = ""
        self._next_suggestions = 0.0
        self._slowed = False
        self._band: Band | None = None

    def open(self, finder: Finder) -> None:
        """Begin to tell of `finder`, once the widget has its comm."""
        self.finder = finder
        self.runner = finder.runner
        self._stream = PointStream(self.send_message, finder.smooth)
        self._requests = Requests(self, on_subshell=lambda: self.route.on_subshell)
        deliver_as_addressed(self._widget.comm)
        when_closed(self._widget.comm, self._widget.close)
        self.publish(
            status=self._status(),
            settings=state.page_settings(finder.settings),
            selection={"rule": "auto"},
            optimizer=self._optimizer(),
        )
        self._widget.on_msg(self._on_message)

    def publish(self, **traits: Any) -> None:
        """Set traits and send them in one message."""
        with self.lock, self._widget.hold_sync():
            for name, value in traits.items():
                setattr(self._widget, name, value)

    def send_message(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        """Send a custom message to every page."""
        if self._widget.comm is not None:
            self._widget.send(content, buffers)

    def show(self, *, explicitly: bool) -> None:
        """Display the widget in the running cell; see `Displays.show`."""
        self.displays.show(self.bundle(), explicitly=explicitly)
        self.cells.show()

    def refresh_rates(self) -> None:
        """Tell what has become of the optimizer's rates since; nothing if they are as they were."""
        try:
            found = self._optimizer()
        except (LRFinderError, LookupError, TypeError, ValueError):
            return  # in the middle of a change: it is told of after the next cell
        if found != self._widget.optimizer:
            self.publish(optimizer=found)

    def _stop_unseen(self) -> None:
        if not self.runner.finished:
            # The cell may train the same model next, so that it has to be restored by then.
            wait([self.runner.stop("its cell was run again")])

    def started(self, runner: Runner) -> None:
        """Tell that a run begins."""
        self._stream.begin(runner.run_id)
        self._next_suggestions = time.monotonic() + _SUGGESTION_SECONDS
        self._slowed = False
        self._band = None
        cleared = {**_NO_CURVE, "band": b"", "interval": None, "suggestions": [], "findings": []}
        cleared |= {"error": None, "applied": None}
        self.publish(status=self._status(), **cleared)

    def sweep_began(self, runner: Runner) -> None:
        """Tell what its first step taught."""
        if len(runner.points) > 1:
            self._sweep_ended(runner)
        elif runner.sweep is not None:
            facts = {"loss": runner.sweep.loss_name, "optimizer": self._optimizer()}
            settings = state.page_settings(self.finder.settings)
            self.publish(**facts, settings=settings, status=self._status())

    def stepped(self, runner: Runner) -> None:
        """Pass points on."""
        self._stream.push_new(self._shown(), runner.seconds_left)
        if time.monotonic() >= self._next_suggestions:
            self._suggest_so_far(runner)

    def rested(self, runner: Runner) -> None:
        """Catch up with what was left out for the next points to come."""
        self._stream.push_line(self._shown())
        if self.finder.copies:  # their sweeps come whole
            self.publish(**self._reading(self.finder.arrived()), status=self._status())
        else:
            self._suggest_so_far(runner)

    def changed(self, runner: Runner) -> None:
        """Tell how the sweep stands."""
        changes: dict[str, Any] = {}
        if runner.run_id:
            self._stream.push_points(self._shown())
        if not runner.active:
            changes["optimizer"] = self._optimizer()
            if runner.state == FAILED and runner.failure is not None:
                changes["error"] = state.error_state(runner.failure)
            # Memory may run out at the first step: done, without a point.
            if (runner.points and runner.state != CLOSED) or runner.state == DONE:
                changes |= self._finished(self.finder.finish())
        if runner.run_id and not changes.get("curve"):  # which brings the line
            self._stream.push_line(self._shown())
        self.publish(**changes, status=self._status())
        if not runner.active and not self._stream.page_seen:
            runner.job(self.put_picture)  # next, since it takes longer than who stops may wait

    def _sweep_ended(self, runner: Runner) -> None:
        """Tell what the sweeps that have ended say, now that another one has begun."""
        self._stream.push_points(self._shown(), runner.seconds_left)
        self._stream.push_line(self._shown())
        self.publish(**self._reading(self.finder.ended_sweeps()), status=self._status())

    def _reading(self, result: LRFinderResult) -> dict[str, Any]:
        """Return what a result makes of its curves."""
        self._band = result.band
        self._send_band()
        binary = self._stream.binary
        return {
            "suggestions": state.suggestion_list(result),
            "interval": state.good_rates(result),
            "band": exact_block(*self._band) if self._band and binary else b"",
        }

    def _send_band(self) -> None:
        """Send the band to hosts that no trait brings it to."""
        if self._band and not self._stream.binary:
            head = {"kind": "band", "run": self.runner.run_id, "count": len(self._band.median)}
            self.send_message(*with_columns(head, *self._band, binary=False))

    def _finished(self, result: LRFinderResult) -> dict[str, Any]:
        # What made a sweep fail is told already.
        settable = () if self.finder.follows else PAGE_SETTINGS
        failed = self.runner.state == FAILED
        findings = [] if failed else state.finding_list(result, settable)
        whole = state.curve_state(result) if self._stream.binary else _NO_CURVE
        return {**self._reading(result), **whole, "findings": findings}

    def _shown(self) -> Shown:
        """Return what a page sees; nothing before it is known what the curve's columns are.

        The chart of gradient norms would appear, and push down what lies below it, in mid-sweep.
        """
        if self.finder.settling:
            return Shown(Points())
        return Shown(self.runner.points, self.runner.starts)

    def _optimizer(self) -> dict[str, Any]:
        return self.finder.optimizer_state()

    def _suggest_so_far(self, runner: Runner) -> None:
        began = time.monotonic()
        changes: dict[str, Any] = {}
        if len(runner.starts) == 1:  # else those of the sweeps that have ended stand
            found = state.live_suggestions(self.finder.curve_so_far())
            if found != self._widget.suggestions:
                changes["suggestions"] = found
        if runner.pace.slowed != self._slowed:
            self._slowed = runner.pace.slowed
            changes["status"] = self._status()
        if changes:
            self.publish(**changes)
        now = time.monotonic()
        self._next_suggestions = now + max(_SUGGESTION_SECONDS, (now - began) / _SUGGESTION_SHARE)

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        self.route.learn()
        self._requests.handle(content)

    def checked_selection(self, written: Any) -> dict[str, Any] | None:
        """Return the selection that a page wrote, or refuse it; nothing else is a page's."""
        self.route.learn()
        is_object = isinstance(written, dict)  # it should be, but a page sent it
        if is_object and "selection" in written:
            rules = ["auto", *(suggestion["rule"] for suggestion in self._widget.suggestions)]
            try:
                return parse_selection(written["selection"], rules)
            except BadMessageError as problem:
                self._widget.send_state("selection")  # the page shows again what is true
                self._requests.refuse(None, problem)
                return None
        names = [name for name in TRAITS if is_object and name in written]
        if names:
            self._widget.send_state(names)
        if names or not is_object:
            problem_text = f"a page writes only its selection (got {names or written!r})"
            self._requests.refuse(None, BadMessageError(problem_text))
        return None

    def greet(self, *, binary: bool | None) -> None:
        """Take note of a page, and of whether binary buffers reach it."""
        self._stream.page_seen = True
        if binary is not None:
            self._stream.binary = self._stream.binary and binary
            self._queued_clicks = not (has_subshells() and self.route.on_subshell)
        changes: dict[str, Any] = {"status": self._status()}
        if not self.runner.active:
            changes["optimizer"] = self._optimizer()
        self.publish(**changes)

    def send_all(self, request: Request) -> None:
        """Send the whole state, and the points that a page lacks."""
        with self.lock:
            names = [name for name in TRAITS if self._stream.binary or name not in BLOCKS]
            self._widget.send_state(names)
        self._stream.answer(request.fields, self._shown(), self.runner.seconds_left)
        self._send_band()

    def start_with(self, changes: dict[str, Any]) -> Future[Any]:
        """Start a run with changed settings."""
        self.configure(changes)
        return self.finder.start()

    def configure(self, changes: dict[str, Any]) -> None:
        """Change the settings for the next run; the smoothing acts at once."""
        try:
            smoothing_changed = self.finder.configure(changes)
        except SettingsError as problem:
            raise SettingsError(in_form_words(str(problem))) from problem
        published: dict[str, Any] = {"settings": state.page_settings(self.finder.settings)}
        if smoothing_changed:
            runner, result = self.runner, self.finder.result
            self._stream.push_smoothed(self._shown())
            if runner.active and len(runner.starts) > 1:
                published |= self._reading(self.finder.ended_sweeps())
            elif result is not None and not runner.active:
                published |= self._finished(result) | {"status": self._status()}
        self.publish(**published)

    def apply_rate(self, lr: float) -> None:
        """Set the optimizer's rate and tell the pages; on the runner's thread."""
        change = self.finder.apply(lr)
        self.publish(applied=state.applied_state(change), optimizer=self._optimizer())

    def check_undo(self) -> None:
        """Raise `LRFinderError` if there is nothing to undo."""
        self.finder.check_undo()

    def undo_rate(self) -> None:
        """Put the former rate back and tell the pages; on the runner's thread."""
        self.finder.undo()
        self.publish(applied=None, optimizer=self._optimizer())

    def code(self, schedule: Kind, lr: float) -> str:
        """Return lines that train at a rate."""
        return self.finder.code(schedule, lr)

    def put_picture(self) -> None:
        """Put the static picture beside the widget, once a run."""
        if self._picture_of == self.runner.run_id:
            return
        if self.finder.result is not None and self.displays:
            try:
                self.displays.update(self.bundle())
            except Exception as problem:  # noqa: BLE001 - a curve is worth more than its picture
                self._picture_error = f"The picture could not be drawn: {problem}"
            else:
                self._picture_of = self.runner.run_id
        self.publish(status=self._status())

    def encoded_picture(self) -> dict[str, str]:
        """Return the static picture as base64."""
        if self.finder.result is None:
            raise LRFinderError("there is no finished curve to draw yet")
        picture = png(self.finder.result, self._widget.lr)
        return {"png": base64.b64encode(picture).decode("ascii")}

    def bundle(self) -> dict[str, Any]:
        """Return what an output shows: the widget, and its picture where there is one."""
        data, _ = self._widget._repr_mimebundle_() or ({}, {})
        bundle: dict[str, Any] = dict(data)
        if self.finder.result is not None and not self.runner.active:
            bundle["image/png"] = self.encoded_picture()["png"]
        return bundle

    def _status(self) -> dict[str, Any]:
        return state.status_state(
            self.runner,
            self.finder.result,
            notes=[self._picture_error] if self._picture_error else [],
            queued=self._queued_clicks,
            picture=self._picture_of,
            follows=self.finder.follows,
            copies=self.finder.copies,
        )
