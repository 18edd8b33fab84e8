"""A suggestion: what a rule makes of a curve, with the reason in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lrfinder_widget.analysis.rules import RULES, resolve
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.errors import NotEnoughPointsError
from lrfinder_widget.settings import rule_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfinder_widget.analysis.curve import Curve
    from lrfinder_widget.settings import Rule

# A turning point and two points to either side of it, which give its two slopes.
MIN_POINTS = 5


class Suggestion(float):
    """A suggested learning rate; a number like any other, that knows where it comes from.

    Attributes
    ----------
    lr : float
        The learning rate, as a plain number.
    index : int
        The curve's point nearest to it.
    why : str
        One sentence.
    rule : str
        The name of the rule.
    label : str
        The rule's name for people.
    """

    __slots__ = ("index", "label", "rule", "why")
    index: int
    why: str
    rule: str
    label: str

    def __new__(cls, lr: float, index: int, why: str, rule: str, label: str) -> Self:  # noqa: D102 - the class says it
        suggestion = super().__new__(cls, lr)
        suggestion.index = index
        suggestion.why = why
        suggestion.rule = rule
        suggestion.label = label
        return suggestion

    @property
    def lr(self) -> float:
        """The learning rate, as a plain number."""
        return float(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the suggestion as JSON can hold it: the arguments that make it."""
        return {
            "lr": self.lr,
            "index": self.index,
            "why": self.why,
            "rule": self.rule,
            "label": self.label,
        }

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self.to_dict().values())

    def __repr__(self) -> str:
        return f"Suggestion({self.lr:.3g}, rule={self.rule!r}, why={self.why!r})"

    __str__ = float.__repr__  # in text a suggestion reads as the number it is


def suggest(
    curve: Curve,
    rule: Rule = "auto",
    *,
    beta: float | None = None,
    skip_start: int = 0,
    skip_end: int = 0,
) -> Suggestion:
    """Return what a rule suggests for a curve.

    Parameters
    ----------
    curve
        The points.
    rule
        A name in `RULES`, or a function ``rule(lrs, smoothed_losses) -> lr``.
    beta
        The smoothing that the rule reads; ``auto`` always reads the lag-free one.
    skip_start, skip_end
        How many finite points are left out at either end.

    Raises
    ------
    NotEnoughPointsError
        If fewer than `MIN_POINTS` points are left.
    SettingsError
        If the rule is unknown, or is a function that returns no learning rate.
    """
    return _suggestions(curve, [rule], beta, skip_start, skip_end)[0]


def suggest_all(
    curve: Curve,
    rule: Rule = "auto",
    *,
    beta: float | None = None,
    skip_start: int = 0,
    skip_end: int = 0,
) -> dict[str, Suggestion]:
    """Return what every built-in rule suggests, and `rule` too where it is a function.

    The keys are the rules' names, ``auto`` first.
    """
    rules: list[Rule] = [*RULES, *([] if isinstance(rule, str) else [rule])]
    found = _suggestions(curve, rules, beta, skip_start, skip_end)
    return {suggestion.rule: suggestion for suggestion in found}


def _suggestions(
    curve: Curve, rules: list[Rule], beta: float | None, skip_start: int, skip_end: int
) -> list[Suggestion]:
    resolved = [(rule_name(rule), resolve(rule)) for rule in rules]
    usable = curve.usable(skip_start, skip_end)
    if len(usable) < MIN_POINTS:
        raise NotEnoughPointsError(
            f"a suggestion needs at least {MIN_POINTS} points with a finite loss (got "
            f"{len(usable)} of {len(curve)} recorded); raise num_iter, or skip fewer points"
        )
    lrs = curve.lrs[usable]
    lag_free = smooth(curve.lrs, curve.losses)[usable]
    shown = lag_free if beta is None else smooth(curve.lrs, curve.losses, beta)[usable]
    found = []
    for name, rule in resolved:
        lr, why = rule.apply(lrs, lag_free if name == "auto" else shown, curve.losses[usable])
        nearest = int(usable[nearest_point(lrs, lr)])
        found.append(Suggestion(lr, nearest, why, name, rule.label))
    return found


def nearest_point(lrs: NDArray[np.float64], lr: float) -> int:
    """Return the index of the learning rate nearest to one, by their ratio."""
    return int(np.argmin(np.abs(np.log(lrs / lr))))
