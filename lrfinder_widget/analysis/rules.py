"""Rules: small pure functions from a curve to a learning rate.

A rule takes the learning rates and the smoothed losses of the usable points, both of shape (n,),
finite, and in the order of rising learning rate, and returns a learning rate within their range
(`auto` takes the losses as they are).
Where the blow-up has begun a curve says nothing more, so no rule looks beyond. Curves that are
sick get an answer too:

- flat: the (geometric) middle of the range, since no rate is better than another;
- rising from the start: the start of the range;
- falling to the end: the minimum and what follows from it lie at the end of the range.
"""

from __future__ import annotations

import difflib
import math
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lrfinder_widget.analysis.landmarks import Landmarks, landmarks, noise
from lrfinder_widget.analysis.shape import ROUNDING, before_blow_up, is_flat, lowest, slopes
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.settings import CUSTOM_RULE, rule_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lrfinder_widget.settings import Rule

    Vector = NDArray[np.float64]

# The take-off: the loss has given back this share of what it had gained.
TAKE_OFF = 0.25
# The share of a descent at either end that is left out to find its middle: a long plateau before
# it or a long bottom behind it would draw the middle to itself.
TAILS = 0.05
# Length in decades of the interval that `slide` moves.
SLIDER = 1.2
# `auto`: a training at one rate makes good use of twice the rate at which the sweep is half-way
# down, and is stable up to an eighth of the rate at which the sweep, that has only a few steps at
# each rate, is seen to take off. Chosen on the benchmark's pairs of task and optimizer by leaving
# tasks out in turn (benchmarks/leave_out.py prints what that gives).
PAST_DESCENT = 0.3
BEFORE_TAKE_OFF = 0.9
SOFTNESS = 0.3
# The constants hold for the default of 100 points over eight decades. A sweep of ten times as many
# has trained more by the time it comes to a rate: its descent lies 0.9 decade lower, its take-off
# about half a decade; what is a good rate for training does not. So much of it is given back.
DENSITY = 12.4
DESCENT_BY_DENSITY = 0.6
TAKE_OFF_BY_DENSITY = 0.4
# The smoothed line errs by most of a deviation of the noise at its ends, and its lowest point is
# where it errs most: less than four deviations is no rise.
HIDDEN = 4.0

RISES = "The loss rises from the start; sweep lower learning rates."


class BuiltIn(NamedTuple):
    """A rule of this package, with what people read about it."""

    function: Callable[[Vector, Vector], float]
    label: str
    why: str
    # Whether it reads the losses as they are, and finds its own way through noise.
    reads_losses: bool = False

    def apply(self, lrs: Vector, smoothed: Vector, losses: Vector) -> tuple[float, str]:
        """Return the learning rate and why, sick curves included."""
        end = before_blow_up(smoothed)
        if is_flat(smoothed[:end]):
            middle = math.sqrt(lrs[0] * lrs[end - 1])
            return middle, "The loss hardly changes, so no rate stands out; this is the middle."
        bottom = lowest(smoothed)
        if bottom == 0 and not (self.reads_losses and _noise_hides_a_rise(smoothed, losses)):
            return float(lrs[0]), RISES
        lr = self.function(lrs, losses if self.reads_losses else smoothed)
        if bottom == len(smoothed) - 1 and self.function is not steepest:
            return lr, f"{self.why[:-1]}; it was still falling at the end, so sweep further."
        return lr, self.why


class Custom(NamedTuple):
    """A rule of the user's own."""

    function: Callable[[Vector, Vector], Any]
    label: str

    def apply(self, lrs: Vector, smoothed: Vector, _: Vector) -> tuple[float, str]:
        """Return the learning rate, once it has proved to be one, and why."""
        answer = self.function(lrs.copy(), smoothed.copy())
        try:
            lr = math.nan if isinstance(answer, (bool, str)) else float(answer)
        except (TypeError, ValueError, OverflowError):
            lr = math.nan
        if not (math.isfinite(lr) and lr > 0):
            raise SettingsError(
                "a rule must return a learning rate, a finite positive number "
                f"({self.label} returned {answer!r})"
            )
        return lr, f"Chosen by your rule {self.label}."


def resolve(rule: Rule) -> BuiltIn | Custom:
    """Return the rule of a name, or a function as a rule."""
    if not isinstance(rule, str):
        return Custom(rule, rule_name(rule).removeprefix(CUSTOM_RULE))
    if rule in RULES:
        return RULES[rule]
    if rule.startswith(CUSTOM_RULE):
        raise SettingsError(
            f"the rule {rule.removeprefix(CUSTOM_RULE)!r} was a function, which a file cannot "
            "hold; pass the function itself"
        )
    near = difflib.get_close_matches(rule.lower(), RULES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise SettingsError(
        f"unknown rule {rule!r}{hint}; the rules are {', '.join(RULES)}, or any function "
        "rule(lrs, smoothed_losses) -> lr"
    )


def steepest(lrs: Vector, smoothed: Vector) -> float:
    """Return the rate at which the loss falls fastest per decade, on the way to its minimum."""
    slope = slopes(lrs, smoothed)[: lowest(smoothed) + 1]
    # On a straight line all are equal but for rounding.
    return float(lrs[np.argmax(slope <= slope.min() * (1 - ROUNDING))])


def minimum(lrs: Vector, smoothed: Vector) -> float:
    """Return the rate at which the loss is lowest."""
    return float(lrs[lowest(smoothed)])


def minimum_10(lrs: Vector, smoothed: Vector) -> float:
    """Return a tenth of the rate at which the loss is lowest."""
    return max(minimum(lrs, smoothed) / 10, float(lrs[0]))


def balanced(lrs: Vector, smoothed: Vector) -> float:
    """Return the geometric mean of `steepest` and `minimum`."""
    return math.sqrt(steepest(lrs, smoothed) * minimum(lrs, smoothed))


def valley(lrs: Vector, smoothed: Vector) -> float:
    """Return the (geometric) middle of the longest descent, small bumps allowed.

    The descent is the longest sequence of points, in order, each lower than the one before, less
    the first and the last twentieth of its height.
    """
    descent = _longest_descent(smoothed[: before_blow_up(smoothed)])
    heights = smoothed[descent]
    margin = TAILS * (heights[0] - heights[-1])
    inner = descent[(heights <= heights[0] - margin) & (heights >= heights[-1] + margin)]
    first, last = (inner[0], inner[-1]) if inner.size else (descent[0], descent[-1])
    return math.sqrt(lrs[first] * lrs[last])


def slide(lrs: Vector, smoothed: Vector) -> float:
    """Slide an interval down from the blow-up until the slopes at its two ends agree.

    At first the loss rises at its right end and falls, or less so, at its left. Where both ends
    lie on the descent, one below and one above its steepest point, the slopes are equal; the
    left end is returned.
    """
    end = before_blow_up(smoothed)
    decades = np.log10(lrs[:end])
    slope = slopes(lrs[:end], smoothed[:end])
    length = min(SLIDER, (decades[-1] - decades[0]) / 2)
    rights = np.flatnonzero(decades - decades[0] >= length)
    lefts = np.searchsorted(decades, decades[rights] - length * (1 + 1e-9))
    agree = np.flatnonzero(slope[rights] <= slope[lefts])
    return float(lrs[lefts[agree[-1]]] if agree.size else lrs[0])


def before_explosion(lrs: Vector, smoothed: Vector) -> float:
    """Return a tenth of the rate at which the loss takes off after its minimum.

    If it never does, that is a tenth of the end of the range.
    """
    bottom = lowest(smoothed)
    gained = float(smoothed[: bottom + 1].max() - smoothed[bottom])
    taken_off = np.flatnonzero(smoothed[bottom:] > smoothed[bottom] + TAKE_OFF * gained)
    at = bottom + taken_off[0] if taken_off.size else -1
    return max(float(lrs[at]) / 10, float(lrs[0]))


def auto(lrs: Vector, losses: Vector) -> float:
    """Return the rate just past the middle of the descent, well before the loss takes off.

    Unlike the other rules it reads the losses as they are, and weighs all that their noise leaves
    possible (`lrfinder_widget.analysis.landmarks`); its constants are `PAST_DESCENT`,
    `BEFORE_TAKE_OFF` and `SOFTNESS`.
    """
    lr = 10 ** between(landmarks(lrs, losses), PAST_DESCENT, BEFORE_TAKE_OFF, SOFTNESS)
    return float(min(max(lr, lrs[0]), lrs[-1]))


def between(found: Landmarks, past: float, before: float, softness: float) -> float:
    """Return the decade that lies past the descent and before the take-off by so many decades.

    That is the lower of the two, rounded off where they are close: a curve does not tell which of
    two equal ones is the lower.
    """
    denser = math.log10(found.density / DENSITY)
    learning = found.descent + DESCENT_BY_DENSITY * denser + past
    stable = found.take_off + TAKE_OFF_BY_DENSITY * denser - before
    lower, apart = min(learning, stable), abs(learning - stable)
    return lower - softness * math.log((1 + math.exp(-apart / softness)) / 2)


# `auto` is whatever is the best rule known; it stands here and nowhere else.
RULES: dict[str, BuiltIn] = {
    "auto": BuiltIn(
        auto,
        "Suggested",
        "Past the middle of the descent, well before the loss takes off.",
        reads_losses=True,
    ),
    "steepest": BuiltIn(steepest, "Steepest", "The loss falls fastest here."),
    "minimum": BuiltIn(
        minimum, "Minimum", "The loss is lowest here; training often needs a smaller rate."
    ),
    "minimum_10": BuiltIn(
        minimum_10, "Minimum / 10", "A tenth of the rate where the loss is lowest."
    ),
    "valley": BuiltIn(valley, "Valley", "The middle of the longest descent of the loss."),
    "slide": BuiltIn(
        slide,
        "Slide",
        "The top of the descent, found by sliding down from where the loss blows up.",
    ),
    "balanced": BuiltIn(
        balanced, "Balanced", "Halfway between where the loss falls fastest and where it is lowest."
    ),
    "before_explosion": BuiltIn(
        before_explosion,
        "Before explosion",
        "A tenth of the rate where the loss takes off after its lowest point.",
    ),
}


def _noise_hides_a_rise(smoothed: Vector, losses: Vector) -> bool:
    """Return whether the first quarter of a curve rises by no more than noise explains."""
    rise = float(smoothed[len(smoothed) // 4] - smoothed[0])
    return rise <= HIDDEN * noise(losses)


def _longest_descent(values: Vector) -> NDArray[np.intp]:
    """Return the indices of the longest strictly falling subsequence, in O(n log n).

    ``ends[k]`` is the negative of the highest value that a falling sequence of k + 1 points can
    end with; being highest, it leaves most room to go on.
    """
    ends: list[float] = []
    last: list[int] = []
    before: list[int] = []
    for index, value in enumerate((-values).tolist()):
        place = bisect_left(ends, value)
        before.append(last[place - 1] if place else -1)
        if place == len(ends):
            ends.append(value)
            last.append(index)
        else:
            ends[place] = value
            last[place] = index
    path = [last[-1]]
    while before[path[-1]] >= 0:
        path.append(before[path[-1]])
    return np.array(path[::-1], dtype=np.intp)
