"""Sweeps on an executor: each repeat trains a copy of its own, in another process or machine."""

from __future__ import annotations

import tempfile
import uuid
from concurrent.futures import wait
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.points import Points, expected_points
from lrfinder_widget.series import Series
from lrfinder_widget.stop_reasons import STOPPED, overall_reason
from lrfinder_widget.sweep import Sweep
from lrfinder_widget.training.distributed import in_process_group
from lrfinder_widget.training.packing import pack, unpack
from lrfinder_widget.training.random_streams import notebook_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future
    from contextlib import AbstractContextManager

    from lrfinder_widget.journal import Journal
    from lrfinder_widget.points import Point
    from lrfinder_widget.settings import SweepSettings
    from lrfinder_widget.training.training import Training

# Short enough for a click to be answered at once, long enough to cost nothing.
_LOOK_SECONDS = 0.1


def series_of(
    training: Training,
    settings: SweepSettings,
    *,
    executor: Executor | None = None,
    journal: Journal | None = None,
    displace: Callable[[], None] | None = None,
) -> Series | Dispatched:
    """Return the sweeps of a training: those made here, or on `executor` if there is one.

    Raises
    ------
    SettingsError, SweepInProgressError
        As `Series` and `Dispatched` do.
    """
    if executor is None:
        return Series(training, settings, displace=displace, journal=journal)
    if journal is not None:
        raise SettingsError(
            "journal cannot be used with executor: points come from there only when a whole "
            "sweep has ended; leave one of them out"
        )
    return Dispatched(executor, training, settings)


class Run(NamedTuple):
    """What comes back of one repeat."""

    points: Points
    stop_reason: str
    notes: list[str]
    loss_name: str
    batch_size: int


class Dispatched:
    """An iterator over the points of sweeps on an executor, the counterpart of `Series`.

    The points of a sweep come when the whole of it has ended, the sweeps in their order; ``next``
    returns None while there is nothing new. Nothing that was passed is touched: each sweep trains
    a copy, made at the first ``next``.

    Parameters
    ----------
    executor
        Any `concurrent.futures.Executor`.
    training, settings
        What is swept, and how; without a seed, one follows from this process's generators.

    Raises
    ------
    SettingsError
        If `executor` is none, or if a sweep here would be refused; at the first point, if
        something does not pickle.
    SweepInProgressError
        At the first point, if another sweep is training what is to be copied.
    """

    trains = False
    loader = None

    def __init__(self, executor: Executor, training: Training, settings: SweepSettings) -> None:
        if not callable(getattr(executor, "submit", None)):
            raise SettingsError(
                "executor must be a concurrent.futures.Executor, such as ProcessPoolExecutor(2) or "
                f"Dask's client.get_executor() (got {type(executor).__name__})"
            )
        if in_process_group():
            raise SettingsError(
                "executor cannot be used in a process group, whose ranks make each sweep "
                "together; leave it out"
            )
        self._executor = executor
        self._training = training
        self._here = Series(training, settings)  # refuses what it would, and knows what is swept
        self.settings = settings
        self.starts: list[int] = []
        self.stop_reasons: list[str] = []
        self.notes = [*self._here.notes]
        self.loss_name = ""
        self.batch_size = 0
        self._futures: list[Future[Run]] = []
        self._stop_sign = Path(tempfile.gettempdir(), f"lrfinder-{uuid.uuid4().hex}.stop")
        self._points: Iterator[Point] = iter(())
        self._passed_on = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Point | None:
        if not self._futures:
            self._submit()
        point = next(self._points, None)
        while point is None:
            if len(self.starts) == self.settings.repeats:
                raise StopIteration
            run = self._next_run()
            if run is None:
                return None
            self._take_in(run)
            point = next(self._points, None)
        self._passed_on += 1
        return point

    def in_one_go(self) -> AbstractContextManager[Iterator[Point | None]]:
        """Return the points as an iterator, as `Series` does."""
        return nullcontext(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take back the sweeps that have not begun; those on this machine end at their next step.

        A sweep on another machine cannot be told, and comes to its end for nobody.
        """
        for future in self._futures:
            future.cancel()
        running = [future for future in self._futures if not future.done()]
        if running:
            self._stop_sign.touch()
        for future in running:
            future.add_done_callback(self._take_sign_down)

    def rest(self) -> None:
        """Do nothing: nothing is trained here."""

    def check_free(self) -> None:
        """Raise `SweepInProgressError` if another sweep is training what would be copied now."""
        self._here.check_free()

    @property
    def total(self) -> int:
        """How many points there will be, if no sweep from here on ends early."""
        return expected_points(self.starts, self.settings)

    @property
    def stop_reason(self) -> str:
        """Why most of the sweeps ended; see `Series`."""
        return overall_reason(self.stop_reasons, self.settings.repeats)

    @property
    def optimizer(self) -> str:
        """The name of the optimizer's class."""
        return self._here.optimizer

    @property
    def network(self) -> str:
        """The kind of network."""
        return self._here.network

    def _submit(self) -> None:
        self.check_free()  # a copy made in the middle of a sweep would start from its weights
        packed = pack(self._training)
        seed = notebook_seed() if self.settings.seed is None else self.settings.seed
        # The rule reads the curve here; one of the user's own might not even pickle.
        sent = self.settings.replace(seed=seed, rule="auto")
        for repeat in range(self.settings.repeats):
            future = self._executor.submit(run_packed, packed, sent, repeat, str(self._stop_sign))
            self._futures.append(future)

    def _next_run(self) -> Run | None:
        """Return the next of the sweeps in their order, None if it has not ended."""
        future = self._futures[len(self.starts)]
        wait([future], _LOOK_SECONDS)
        for each in self._futures:
            if each.done():
                each.result()  # what one raises is not to wait for the others
        return future.result() if future.done() else None

    def _take_in(self, run: Run) -> None:
        self.starts.append(self._passed_on)
        self.stop_reasons.append(run.stop_reason)
        self.notes += [note for note in run.notes if note not in self.notes]
        self.loss_name = self.loss_name or run.loss_name
        self.batch_size = self.batch_size or run.batch_size
        self._points = iter(run.points)

    def _take_sign_down(self, _: Future[Run]) -> None:
        if all(future.done() for future in self._futures):
            self._stop_sign.unlink(missing_ok=True)


def run_packed(packed: bytes, settings: SweepSettings, repeat: int, stop_sign: str) -> Run:
    """Sweep a training that was packed, until `stop_sign` is there; this runs on the executor."""
    sign = Path(stop_sign)
    points = Points()
    if sign.exists():
        return Run(points, STOPPED, [], "", 0)
    with Sweep(unpack(packed), settings, repeat=repeat) as sweep:
        for point in sweep:
            points.append(point)
            if sign.exists():
                break
    return Run(points, sweep.stop_reason, sweep.notes, sweep.loss_name, sweep.batch_size)
