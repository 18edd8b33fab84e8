"""The generators that the whole process shares, lent to the sweep and given back.

A sweep draws (dropout, shuffling, augmentation) from the same generators as the notebook's cells.
While it trains, they carry a stream of the sweep's own; a few milliseconds later, between two
steps, they carry the notebook's again. So a sweep neither advances nor repeats what the notebook
draws, and what another cell draws or seeds meanwhile is noticed and kept.
"""

from __future__ import annotations

import hashlib
import random
import sys
import threading
import time
from typing import Any, Protocol

import numpy as np
import torch

# Exchanging the states takes 0.1 to 0.2 ms (most of it NumPy's); once in 50 ms that is below 0.5 %
# of a sweep of the smallest models, and a slice is short beside anything a person does.
SLICE_SECONDS = 0.05


class _Generator(Protocol):
    name: str

    def get(self) -> Any: ...

    def set(self, state: Any) -> None: ...

    def fingerprint(self, state: Any) -> bytes | tuple[Any, ...]: ...

    def seed(self) -> int | None: ...

    def derive(self, seed: int) -> Any: ...


class _Torch:
    def __init__(self, device: str, generator: torch.Generator) -> None:
        self.name = f"torch ({device})"
        self._device = device
        self._generator = generator

    def get(self) -> torch.Tensor:
        return self._generator.get_state()

    def set(self, state: torch.Tensor) -> None:
        self._generator.set_state(state)

    def fingerprint(self, state: torch.Tensor) -> bytes:
        return state.numpy().tobytes()

    def seed(self) -> int | None:
        return self._generator.initial_seed()

    def derive(self, seed: int) -> torch.Tensor:
        return torch.Generator(self._device).manual_seed(seed).get_state()


class _Python:
    name = "random"

    def get(self) -> tuple[Any, ...]:
        return random.getstate()

    def set(self, state: tuple[Any, ...]) -> None:
        random.setstate(state)

    def fingerprint(self, state: tuple[Any, ...]) -> tuple[Any, ...]:
        return state

    def seed(self) -> int | None:
        return None  # it does not tell

    def derive(self, seed: int) -> tuple[Any, ...]:
        return random.Random(seed).getstate()  # noqa: S311 - not for cryptography


class _NumPy:
    name = "NumPy"

    def get(self) -> dict[str, Any]:
        state: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002 - the shared one
        return state

    def set(self, state: dict[str, Any]) -> None:
        np.random.set_state(state)  # noqa: NPY002 - it is the shared generator that is meant

    def fingerprint(self, state: dict[str, Any]) -> tuple[Any, ...]:
        inner = state["state"]
        parts = tuple(
            value.tobytes() if isinstance(value, np.ndarray) else value for value in inner.values()
        )
        return (*parts, state.get("has_gauss"), state.get("gauss"))

    def seed(self) -> int | None:
        return None  # it does not tell

    def derive(self, seed: int) -> dict[str, Any]:
        kind = type(np.random.get_bit_generator())  # type: ignore[attr-defined]
        state: dict[str, Any] = np.random.RandomState(kind(seed)).get_state(legacy=False)
        return state


def _shared_generators() -> list[_Generator]:
    found: list[_Generator] = [_Python(), _NumPy(), _Torch("cpu", torch.default_generator)]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found += [
            _Torch(f"cuda:{index}", generator)
            for index, generator in enumerate(torch.cuda.default_generators)
        ]
    if torch.backends.mps.is_available():
        found.append(_Torch("mps", torch.mps._get_default_mps_generator()))  # noqa: SLF001 - no other
    return found


class _Stream:
    """One shared generator: the notebook's state and the sweep's."""

    # A generator that the sweep has not moved in this many slices is taken not to be the sweep's.
    _SLICES_TO_KNOW = 3

    def __init__(self, generator: _Generator, seed: int | None) -> None:
        self.generator = generator
        self.notebook = generator.get()
        self._notebook_mark = generator.fingerprint(self.notebook)
        if seed is None:
            mark = repr(self._notebook_mark).encode()
            # 32 bits: what every kind of generator takes as a seed.
            seed = int.from_bytes(hashlib.blake2b(mark, digest_size=4).digest(), "big")
        self.sweep = generator.derive(seed)
        self._sweep_mark = generator.fingerprint(self.sweep)
        self._sweep_seed: int | None = None
        self._slices = 0
        self._used_by_sweep = False
        self.moved_by_others = False

    def enter(self) -> None:
        now = self.generator.get()
        mark = self.generator.fingerprint(now)
        if mark != self._notebook_mark:
            self.notebook, self._notebook_mark = now, mark
            self.moved_by_others = True
        self.generator.set(self.sweep)
        self._sweep_seed = self.generator.seed()

    def leave(self, *, expected: bool, others_ran: bool) -> None:
        now = self.generator.get()
        mark = self.generator.fingerprint(now)
        moved = mark != self._sweep_mark
        known_quiet = not self._used_by_sweep and self._slices >= self._SLICES_TO_KNOW
        seeded = self.generator.seed() != self._sweep_seed
        self._slices += 1
        if moved and others_ran and (seeded or (known_quiet and not expected)):
            # Another cell drew or seeded in the middle of a slice: it goes on from there.
            self.notebook, self._notebook_mark = now, mark
            self.moved_by_others = True
            self.generator.set(now)
            return
        if moved:
            self._used_by_sweep = self._used_by_sweep or not expected
            self.sweep, self._sweep_mark = now, mark
        self.generator.set(self.notebook)


class RandomStreams:
    """The process's generators, as the sweep borrows them slice by slice.

    Parameters
    ----------
    seed
        Seeds the sweep's stream; by default it follows from the notebook's states, so that the
        same notebook gives the same sweep.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._streams = [_Stream(generator, seed) for generator in _shared_generators()]
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
