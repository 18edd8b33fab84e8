"""The generators that the whole process shares, lent to the sweep and given back.

A sweep draws (dropout, shuffling, augmentation) from the same generators as the notebook's cells.
While it trains, they carry a stream of the sweep's own; between two slices of it, up to a second
each or a step beside a cell that runs, they carry the notebook's again. So a sweep neither advances
nor repeats what the notebook draws, and what another cell draws or seeds meanwhile is noticed and
kept. Sweeps that run at the same time take turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfinder_widget.training.derived_seed import derived_seed, shifted_seed
from lrfinder_widget.training.shared_generators import SharedGenerator, shared_generators
from lrfinder_widget.training.turns import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfinder_widget.training.other_threads import OtherThreads

# Exchanging the states twice takes 0.4 to 0.8 ms (most of it NumPy's): less than a thousandth of a
# long slice. The first ones, which tell what the sweep draws, are short; each is twice as long as
# the one before.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.05, 1.0
# Where it cannot be seen that a cell runs: short beside anything a person does.
LONGEST_UNSEEN_SECONDS = 0.2


class _Stream:
    """One shared generator: the notebook's state and the sweep's."""

    # What is drawn from a generator in its first slices is taken for the sweep's draws.
    _SLICES_TO_KNOW = 3

    def __init__(self, generator: SharedGenerator, seed: int | None, repeat: int) -> None:
        self.generator = generator
        self.notebook = generator.get()
        self._notebook_mark = generator.fingerprint(self.notebook)
        if seed is None:
            own_seed = derived_seed(self._notebook_mark, repeat)
        else:
            own_seed = shifted_seed(seed, repeat)
        self.sweep = generator.derive(own_seed)
        self._sweep_mark = generator.fingerprint(self.sweep)
        self._slices = 0
        self._quiet_slices = 0
        self._sweep_draws = False
        self._sweep_seeds = False
        # The notebook's state before one was taken for its own that the sweep may have seeded.
        self._doubted: tuple[Any, Any] | None = None
        self.moved_by_others = False

    def enter(self) -> None:
        self._take_over(self.generator.exchange(self.sweep))

    def look(self) -> None:
        """Note what others did since the sweep left."""
        self._take_over(self.generator.get())

    def _take_over(self, now: Any) -> None:
        mark = self.generator.fingerprint(now)
        if mark != self._notebook_mark:
            self._doubted = None
            self._adopt(now, mark)

    def leave(self, *, expected: bool, others_ran: bool) -> None:
        now = self.generator.exchange(self.notebook)
        mark = self.generator.fingerprint(now)
        early = self._slices < self._SLICES_TO_KNOW
        self._slices += 1
        if mark == self._sweep_mark:
            self._quiet_slices += not expected
            return
        quiet = (
            not expected and not self._sweep_draws and self._quiet_slices >= self._SLICES_TO_KNOW
        )
        seeded = (early or quiet or self.generator.tells_seeds) and not self.generator.continues(
            self.sweep, now
        )
        if seeded and not self._sweep_seeds:
            if others_ran and not (early and self._doubted):
                # Another cell seeded in the middle of a slice: it goes on from there.
                self._doubted = (self.notebook, self._notebook_mark) if early else None
                self._adopt(now, mark)
                self.generator.set(now)
                return
            self._sweep_seeds = True
            self._take_back()
        elif others_ran and quiet:
            self.moved_by_others = True
        # What is drawn in a slice, by whomever, comes from the sweep's stream: the notebook's is
        # not advanced by it, and will not repeat it.
        self._sweep_draws = self._sweep_draws or not expected
        self.sweep, self._sweep_mark = now, mark

    def _adopt(self, state: Any, mark: Any) -> None:
        self.notebook, self._notebook_mark = state, mark
        self.moved_by_others = True

    def _take_back(self) -> None:
        """Give up what was taken for a cell's seed: it is the sweep that seeds."""
        if self._doubted is None:
            return
        self.notebook, self._notebook_mark = self._doubted
        self._doubted = None
        self.moved_by_others = False
        self.generator.set(self.notebook)


def notebook_seed() -> int:
    """Return the seed that follows from the states of all shared generators."""
    return derived_seed([each.fingerprint(each.get()) for each in shared_generators()], 0)


class RandomStreams(Turn):
    """The process's generators, as the sweep borrows them slice by slice.

    Parameters
    ----------
    others
        Who else may draw.
    seed
        Seeds the sweep's stream; by default it follows from the notebook's states at the first
        slice, so that the same notebook gives the same sweep.
    repeat
        Which of several sweeps from the same state this is; each has a stream of its own.
    step
        See `Turn`.
    on_leave
        Called when a slice ends, with whether nobody else ran in it.
    """

    def __init__(
        self,
        others: OtherThreads,
        seed: int | None = None,
        repeat: int = 0,
        *,
        step: Callable[[], int] = lambda: 0,
        on_leave: Callable[[bool], None] = lambda _: None,
    ) -> None:
        super().__init__(SHORTEST_SECONDS, step)
        # Looked at when it is this sweep's turn: until then they may be another sweep's.
        self._streams: list[_Stream] = []
        self._seeds = seed, repeat
        self._expected = False
        self._others = others
        self._on_leave = on_leave

    def expect_draws(self) -> None:
        """Tell that the sweep draws in this slice though it may not in others (a new epoch)."""
        self._expected = True

    def moved_by_others(self) -> list[str]:
        """Return the names of the generators that another thread drew from or seeded."""
        for stream in self._streams:
            self.aside(stream.look)
        return [stream.generator.name for stream in self._streams if stream.moved_by_others]

    def _begin(self) -> None:
        """Put the sweep's stream in place."""
        if not self._streams:
            self._streams = [_Stream(each, *self._seeds) for each in shared_generators()]
        for stream in self._streams:
            stream.enter()
        self._others.mark()

    def _finish(self) -> None:
        """Put the notebook's stream in place."""
        others_ran = self._others.ran()
        try:
            self._on_leave(not others_ran)
        finally:
            for stream in self._streams:
                stream.leave(expected=self._expected, others_ran=others_ran)
            self._expected = False
            longest = LONGEST_UNSEEN_SECONDS if self._others.unseen else LONGEST_SECONDS
            self.seconds = min(2 * self.seconds, longest)
