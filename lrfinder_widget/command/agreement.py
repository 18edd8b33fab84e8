"""Whether groups of numbers differ more than the numbers within each group do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

# What is called a difference comes about by chance in at most one of twenty cases.
SIGNIFICANCE = 0.05
SHUFFLES = 9_999
# Sums in another order differ in their last digits.
ROUNDING = 1e-9


class Agreement(NamedTuple):
    """How far groups of rates differ.

    Parameters
    ----------
    between
        The largest ratio of two groups' (geometric) means.
    within
        The largest ratio of two rates of the same group.
    chance
        How often groups drawn by lot from all rates lie as far apart.
    smallest_chance
        The least that so few rates can make of it.
    """

    between: float
    within: float
    chance: float
    smallest_chance: float

    @property
    def enough(self) -> bool:
        """Whether there are enough rates to tell."""
        return self.smallest_chance <= SIGNIFICANCE

    @property
    def differ(self) -> bool:
        """Whether groups differ more than the rates within them do."""
        return self.enough and self.chance <= SIGNIFICANCE


def agreement(groups: Sequence[Sequence[float]]) -> Agreement:
    """Return how far groups of rates differ: a permutation test of their geometric means.

    The groups' rates are thrown together and dealt out anew many times; if the groups were drawn
    from the same, the real ones are as likely to lie far apart as any of these.
    """
    decades = [np.log10(np.array(group, dtype=np.float64)) for group in groups]
    sizes = np.array([len(group) for group in decades])
    rates = np.concatenate(decades)
    shuffled = np.random.default_rng(0).permuted(np.tile(rates, (SHUFFLES, 1)), axis=1)
    real = _apart(rates[None], sizes)[0]
    # The real groups are one of the ways to deal them out.
    as_far = 1 + int(np.sum(_apart(shuffled, sizes) >= real * (1 - ROUNDING)))
    means = [float(group.mean()) for group in decades]
    return Agreement(
        between=10 ** (max(means) - min(means)),
        within=10 ** max(float(np.ptp(group)) for group in decades),
        chance=as_far / (SHUFFLES + 1),
        smallest_chance=1 / _ways(sizes.tolist()),
    )


def _apart(rates: Vector, sizes: NDArray[np.int_]) -> Vector:
    """Return, of each row of rates, how far the means of the groups it falls into are spread."""
    starts = np.cumsum(sizes) - sizes
    means = np.add.reduceat(rates, starts, axis=1) / sizes
    distances = (means - rates.mean(axis=1, keepdims=True)) ** 2
    spread: Vector = (sizes * distances).sum(axis=1)
    return spread


def _ways(sizes: Sequence[int]) -> float:
    """Return in how many ways things can be dealt out to groups that bear no names."""
    ways = math.factorial(sum(sizes))
    for size in sizes:
        ways //= math.factorial(size)
    for size in set(sizes):
        ways //= math.factorial(sizes.count(size))
    return ways
