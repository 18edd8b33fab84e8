"""Random generators of the objects around a training: remembered, put back, seeded anew."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfinder_widget.training.derived_seed import derived_seed

if TYPE_CHECKING:
    from collections.abc import Iterable

GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)


def generators_in(things: Iterable[Any]) -> list[SavedGenerator]:
    """Return the random generators among `things`, each with its present state.

    Those that the whole process shares are left out.
    """
    # Bound methods of the shared instances are how Python's and NumPy's module functions are made.
    shared = {
        id(random.random.__self__),  # type: ignore[attr-defined]
        id(np.random.random.__self__),  # type: ignore[attr-defined]
        id(torch.default_generator),
    }
    unique = {id(thing): thing for thing in things if isinstance(thing, GENERATORS)}
    return [
        SavedGenerator(thing)
        for key, thing in unique.items()
        if key not in shared and not isinstance(thing, random.SystemRandom)
    ]


class SavedGenerator:
    """A random generator and the state it is to go back to."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator
        if isinstance(generator, np.random.Generator):
            self._state: Any = generator.bit_generator.state
        elif isinstance(generator, np.random.RandomState):
            self._state = generator.get_state(legacy=False)  # a tuple cannot hold every engine's
        elif isinstance(generator, random.Random):
            self._state = generator.getstate()
        else:
            self._state = generator.get_state()

    def seed_for(self, repeat: int) -> None:
        """Seed the generator for a repeat; the seed follows from the state that it had."""
        generator = self._generator
        seed = derived_seed(_mark(self._state), repeat)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(seed)
        elif isinstance(generator, np.random.Generator):
            kind: Any = type(generator.bit_generator)
            generator.bit_generator.state = kind(seed).state
        elif isinstance(generator, np.random.RandomState):
            kind = type(generator._bit_generator)  # noqa: SLF001 - there is no other way to it
            generator.set_state(np.random.RandomState(kind(seed)).get_state(legacy=False))
        else:
            generator.setstate(random.Random(seed).getstate())  # noqa: S311 - not for cryptography

    def restore(self) -> None:
        """Put the state back."""
        if isinstance(self._generator, np.random.Generator):
            self._generator.bit_generator.state = self._state
        elif isinstance(self._generator, random.Random):
            self._generator.setstate(self._state)
        else:
            self._generator.set_state(self._state)


def _mark(state: Any) -> Any:
    """Return a state as its ``repr`` tells it whole: arrays are shortened there."""
    if isinstance(state, torch.Tensor):
        return state.cpu().numpy().tobytes()
    if isinstance(state, np.ndarray):
        return state.tobytes()
    if isinstance(state, dict):
        return {key: _mark(value) for key, value in state.items()}
    if isinstance(state, tuple):
        return tuple(_mark(part) for part in state)
    return state
