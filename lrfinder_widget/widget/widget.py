"""LRFinderWidget: a live learning-rate finder in the output of a cell."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

import anywidget
import traitlets
from torch import Tensor, nn
from torch.optim import Optimizer

from lrfinder_widget.analysis.rules import resolve
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.figure import png
from lrfinder_widget.optimizer_lr import RateChange, change_lr
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.runner import CLOSED, DONE, FAILED, IDLE, STOPPED, Runner
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.sweep import Sweep
from lrfinder_widget.widget import state
from lrfinder_widget.widget.host import Displays, Route, has_subshells
from lrfinder_widget.widget.messages import (
    BadMessageError,
    Request,
    curve_block,
    parse_request,
    parse_selection,
    request_id,
)
from lrfinder_widget.widget.stream import PointStream

_STATIC = Path(__file__).parent / "static"
_STATE = (
    "status", "settings", "selection", "suggestions", "optimizer", "applied", "loss", "error",
    "curve",
)  # fmt: skip
_SUGGESTION_SECONDS = 0.5
# A page may ask again and again; beyond this many waiting commands it is not a person.
_MOST_WAITING = 64
# Without a subshell the page's messages are handled on the main thread, one after the other. Hosts
# that hold back what a thread sends (Colab) show a reply only if it is sent meanwhile.
_REPLY_SECONDS = 0.25
_AWAIT_SECONDS = 0.05


class LRFinderWidget(anywidget.AnyWidget):  # type: ignore[misc]
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
    suggestions = traitlets.List().tag(sync=True)
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
        self._settings = SweepSettings.from_keywords(**settings)
        resolve(self._settings.rule)
        self._model = model
        self._optimizer = optimizer
        self._loader = loader
        self._loss_fn = loss_fn
        self._scheduler = scheduler
        self._sweep_for(self._settings)  # refuses now what it would refuse later

        self._lock = threading.RLock()
        self._route = Route()
        self._displays = Displays()
        self._runner = Runner(self)
        self._stream = PointStream(self._send_block, self._smooth)
        self._changes: list[RateChange] = []
        self._result: LRFinderResult | None = None
        self._page_seen = False
        self._picture_of = 0
        self._picture_error = ""
        self._queued_clicks = False
        self._next_suggestions = 0.0
        self._slowed = False
        self._last_resync: tuple[Any, float] = (None, 0.0)
        super().__init__()
        self._publish(
            status=self._status(),
            settings=state.page_settings(self._settings),
            selection={"rule": "auto"},
            optimizer=state.optimizer_state(optimizer),
        )
        self.on_msg(self._on_page_message)

    # What people call

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
        self._refuse_closed()
        fresh = self._runner.state == IDLE
        if fresh:
            self._sweep_for(self._settings).check_free()
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
        self._refuse_closed()
        self._runner.inherit()
        self._start(self._settings)

    def pause(self) -> None:
        """Take no further step until `resume`; the model stays the sweep's."""
        self._answer_of(self._runner.pause())

    def resume(self) -> None:
        """Go on after `pause`."""
        self._answer_of(self._runner.resume())

    def stop(self) -> None:
        """End the sweep; returns when everything is restored."""
        self._answer_of(self._runner.stop())

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
        self._refuse_unstarted()
        self._runner.wait(timeout)
        return self._outcome()

    def __await__(self) -> Generator[Any, None, LRFinderResult]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> LRFinderResult:
        self._refuse_unstarted()
        try:
            # An idle event loop does not see an interrupt: wake often enough to answer at once.
            while not self._runner.finished:
                await asyncio.sleep(_AWAIT_SECONDS)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self._runner.stop("interrupted").result()
            raise
        return self._outcome()

    @property
    def lr(self) -> float | None:
        if "lr" in self.selection:
            return float(self.selection["lr"])
        rule = self.selection.get("rule")
        return next((s["lr"] for s in self.suggestions if s["rule"] == rule), None)

    @lr.setter
    def lr(self, value: float) -> None:
        self._publish(selection=parse_selection({"lr": state.plain(value)}, ()))

    @property
    def result(self) -> LRFinderResult | None:
        return self._result

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
        self._answer_of(self._runner.call(lambda: self._apply(lr)))

    def undo(self) -> None:
        """Put back the learning rates from before the last `apply`."""
        self._answer_of(self._runner.call(self._undo))

    def close(self) -> None:
        """Stop, restore, and take the widget off the page."""
        runner = getattr(self, "_runner", None)
        if runner is not None and runner.state != CLOSED:
            runner.close().result()
        super().close()

    # What the runner tells, on its thread

    def started(self, runner: Runner) -> None:
        self._stream.begin(runner.run_id, runner.total)
        self._next_suggestions = time.monotonic() + _SUGGESTION_SECONDS
        self._slowed = False
        self._publish(status=self._status(), suggestions=[], error=None, curve=b"", applied=None)

    def stepped(self, runner: Runner) -> None:
        if len(runner.lrs) == 1:
            self._publish(loss=runner.sweep.loss_name if runner.sweep else "", status=self._status())
        self._stream.push_if_due(runner.lrs, runner.losses, runner.seconds_left)
        if time.monotonic() >= self._next_suggestions:
            self._update_while_running(runner)

    def changed(self, runner: Runner) -> None:
        self._stream.flush(runner.lrs, runner.losses)
        if runner.active:
            self._publish(status=self._status())
            return
        changes: dict[str, Any] = {"optimizer": state.optimizer_state(self._optimizer)}
        if runner.state == FAILED and runner.failure is not None:
            changes["error"] = state.error_state(runner.failure)
        if runner.state in (DONE, STOPPED, FAILED) and runner.lrs:
            changes |= self._finish(runner)
        if not self._page_seen:
            self._draw_picture()
        self._publish(**changes, status=self._status())

    def _finish(self, runner: Runner) -> dict[str, Any]:
        sweep = runner.sweep
        result = LRFinderResult(
            lrs=runner.lrs,
            losses=runner.losses,
            settings=self._shown_settings(),
            stop_reason=sweep.stop_reason if sweep else STOPPED,
            notes=tuple(sweep.notes) if sweep else (),
            loss_name=sweep.loss_name if sweep else "",
        )
        if runner.state != FAILED:
            self._result = result
        return {
            "suggestions": state.suggestion_list(result),
            "curve": self._curve_of(result),
        }

    def _update_while_running(self, runner: Runner) -> None:
        began = time.monotonic()
        changes: dict[str, Any] = {}
        found = state.live_suggestions(runner.lrs, runner.losses, self._shown_settings())
        if found != self.suggestions:
            changes["suggestions"] = found
        if runner.pace.slowed != self._slowed:
            self._slowed = runner.pace.slowed
            changes["status"] = self._status()
        if changes:
            self._publish(**changes)
        now = time.monotonic()
        self._next_suggestions = now + max(_SUGGESTION_SECONDS, 50 * (now - began))

    # What pages ask

    def _on_page_message(self, _: Any, content: Any, _buffers: Any) -> None:
        self._route.learn()
        try:
            request = parse_request(content)
        except BadMessageError as problem:
            self._reply(request_id(content), problem)
            return
        self._page_seen = True
        try:
            future = getattr(self, f"_asked_{request.kind}")(request)
        except LRFinderError as problem:
            self._reply(request.id, problem)
            return
        if future is None:
            self._reply(request.id)
            return
        future.add_done_callback(lambda done: self._reply(request.id, done.exception(), done))
        if not self._route.on_subshell:
            self._await_briefly(future)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take over what a page writes: the selection, if it is one; nothing else is a page's."""
        self._route.learn()
        if "selection" not in sync_data:
            return
        rules = ["auto", *(s["rule"] for s in self.suggestions)]
        try:
            selection = parse_selection(sync_data["selection"], rules)
        except BadMessageError as problem:
            self.send_state("selection")
            self._reply(None, problem)
            return
        with self._lock:
            super().set_state({"selection": selection})

    def _asked_hello(self, request: Request) -> None:
        binary = request.fields["binary"]
        if binary is None:
            self._send_block({"kind": "welcome", "id": request.id, "probe": True}, [state.PROBE])
        else:
            self._stream.binary = self._stream.binary and binary
            self._queued_clicks = not (has_subshells() and self._route.on_subshell)
        changes: dict[str, Any] = {"status": self._status()}
        if not self._runner.active:
            changes["optimizer"] = state.optimizer_state(self._optimizer)
        self._publish(**changes)

    def _asked_resync(self, request: Request) -> None:
        # Every answer reaches every page: a second one at once would tell nothing new.
        key = tuple(request.fields.values())
        last, at = self._last_resync
        now = time.monotonic()
        if key == last and now - at < _AWAIT_SECONDS:
            return
        self._last_resync = (key, now)
        with self._lock:
            keys = [key for key in _STATE if self._stream.binary or key != "curve"]
            self.send_state(keys)
        runner = self._runner
        self._stream.answer(request.fields, runner.lrs, runner.losses, runner.seconds_left)

    def _asked_run(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        self._configure(request.fields["settings"])
        return self._start(self._settings)

    def _asked_pause(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._runner.pause()

    def _asked_resume(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._runner.resume()

    def _asked_stop(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._runner.stop()

    def _asked_configure(self, request: Request) -> None:
        self._configure(request.fields["settings"])

    def _asked_apply(self, request: Request) -> Future[Any]:
        self._refuse_flood()
        return self._runner.call(lambda: self._apply(request.fields["lr"]))

    def _asked_undo(self, _: Request) -> Future[Any]:
        self._refuse_flood()
        return self._runner.call(self._undo)

    def _asked_picture(self, request: Request) -> Future[Any] | None:
        self._refuse_stale(request)
        if self._picture_of == self._runner.run_id:
            return None
        return self._runner.job(self._put_picture)

    def _asked_save_picture(self, request: Request) -> Future[Any]:
        self._refuse_stale(request)
        return self._runner.job(self._encoded_picture)

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

    def _reply(
        self,
        number: int | None,
        problem: BaseException | None = None,
        done: Future[Any] | None = None,
    ) -> None:
        reply: dict[str, Any] = {"kind": "reply", "id": number, "ok": problem is None}
        if problem is not None:
            reply["error"] = str(problem) or type(problem).__name__
        elif done is not None and isinstance(done.result(), dict):
            reply |= done.result()
        self._send_block(reply, None)

    @staticmethod
    def _await_briefly(future: Future[Any]) -> None:
        deadline = time.monotonic() + _REPLY_SECONDS
        while not future.done() and time.monotonic() < deadline:
            time.sleep(0.002)

    # Doing it

    def _sweep_for(self, settings: SweepSettings) -> Sweep:
        return Sweep(
            self._model,
            self._optimizer,
            self._loader,
            self._loss_fn,
            settings,
            scheduler=self._scheduler,
            displace=self._give_way,
        )

    def _give_way(self) -> None:
        self._runner.stop("replaced by a new sweep of this model").result()

    def _start(self, settings: SweepSettings) -> Future[Any]:
        sweep = self._sweep_for(settings)
        if not self._runner.active:
            sweep.check_free()
        return self._runner.run(sweep)

    def _configure(self, changes: dict[str, Any]) -> None:
        settings = self._settings.replace(**changes)
        smoothing = settings.beta != self._settings.beta
        self._settings = settings
        published: dict[str, Any] = {"settings": state.page_settings(settings)}
        if smoothing:
            published |= self._smooth_anew()
        self._publish(**published)

    def _smooth_anew(self) -> dict[str, Any]:
        runner = self._runner
        if self._result is not None and not runner.active:
            self._result = self._result.resmoothed(self._settings.beta)
        self._stream.push_smoothed(list(runner.lrs), list(runner.losses))
        if runner.active or self._result is None:
            return {}
        return {
            "suggestions": state.suggestion_list(self._result),
            "curve": self._curve_of(self._result),
        }

    def _shown_settings(self) -> SweepSettings:
        """Return the settings of the run that is shown, with the smoothing chosen since."""
        sweep = self._runner.sweep
        ran = sweep.settings if sweep else self._settings
        return ran.replace(beta=self._settings.beta)

    def _smooth(self, lrs: Any, losses: Any) -> Any:
        return smooth(lrs, losses, self._settings.beta)

    def _curve_of(self, result: LRFinderResult) -> bytes:
        if not self._stream.binary:
            return b""
        return curve_block(result.lrs, result.losses, result.smoothed)

    def _apply(self, lr: float) -> None:
        change = change_lr(self._optimizer, lr, self._scheduler)
        self._changes.append(change)
        self._publish(
            applied=state.applied_state(change),
            optimizer=state.optimizer_state(self._optimizer),
        )

    def _undo(self) -> None:
        if not self._changes:
            raise LRFinderError("nothing to undo: no learning rate was applied")
        self._changes.pop().undo()
        self._publish(applied=None, optimizer=state.optimizer_state(self._optimizer))

    # What is shown

    def _ipython_display_(self) -> None:
        self._refuse_closed()
        self._displays.show(self._bundle(), explicitly=False)

    def _bundle(self) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self._repr_mimebundle_()[0])
        if self._result is not None and not self._runner.active:
            bundle["image/png"] = self._encoded_picture()["png"]
        return bundle

    def _encoded_picture(self) -> dict[str, str]:
        if self._result is None:
            raise LRFinderError("there is no finished curve to draw yet")
        return {"png": base64.b64encode(png(self._result, self.lr)).decode("ascii")}

    def _put_picture(self) -> None:
        self._draw_picture()
        self._publish(status=self._status())

    def _draw_picture(self) -> None:
        if self._result is None or not self._displays:
            return
        try:
            self._displays.update(self._bundle())
        except Exception as problem:  # noqa: BLE001 - a curve is worth more than its picture
            self._picture_error = f"The picture could not be drawn: {problem}"
        else:
            self._picture_of = self._runner.run_id

    def _status(self) -> dict[str, Any]:
        runner = self._runner
        return state.status_state(
            runner,
            notes=[self._picture_error] if self._picture_error else [],
            queued=self._queued_clicks,
            picture=self._picture_of,
        )

    def _publish(self, **traits: Any) -> None:
        """Set traits and send them to the pages in one message."""
        with self._lock, self.hold_sync():
            for name, value in traits.items():
                setattr(self, name, value)

    def _send_block(self, content: dict[str, Any], buffers: list[bytes] | None) -> None:
        if self.comm is not None:
            self.send(content, buffers)

    def _send(self, msg: Any, buffers: Any = None) -> None:
        self._route.run(super()._send, msg, buffers)

    def _answer_of(self, future: Future[Any]) -> Any:
        """Wait for a command to be obeyed, open to interrupts."""
        return future.result()

    def _outcome(self) -> LRFinderResult:
        failure = self._runner.failure
        if failure is not None:
            raise failure.error
        if self._result is None:
            raise LRFinderError("the sweep ended before its first point")
        return self._result

    def _refuse_closed(self) -> None:
        if self._runner.state == CLOSED:
            raise LRFinderError("this widget is closed; make a new LRFinderWidget")

    def _refuse_unstarted(self) -> None:
        if self._runner.state == IDLE and self._runner.finished:
            raise LRFinderError("no sweep was started: call show() or run() first")
