"""Several sweeps of the same thing: median and band, agreement, suggestion."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from lrfinder_widget.analysis.suggestion import Suggestion, nearest_point, suggest, suggest_all
from lrfinder_widget.errors import NotEnoughPointsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from lrfinder_widget.analysis.curve import Curve
    from lrfinder_widget.settings import Rule

    Vector = NDArray[np.float64]

Found = TypeVar("Found")

# Of ten runs the band leaves out one at either side; up to ten it holds them all.
BAND_LEAVES_OUT = 10
# The largest ratio of two runs' suggestions that a verdict still speaks of.
VERDICTS = ((2.0, "very normal"), (5.0, "normal"), (10.0, "concerning"), (math.inf, "an issue"))
CHECKS = {
    "concerning": "check that the data is shuffled, and raise num_iter, the batch size or repeats",
    "an issue": (
        "trust none of them before you have checked that the loss falls in every run, that the "
        "range of rates covers where it does, and that num_iter and the batch size are not too "
        "small"
    ),
}


class Band(NamedTuple):
    """Where the runs lie at each point; NaN where none has a finite number.

    Up to ten runs, ``low`` and ``high`` are the lowest and the highest. Of more, a tenth at either
    side is left out.
    """

    low: Vector
    median: Vector
    high: Vector


class Spread(NamedTuple):
    """How far the suggestions of several runs agree.

    Parameters
    ----------
    ratio
        The largest over the smallest.
    median, geometric_mean
        The middle of them, in two ways.
    """

    ratio: float
    median: float
    geometric_mean: float

    @property
    def verdict(self) -> str:
        """One of very normal, normal, concerning, and an issue."""
        return next(words for limit, words in VERDICTS if self.ratio <= limit)

    @property
    def words(self) -> str:
        """The ratio and the verdict, as in "within 1.4×, very normal"."""  # noqa: RUF002 - the sign
        return f"within {times(self.ratio)}, {self.verdict}"

    @property
    def sentence(self) -> str:
        """The verdict as a sentence, with what to check where there is something to check."""
        found = f"The runs' suggestions lie within {times(self.ratio)}, which is {self.verdict}"
        return f"{found}: {CHECKS[self.verdict]}." if self.verdict in CHECKS else f"{found}."


def times(ratio: float) -> str:
    """Return a ratio as people write it, with two digits and the sign."""
    return f"{ratio:.1f}×" if round(ratio, 1) < 10 else f"{ratio:.0f}×"  # noqa: PLR2004, RUF001 - digits


def band(lines: Sequence[Vector]) -> Band:
    """Return the band of lines that begin together and may end apart.

    At each point only the lines count that got there with a finite number.
    """
    ranked = np.full((len(lines), max(map(len, lines))), np.nan)
    for row, line in zip(ranked, lines, strict=True):
        row[: len(line)] = np.where(np.isfinite(line), line, np.nan)
    ranked.sort(axis=0)  # NaN goes last
    last = np.maximum(np.isfinite(ranked).sum(axis=0) - 1, 0)
    left_out = last // BAND_LEAVES_OUT

    def at(rank: NDArray[np.intp]) -> Vector:
        picked: Vector = np.take_along_axis(ranked, rank[None], axis=0)[0]
        return picked

    median = _between(at(last // 2), at(last - last // 2))
    return Band(*map(_read_only, (at(left_out), median, at(last - left_out))))


def spread(suggestions: Sequence[float]) -> Spread | None:
    """Return how far suggestions agree; None if there are fewer than two."""
    if len(suggestions) < 2:  # noqa: PLR2004 - one agrees with itself
        return None
    return Spread(
        ratio=max(suggestions) / min(suggestions),
        median=float(np.median(suggestions)),
        geometric_mean=geometric_mean(suggestions),
    )


def geometric_mean(rates: Sequence[float]) -> float:
    """Return the geometric mean; of equal rates it is exactly that rate, in any order the same."""
    mean = math.exp(math.fsum(map(math.log, rates)) / len(rates))
    return min(max(mean, min(rates)), max(rates))


def most_common(words: Iterable[str]) -> str:
    """Return the most common word, the first of equally common ones."""
    return Counter(words).most_common(1)[0][0]


def consensus(
    curves: Sequence[Curve],
    rule: Rule = "auto",
    *,
    beta: float | None = None,
    skip_start: int = 0,
    skip_end: int = 0,
) -> Suggestion:
    """Return what a rule suggests for several curves of the same thing.

    A curve with too few points for a suggestion has no say.

    Raises
    ------
    NotEnoughPointsError
        If none has enough.
    """

    def own(curve: Curve) -> Suggestion:
        return suggest(curve, rule, beta=beta, skip_start=skip_start, skip_end=skip_end)

    return pooled(_readable(curves, own), max(curves, key=len).lrs)


def consensus_all(
    curves: Sequence[Curve],
    rule: Rule = "auto",
    *,
    beta: float | None = None,
    skip_start: int = 0,
    skip_end: int = 0,
) -> dict[str, Suggestion]:
    """Return what every built-in rule suggests for several curves, and `rule` if a function.

    The same as `consensus` for each of them, but each curve is smoothed once.
    """

    def own(curve: Curve) -> dict[str, Suggestion]:
        return suggest_all(curve, rule, beta=beta, skip_start=skip_start, skip_end=skip_end)

    each = _readable(curves, own)
    longest = max(curves, key=len).lrs
    return {name: pooled([found[name] for found in each], longest) for name in each[0]}


def pooled(own: Sequence[Suggestion], lrs: Vector) -> Suggestion:
    """Return the one suggestion that follows from those of each run, made by the same rule.

    Its index is that of the nearest of `lrs`, the rates of the run that got furthest.
    """
    why = most_common(found.why for found in own)
    if len(own) > 1:
        why = f"{why.removesuffix('.')}; the geometric mean over {len(own)} runs."
    lr = geometric_mean([found.lr for found in own])
    return Suggestion(lr, nearest_point(lrs, lr), why, own[0].rule, own[0].label)


def _readable(curves: Sequence[Curve], own: Callable[[Curve], Found]) -> list[Found]:
    found: list[Found] = []
    problem: NotEnoughPointsError | None = None
    for curve in curves:
        try:
            found.append(own(curve))
        except NotEnoughPointsError as error:
            problem = error
    if problem is not None and not found:
        raise problem
    return found


def _between(lower: Vector, upper: Vector) -> Vector:
    # Halves are added, since a sum of two large losses may be beyond a float.
    middle = np.clip(lower / 2 + upper / 2, lower, upper)
    return np.where(lower == upper, lower, middle)


def _read_only(line: Vector) -> Vector:
    line.setflags(write=False)
    return line
