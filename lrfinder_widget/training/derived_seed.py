"""Seeds that follow from what a generator holds and from the number of the repeat."""

from __future__ import annotations

import hashlib

# Of 32 bits: what every kind of generator takes.
_BYTES = 4
_SEEDS = 2**32


def derived_seed(mark: object, repeat: int) -> int:
    """Return the seed of a repeat, from what tells a generator's state.

    The same state and repeat give the same seed, in any process.
    """
    # The first repeat is the single sweep, whatever comes after it.
    told = (mark, repeat) if repeat else mark
    digest = hashlib.blake2b(repr(told).encode(), digest_size=_BYTES).digest()
    return int.from_bytes(digest, "big")


def shifted_seed(seed: int, repeat: int) -> int:
    """Return the seed of a repeat of a sweep that the user seeded."""
    return (seed + repeat) % _SEEDS
