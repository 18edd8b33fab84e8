"""The result of a sweep: its curve, what the rules make of it, pictures and files."""

from __future__ import annotations

import csv
import io
import os
import uuid
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lrfinder_widget.analysis.curve import Curve, encode_numbers
from lrfinder_widget.analysis.document import Stored, read_document, write_document
from lrfinder_widget.analysis.findings import Finding, Reading, find_findings
from lrfinder_widget.analysis.interval import interval
from lrfinder_widget.analysis.repeats import (
    Band,
    Spread,
    band,
    consensus,
    consensus_all,
    most_common,
    pooled,
    spread,
)
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.analysis.suggestion import Suggestion, suggest, suggest_all
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError
from lrfinder_widget.schedules import code, one_cycle, warmup_cosine
from lrfinder_widget.settings import CUSTOM_RULE, SweepSettings, rule_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray
    from plotly.graph_objects import Figure
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import OneCycleLR, SequentialLR

    from lrfinder_widget.schedules import Kind
    from lrfinder_widget.settings import Rule

STOP_REASONS = ("completed", "diverged", "non-finite loss", "stopped")
# Learning rates nearer to each other than this, relatively, are the same.
SAME_RATE = 1e-9


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
    optimizer
        The name of the optimizer's class, such as ``"AdamW"``.
    network
        ``"transformer"``, ``"convolutional"``, ``"recurrent"``, ``"perceptron"``, or nothing.
    batch_size
        How many samples a step trained on; 0 if that is not known.

    Notes
    -----
    ``lrs``, ``losses`` and ``smoothed`` are read-only float64 arrays, one number for each point.
    Of several `runs` they hold the median.
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
        optimizer: str = "",
        network: str = "",
        batch_size: int = 0,
        val_losses: ArrayLike = (),
        grad_norms: ArrayLike = (),
        metrics: Mapping[str, ArrayLike] | None = None,
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
        self._optimizer = optimizer
        self._network = network
        self._batch_size = batch_size
        self._val_losses = _column(val_losses, self._curve)
        self._grad_norms = _column(grad_norms, self._curve)
        self._metrics = {
            name: _column(values, self._curve) for name, values in (metrics or {}).items()
        }
        self._several: tuple[Self, ...] = ()
        # A file cannot hold a function used as rule, but what it suggested.
        self._stored: Suggestion | None = None

    @classmethod
    def combined(cls, results: Sequence[Self]) -> Self:
        """Return one result of several sweeps over the same learning rates.

        >>> LRFinderResult.combined([first, second]).spread.verdict  # doctest: +SKIP

        Settings and what was trained are taken to be those of the first. One result is returned
        as it is.

        Raises
        ------
        LRFinderError
            If there is none, or if they were swept over different learning rates.
        """
        if len(results) == 1:
            return results[0]
        runs = tuple(run for result in results for run in result.runs)
        longest = _longest_rates(runs)
        first = runs[0]
        result = cls(
            lrs=longest,
            losses=band([run.losses for run in runs]).median,
            settings=first.settings,
            stop_reason=most_common(run.stop_reason for run in runs),
            notes=tuple(dict.fromkeys(note for run in runs for note in run.notes)),
            loss_name=first.loss_name,
            optimizer=first.optimizer,
            network=first.network,
            batch_size=first.batch_size,
        )
        result._several = runs
        if _was_function(first.settings):
            own = [found for run in runs if (found := _suggested(run)) is not None]
            result._stored = pooled(own, longest) if own else None
        return result

    @property
    def runs(self) -> tuple[Self, ...]:
        """The sweeps it is made of, each as a result; of one sweep, only itself."""
        return self._several or (self,)

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
        if self.band is not None:
            return self.band.median
        smoothed = smooth(self.lrs, self.losses, self.settings.beta)
        smoothed.setflags(write=False)
        return smoothed

    @property
    def val_losses(self) -> NDArray[np.float64]:
        """The validation loss after each step; NaN without a ``val_loader``."""
        return self._val_losses

    @property
    def grad_norms(self) -> NDArray[np.float64]:
        """The norm of all gradients at each step, before clipping; NaN where not measured."""
        return self._grad_norms

    @property
    def metrics(self) -> Mapping[str, NDArray[np.float64]]:
        """Other scalars that ``compute_loss`` returned, by their names."""
        return MappingProxyType(self._metrics)

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
    def optimizer(self) -> str:
        """The name of the optimizer's class."""
        return self._optimizer

    @property
    def network(self) -> str:
        """The kind of network: transformer, convolutional, recurrent, perceptron, or nothing."""
        return self._network

    @property
    def batch_size(self) -> int:
        """How many samples a step trained on; 0 if that is not known."""
        return self._batch_size

    @cached_property
    def band(self) -> Band | None:
        """Where the smoothed losses of several runs lie: low, median, high; None for one run."""
        return band([run.smoothed for run in self._several]) if self._several else None

    @property
    def spread(self) -> Spread | None:
        """How far several runs' own suggestions agree, in words too; None for one run."""
        return spread(self._run_suggestions)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Which learning rates are about as good as the suggested one; None without one."""
        found = _suggested(self)
        return None if found is None else interval(self.lrs, self.smoothed, found.lr)

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
            if self._several:
                found = consensus_all(self._curves, self._rule, **self._reading())
            else:
                found = suggest_all(self._curve, self._rule, **self._reading())
        except NotEnoughPointsError:
            return {}
        return found if self._stored is None else {**found, self._stored.rule: self._stored}

    def suggest(self, rule: Rule | None = None) -> Suggestion:
        """Return what a rule suggests: a name, or a function of the rates and smoothed losses.

        Of several runs, this is what follows from all of them.

        >>> result.suggest("valley")  # doctest: +SKIP
        >>> result.suggest(lambda lrs, losses: lrs[losses.argmin()] / 5)  # doctest: +SKIP
        """
        if rule is None and self._stored is not None:
            return self._stored
        rule = rule or self.settings.rule
        if self._several:
            return consensus(self._curves, rule, **self._reading())
        return suggest(self._curve, rule, **self._reading())

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is odd about the sweep and what to change, the most severe first."""
        # A run that ended otherwise than most would make their median end as theirs did not.
        typical = self.combined([run for run in self.runs if run.stop_reason == self.stop_reason])
        found = _suggested(self)
        return find_findings(
            Reading(
                lrs=typical.lrs,
                losses=typical.losses,
                smoothed=typical.smoothed,
                settings=self.settings,
                stop_reason=self.stop_reason,
                suggestion=None if found is None else found.lr,
                run_suggestions=self._run_suggestions,
                optimizer=self.optimizer,
                network=self.network,
                batch_size=self.batch_size,
            )
        )

    def resmoothed(self, beta: float | None) -> Self:
        """Return the same result with another smoothing."""
        if self._several:
            return self.combined([run.resmoothed(beta) for run in self._several])
        stored = _to_store(self)
        return self._from_store(stored._replace(settings=self.settings.replace(beta=beta)))

    def figure(self) -> Figure:
        """Return an interactive Plotly figure."""
        from lrfinder_widget.figure import plotly_figure

        return plotly_figure(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curve with Matplotlib, into `ax` or a new figure, and return the axes."""
        from lrfinder_widget.figure import matplotlib_plot

        return matplotlib_plot(self, ax)

    def one_cycle(
        self, optimizer: Optimizer, total_steps: int, *, lr: float | None = None, **options: Any
    ) -> OneCycleLR:
        """Return torch's `OneCycleLR` with its peak at the suggestion, or at `lr`.

        >>> scheduler = result.one_cycle(optimizer, epochs * len(loader))  # doctest: +SKIP

        Options are those of `OneCycleLR`, such as ``pct_start=0.3``. Each parameter group keeps
        its ratio to the first, and momentum is cycled only if the optimizer has any. Call
        ``scheduler.step()`` after each optimizer step.

        Raises
        ------
        SettingsError
            If something given cannot be used; then the optimizer is as it was.
        NotEnoughPointsError
            If `lr` is not given and the curve has too few points for a suggestion.
        """
        return one_cycle(optimizer, total_steps, self._chosen(lr), **options)

    def warmup_cosine(
        self, optimizer: Optimizer, total_steps: int, *, lr: float | None = None, **options: Any
    ) -> SequentialLR:
        """Return torch's `LinearLR` up to the suggestion, or `lr`, and `CosineAnnealingLR` after.

        >>> scheduler = result.warmup_cosine(optimizer, epochs * len(loader))  # doctest: +SKIP

        Options are ``warmup_steps``, by default 5 % of the steps, and ``final``, the last rate
        as a part of the peak, by default 0. Else as `one_cycle`.
        """
        return warmup_cosine(optimizer, total_steps, self._chosen(lr), **options)

    def code(
        self,
        kind: Kind = "one_cycle",
        *,
        lr: float | None = None,
        optimizer: Optimizer | None = None,
        total_steps: int | None = None,
        **options: Any,
    ) -> str:
        """Return lines to paste that do the same without this package.

        >>> print(result.code("warmup_cosine"))  # doctest: +SKIP

        `kind` is ``"one_cycle"``, ``"warmup_cosine"``, or ``"constant"``, which only sets the
        rate. With `optimizer` the lines are those for it, and shorter. Without `total_steps`
        they take ``epochs * len(loader)``.
        """
        chosen = self._chosen(lr)
        return code(kind, chosen, optimizer=optimizer, total_steps=total_steps, **options)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the result to a JSON file, whole or not at all, and return its path."""
        return _write(path, self._document())

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
            return cls.combined([cls._from_store(run) for run in stored])
        except (LRFinderError, UnicodeDecodeError) as error:
            raise LRFinderError(f"cannot load {os.fspath(path)}: {error}") from error

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write step, learning rate, loss and smoothed loss to a CSV file; return its path.

        Of several runs, each is written, with its number (from 1 on) in the first column.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        numbered = ["run"] if self._several else []
        writer.writerow([*numbered, "step", "learning_rate", "loss", "smoothed"])
        for number, run in enumerate(self.runs, start=1):
            columns = (encode_numbers(column) for column in (run.lrs, run.losses, run.smoothed))
            prefix = [number] if self._several else []
            writer.writerows(
                [*prefix, step, *row] for step, row in enumerate(zip(*columns, strict=True))
            )
        return _write(path, text.getvalue())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LRFinderResult):
            return NotImplemented
        return self._document() == other._document()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        found = _suggested(self)
        parts = [f"suggestion {found.lr:.3g} ({found.rule})" if found else "no suggestion"]
        if self._several:
            agreement = "" if self.spread is None else f" {self.spread.words.split(',')[0]}"
            parts.append(f"{len(self.runs)} runs{agreement}")
        parts.append(f"{len(self._curve)} of {self.settings.num_iter} points")
        return f"LRFinderResult({', '.join(parts)}, {self.stop_reason})"

    def _chosen(self, lr: float | None) -> float:
        return self.suggestion.lr if lr is None else lr

    @property
    def _rule(self) -> Rule:
        return "auto" if self._stored is not None else self.settings.rule

    @property
    def _run_suggestions(self) -> tuple[float, ...]:
        """What each run suggests by itself, those with too few points left out."""
        return tuple(found.lr for run in self.runs if (found := _suggested(run)) is not None)

    @cached_property
    def _curves(self) -> list[Curve]:
        return [Curve(run.lrs, run.losses) for run in self.runs]

    def _reading(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "beta": settings.beta,
            "skip_start": settings.skip_start,
            "skip_end": settings.skip_end,
        }

    def _document(self) -> str:
        return write_document([_to_store(run) for run in self.runs], _suggested(self))

    @classmethod
    def _from_store(cls, stored: Stored) -> Self:
        """Return the result of one sweep that is held."""
        result = cls(
            lrs=stored.curve.lrs,
            losses=stored.curve.losses,
            settings=stored.settings,
            stop_reason=stored.stop_reason,
            notes=stored.notes,
            loss_name=stored.loss_name,
            optimizer=stored.optimizer,
            network=stored.network,
            batch_size=stored.batch_size,
        )
        if _was_function(stored.settings):
            result._stored = stored.suggestion
        return result


def _column(values: ArrayLike, curve: Curve) -> NDArray[np.float64]:
    """Return one number for each point, NaN where there is none."""
    column = np.full(len(curve), np.nan)
    given = np.asarray(values, dtype=np.float64)
    column[: len(given)] = given
    column.setflags(write=False)
    return column


def _suggested(result: LRFinderResult) -> Suggestion | None:
    """Return what the settings' rule suggests, None if the curve has too few points."""
    return result.suggestions.get(rule_name(result.settings.rule))


def _was_function(settings: SweepSettings) -> bool:
    """Return whether the rule was a function before it came from a file."""
    return isinstance(settings.rule, str) and settings.rule.startswith(CUSTOM_RULE)


def _to_store(run: LRFinderResult) -> Stored:
    return Stored(
        curve=Curve(run.lrs, run.losses),
        settings=run.settings,
        stop_reason=run.stop_reason,
        loss_name=run.loss_name,
        notes=run.notes,
        suggestion=_suggested(run),
        optimizer=run.optimizer,
        network=run.network,
        batch_size=run.batch_size,
    )


def _longest_rates(runs: Sequence[LRFinderResult]) -> NDArray[np.float64]:
    """Return the rates of the run that got furthest, once they have proved to be those of all."""
    if not runs:
        raise LRFinderError("there is nothing to combine; pass at least one result")
    longest = max((run.lrs for run in runs), key=len)
    for number, run in enumerate(runs, start=1):
        # Another machine's last digit makes no other rate.
        if not np.allclose(run.lrs, longest[: len(run.lrs)], rtol=SAME_RATE, atol=0.0):
            raise LRFinderError(
                "only sweeps over the same learning rates can be combined (run "
                f"{number} differs); use the same start_lr, end_lr, num_iter and step_mode"
            )
    return longest


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
