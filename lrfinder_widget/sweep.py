"""The sweep: one optimizer step at each learning rate, and everything back as it was."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from lrfinder_widget.divergence import Divergence
from lrfinder_widget.interrupts import Interrupts, interrupts_deferred
from lrfinder_widget.iteration import Iteration
from lrfinder_widget.parameter_groups import group_factors
from lrfinder_widget.points import Point
from lrfinder_widget.rate_writing import RateWriter
from lrfinder_widget.settings import SweepSettings, learning_rates
from lrfinder_widget.stop_reasons import COMPLETED, DIVERGED, NON_FINITE, OUT_OF_MEMORY, STOPPED
from lrfinder_widget.training.batches import BatchStream, refuse_one_shot
from lrfinder_widget.training.data_parallel import use_own_reducers
from lrfinder_widget.training.guard import Claim
from lrfinder_widget.training.keeping import check_place
from lrfinder_widget.training.loader_facts import stated_batch_size
from lrfinder_widget.training.other_threads import OtherThreads, waiting_for_sweeps
from lrfinder_widget.training.out_of_memory import is_out_of_memory
from lrfinder_widget.training.placement import input_device
from lrfinder_widget.training.random_streams import RandomStreams
from lrfinder_widget.training.replay import with_replay
from lrfinder_widget.training.snapshot import Snapshot
from lrfinder_widget.training.step import TrainStep
from lrfinder_widget.training.trainable import check_trainable
from lrfinder_widget.training.validation import check_validation, validation_batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfinder_widget.iteration import PointGenerator
    from lrfinder_widget.training.distributed import Ranks
    from lrfinder_widget.training.training import Training

# A scale that was halved so often in a row is far below anything that helps.
MOST_SKIPPED = 50
OVERFLOWS = (
    f"The gradient scaler skipped {MOST_SKIPPED} steps in a row, since the gradients are not "
    "finite at any loss scale: look for NaN or infinity in the data, or use amp='bf16'."
)
# Steps around which the parameter groups are looked at: an optimizer that keeps a counter in one
# changes it at each. After them, a change while nobody else ran is the sweep's too.
WATCHED = 4


class Sweep(Iteration):
    """An iterator over the points of a sweep.

    Nothing is touched before the first ``next``; everything is restored when the points end, when
    the sweep is closed, and before any exception leaves it.

    Parameters
    ----------
    training
        What is trained. Its scheduler is not stepped; should a forward pass or a hook of the
        user's do so, it is put back.
    settings
        The sweep's settings.
    displace
        See `lrfinder_widget.training.guard.Claim`.
    repeat
        Which of several sweeps from the same state this is: data order and random draws differ
        between them.
    claim
        The claim that somebody holds for this sweep and others; by default its own.
    ranks
        The processes that make this sweep together, of which this is one.
    interrupts
        Those that somebody holds back for this sweep and others; by default its own.

    Attributes
    ----------
    stop_reason : str
        Why it ended: ``"completed"``, ``"diverged"``, ``"non-finite loss"``, ``"out of memory"``
        or ``"stopped"``.
    notes : list of str
        What the user should know, in plain sentences.
    loss_name : str
        The loss, once known.

    Raises
    ------
    SettingsError
        If the model, the optimizer or the loader cannot be swept.
    SweepInProgressError
        At the first point, if another sweep trains any of the same parameters.
    """

    def __init__(
        self,
        training: Training,
        settings: SweepSettings | None = None,
        *,
        displace: Callable[[], None] | None = None,
        repeat: int = 0,
        claim: Claim | None = None,
        ranks: Ranks | None = None,
        interrupts: Interrupts | None = None,
    ) -> None:
        self.settings = settings or SweepSettings()
        training = with_replay(training, self.settings)
        check_trainable(training)
        refuse_one_shot(training.loader)
        check_validation(training.val_loader)
        check_place(self.settings.snapshot)
        group_factors(training.optimizer, self.settings.groups)  # refuses names it does not have
        self._training = training
        self._repeat = repeat
        self._ranks = ranks
        self._interrupts = interrupts or Interrupts(held=ranks is None)
        self._claim = claim or Claim(training.model, training.optimizer, displace)
        device = input_device(training.model, self.settings.device)
        self._step = TrainStep(training, self.settings, device)
        self._leave_slice: Callable[[], None] = lambda: None
        self.stop_reason = STOPPED
        self.notes: list[str] = []

    @property
    def loss_name(self) -> str:
        """The loss that is used, in words; known from the first point on."""
        return self._step.loss_name

    @property
    def batch_size(self) -> int:
        """How many samples a batch has; known from the first point on, 0 if it cannot be told."""
        return stated_batch_size(self._training.loader) or self._step.batch_size

    def rest(self) -> None:
        """Let other threads have the process's random generators while no step is taken."""
        self._leave_slice()

    # Made when it is first asked for: one that never begins would keep the model in memory.
    @cached_property
    def _points(self) -> PointGenerator:  # type: ignore[override]
        return self._claimed_points()

    def _claimed_points(self) -> PointGenerator:
        with self._interrupts:
            try:
                take(self._claim, self.notes)
                return (yield from self.points())
            finally:
                self._claim.release()

    def points(self) -> PointGenerator:
        """Return the bare generator of the points; claim and interrupts have to be held.

        It returns how many there were. An iteration over the sweep itself sees to grad mode too.
        """
        training, settings = self._training, self.settings
        snapshot = Snapshot(training, settings.snapshot)
        others = OtherThreads()
        claim = self._claim
        streams = RandomStreams(
            others,
            settings.seed,
            self._repeat,
            step=lambda: claim.step,
            on_leave=lambda alone: snapshot.note_changes(by_sweep=alone),
        )
        self._leave_slice = streams.leave
        batches = BatchStream(
            training.loader, fixed=settings.fixed_batch, on_start=streams.expect_draws
        )
        steps = self._steps(snapshot, streams, others, batches)
        count = 0
        try:
            if self._ranks is not None:
                self._ranks.keep(steps)
            try:
                self._prepare(snapshot, streams)
                for point in steps:
                    count += 1
                    yield point
            finally:
                # Before the way out: one that comes in this very line is caught below.
                self._interrupts.open = False
        except GeneratorExit:
            if self._ranks is not None:
                self._ranks.leave(steps)
            raise
        except BaseException as error:
            if self._ranks is not None:
                self._ranks.fail(error)
            if not is_out_of_memory(error):
                raise
            self.stop_reason = OUT_OF_MEMORY
        finally:
            # The user's own code in closing (a generator's finally) may raise: not before
            # everything else is back.
            with interrupts_deferred(), ExitStack() as endings:
                endings.callback(batches.end_workers)
                endings.callback(self._note_moved_generators, streams)
                endings.callback(snapshot.restore)
                endings.callback(streams.leave)
                endings.callback(lambda: snapshot.note_changes(by_sweep=not others.ran()))
                endings.callback(batches.close)
                if self._ranks is not None:
                    endings.callback(self._ranks.let_go, steps)
                self._leave_slice = lambda: None
        return count

    def _prepare(self, snapshot: Snapshot, streams: RandomStreams) -> None:
        snapshot.detach_gradients()
        if self._ranks is not None:
            use_own_reducers(self._training.model)
        if self._repeat:
            snapshot.draw_anew(self._repeat)
        model = self._training.model
        if not any(module.training for module in model.modules()):
            model.train()
            self._note(
                "The model was in eval mode: the sweep trains it in train mode and puts it back."
            )
        if self._training.val_loader is not None:
            self._claim.step = 1  # it belongs to the first one
            try:
                streams.enter(self._interrupts.pass_on)
                streams.expect_draws()
                self._interrupts.let_through()  # a loader of the user's may take its time
                self._step.validate_on(
                    validation_batches(self._training.val_loader, self.settings.val_batches)
                )
            finally:
                self._claim.step = 0

    def _steps(
        self,
        snapshot: Snapshot,
        streams: RandomStreams,
        others: OtherThreads,
        batches: BatchStream,
    ) -> PointGenerator:
        writer = RateWriter(self._training.optimizer, self.settings.groups)
        diverged = Divergence(self.settings.diverge_threshold)
        waiting = diverged.waiting
        lrs = learning_rates(self.settings).tolist()
        parts = range(self.settings.accumulation_steps)
        alone = len(parts) == 1
        claim, step, ranks, interrupts = self._claim, self._step, self._ranks, self._interrupts
        now, beside = time.perf_counter, others.watched
        stream = iter(batches)
        index = skipped = 0
        interrupts.let_through()
        while index < len(lrs):
            claim.step = index + 1  # batches are part of it: a loader may ask the model in threads
            try:
                # Beside a cell that runs, every step is a slice: what it does to a generator is
                # seen.
                if now() >= streams.ends or (beside and others.ran()):
                    self._begin_slice(snapshot, streams)
                taken = [next(stream)] if alone else [next(stream) for _ in parts]
                if index < WATCHED:
                    snapshot.note_changes(by_sweep=False)
                used = writer.write(lrs[index])
                point = step.way(step, taken, index, used)
            finally:
                claim.step = 0
            if ranks is not None:
                point = self._agreed(point, index, used, ranks)
            if index < WATCHED:
                snapshot.note_changes(by_sweep=True)
            if point is None:
                skipped += 1
                if self._ends_without_point(skipped):
                    return index
                continue
            skipped = 0
            yield point
            index += 1
            loss = point.loss
            low, high = diverged.harmless
            if low <= loss <= high:  # as most are: what `update` does then, without the call
                waiting.append(loss)
            elif not math.isfinite(loss) or diverged.judge(loss):
                self.stop_reason = DIVERGED if math.isfinite(loss) else NON_FINITE
                return index
        self.stop_reason = COMPLETED
        return index

    def _begin_slice(self, snapshot: Snapshot, streams: RandomStreams) -> None:
        """Let others have the generators, cells and sweeps, and take them again."""
        interrupts = self._interrupts
        interrupts.open = False
        with waiting_for_sweeps():
            streams.leave()
            # Threads that wait for the interpreter get their turn now, with their own stream.
            time.sleep(0)
            streams.enter(interrupts.pass_on)
        snapshot.note_changes(by_sweep=False)
        interrupts.let_through()

    def _agreed(self, point: Point | None, index: int, lr: float, ranks: Ranks) -> Point | None:
        """Return the point of all ranks together; None if they end here."""
        told, all_measure = ranks.agree(point, measures=self._step.measures_norm)
        if not all_measure:  # what a norm costs is measured, and ranks may differ in it
            self._step.measure_no_norm()
        return None if told is None or ranks.stopped else Point(index, lr, **told)

    def _ends_without_point(self, skipped: int) -> bool:
        """Return whether the sweep ends after so many steps in a row that the scaler skipped."""
        if self._ranks is not None and self._ranks.stopped:
            return True
        if skipped < MOST_SKIPPED:
            return False
        self._note(OVERFLOWS)
        self.stop_reason = NON_FINITE
        return True

    def _note_moved_generators(self, streams: RandomStreams) -> None:
        moved = streams.moved_by_others()
        if moved:
            self._note(
                "Random numbers were drawn outside the sweep while it ran "
                f"({', '.join(moved)}): those draws stand, these generators were not rewound."
            )

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:  # one sweep of several may share them with the others
            self.notes.append(sentence)


def take(claim: Claim, notes: list[str]) -> None:
    """Take the claim on the model for the calling thread, and note whom it was taken from.

    Raises
    ------
    SweepInProgressError
        If another sweep trains any of the same parameters, and does not give way.
    """
    claim.take()
    if claim.displaced:
        notes.append(
            "An earlier sweep of this model was stopped and restored; this one takes its place."
        )
