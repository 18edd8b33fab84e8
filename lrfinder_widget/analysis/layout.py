"""Where the parts of a picture of a curve go; in numbers, for any drawing library."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np

from lrfinder_widget.analysis.shape import before_blow_up
from lrfinder_widget.analysis.smoothing import bounded
from lrfinder_widget.analysis.suggestion import Suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lrfinder_widget.analysis.repeats import Band

    Vector = NDArray[np.float64]

# Shares of the picture's width and height: a character, a row of labels, the air around a curve.
CHARACTER = 0.0115
ROW = 0.065
AIR = 0.06
# A range narrower than this share of the losses' size is widened, as are losses of next to nothing.
FLATTEST = 1e-9
SMALLEST = 1e-100
# How near the edge a centred flag would be cut off.
EDGE = 0.12


class Line(Protocol):
    """A curve with its smoothed line."""

    @property
    def lrs(self) -> Vector:
        """The learning rates."""

    @property
    def losses(self) -> Vector:
        """The losses as they were."""

    @property
    def smoothed(self) -> Vector:
        """The smoothed losses."""


class Pictured(Line, Protocol):
    """What a picture needs of a result; of several runs, its own line is their median."""

    @property
    def val_losses(self) -> Vector:
        """The validation losses, NaN where there are none."""

    @property
    def grad_norms(self) -> Vector:
        """The norms of all gradients, NaN where there are none."""

    @property
    def runs(self) -> Sequence[Line]:
        """The runs it is made of."""

    @property
    def band(self) -> Band | None:
        """Where the runs lie, None for one."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """The rates that are about as good as the suggested one."""

    @property
    def suggested(self) -> Suggestion | None:
        """The learning rate to emphasise, if there is one."""

    @property
    def suggestions(self) -> Mapping[str, Suggestion]:
        """Those to mark."""


class Mark(NamedTuple):
    """A learning rate's mark: a point on the curve, and a label whose left edge has a height."""

    lr: float
    loss: float
    text: str
    why: str
    label_height: float


class Layout(NamedTuple):
    """A picture's ranges and what is marked in it.

    The losses' range has room for the rows of labels at its lower end, where no ticks stand.
    """

    lr_range: tuple[float, float]
    loss_range: tuple[float, float]
    loss_ticks: tuple[float, ...]
    marks: tuple[Mark, ...]
    chosen: Mark | None

    @property
    def side(self) -> Literal["left", "center", "right"]:
        """Which side of its flag stands at the chosen rate, so that none is cut off."""
        low, high = self.lr_range
        lr = math.sqrt(low * high) if self.chosen is None else self.chosen.lr
        place = math.log(lr / low) / math.log(high / low)
        if place < EDGE:
            return "left"
        return "right" if place > 1 - EDGE else "center"


def lay_out(result: Pictured, selected: float | None = None) -> Layout:
    """Lay a curve out, with the selected (else the suggested) learning rate emphasised."""
    marked = {found.label: found for found in result.suggestions.values() if found.rule != "auto"}
    chosen = result.suggested
    if selected is not None and (chosen is None or not math.isclose(selected, chosen)):
        if chosen is not None:
            marked["Suggested"] = chosen
        chosen = Suggestion(selected, 0, "", "", "Chosen")
    found = list(marked.values())
    texts = [f"{label} {short(lr)}" for label, lr in marked.items()]
    low, high = _lr_range([*result.lrs.tolist(), *([] if chosen is None else [chosen])])
    high = _with_room_for(texts, found, low, high)
    rows = _rows([math.log(lr / low) / math.log(high / low) for lr in found], texts)
    bottom, top = _loss_range_of_all(result.runs)
    if np.isfinite(result.val_losses).any():
        lowest, highest = _loss_range(result.val_losses, result.val_losses)
        bottom, top = min(bottom, lowest), max(top, highest)
    height = ROW * (top - bottom)
    marks = tuple(
        Mark(lr, min(_loss_at(lr, result), top), text, lr.why, bottom - (row + 0.5) * height)
        for lr, text, row in zip(found, texts, rows, strict=True)
    )
    depth = (max(rows) + 1.25) * height if rows else 0.0
    flag = None
    if chosen is not None:
        label = "Chosen" if chosen.label == "Chosen" else "Suggested"
        text = f"{label} {short(chosen)}"
        flag = Mark(chosen, min(_loss_at(chosen, result), top), text, chosen.why, top)
    return Layout((low, high), (bottom - depth, top), _ticks(bottom, top), marks, flag)


def short(lr: float) -> str:
    """Return a learning rate in two digits, as people write it: ``7.9e-3``, ``1e-3``."""
    mantissa, exponent = f"{lr:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def good(interval: tuple[float, float]) -> str:
    """Return an interval of rates in words: ``good from 1.8e-3 to 1.8e-2``."""
    return f"good from {short(interval[0])} to {short(interval[1])}"


def _lr_range(lrs: Sequence[float]) -> tuple[float, float]:
    low, high = (min(lrs), max(lrs)) if lrs else (1e-7, 10.0)
    return (low, high) if low < high else (low / 10, high * 10)


def _with_room_for(texts: Sequence[str], lrs: Sequence[float], low: float, high: float) -> float:
    """Return an end of the range at which the labels, to the right of their marks, fit in."""
    ends = [
        low * (lr / low) ** (1 / (1 - len(text) * CHARACTER))
        for text, lr in zip(texts, lrs, strict=True)
    ]
    return max(high, *ends) if ends else high


def _rows(places: Sequence[float], texts: Sequence[str]) -> list[int]:
    """Give each label a row, so that labels cover neither each other nor a leader.

    A label begins at its leader and runs to the right. From right to left, each goes below all
    that begin within its width: so no leader has to pass a label on its way down.
    """
    order = sorted(range(len(places)), key=lambda index: -places[index])
    rows = [0] * len(places)
    for rank, index in enumerate(order):
        end = places[index] + len(texts[index]) * CHARACTER
        below = [rows[other] + 1 for other in order[:rank] if places[other] < end]
        rows[index] = max(below, default=0)
    return rows


def _loss_range_of_all(runs: Sequence[Line]) -> tuple[float, float]:
    """Return the range in which the descent of every run can be read."""
    if len(runs) == 1:
        return _loss_range(runs[0].losses, runs[0].smoothed)
    # Of several runs only the lines are drawn, so that single points need no room.
    ranges = [_loss_range(run.smoothed, run.smoothed) for run in runs if _readable(run)]
    lows, highs = zip(*ranges or [(0.0, 1.0)], strict=True)
    return min(lows), max(highs)


def _readable(line: Line) -> bool:
    return bool(np.isfinite(line.smoothed).any())


def _loss_range(losses: Vector, smoothed: Vector) -> tuple[float, float]:
    """Return the range in which the descent can be read, however high the blow-up went."""
    finite = np.isfinite(smoothed)
    if not finite.any():
        return 0.0, 1.0
    line, points = smoothed[finite], bounded(losses[finite])
    end = before_blow_up(line)
    low = float(min(line[:end].min(), np.quantile(points[:end], 0.01)))
    # Half of the points at least are shown, also where nearly all belong to the blow-up.
    high = float(max(line[:end].max(), np.quantile(points[:end], 0.99), np.median(line)))
    spread = high - low
    if spread <= FLATTEST * max(abs(low), abs(high), SMALLEST):
        spread = abs(high) if abs(high) > SMALLEST else 1.0
    return low - AIR * spread, high + AIR * spread


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Return four to nine round numbers within a range."""
    coarse = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(coarse * part for part in (5, 2, 1) if coarse * part <= (high - low) / 4)
    return tuple(step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1))


def _loss_at(lr: float, result: Pictured) -> float:
    finite = np.isfinite(result.smoothed)
    if not finite.any():
        return 0.0
    return float(np.interp(math.log(lr), np.log(result.lrs[finite]), result.smoothed[finite]))
