"""One sweep in several processes: the ranks of a ``torch.distributed`` process group.

Every rank trains with the same rates and records the same numbers, the means over ranks. All that
is agreed on goes through one small collective a step. What cannot wait for a collective (an error
on one rank, while the others wait for it in one) goes through the group's store.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import torch
import torch.distributed as dist

from lrfinder_widget.errors import RankError, SettingsError
from lrfinder_widget.training.group_abort import abort_groups
from lrfinder_widget.training.rank_board import Board, Notice
from lrfinder_widget.training.rank_means import RankMeans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfinder_widget.points import Point

UNUSABLE = (
    "The sweep is restored here, but the process group was broken to release the ranks that "
    "waited in it: call torch.distributed.destroy_process_group() and init_process_group() again "
    "on every rank (and wrap the model anew) before you go on."
)
_USABLE = "The sweep has ended on every rank, and is restored."
_LOST = (
    "A collective failed during a learning-rate sweep: another rank has probably died, or was late "
    "by more than the process group's timeout."
)
APART = (
    "Several processes make this sweep, but the model is not wrapped for that "
    "(DistributedDataParallel, fully_shard): each trains a copy of its own, and the losses are "
    "averaged."
)
# A rank may compute on a device, and draw, of its own.
_OF_ONE_RANK = {"device", "seed", "snapshot"}


def in_process_group() -> bool:
    """Return whether this process is one of several in an initialised process group."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def leads() -> bool:
    """Return whether this process reports for all: the only one, or rank 0 of several."""
    return not in_process_group() or dist.get_rank() == 0


def of_rank_0(value: Any) -> Any:
    """Return the value that rank 0 has; all ranks have to ask."""
    if not in_process_group():
        return value
    held = [value]
    dist.broadcast_object_list(held)
    return held[0]


@contextmanager
def announced() -> Iterator[None]:
    """Tell the other ranks, which are about to begin a sweep, of an error that keeps this one out.

    They would wait for it.
    """
    try:
        yield
    except Exception as error:
        if in_process_group():
            board = Board(_world())
            board.post("error", Notice.of(dist.get_rank(), error))
        raise


# The steps of sweeps in progress.
_kept: list[Iterator[Any]] = []


class Ranks:
    """The ranks that make a sweep together, seen from one of them.

    Parameters
    ----------
    device
        One on which the group can reduce.

    Attributes
    ----------
    stopped : bool
        Whether the ranks have agreed to end early.
    """

    def __init__(self, device: torch.device) -> None:
        self._rank = dist.get_rank()
        self._board: Board | None = None
        self._means = RankMeans(device)
        self._wants_to_stop = False
        self._announced = False
        self._interrupted = False
        self.stopped = False

    def begin(self, told: dict[str, Any]) -> None:
        """Wait for the others, and make sure that they have the same in mind.

        Raises
        ------
        SettingsError
            If ranks differ in what they tell (the settings, say); on all of them.
        RankError
            If another rank fails before it begins.
        """
        shared = {name: value for name, value in told.items() if name not in _OF_ONE_RANK}
        board = self._board = Board(_world())
        answers = board.exchange(shared)
        if isinstance(answers, Notice):
            self._announced = True
            raise RankError(f"{_said(answers)}. {_USABLE}")
        for rank, answer in enumerate(answers):
            for name, value in answers[0].items():
                if answer.get(name) != value:
                    self._announced = True
                    raise SettingsError(
                        f"{name} must be the same on every rank (rank 0 has {value!r}, rank "
                        f"{rank} has {answer.get(name)!r})"
                    )
        board.watch(abort_groups)

    def end(self) -> None:
        """End the watching; call it when everything is restored."""
        if self._board is not None:
            self._board.end()

    def agree(self, point: Point | None, *, measures: bool) -> tuple[dict[str, Any] | None, bool]:
        """Return the mean over ranks of what a step told, and whether all measure norms.

        `stopped` says afterwards whether the sweep ends before this step's point.

        Raises
        ------
        KeyboardInterrupt
            If any rank was interrupted; on all of them.
        RankError
            If another rank ends for an error of its caller's.
        """
        if self._interrupted:
            self.stop(KeyboardInterrupt())
        agreed = self._means.mean(point, stopping=self._wants_to_stop, measures=measures)
        if agreed.stopping:
            self._stop_for_all()
        return agreed.told, agreed.all_measure

    def go_on(self) -> bool:
        """Return whether another sweep follows; every rank has to ask."""
        if not self.stopped and self._means.any(self._wants_to_stop):
            self._stop_for_all()
        return not self.stopped

    def keep(self, steps: Iterator[Any]) -> None:
        """Keep the steps of a sweep alive until `let_go`.

        A sweep that is dropped in the middle is ended by the garbage collector, inside out as it
        may be; and the way out has still to take part in a step.
        """
        _kept.append(steps)

    def let_go(self, steps: Iterator[Any]) -> None:
        """Keep the steps alive no longer."""
        _kept.remove(steps)

    def leave(self, steps: Iterator[Any]) -> None:
        """End the sweep on all ranks; the others may have begun the next one of `steps`.

        They cannot get through it without this rank, which takes its part. It is no point.
        """
        self.stop()
        try:
            with torch.inference_mode(mode=False), torch.enable_grad():
                next(steps, None)
        except Exception as error:  # noqa: BLE001 - it is raised again
            self.fail(error)

    def stop(self, error: BaseException | None = None) -> None:
        """Have all ranks end at the next agreement, for an error of this one's caller or none."""
        if self._board is None or self.stopped or self._announced:
            return
        self._board.post("end", Notice.of(self._rank, error))
        self._wants_to_stop = True

    def _stop_for_all(self) -> None:
        self.stopped = True
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt
        notice = None if self._wants_to_stop or self._board is None else self._board.read("end")
        if notice is None or not notice.type:
            return
        if notice.type == "KeyboardInterrupt":
            raise KeyboardInterrupt(f"rank {notice.rank} was interrupted")
        raise RankError(f"{_said(notice)}. {_USABLE}")

    def fail(self, error: BaseException) -> NoReturn:
        """Raise `error` on this rank, and have it raised on all, whatever they wait for."""
        if self._board is None or self.stopped or self._announced:
            raise error
        self._announced = True
        try:
            notice = self._board.post("error", Notice.of(self._rank, error))
        except RuntimeError:  # the store has died with its host: who hears of it by that
            notice = Notice.of(self._rank, error)
        abort_groups()
        if notice.rank == self._rank:
            if _is_of_a_collective(error):
                error.add_note(_LOST)
            error.add_note(UNUSABLE)
            raise error
        if not _is_of_a_collective(error):  # this rank failed by itself, too
            error.add_note(f"{_said(notice)}, too.")
            error.add_note(UNUSABLE)
            raise error
        raise RankError(f"{_said(notice)}. {UNUSABLE}") from error

    @contextmanager
    def interrupts_noted(self) -> Iterator[None]:
        """Hold a KeyboardInterrupt back until the ranks agree on it (main thread only).

        In the middle of a step it would leave the others waiting for this rank. A second one is
        not held back.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: Any = signal.getsignal(signal.SIGINT)

        def note(number: int, frame: Any) -> None:
            if self._interrupted and callable(before):
                before(number, frame)
            self._interrupted = True

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            # None stands for a handler that Python did not install and cannot put back.
            signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if self._interrupted:  # after the agreement: the caller's `close` tells the others
            self._interrupted = False
            raise KeyboardInterrupt


def _world() -> dist.ProcessGroup:
    group = dist.group.WORLD
    if group is None:
        raise SettingsError("the process group was destroyed; call init_process_group() again")
    return group


def _said(notice: Notice) -> str:
    return f"rank {notice.rank} raised {notice.type}: {notice.message}".removesuffix(".")


def _is_of_a_collective(error: BaseException) -> bool:
    """Return whether `error` may be what a broken connection raises."""
    return type(error) is RuntimeError or isinstance(error, dist.DistError)
