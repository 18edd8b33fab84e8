"""LRFinderWidget: a live learning-rate finder in the output of a cell."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anywidget
import traitlets

from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.figure import png
from lrfinder_widget.optimizer_lr import checked_rate
from lrfinder_widget.runner import CLOSED, FAILED, IDLE, Runner
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.widget import state
from lrfinder_widget.widget.finder import Finder
from lrfinder_widget.widget.host import Displays, Route, deliver_as_addressed, has_subshells
from lrfinder_widget.widget.messages import (
    BadMessageError,
    Request,
    curve_block,
    parse_selection,
)
from lrfinder_widget.widget.requests import Requests
from lrfinder_widget.widget.stream import PointStream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from lrfinder_widget.result import LRFinderResult

_STATIC = Path(__file__).parent / "static"
_STATE = (
    "status", "settings", "selection", "suggestions", "optimizer", "applied", "loss", "error",
    "curve",
)  # fmt: skip
_SUGGESTION_SECONDS = 0.5
# Suggesting takes its time on a long curve: spend at most this share on it.
_SUGGESTION_SHARE = 0.01
_AWAIT_SECONDS = 0.05


class LRFinderWidget(anywidget.AnyWidget):
    """Find a learning rate by watching a sweep live, and set it with a click.

    >>> w = LRFinderWidget(model, optimizer, loader).show()  # doctest: +SKIP

    The sweep trains `model` in a background thread, one optimizer step at each of `num_iter`
    learning rates from `start_lr` to `end_lr` (Smith, "Cyclical Learning Rates for Training
    Neural Networks", 2017), and streams the loss to a chart in the cell's output. Afterwards, and
    whenever it is stopped, model, optimizer, loader and random generators are exactly as before.

    Parameters
    ----------
    model
        The model to train; its parameters are those of `optimizer`.
    optimizer
        The optimizer whose learning rate is sought. Parameter groups keep their ratios.
    loader
        A ``DataLoader`` or any iterable of batches that can be iterated repeatedly.
    loss_fn
        A function of ``(output, target)`` that returns a scalar. By default it is inferred from
        the first batch, and shown.
    scheduler
        A learning-rate scheduler whose rates *Apply* brings along; see `set_lr`.
    **settings
        See `SweepSettings`: ``start_lr``, ``end_lr``, ``num_iter``, ``rule``, …

    Attributes
    ----------
    lr : float or None
        The chosen learning rate: the marker's, or the suggestion it follows.
    result : LRFinderResult or None
        The last sweep's curve and suggestions, once it has ended.

    Raises
    ------
    SettingsError
        If a setting or an argument cannot be used.
    """

    _esm = _STATIC / "widget.js"
    _css = _STATIC / "widget.css"

    status = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)
    suggestions: traitlets.List[Any] = traitlets.List().tag(sync=True)
    optimizer = traitlets.Dict().tag(sync=True)
    applied = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    loss = traitlets.Unicode().tag(sync=True)
    error = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    curve = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loader: Iterable[Any],
        loss_fn: Callable[..., Tensor] | None = None,
        *,
        scheduler: Any = None,
        **settings: Any,
    ) -> None:
        self._lock = threading.RLock()
        self._route = Route()
        self._displays = Displays()
        self._finder = Finder(
            model,
            optimizer,
            loader,
            loss_fn,
            scheduler=scheduler,
            settings=SweepSettings.from_keywords(**settings),
            listener=self,
        )
        self.runner = self._finder.runner
        self._requests = Requests(self, on_subshell=lambda: self._route.on_subshell)
        self._stream = PointStream(self.send_message, self._finder.smooth)
        self._page_seen = False
        self._queued_clicks = False
        self._picture_of = 0
        self._picture_error = ""
        self._next_suggestions = 0.0
        self._slowed = False
        super().__init__()
        deliver_as_addressed(self.comm)
        self._publish(
            status=self._status(),
            settings=state.page_settings(self._finder.settings),
            selection={"rule": "auto"},
            optimizer=state.optimizer_state(optimizer),
        )
        self.on_msg(self._on_page_message)

    def show(self, *, wait: bool = False) -> Self:
        """Show the widget in this cell and start a sweep, if none has run yet.

        Parameters
        ----------
        wait
            Block until the sweep has ended, as `wait` does.

        Returns
        -------
        LRFinderWidget
            The widget itself; as a cell's last expression it is still shown once.
        """
        self._finder.refuse_closed()
        fresh = self.runner.state == IDLE and self.runner.finished
        if fresh:
            self._finder.check_free()
        self._displays.show(self._bundle(), explicitly=True)
        if fresh:
            self.run()
        if wait:
            self.wait()
        return self

    def run(self) -> None:
        """Start a sweep; one in progress is stopped and restored first.

        Raises
        ------
        SweepInProgressError
            If a sweep that is not this widget's trains the same parameters.
        """
        self.runner.inherit()
        self._finder.start()

    def pause(self) -> None:
        """Take no further step until `resume`; the model stays the sweep's."""
        self.runner.answer_of(self.runner.pause())

    def resume(self) -> None:
        """Go on after `pause`."""
        self.runner.answer_of(self.runner.resume())

    def stop(self) -> None:
        """End the sweep; returns when everything is restored."""
        self.runner.answer_of(self.runner.stop())

    def wait(self, timeout: float | None = None) -> LRFinderResult:
        """Block until the sweep has ended, and return its result.

        An interrupt of the waiting cell stops the sweep and restores everything.

        Raises
        ------
        TimeoutError
            After `timeout` seconds; the sweep goes on.
        LRFinderError
            If there was no sweep to wait for.
        Exception
            Whatever the model, the loss or the loader raised.
        """
        self._finder.refuse_unstarted()
        self.runner.wait(timeout)
        return self._finder.outcome()

    def __await__(self) -> Generator[Any, None, LRFinderResult]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> LRFinderResult:
        self._finder.refuse_unstarted()
        try:
            # An idle event loop does not see an interrupt: wake often enough to answer at once.
            while not self.runner.finished:  # noqa: ASYNC110 - nothing would wake an Event
                await asyncio.sleep(_AWAIT_SECONDS)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.runner.stop("interrupted").result()
            raise
        return self._finder.outcome()

    @property
    def lr(self) -> float | None:
        """The chosen learning rate: the marker's, or the suggestion it follows; set to choose."""
        if "lr" in self.selection:
            return float(self.selection["lr"])
        rule = self.selection.get("rule")
        return next((s["lr"] for s in self.suggestions if s["rule"] == rule), None)

    @lr.setter
    def lr(self, value: float) -> None:
        self._publish(selection=parse_selection({"lr": state.plain(value)}, ()))

    @property
    def result(self) -> LRFinderResult | None:
        """The last sweep's curve and suggestions, once it has ended."""
        return self._finder.result

    def apply(self, lr: float | None = None) -> None:
        """Set the optimizer's learning rate, by default to the chosen one.

        A sweep in progress is stopped and everything restored first.

        Raises
        ------
        LRFinderError
            If no learning rate is given and none is chosen.
        SettingsError
            If `lr` is not a positive number.
        """
        if lr is None:
            lr = self.lr
            if lr is None:
                raise LRFinderError(
                    "no learning rate is chosen yet: pass one, move the marker, or wait for the "
                    "suggestion (widget.wait())"
                )
        checked_rate(lr)  # a rate that cannot be used does not end a sweep
        self.runner.answer_of(self.runner.call(lambda: self.apply_rate(lr)))

    def undo(self) -> None:
        """Put back the learning rates from before the last `apply`."""
        self._finder.refuse_closed()
        self.check_undo()
        self.runner.answer_of(self.runner.call(self.undo_rate))

    def close(self) -> None:
        """Stop, restore, and take the widget off the page."""
        # ipywidgets closes in __del__ too, also after a constructor that refused its arguments.
        runner = getattr(self, "runner", None)
        if runner is not None:
            if runner.state != CLOSED:
                runner.answer_of(runner.close())
            super().close()

    def started(self, runner: Runner) -> None:
        """Tell the pages that a run begins (see `lrfinder_widget.runner.Listener`)."""
        self._stream.begin(runner.run_id, runner.total)
        self._next_suggestions = time.monotonic() + _SUGGESTION_SECONDS
        self._slowed = False
        self._publish(status=self._status(), suggestions=[], error=None, curve=b"", applied=None)

    def stepped(self, runner: Runner) -> None:
        """Pass a point on, as far as it is time (see `lrfinder_widget.runner.Listener`)."""
        if len(runner.lrs) == 1 and runner.sweep is not None:
            self._publish(loss=runner.sweep.loss_name, status=self._status())
        self._stream.push_if_due(runner.lrs, runner.losses, runner.seconds_left)
        if time.monotonic() >= self._next_suggestions:
            self._suggest_so_far(runner)

    def changed(self, runner: Runner) -> None:
        """Tell the pages how the sweep stands (see `lrfinder_widget.runner.Listener`)."""
        changes: dict[str, Any] = {}
        if runner.run_id:
            self._stream.flush(runner.lrs, runner.losses)
        if not runner.active:
            changes["optimizer"] = state.optimizer_state(self._finder.optimizer)
            if runner.state == FAILED and runner.failure is not None:
                changes["error"] = state.error_state(runner.failure)
            if runner.lrs and runner.state != CLOSED:
                changes |= self._finished(self._finder.finish())
        self._publish(**changes, status=self._status())
        if not runner.active and not self._page_seen:
            runner.job(self.put_picture)  # next, since it takes longer than who stops may wait

    def _finished(self, result: LRFinderResult) -> dict[str, Any]:
        curve = b""
        if self._stream.binary:
            curve = curve_block(result.lrs, result.losses, result.smoothed)
        return {"suggestions": state.suggestion_list(result), "curve": curve}

    def _suggest_so_far(self, runner: Runner) -> None:
        began = time.monotonic()
        changes: dict[str, Any] = {}
        found = state.live_suggestions(self._finder.curve_so_far())
        if found != self.suggestions:
            changes["suggestions"] = found
        if runner.pace.slowed != self._slowed:
            self._slowed = runner.pace.slowed
            changes["status"] = self._status()
        if changes:
            self._publish(**changes)
        now = time.monotonic()
        self._next_suggestions = now + max(_SUGGESTION_SECONDS, (now - began) / _SUGGESTION_SHARE)

    def _on_page_message(self, _: Any, content: Any, _buffers: Any) -> None:
        self._route.learn()
        self._requests.handle(content)

    def set_state(self, sync_data: Any) -> None:
        """Take over what a page writes: the selection, if it is one; nothing else is a page's."""
        self._route.learn()
        if not isinstance(sync_data, dict) or "selection" not in sync_data:
            self._refuse_writing(sync_data)
            return
        rules = ["auto", *(suggestion["rule"] for suggestion in self.suggestions)]
        try:
            selection = parse_selection(sync_data["selection"], rules)
        except BadMessageError as problem:
            self.send_state("selection")
            self._requests.refuse(None, problem)
            return
        with self._lock:
            super().set_state({"selection": selection})

    def _refuse_writing(self, sync_data: Any) -> None:
        is_object = isinstance(sync_data, dict)  # it should be, but a page sent it
        written = [key for key in _STATE if is_object and key in sync_data]
        if written:
            self.send_state(written)  # the page shows again what is true
        if written or not is_object:
            problem = f"a page writes only its selection (got {written or sync_data!r})"
            self._requests.refuse(None, BadMessageError(problem))

    def send_message(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        """Send a custom message to every page."""
        if self.comm is not None:
            self.send(content, buffers)

    def _send(self, msg: Any, buffers: Any = None) -> None:
        self._route.run(super()._send, msg, buffers)

    def greet(self, *, binary: bool | None) -> None:
        """Take note of a page, and of whether binary buffers reach it."""
        self._page_seen = True
        if binary is not None:
            self._stream.binary = self._stream.binary and binary
            self._queued_clicks = not (has_subshells() and self._route.on_subshell)
        changes: dict[str, Any] = {"status": self._status()}
        if not self.runner.active:
            changes["optimizer"] = state.optimizer_state(self._finder.optimizer)
        self._publish(**changes)

    def send_all(self, request: Request) -> None:
        """Send the whole state, and the points that a page lacks."""
        with self._lock:
            self.send_state([key for key in _STATE if self._stream.binary or key != "curve"])
        runner = self.runner
        self._stream.answer(request.fields, runner.lrs, runner.losses, runner.seconds_left)

    def start_with(self, changes: dict[str, Any]) -> Future[Any]:
        """Start a run with changed settings."""
        self.configure(changes)
        return self._finder.start()

    def configure(self, changes: dict[str, Any]) -> None:
        """Change the settings for the next run; the smoothing acts at once."""
        smoothing_changed = self._finder.configure(changes)
        published: dict[str, Any] = {"settings": state.page_settings(self._finder.settings)}
        if smoothing_changed:
            runner, result = self.runner, self._finder.result
            self._stream.push_smoothed(runner.lrs, runner.losses)
            if result is not None and not runner.active:
                published |= self._finished(result)
        self._publish(**published)

    def apply_rate(self, lr: float) -> None:
        """Set the optimizer's rate and tell the pages; on the runner's thread."""
        change = self._finder.apply(lr)
        optimizer = state.optimizer_state(self._finder.optimizer)
        self._publish(applied=state.applied_state(change), optimizer=optimizer)

    def check_undo(self) -> None:
        """Raise `LRFinderError` if there is nothing to undo."""
        self._finder.check_undo()

    def undo_rate(self) -> None:
        """Put the former rate back and tell the pages; on the runner's thread."""
        self._finder.undo()
        self._publish(applied=None, optimizer=state.optimizer_state(self._finder.optimizer))

    def put_picture(self) -> None:
        """Put the static picture beside the widget, once a run."""
        if self._picture_of != self.runner.run_id:
            self._draw_picture()
            self._publish(status=self._status())

    def encoded_picture(self) -> dict[str, str]:
        """Return the static picture as base64."""
        if self._finder.result is None:
            raise LRFinderError("there is no finished curve to draw yet")
        return {"png": base64.b64encode(png(self._finder.result, self.lr)).decode("ascii")}

    def _draw_picture(self) -> None:
        if self._finder.result is None or not self._displays:
            return
        try:
            self._displays.update(self._bundle())
        except Exception as problem:  # noqa: BLE001 - a curve is worth more than its picture
            self._picture_error = f"The picture could not be drawn: {problem}"
        else:
            self._picture_of = self.runner.run_id

    def _ipython_display_(self) -> None:
        self._finder.refuse_closed()
        self._displays.show(self._bundle(), explicitly=False)

    def _bundle(self) -> dict[str, Any]:
        data, _ = self._repr_mimebundle_() or ({}, {})
        bundle: dict[str, Any] = dict(data)
        if self._finder.result is not None and not self.runner.active:
            bundle["image/png"] = self.encoded_picture()["png"]
        return bundle

    def _status(self) -> dict[str, Any]:
        return state.status_state(
            self.runner,
            notes=[self._picture_error] if self._picture_error else [],
            queued=self._queued_clicks,
            picture=self._picture_of,
        )

    def _publish(self, **traits: Any) -> None:
        """Set traits and send them to the pages in one message."""
        with self._lock, self.hold_sync():
            for name, value in traits.items():
                setattr(self, name, value)
