"""The result of a sweep: its curve, what the rules make of it, pictures and files."""

from __future__ import annotations

import csv
import io
import os
import uuid
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lrfinder_widget.analysis.curve import Curve, encode_numbers
from lrfinder_widget.analysis.document import Stored, read_document, write_document
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.analysis.suggestion import Suggestion, suggest, suggest_all
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError
from lrfinder_widget.settings import CUSTOM_RULE, SweepSettings, rule_name

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray
    from plotly.graph_objects import Figure

    from lrfinder_widget.settings import Rule

STOP_REASONS = ("completed", "diverged", "non-finite loss", "stopped")


class LRFinderResult:
    """What a sweep found.

    >>> result = lr_find(model, optimizer, loader)  # doctest: +SKIP
    >>> result.suggestion, result.suggestions["steepest"].why  # doctest: +SKIP

    Parameters
    ----------
    lrs, losses
        The learning rates that were used, and the losses that belong to them.
    settings
        The settings of the sweep; by default those of `SweepSettings`.
    stop_reason
        ``"completed"``, ``"diverged"``, ``"non-finite loss"`` or ``"stopped"``.
    notes
        What the sweep had to say, a sentence each.
    loss_name
        The loss that was used, in words.

    Notes
    -----
    ``lrs``, ``losses`` and ``smoothed`` are read-only float64 arrays, one number for each point.
    """

    def __init__(
        self,
        *,
        lrs: ArrayLike,
        losses: ArrayLike,
        settings: SweepSettings | None = None,
        stop_reason: str = "completed",
        notes: tuple[str, ...] = (),
        loss_name: str = "",
    ) -> None:
        if stop_reason not in STOP_REASONS:
            raise LRFinderError(
                f"stop_reason must be one of {', '.join(STOP_REASONS)} (got {stop_reason!r})"
            )
        self._curve = Curve(lrs, losses)
        self._settings = settings or SweepSettings()
        self._stop_reason = stop_reason
        self._notes = tuple(notes)
        self._loss_name = loss_name
        # A file cannot hold a function used as rule, but what it suggested.
        self._stored: Suggestion | None = None

    @property
    def lrs(self) -> NDArray[np.float64]:
        """The learning rates that were used."""
        return self._curve.lrs

    @property
    def losses(self) -> NDArray[np.float64]:
        """The losses as they were; the last may be NaN or infinite."""
        return self._curve.losses

    @cached_property
    def smoothed(self) -> NDArray[np.float64]:
        """The smoothed losses, NaN where the loss is not finite."""
        smoothed = smooth(self.lrs, self.losses, self.settings.beta)
        smoothed.setflags(write=False)
        return smoothed

    @property
    def settings(self) -> SweepSettings:
        """The settings of the sweep."""
        return self._settings

    @property
    def stop_reason(self) -> str:
        """Why the sweep ended: completed, diverged, non-finite loss, or stopped."""
        return self._stop_reason

    @property
    def notes(self) -> tuple[str, ...]:
        """What the sweep had to say, a sentence each."""
        return self._notes

    @property
    def loss_name(self) -> str:
        """The loss that was used, in words."""
        return self._loss_name

    @property
    def suggestion(self) -> Suggestion:
        """What the settings' rule suggests.

        Raises
        ------
        NotEnoughPointsError
            If the curve has too few points.
        """
        return self.suggest()

    @cached_property
    def suggestions(self) -> dict[str, Suggestion]:
        """What each rule suggests, by its name; empty if the curve has too few points."""
        try:
            found = suggest_all(self._curve, self._rule, **self._reading())
        except NotEnoughPointsError:
            return {}
        return found if self._stored is None else {**found, self._stored.rule: self._stored}

    def suggest(self, rule: Rule | None = None) -> Suggestion:
        """Return what a rule suggests: a name, or a function of the rates and smoothed losses.

        >>> result.suggest("valley")  # doctest: +SKIP
        >>> result.suggest(lambda lrs, losses: lrs[losses.argmin()] / 5)  # doctest: +SKIP
        """
        if rule is None and self._stored is not None:
            return self._stored
        return suggest(self._curve, rule or self.settings.rule, **self._reading())

    def resmoothed(self, beta: float | None) -> LRFinderResult:
        """Return the same result with another smoothing."""
        other = LRFinderResult(
            lrs=self.lrs,
            losses=self.losses,
            settings=self.settings.replace(beta=beta),
            stop_reason=self.stop_reason,
            notes=self.notes,
            loss_name=self.loss_name,
        )
        other._stored = self._stored
        return other

    def figure(self) -> Figure:
        """Return an interactive Plotly figure."""
        from lrfinder_widget.figure import plotly_figure

        return plotly_figure(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curve with Matplotlib, into `ax` or a new figure, and return the axes."""
        from lrfinder_widget.figure import matplotlib_plot

        return matplotlib_plot(self, ax)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the result to a JSON file, whole or not at all, and return its path."""
        return _write(path, write_document(self._to_store()))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a result that `save` wrote.

        Raises
        ------
        LRFinderError
            If the file holds something else; the message says what is wrong.
        """
        try:
            stored = read_document(Path(path).read_text(encoding="utf-8"))
            result = cls(
                lrs=stored.curve.lrs,
                losses=stored.curve.losses,
                settings=stored.settings,
                stop_reason=stored.stop_reason,
                notes=stored.notes,
                loss_name=stored.loss_name,
            )
        except (LRFinderError, UnicodeDecodeError) as error:
            raise LRFinderError(f"cannot load {os.fspath(path)}: {error}") from error
        if str(stored.settings.rule).startswith(CUSTOM_RULE):
            result._stored = stored.suggestion
        return result

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write step, learning rate, loss and smoothed loss to a CSV file; return its path."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["step", "learning_rate", "loss", "smoothed"])
        columns = (encode_numbers(column) for column in (self.lrs, self.losses, self.smoothed))
        writer.writerows([step, *row] for step, row in enumerate(zip(*columns, strict=True)))
        return _write(path, text.getvalue())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LRFinderResult):
            return NotImplemented
        return write_document(self._to_store()) == write_document(other._to_store())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        found = self.suggestions.get(rule_name(self.settings.rule))
        suggested = f"suggestion {found.lr:.3g} ({found.rule})" if found else "no suggestion"
        points = f"{len(self._curve)} of {self.settings.num_iter} points"
        return f"LRFinderResult({suggested}, {points}, {self.stop_reason})"

    @property
    def _rule(self) -> Rule:
        return "auto" if self._stored is not None else self.settings.rule

    def _reading(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "beta": settings.beta,
            "skip_start": settings.skip_start,
            "skip_end": settings.skip_end,
        }

    def _to_store(self) -> Stored:
        return Stored(
            curve=self._curve,
            settings=self.settings,
            stop_reason=self.stop_reason,
            loss_name=self.loss_name,
            notes=self.notes,
            suggestion=self.suggestions.get(rule_name(self.settings.rule)),
        )


def _write(path: str | os.PathLike[str], text: str) -> Path:
    """Write a file whole or not at all: a neighbour is filled first and then takes its name."""
    target = Path(path)
    neighbour = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with neighbour.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        neighbour.replace(target)
    finally:
        neighbour.unlink(missing_ok=True)
    return target
