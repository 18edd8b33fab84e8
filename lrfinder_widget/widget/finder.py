"""What a widget finds a rate for: model, settings, sweeps, the result, what was applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lrfinder_widget.analysis.rules import resolve
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.dispatch import series_of
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.journal import Journal
from lrfinder_widget.optimizer_lr import RateChange, change_lr
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.runner import CLOSED, DONE, FAILED, IDLE, RUNNING, Listener, Runner
from lrfinder_widget.schedule_code import code
from lrfinder_widget.series_result import result_of
from lrfinder_widget.settings import CUSTOM_RULE, rule_name
from lrfinder_widget.training.replay import remaining, with_replay
from lrfinder_widget.widget.state import optimizer_state

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from concurrent.futures import Executor, Future

    from numpy.typing import NDArray

    from lrfinder_widget.dispatch import Dispatched
    from lrfinder_widget.schedules import Kind
    from lrfinder_widget.series import Series
    from lrfinder_widget.settings import SweepSettings
    from lrfinder_widget.training.training import Training


class Finder:
    """The widget without its page.

    Attributes
    ----------
    settings : SweepSettings
        For the next run.
    runner : Runner
        The thread that owns the sweeps.
    result : LRFinderResult or None
        The last finished sweep's.
    """

    def __init__(
        self,
        training: Training,
        settings: SweepSettings,
        listener: Listener,
        journal: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
    ) -> None:
        resolve(settings.rule)
        self.settings = settings
        self.optimizer = training.optimizer
        self.result: LRFinderResult | None = None
        self._training = with_replay(training, settings)  # once, whatever runs from it
        self._changes: list[RateChange] = []
        self._executor = executor
        written = None if journal is None else Journal(journal)
        self._journal = None if written is None else written.path
        self._new_sweep(written)  # refuses now what it would refuse later
        self.runner = Runner(listener)

    @property
    def follows(self) -> str:
        """The journal that is followed; none, since the sweeps are made here."""
        return ""

    @property
    def copies(self) -> bool:
        """Whether copies of the model are trained, on an executor."""
        return self._executor is not None

    @property
    def settling(self) -> bool:
        """Whether the sweep in progress is still to find out if it records gradient norms."""
        sweep = self.runner.sweep
        if sweep is None or self.copies or self.runner.state != RUNNING:
            return False
        return self._training.norm_cost.is_sought(sweep.settings)

    def optimizer_state(self) -> dict[str, Any]:
        """Return what a page is told of the optimizer."""
        return optimizer_state(self.optimizer, self.settings.groups)

    def start(self) -> Future[Any]:
        """Start a sweep with the present settings; one of this widget's is stopped first.

        Raises
        ------
        SweepInProgressError
            If a sweep that does not give way trains the same parameters.
        """
        self.check_free()
        journal = None if self._journal is None else Journal(self._journal, numbered=True)
        return self.runner.run(self._new_sweep(journal))

    def check_free(self) -> None:
        """Raise `SweepInProgressError` if `start` would do so now."""
        self.refuse_closed()
        if not self.runner.active:
            self._new_sweep().check_free()

    def configure(self, changes: dict[str, Any]) -> bool:
        """Change settings for the next run; return whether the smoothing, which acts at once, did.

        Raises
        ------
        SettingsError
            If they cannot be used; nothing is changed.
        """
        settings = self.settings.replace(**changes)
        smoothing_changed = settings.beta != self.settings.beta
        self.settings = settings
        if smoothing_changed and self.result is not None:
            self.result = self.result.resmoothed(settings.beta)
        return smoothing_changed

    def apply(self, lr: float) -> RateChange:
        """Set the optimizer's learning rate; on the runner's thread, with no sweep running."""
        change = change_lr(
            self.optimizer,
            lr,
            self._training.scheduler,
            groups=self.settings.groups,
            places=self._training.rate_places,
        )
        self._changes.append(change)
        return change

    def check_undo(self) -> None:
        """Raise `LRFinderError` if there is nothing to undo."""
        if not self._changes:
            raise LRFinderError("nothing to undo: no learning rate was applied")

    def undo(self) -> None:
        """Put back the rates from before the last `apply`."""
        self.check_undo()
        self._changes.pop().undo()

    def finish(self) -> LRFinderResult:
        """Keep the curve of the sweep that just ended, unless it failed, and return it."""
        result = self._with_usable_rule()
        if self.runner.state != FAILED:
            self.result = result
        return result

    def ended_sweeps(self) -> LRFinderResult:
        """Return those of the run's sweeps that have ended, with another one in progress."""
        return self._with_usable_rule(self.runner.starts[-1])

    def arrived(self) -> LRFinderResult:
        """Return all that has come so far."""
        return self._with_usable_rule()

    def _with_usable_rule(self, count: int | None = None) -> LRFinderResult:
        result = self._read(count)
        result.suggestions  # noqa: B018 - worked out here, and kept
        if (problem := result.rule_error) is not None:
            note = (
                f"The rule {rule_name(result.settings.rule).removeprefix(CUSTOM_RULE)!r} failed, "
                f"'auto' takes its place: {type(problem).__name__}: {problem}"
            )
            if self.runner.sweep is not None and note not in self.runner.sweep.notes:
                self.runner.sweep.notes.append(note)
            return self._read(count, rule="auto")
        return result

    def curve_so_far(self) -> LRFinderResult:
        """Return the points of the run that is shown, smoothed as chosen since."""
        return self._read()

    def _read(self, count: int | None = None, **changes: Any) -> LRFinderResult:
        """Return the first `count` points of the run, read with changed settings."""
        runner, series = self.runner, self.runner.sweep
        if series is None:
            return LRFinderResult(lrs=(), losses=(), settings=self.settings)
        settings = series.settings.replace(beta=self.settings.beta, **changes)
        return result_of(series, runner.points.part(0, count), settings)

    def smooth(
        self, lrs: Sequence[float], losses: Sequence[float], starts: Sequence[int]
    ) -> NDArray[np.float64]:
        """Smooth curves that follow one another, each by itself, as the settings say."""
        ends = [*starts[1:], len(losses)]
        spans = [slice(*span) for span in zip(starts, ends, strict=True)]
        return np.concatenate(
            [smooth(lrs[span], losses[span], self.settings.beta) for span in spans]
        )

    def code(self, schedule: Kind, lr: float) -> str:
        """Return lines that train the optimizer at `lr`."""
        return code(schedule, lr, optimizer=self.optimizer)

    def outcome(self) -> LRFinderResult:
        """Return the result of the sweep that has ended, or raise what made it fail."""
        if self.runner.failure is not None:
            raise self.runner.failure.error
        if self.result is None or not (self.runner.points or self.runner.state == DONE):
            raise LRFinderError("the sweep ended before its first point")
        return self.result

    @property
    def loader(self) -> Any:
        """The loader to train with; None without ``replay``.

        Raises
        ------
        LRFinderError
            If a sweep is reading it.
        """
        if not self.runner.finished:
            raise LRFinderError("a sweep is reading the loader; wait for it (widget.wait())")
        return remaining(self._training, self.settings)

    def refuse_closed(self) -> None:
        """Raise `LRFinderError` if the widget is closed."""
        if self.runner.state == CLOSED:
            raise LRFinderError("this widget is closed; make a new LRFinderWidget")

    def refuse_unstarted(self) -> None:
        """Raise `LRFinderError` if there is no sweep to wait for."""
        if self.runner.state == IDLE and self.runner.finished:
            raise LRFinderError("no sweep was started: call show() or run() first")

    def _new_sweep(self, journal: Journal | None = None) -> Series | Dispatched:
        return series_of(
            self._training,
            self.settings,
            executor=self._executor,
            journal=journal,
            displace=self._give_way,
        )

    def _give_way(self) -> None:
        self.runner.stop("a new sweep of this model took its place").result()
