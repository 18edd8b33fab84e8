"""A curve, loss against learning rate, and how its numbers are written to files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfinder_widget.errors import LRFinderError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# JSON has no such numbers; these are the names JavaScript gives them.
NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, eq=False)
class Curve:
    """The points of a sweep: equally many learning rates and losses, in the order trained.

    Learning rates are positive and never fall. Losses may be anything, NaN and infinity too.
    Both are kept as read-only float64 copies.
    """

    lrs: NDArray[np.float64]
    losses: NDArray[np.float64]

    def __init__(self, lrs: ArrayLike, losses: ArrayLike) -> None:
        object.__setattr__(self, "lrs", vector("lrs", lrs))
        object.__setattr__(self, "losses", vector("losses", losses))
        self._check()

    def _check(self) -> None:
        if len(self.lrs) != len(self.losses):
            raise LRFinderError(
                "a curve needs one loss for each learning rate "
                f"(got {len(self.lrs)} learning rates, {len(self.losses)} losses)"
            )
        bad = np.flatnonzero(~(np.isfinite(self.lrs) & (self.lrs > 0)))
        if bad.size:
            raise LRFinderError(
                "the learning rates of a curve must be finite and positive "
                f"(got {self.lrs[bad[0]]} at point {bad[0]})"
            )
        falls = np.flatnonzero(np.diff(self.lrs) < 0)
        if falls.size:
            at = falls[0]
            raise LRFinderError(
                "the learning rates of a curve must rise from point to point "
                f"(got {self.lrs[at]:g} and then {self.lrs[at + 1]:g} at point {at + 1})"
            )

    def __len__(self) -> int:
        return len(self.lrs)

    def usable(self, skip_start: int = 0, skip_end: int = 0) -> NDArray[np.intp]:
        """Return the indices of the points that rules look at.

        These are the finite ones, less ``skip_start`` at the left and ``skip_end`` at the right.
        Non-finite ones go first, so that a NaN at the end does not use up the skipping.
        """
        finite = np.flatnonzero(np.isfinite(self.losses))
        return finite[skip_start : max(len(finite) - skip_end, skip_start)]


def encode_number(value: float) -> float | str:
    """Return a number as JSON can hold it: itself, or the name of a non-finite one."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def encode_numbers(values: ArrayLike) -> list[float | str]:
    """Return numbers as JSON can hold them exactly."""
    return [encode_number(value) for value in np.asarray(values, dtype=np.float64).tolist()]


def decode_numbers(name: str, items: Any) -> NDArray[np.float64]:
    """Read back what ``encode_numbers`` wrote; ``name`` is what an error calls it."""
    if not isinstance(items, list):
        raise LRFinderError(f"{name} must be a list of numbers (got {type(items).__name__})")
    return np.array([_decoded(name, i, item) for i, item in enumerate(items)], dtype=np.float64)


def _decoded(name: str, index: int, item: Any) -> float:
    if isinstance(item, str) and item in NON_FINITE:
        return NON_FINITE[item]
    if isinstance(item, (int, float)) and not isinstance(item, bool) and math.isfinite(item):
        return float(item)
    raise LRFinderError(
        f"{name} must hold numbers, or one of {', '.join(NON_FINITE)} (got {item!r} at {index})"
    )


def vector(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return numbers as a read-only float64 copy; ``name`` is what an error calls them."""
    copy = np.array(values, dtype=np.float64)
    if copy.ndim != 1:
        raise LRFinderError(f"{name} must be one-dimensional (got shape {copy.shape})")
    copy.setflags(write=False)
    return copy


def measured(values: NDArray[np.float64]) -> bool:
    """Return whether there is a number, even an infinite one."""
    return not bool(np.isnan(values).all())
