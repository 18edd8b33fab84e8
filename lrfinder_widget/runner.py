"""The background thread that owns a sweep: run, pause, resume, stop, and what else must wait."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.failure import Failure
from lrfinder_widget.pace import Pace
from lrfinder_widget.points import Points
from lrfinder_widget.switch_interval import quick_thread_switching
from lrfinder_widget.thread_context import ThreadContext
from lrfinder_widget.training.other_threads import waiting_for_sweeps

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfinder_widget.dispatch import Dispatched
    from lrfinder_widget.following import Followed
    from lrfinder_widget.points import Point
    from lrfinder_widget.series import Series

    Swept = Series | Dispatched | Followed

IDLE, RUNNING, PAUSED = "idle", "running", "paused"
DONE, STOPPED, FAILED, CLOSED = "done", "stopped", "failed", "closed"

# A message costs 0.7 kB, and the sweep 2 ms: 0.4 to send it, the rest while the kernel's thread for
# output has the interpreter. At this pace a point is on the screen within 60 ms, in the median.
TELL_SECONDS = 1 / 13

_runners: weakref.WeakSet[Runner] = weakref.WeakSet()


class Listener(Protocol):
    """Who hears of a runner; called on its thread. What it raises ends the sweep as failed."""

    def started(self, runner: Runner) -> None:
        """Hear that a run begins (before its first point)."""

    def sweep_began(self, runner: Runner) -> None:
        """Hear that a sweep of the run, the first or another one, has its first point."""

    def stepped(self, runner: Runner) -> None:
        """Hear that points came; called at most so often."""

    def rested(self, runner: Runner) -> None:
        """Hear that what runs elsewhere has told all it has for now."""

    def changed(self, runner: Runner) -> None:
        """Hear that the state changed; after an end everything is restored."""


@dataclass
class _Command:
    kind: str
    payload: Any
    done: Future[Any]


class Runner:
    """Runs sweeps, one at a time, on one background thread.

    Commands are queued and answered by a ``Future``; any thread may give them. The thread lives
    while there is something to do.

    Parameters
    ----------
    listener
        Who hears of it.
    tell_seconds
        How long the listener hears of no further points, in seconds; it hears of the first of each
        sweep, and of every change, at once.

    Attributes
    ----------
    state : str
        ``"idle"``, ``"running"``, ``"paused"``, ``"done"`` (its normal end), ``"stopped"``,
        ``"failed"`` or ``"closed"``.
    run_id : int
        Number of the current or last run; 0 before the first.
    points : Points
        Those of that run so far; those of several sweeps follow one another.
    starts : list of int
        Where among them each sweep begins; ``[0]`` for a single one.
    total : int
        How many points the run has if no sweep to come ends early; 0 before the first run.
    """

    def __init__(self, listener: Listener, tell_seconds: float = TELL_SECONDS) -> None:
        self._listener = listener
        self._tell_seconds = tell_seconds
        self._next_telling = 0.0
        self._told = self._rested = 0
        self._condition = threading.Condition()
        self._queue: deque[_Command] = deque()
        self._thread: threading.Thread | None = None
        self._finished = threading.Event()
        self._finished.set()
        self._context: ThreadContext | None = None
        self.state = IDLE
        self.run_id = 0
        self.sweep: Swept | None = None
        self.points = Points()
        self.starts = [0]
        self.total = 0
        self.failure: Failure | None = None
        self.end_note = ""
        self.pace = Pace()
        _runners.add(self)

    @property
    def active(self) -> bool:
        """Whether a sweep is running or paused."""
        return self.state in (RUNNING, PAUSED)

    @property
    def finished(self) -> bool:
        """Whether no sweep is in progress or waits to begin."""
        return self._finished.is_set()

    @property
    def waiting(self) -> int:
        """How many commands are queued."""
        return len(self._queue)

    @property
    def seconds_left(self) -> float | None:
        """What the sweep still takes at its present pace; None before that is known."""
        a_step = self.pace.seconds_a_step
        return None if a_step is None else a_step * (self.total - len(self.points))

    def inherit(self) -> None:
        """Take over the calling thread's autocast and devices for the runs to come."""
        self._context = ThreadContext.current()

    def run(self, sweep: Swept) -> Future[Any]:
        """Start `sweep` (after what is queued); one in progress is stopped first."""
        return self._submit("run", sweep)

    def pause(self) -> Future[Any]:
        """Take no further step until `resume`."""
        return self._submit("pause")

    def resume(self) -> Future[Any]:
        """Go on after a pause."""
        return self._submit("resume")

    def stop(self, note: str = "") -> Future[Any]:
        """End the sweep and restore; the future is done when that is done."""
        return self._submit("stop", note)

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Call `function` on this thread, with no sweep in progress (one is stopped first)."""
        return self._submit("call", function)

    def job(self, function: Callable[[], Any]) -> Future[Any]:
        """Call `function` on this thread; refused while a sweep is in progress."""
        return self._submit("job", function)

    def close(self) -> Future[Any]:
        """Stop, restore, and refuse every later command."""
        return self._submit("close")

    def answer_of(self, command: Future[Any]) -> Any:
        """Wait until a command is carried out, and return or raise what came of it.

        On the sweep's own thread (in a forward pass, in a trait's observer) it is carried out
        later, since nobody else could.
        """
        return None if threading.current_thread() is self._thread else command.result()

    def wait(self, timeout: float | None = None) -> None:
        """Block until no sweep is in progress.

        Raises
        ------
        KeyboardInterrupt
            If the calling thread was interrupted: the sweep is stopped and restored first.
        TimeoutError
            If `timeout` seconds pass; the sweep goes on.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        try:
            with waiting_for_sweeps():
                while not self._finished.wait(_until(deadline)):
                    if time.monotonic() >= deadline:
                        message = f"the sweep is still {self.state} after {timeout:g} s; it goes on"
                        raise TimeoutError(message)
        except KeyboardInterrupt:
            self.stop("interrupted").result()
            raise

    def _submit(self, kind: str, payload: Any = None) -> Future[Any]:
        command = _Command(kind, payload, Future())
        with self._condition:
            if self.state == CLOSED:
                command.done.set_exception(LRFinderError(_CLOSED))
                return command.done
            if kind == "run":
                self._finished.clear()
            self._queue.append(command)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="lrfinder-widget sweep", daemon=True
                )
                self._thread.start()
            self._condition.notify_all()
        return command.done

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._queue and self.state == PAUSED:
                    self._condition.wait()
                command = self._queue.popleft() if self._queue else None
                if command is None and self.state != RUNNING:
                    self._thread = None
                    self._finished.set()
                    return
            if command is not None:
                self._obey(command)
                continue
            try:
                self._step_until_commanded()
            except BaseException as error:  # noqa: BLE001 - a context that cannot be taken over
                self._fail(error)

    def _obey(self, command: _Command) -> None:
        if self.state == CLOSED:  # it queued behind the closing
            command.done.set_exception(LRFinderError(_CLOSED))
            return
        try:
            value = getattr(self, f"_on_{command.kind}")(command.payload)
        except BaseException as error:  # noqa: BLE001 - it is the caller's, who asks the future
            command.done.set_exception(error)
        else:
            command.done.set_result(value)

    def _on_run(self, sweep: Swept) -> None:
        self._end(STOPPED, "replaced by a new run")
        self.run_id += 1
        self.sweep = sweep
        self.points = Points()
        self._told = self._rested = 0
        self.starts, self.total = [0], sweep.total
        self.failure = None
        self.end_note = ""
        self.pace = Pace()
        self.state = RUNNING
        self._tell(self._listener.started)

    def _on_pause(self, _: None) -> None:
        if self.state != RUNNING:
            raise LRFinderError(f"nothing to pause: the sweep is {self.state}")
        if self.sweep is not None:
            if not self.sweep.trains:
                raise LRFinderError("what runs elsewhere cannot be paused from here; stop it")
            self.sweep.rest()
        self._set_state(PAUSED)

    def _on_resume(self, _: None) -> None:
        if self.state != PAUSED:
            raise LRFinderError(f"nothing to resume: the sweep is {self.state}")
        self.pace.begin(time.monotonic(), len(self.points))
        self._set_state(RUNNING)

    def _on_stop(self, note: str) -> None:
        self._end(STOPPED, note)

    def _on_call(self, function: Callable[[], Any]) -> Any:
        if self.sweep is None or self.sweep.trains:
            self._end(STOPPED, "stopped to apply")
        return function()

    def _on_job(self, function: Callable[[], Any]) -> Any:
        if self.active:
            raise LRFinderError(f"not while the sweep is {self.state}")
        return function()

    def _on_close(self, _: None) -> None:
        self._end(STOPPED, "closed")
        self._set_state(CLOSED)

    def _step_until_commanded(self) -> None:
        sweep = self.sweep
        if sweep is None:
            return
        context = self._context or ThreadContext()
        with context, quick_thread_switching(), sweep.in_one_go() as points:
            try:
                for point in points:
                    if point is None:  # nothing new of a sweep that runs elsewhere
                        self._tell_rest()
                    else:
                        self._take(point, sweep)
                    # Looked at without the lock: a deque's truth is one read, and a command that
                    # comes just now is seen after the next step.
                    if self._queue:
                        return
            except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
                self._fail(error)
            else:
                self._set_state(DONE)

    def _take(self, point: Point, sweep: Swept) -> None:
        """Keep a point, and tell of it if it is time."""
        self.points.append(point)
        now = time.monotonic()
        if point.index and now < self._next_telling:
            return
        if not point.index:
            self.starts, self.total = [*sweep.starts], sweep.total
            if sweep.trains:  # the first step prepares: workers start, kernels are chosen
                self.pace.begin(now, len(self.points))
            self._listener.sweep_began(self)
        elif sweep.trains:
            self.pace.look(now, len(self.points))
        self._tell_points(now)

    def _tell_points(self, now: float) -> None:
        self._next_telling = now + self._tell_seconds
        self._told = len(self.points)
        self._listener.stepped(self)

    def _tell_rest(self) -> None:
        """Tell of the end of a burst that came too soon after its beginning, and of the rest."""
        now = time.monotonic()
        if self._told < len(self.points):
            if now >= self._next_telling:
                self._tell_points(now)
        elif self._rested < self._told:
            self._rested = self._told
            self._listener.rested(self)

    def _end(self, state: str, note: str) -> None:
        if not self.active or self.sweep is None:
            return
        self.sweep.close()
        self.end_note = note
        self._set_state(state)

    def _set_state(self, state: str) -> None:
        self.state = state
        self._tell(self._listener.changed)

    def _tell(self, hear: Callable[[Runner], None]) -> None:
        try:
            hear(self)
        except Exception as error:  # noqa: BLE001 - the thread must live on to restore and answer
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self.sweep is not None:
            self.sweep.close()
        self.failure = Failure.of(error)
        if self.state != CLOSED:
            self.state = FAILED
        # A listener that cannot show the failure either: it is kept, and `wait` raises it.
        with contextlib.suppress(Exception):
            self._listener.changed(self)


_CLOSED = "this widget is closed; make a new LRFinderWidget"

# Waits wake this often, so that an interrupt is seen. On Linux a signal to the main thread wakes
# them by itself, and each waking makes the sweep look what the main thread did.
_POLL_SECONDS = 0.2 if sys.platform == "linux" else 0.05


def _until(deadline: float) -> float:
    """Return for how many seconds to wait at once."""
    return min(_POLL_SECONDS, max(0, deadline - time.monotonic()))


# A step that takes longer does not hold up the interpreter's exit.
_EXIT_SECONDS = 30.0


def _stop_all() -> None:
    """Stop and restore what still runs when the interpreter exits."""
    for runner in list(_runners):
        if runner.finished:
            continue
        try:
            runner.stop("the interpreter exits").result(timeout=_EXIT_SECONDS)
        except TimeoutError:
            sys.stderr.write(
                f"lrfinder-widget: a sweep is still in its step after {_EXIT_SECONDS:g} s; the "
                "interpreter exits with the model in mid-sweep\n"
            )


# Before every function of `atexit`, where a script may save the model: this is how the standard
# library ends its thread pools, too.
threading._register_atexit(_stop_all)  # type: ignore[attr-defined] # noqa: SLF001
