"""The random generators that all threads of the process share: torch's, NumPy's, Python's."""

from __future__ import annotations

import _random
import operator
import random
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

# Words of the Mersenne twister's key, which is made anew ("twisted") when they are used up.
_WORDS = 624
# A slice of a sweep in which a model draws more than this many keys full is not to be expected.
_MOST_TWISTS = 2000
# A read takes 1 to 3 µs, the way from a draw's call to its lock less.
_READS = 8


class SharedGenerator(Protocol):
    """One of them."""

    name: str
    # Whether `continues` is quick enough to be asked after every slice.
    tells_seeds: bool

    def get(self) -> Any:
        """Return its state."""

    def set(self, state: Any) -> None:
        """Put it into a state that `get` returned."""

    def exchange(self, state: Any) -> Any:
        """Put it into a state and return the one before; nobody draws in between."""

    def fingerprint(self, state: Any) -> Any:
        """Return what is equal for equal states only."""

    def derive(self, seed: int) -> Any:
        """Return the state after seeding."""

    def continues(self, before: Any, now: Any) -> bool:
        """Return whether drawing leads from one state to the other; if not, somebody seeded."""


def _at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Call functions written in C one after the other, with no other thread in between.

    The interpreter changes threads between instructions, and all of this is one of them. A draw
    between reading a state and writing another would be taken back, and be drawn again.
    """
    return [*map(operator.call, calls)]


class _Torch:
    tells_seeds = True

    def __init__(self, device: str, generator: torch.Generator) -> None:
        self.name = f"torch ({device})"
        self._generator = generator
        self._scratch = torch.Generator(device)

    def get(self) -> torch.Tensor:
        return self._generator.get_state()

    def set(self, state: torch.Tensor) -> None:
        self._generator.set_state(state)

    def exchange(self, state: torch.Tensor) -> torch.Tensor:
        # A draw that another thread has begun goes on without the interpreter: reading a few times
        # lets it end, and none can begin meanwhile.
        reads = [self._generator.get_state] * _READS
        *_, before, _ = _at_once(*reads, partial(self._generator.set_state, state))
        return before  # type: ignore[no-any-return]

    def fingerprint(self, state: torch.Tensor) -> bytes:
        return state.numpy().tobytes()

    def derive(self, seed: int) -> torch.Tensor:
        return self._scratch.manual_seed(seed).get_state()

    def continues(self, before: torch.Tensor, now: torch.Tensor) -> bool:
        return self._seed(before) == self._seed(now)

    def _seed(self, state: torch.Tensor) -> int:
        self._scratch.set_state(state)
        return self._scratch.initial_seed()


class _Python:
    name = "random"
    tells_seeds = False

    def get(self) -> tuple[Any, ...]:
        return random.getstate()

    def set(self, state: tuple[Any, ...]) -> None:
        random.setstate(state)

    def exchange(self, state: tuple[Any, ...]) -> tuple[Any, ...]:
        shared = random.random.__self__  # type: ignore[attr-defined]
        version, key, gauss = state
        key_before, gauss_before, *_ = _at_once(
            partial(_random.Random.getstate, shared),
            partial(getattr, shared, "gauss_next"),
            partial(_random.Random.setstate, shared, key),
            partial(setattr, shared, "gauss_next", gauss),
        )
        return version, key_before, gauss_before

    def fingerprint(self, state: tuple[Any, ...]) -> tuple[Any, ...]:
        return state

    def derive(self, seed: int) -> tuple[Any, ...]:
        return random.Random(seed).getstate()  # noqa: S311 - not for cryptography

    def continues(self, before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
        follower = random.Random()  # noqa: S311 - as above
        follower.setstate(before)
        key = now[1][:_WORDS]
        for _ in range(_MOST_TWISTS):
            if follower.getstate()[1][:_WORDS] == key:
                return True
            follower.getrandbits(32 * _WORDS)
        return False


class _NumPy:
    name = "NumPy"
    tells_seeds = False

    def get(self) -> dict[str, Any]:
        state: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002 - the shared one
        return state

    def set(self, state: dict[str, Any]) -> None:
        np.random.set_state(state)  # noqa: NPY002 - it is the shared generator that is meant

    def exchange(self, state: dict[str, Any]) -> dict[str, Any]:
        # NumPy draws many numbers under this lock alone, without the interpreter's.
        with np.random.get_bit_generator().lock:  # type: ignore[attr-defined]
            before, _ = _at_once(
                partial(np.random.get_state, legacy=False),
                partial(np.random.set_state, state),
            )
        return before  # type: ignore[no-any-return]

    def fingerprint(self, state: dict[str, Any]) -> tuple[Any, ...]:
        inner = state["state"]
        parts = tuple(
            value.tobytes() if isinstance(value, np.ndarray) else value for value in inner.values()
        )
        return (*parts, state.get("has_gauss"), state.get("gauss"))

    def derive(self, seed: int) -> dict[str, Any]:
        kind = type(np.random.get_bit_generator())  # type: ignore[attr-defined]
        state: dict[str, Any] = np.random.RandomState(kind(seed)).get_state(legacy=False)
        return state

    def continues(self, before: dict[str, Any], now: dict[str, Any]) -> bool:
        if before["bit_generator"] != "MT19937" or now["bit_generator"] != "MT19937":
            return bool(before["bit_generator"] == now["bit_generator"])  # not to be followed
        follower: Any = np.random.MT19937()
        follower.state = before
        key = now["state"]["key"]
        for _ in range(_MOST_TWISTS):
            if np.array_equal(follower.state["state"]["key"], key):
                return True
            follower.random_raw(_WORDS)
        return False


def shared_generators() -> list[SharedGenerator]:
    """Return those that this process uses."""
    found: list[SharedGenerator] = [_Python(), _NumPy(), _Torch("cpu", torch.default_generator)]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found += [
            _Torch(f"cuda:{index}", generator)
            for index, generator in enumerate(torch.cuda.default_generators)
        ]
    if torch.backends.mps.is_available():
        mps = torch.mps._get_default_mps_generator()  # noqa: SLF001 - there is no other way to it
        found.append(_Torch("mps", mps))
    return found
