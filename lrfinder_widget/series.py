"""A series: sweeps one after the other from the same state, each with draws of its own."""

from __future__ import annotations

from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lrfinder_widget.interrupts import Interrupts
from lrfinder_widget.iteration import Iteration
from lrfinder_widget.parameter_groups import describe, group_factors, group_label
from lrfinder_widget.points import expected_points
from lrfinder_widget.scheduler_rates import number
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.stop_reasons import OUT_OF_MEMORY, overall_reason
from lrfinder_widget.sweep import Sweep, take
from lrfinder_widget.training.distributed import APART, Ranks, in_process_group, leads
from lrfinder_widget.training.guard import Claim
from lrfinder_widget.training.loader_facts import has_one_order
from lrfinder_widget.training.network_kind import network_kind
from lrfinder_widget.training.placement import input_device
from lrfinder_widget.training.replay import remaining, with_replay
from lrfinder_widget.training.sharding import joins_ranks, reshard
from lrfinder_widget.training.trainable import check_trainable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfinder_widget.iteration import PointGenerator
    from lrfinder_widget.journal import Journal
    from lrfinder_widget.training.training import Training

ONE_ORDER = (
    "The loader yields its batches in the same order each time: the runs differ only in what the "
    "model draws itself (dropout and the like), and their spread says less than it would with "
    "shuffled data."
)


class Series(Iteration):
    """An iterator over the points of ``settings.repeats`` sweeps, one sweep after the other.

    Each sweep begins from the state in which the first one found everything, with another order of
    the data and other random draws, and is restored before the next one begins. The model is
    claimed from the first point of the first to the end of the last: nobody comes in between.

    Parameters
    ----------
    training, settings, displace
        See `lrfinder_widget.sweep.Sweep`.
    journal
        Where the points are written as they come.

    Attributes
    ----------
    settings : SweepSettings
        Those of each sweep.
    starts : list of int
        Where in the sequence of all points each sweep begins; a sweep is listed from its first
        point on.
    notes : list of str
        What the user should know, in plain sentences, none of them twice.

    Raises
    ------
    SettingsError, SweepInProgressError
        As `lrfinder_widget.sweep.Sweep` does.
    """

    def __init__(
        self,
        training: Training,
        settings: SweepSettings | None = None,
        *,
        displace: Callable[[], None] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.settings = settings or SweepSettings()
        training = self._training = with_replay(training, self.settings)
        self.starts: list[int] = []
        one_order = self.settings.repeats > 1 and has_one_order(training.loader)
        self.notes = [*training.notes, *([ONE_ORDER] if one_order else [])]
        self._reasons: list[str] = []
        reshard(training.model)
        check_trainable(training)  # before the claim asks for its parameters
        self._claim = Claim(training.model, training.optimizer, displace)
        if in_process_group():
            if training.train_step is None and not joins_ranks(training.model):
                self.notes.append(APART)
            self._ranks = Ranks(input_device(training.model, self.settings.device))
        self._interrupts = Interrupts(held=self._ranks is None)
        self._sweep = self._sweep_number(0)
        self._journal = journal if leads() else None

    @property
    def loss_name(self) -> str:
        """The loss that is used, in words; known from the first point on."""
        return self._sweep.loss_name

    @property
    def optimizer(self) -> str:
        """The name of the optimizer's class."""
        return describe(self._training.optimizer)[0]

    @property
    def group_rates(self) -> list[tuple[str, float]]:
        """Each parameter group's name and its rate as it is now."""
        groups = self._training.optimizer.param_groups
        return [(group_label(group, i), number(group["lr"])) for i, group in enumerate(groups)]

    @cached_property
    def network(self) -> str:
        """The kind of network; see `lrfinder_widget.training.network_kind`."""
        return network_kind(self._training.model)

    @property
    def batch_size(self) -> int:
        """How many samples a batch has; known from the first point on, 0 if it cannot be told."""
        return self._sweep.batch_size

    @property
    def loader(self) -> Any:
        """The loader to train with afterwards, if ``replay`` is set; None otherwise."""
        return remaining(self._training, self.settings)

    @property
    def stop_reasons(self) -> list[str]:
        """Why each sweep that has begun ended; ``"stopped"`` for one that has not."""
        return [*self._reasons, self._sweep.stop_reason][: len(self.starts)]

    @property
    def stop_reason(self) -> str:
        """Why most of the sweeps ended, the first of them on a tie; see `Sweep`.

        ``"stopped"`` if not all of them came to their end, ``"out of memory"`` if one had to.
        """
        return overall_reason(self.stop_reasons, self.settings.repeats)

    @property
    def total(self) -> int:
        """How many points there will be, if no sweep from here on ends early."""
        return expected_points(self.starts, self.settings)

    def rest(self) -> None:
        """Let other threads have the process's random generators while no step is taken."""
        self._sweep.rest()

    @cached_property
    def _points(self) -> PointGenerator:  # type: ignore[override]
        points = self._run() if self._ranks is None else self._run_with(self._ranks)
        return points if self._journal is None else self._journal.recording(self, points)

    def _run(self) -> PointGenerator:
        with self._interrupts:
            return (yield from self._run_claimed())

    def _run_claimed(self) -> PointGenerator:
        claim = self._claim
        count = 0
        try:
            take(claim, self.notes)
            for repeat in range(self.settings.repeats):
                if repeat:
                    if self._ranks is not None and not self._ranks.go_on():
                        break
                    self._reasons.append(self._sweep.stop_reason)
                    self._sweep = self._sweep_number(repeat)
                with closing(self._sweep.points()) as points:
                    first = next(points, None)
                    self.starts.append(count)
                    if first is not None:
                        yield first
                        count += yield from points
                if self._sweep.stop_reason == OUT_OF_MEMORY:
                    break  # so would the others
        finally:
            claim.release()
        return count

    def _run_with(self, ranks: Ranks) -> PointGenerator:
        try:
            ranks.begin(self._told())
            return (yield from self._run())
        except GeneratorExit:
            if len(self.starts) < self.settings.repeats:  # the others ask whether to go on
                ranks.stop()
                ranks.go_on()
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again
            ranks.fail(error)
        finally:
            ranks.end()

    def _told(self) -> dict[str, Any]:
        """Return what must be the same on all ranks."""
        factors = group_factors(self._training.optimizer, self.settings.groups)
        return {**self.settings.to_dict(), "the parameter groups' rates": factors}

    def _sweep_number(self, repeat: int) -> Sweep:
        sweep = Sweep(
            self._training,
            self.settings,
            repeat=repeat,
            claim=self._claim,
            ranks=self._ranks,
            interrupts=self._interrupts,
        )
        sweep.notes = self.notes
        return sweep
