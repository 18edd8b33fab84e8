"""The generators that the whole process shares, lent to the sweep and given back.

A sweep draws (dropout, shuffling, augmentation) from the same generators as the notebook's cells.
While it trains, they carry a stream of the sweep's own; a few milliseconds later, between two
steps, they carry the notebook's again. So a sweep neither advances nor repeats what the notebook
draws, and what another cell draws or seeds meanwhile is noticed and kept.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from typing import Any

from lrfinder_widget.training.shared_generators import SharedGenerator, shared_generators

# Exchanging the states takes 0.1 to 0.3 ms (most of it NumPy's); once in 100 ms that is at most
# 0.3 % of a sweep, and a slice is short beside anything a person does.
SLICE_SECONDS = 0.1


class _Stream:
    """One shared generator: the notebook's state and the sweep's."""

    # What a generator does in its first slices is taken to be the sweep's doing.
    _SLICES_TO_KNOW = 3

    def __init__(self, generator: SharedGenerator, seed: int | None) -> None:
        self.generator = generator
        self.notebook = generator.get()
        self._notebook_mark = generator.fingerprint(self.notebook)
        if seed is None:
            mark = repr(self._notebook_mark).encode()
            # 32 bits: what every kind of generator takes as a seed.
            seed = int.from_bytes(hashlib.blake2b(mark, digest_size=4).digest(), "big")
        self.sweep = generator.derive(seed)
        self._sweep_mark = generator.fingerprint(self.sweep)
        self._slices = 0
        self._quiet_slices = 0
        self._sweep_draws = False
        self._sweep_seeds = False
        self.moved_by_others = False

    def enter(self) -> None:
        self._take_over(self.generator.exchange(self.sweep))

    def look(self) -> None:
        """Note what others did since the sweep left."""
        self._take_over(self.generator.get())

    def _take_over(self, now: Any) -> None:
        mark = self.generator.fingerprint(now)
        if mark != self._notebook_mark:
            self.notebook, self._notebook_mark = now, mark
            self.moved_by_others = True

    def leave(self, *, expected: bool, others_ran: bool) -> None:
        now = self.generator.exchange(self.notebook)
        mark = self.generator.fingerprint(now)
        others_may_have = others_ran and self._slices >= self._SLICES_TO_KNOW
        self._slices += 1
        if mark == self._sweep_mark:
            self._quiet_slices += not expected
            return
        quiet = (
            not expected and not self._sweep_draws and self._quiet_slices >= self._SLICES_TO_KNOW
        )
        seeded = (quiet or self.generator.tells_seeds) and not self.generator.continues(
            self.sweep, now
        )
        if others_may_have and (quiet or seeded):
            self.moved_by_others = True
        if others_may_have and seeded and not self._sweep_seeds:
            # Another cell seeded in the middle of a slice: it goes on from there.
            self.notebook, self._notebook_mark = now, mark
            self.generator.set(now)
            return
        # What is drawn in a slice, by whomever, comes from the sweep's stream: the notebook's is
        # not advanced by it, and will not repeat it.
        self._sweep_draws = self._sweep_draws or not expected
        self._sweep_seeds = self._sweep_seeds or seeded
        self.sweep, self._sweep_mark = now, mark


class RandomStreams:
    """The process's generators, as the sweep borrows them slice by slice.

    Parameters
    ----------
    seed
        Seeds the sweep's stream; by default it follows from the notebook's states, so that the
        same notebook gives the same sweep.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._streams = [_Stream(generator, seed) for generator in shared_generators()]
        self._inside = False
        self._entered = 0.0
        self._expected = False
        self._others = _OtherThreads()

    def enter(self) -> None:
        """Put the sweep's stream in place, if it is not there."""
        if self._inside and not self._others.ran():
            return
        # What another thread did to a generator between two steps is looked at now.
        self.leave()
        for stream in self._streams:
            stream.enter()
        self._inside = True
        self._others.mark()
        self._entered = time.perf_counter()

    def expect_draws(self) -> None:
        """Tell that the sweep draws in this slice though it may not in others (a new epoch)."""
        self._expected = True

    def leave_if_due(self) -> None:
        """Put the notebook's stream in place if the sweep has had its slice.

        Beside a cell that runs, every step is a slice: what that does to a generator is then seen.
        """
        if time.perf_counter() - self._entered >= SLICE_SECONDS or self._others.ran():
            self.leave()
            # Threads that wait for the interpreter get their turn now, with their own stream.
            time.sleep(0)

    def leave(self) -> None:
        """Put the notebook's stream in place, if it is not there."""
        if not self._inside:
            return
        others_ran = self._others.ran()
        for stream in self._streams:
            stream.leave(expected=self._expected, others_ran=others_ran)
        self._inside = False
        self._expected = False

    def moved_by_others(self) -> list[str]:
        """Return the names of the generators that another thread drew from or seeded."""
        if not self._inside:
            for stream in self._streams:
                stream.look()
        return [stream.generator.name for stream in self._streams if stream.moved_by_others]


class _OtherThreads:
    """Whether the main thread computed anything since a mark, judged by its processor time."""

    def __init__(self) -> None:
        self._clock: int | None = None
        main = threading.main_thread()
        if main is not threading.current_thread() and hasattr(time, "pthread_getcpuclockid"):
            self._clock = time.pthread_getcpuclockid(main.ident or 0)
        self._spent = 0

    def _now(self) -> int:
        if self._clock is None or sys.is_finalizing():
            return 0
        return time.clock_gettime_ns(self._clock)

    def mark(self) -> None:
        self._spent = self._now()

    def ran(self) -> bool:
        return self._now() != self._spent
