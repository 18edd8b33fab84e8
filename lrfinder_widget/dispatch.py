"""Sweeps on an executor: each repeat trains a copy of its own, in another process or machine."""

from __future__ import annotations

import threading
from concurrent.futures import as_completed
from typing import TYPE_CHECKING, Any, NamedTuple

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.points import Points
from lrfinder_widget.sweep import Sweep
from lrfinder_widget.training.packing import pack, unpack
from lrfinder_widget.training.random_streams import notebook_seed

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from lrfinder_widget.settings import SweepSettings
    from lrfinder_widget.training.training import Training

# Two sweeps in threads of one process would draw from each other's random numbers.
_one_at_a_time = threading.Lock()


class Run(NamedTuple):
    """What comes back of one repeat."""

    points: Points
    stop_reason: str
    notes: list[str]
    loss_name: str
    batch_size: int


def run_on(
    executor: Executor,
    training: Training,
    settings: SweepSettings,
    finished: Callable[[], Any],
) -> list[Run]:
    """Run each repeat on `executor` with a copy of `training`, and return them in their order.

    Parameters
    ----------
    executor
        Any `concurrent.futures.Executor`.
    training, settings
        What is swept, and how; without a seed, one follows from this process's generators.
    finished
        Called after each repeat.

    Raises
    ------
    SettingsError
        If `executor` is none, or something does not pickle.
    """
    if not callable(getattr(executor, "submit", None)):
        raise SettingsError(
            "executor must be a concurrent.futures.Executor, such as ProcessPoolExecutor(2) or "
            f"Dask's client.get_executor() (got {type(executor).__name__})"
        )
    packed = pack(training)
    seed = notebook_seed() if settings.seed is None else settings.seed
    # The rule reads the curve here; one of the user's own might not even pickle.
    sent = settings.replace(seed=seed, rule="auto")
    futures: list[Future[Run]] = []
    try:
        for repeat in range(settings.repeats):
            futures.append(executor.submit(run_packed, packed, sent, repeat))  # noqa: PERF401 - what was submitted has to be known if this is interrupted
        for future in as_completed(futures):
            future.result()  # what one raises is not to wait for the others
            finished()
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return [future.result() for future in futures]


def run_packed(packed: bytes, settings: SweepSettings, repeat: int) -> Run:
    """Sweep a training that was packed; this is what runs on the executor."""
    with _one_at_a_time:
        training = unpack(packed)
        points = Points()
        with Sweep(training, settings, repeat=repeat) as sweep:
            for point in sweep:
                points.append(point)
        return Run(points, sweep.stop_reason, sweep.notes, sweep.loss_name, sweep.batch_size)
