"""The result of a sweep: its curve, what the rules make of it, pictures and files."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from lrfinder_widget.analysis.combining import median_fields
from lrfinder_widget.analysis.curve import Curve
from lrfinder_widget.analysis.cyclical import cyclical_bounds
from lrfinder_widget.analysis.document import Stored, write_document
from lrfinder_widget.analysis.findings import Finding, Reading, find_findings
from lrfinder_widget.analysis.findings.failed_rule import failed_rule
from lrfinder_widget.analysis.interval import interval
from lrfinder_widget.analysis.record import Record
from lrfinder_widget.analysis.repeats import (
    Band,
    Spread,
    band,
    consensus,
    consensus_all,
    pooled,
    spread,
)
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.analysis.suggestion import Suggestion, suggest, suggest_all
from lrfinder_widget.errors import NotEnoughPointsError
from lrfinder_widget.result_files import read_runs, table, write_whole
from lrfinder_widget.schedule_code import code
from lrfinder_widget.schedules import cyclic, one_cycle, warmup_cosine
from lrfinder_widget.settings import CUSTOM_RULE, SweepSettings, rule_name
from lrfinder_widget.stop_reasons import NON_FINITE, OUT_OF_MEMORY, STOPPED

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import CyclicLR, OneCycleLR, SequentialLR

    from lrfinder_widget.schedules import Kind
    from lrfinder_widget.settings import Rule


class LRFinderResult(Record):
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
        ``"completed"``, ``"diverged"``, ``"non-finite loss"``, ``"stopped"`` or
        ``"out of memory"``.
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
    val_losses
        The validation loss after each step.
    grad_norms
        The norm of all gradients at each step, before clipping.
    metrics
        Other scalars of each step, by their names.

    Notes
    -----
    ``lrs``, ``losses``, ``smoothed``, ``val_losses``, ``grad_norms`` and what is in ``metrics``
    are read-only float64 arrays, one number for each point, NaN where nothing was measured. Of
    several `runs` they hold the median.
    """

    loader: Any = None
    """With ``replay=True``, what the sweep read of your iterator and then the rest; else None."""

    # The sweeps it is made of, if several.
    _several: tuple[Self, ...] = ()
    # A file cannot hold a function used as rule, but what it suggested.
    _stored: Suggestion | None = None

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
        result = cls(**median_fields(runs))
        result._several = runs
        result.loader = runs[0].loader
        if _was_function(result.settings):
            own = [found for run in result._counted if (found := run.suggested) is not None]
            result._stored = pooled(own, result.lrs) if own else None
        return result

    @property
    def runs(self) -> tuple[Self, ...]:
        """The sweeps it is made of, each as a result; of one sweep, only itself."""
        return self._several or (self,)

    @cached_property
    def smoothed(self) -> NDArray[np.float64]:
        """The smoothed losses, NaN where the loss is not finite."""
        if self.band is not None:
            return self.band.median
        smoothed = smooth(self.lrs, self.losses, self.settings.beta)
        smoothed.setflags(write=False)
        return smoothed

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
        found = self.suggested
        return None if found is None else interval(self.lrs, self.smoothed, found.lr)

    @property
    def suggestion(self) -> Suggestion:
        """What the settings' rule suggests.

        Raises
        ------
        NotEnoughPointsError
            If the curve has too few points.
        Exception
            Whatever a function used as rule raises.
        """
        return self.suggest()

    @property
    def suggested(self) -> Suggestion | None:
        """The `suggestion`, or None where that raises."""
        return self.suggestions.get(rule_name(self.settings.rule))

    @cached_property
    def suggestions(self) -> dict[str, Suggestion]:
        """What each rule suggests, by its name; empty if the curve has too few points.

        A function used as rule that fails is not among them; see `rule_error`.
        """
        try:
            if self._several:
                found = consensus_all(self._curves, **self._reading())
            else:
                found = suggest_all(self._curve, **self._reading())
        except NotEnoughPointsError:
            return {}
        own = self._stored or self._of_function
        return {**found, own.rule: own} if isinstance(own, Suggestion) else found

    @property
    def rule_error(self) -> Exception | None:
        """What a function used as rule raised, if it did; `suggestion` raises it."""
        return self._of_function if isinstance(self._of_function, Exception) else None

    @cached_property
    def _of_function(self) -> Suggestion | Exception | None:
        """What a function used as rule suggests or raises; None where there is no function."""
        if isinstance(self.settings.rule, str):
            return None
        try:
            return self.suggest()
        except NotEnoughPointsError:
            return None
        except Exception as error:  # noqa: BLE001 - a function of the user's may raise anything
            return error

    def suggest(self, rule: Rule | None = None) -> Suggestion:
        """Return what a rule suggests: a name, or a function of the rates and smoothed losses.

        Of several runs, this is what follows from all of them.

        >>> result.suggest("valley")  # doctest: +SKIP
        >>> result.suggest(lambda lrs, losses: lrs[losses.argmin()] / 5)  # doctest: +SKIP
        """
        if rule is None and self._stored is not None:
            return self._stored
        rule = rule or self.settings.rule
        try:
            if self._several:
                return consensus(self._curves, rule, **self._reading())
            return suggest(self._curve, rule, **self._reading())
        except NotEnoughPointsError as error:
            if self.stop_reason not in (OUT_OF_MEMORY, NON_FINITE):
                raise
            # More points are no help where that ended the sweep.
            counted, _, _ = str(error).partition(";")
            raise NotEnoughPointsError(f"{counted}. {self.findings[0].text}") from None

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is odd about the sweep and what to change, the most severe first."""
        # A run that ended otherwise than most would make their median end as theirs did not.
        typical = self.combined([run for run in self.runs if run.stop_reason == self.stop_reason])
        suggested = self.suggested
        found = find_findings(
            Reading(
                lrs=typical.lrs,
                losses=typical.losses,
                smoothed=typical.smoothed,
                settings=self.settings,
                stop_reason=self.stop_reason,
                suggestion=None if suggested is None else suggested.lr,
                run_suggestions=self._run_suggestions,
                optimizer=self.optimizer,
                network=self.network,
                batch_size=self.batch_size,
                grad_norms=typical.grad_norms,
            )
        )
        if self.rule_error is None:
            return found
        label = rule_name(self.settings.rule).removeprefix(CUSTOM_RULE)
        return (failed_rule(label, self.rule_error), *found)

    def resmoothed(self, beta: float | None) -> Self:
        """Return the same result with another smoothing."""
        if self._several:
            return self.combined([run.resmoothed(beta) for run in self._several])
        smoothed = Record(**{**self.fields(), "settings": self.settings.replace(beta=beta)})
        result = self._from_store(Stored(smoothed, self.suggested))
        result.loader = self.loader
        return result

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

    def cyclical_bounds(self) -> tuple[float, float]:
        """Return the rates between which a cyclical schedule goes up and down.

        The lower one is where the loss starts to fall, the upper one where it stops falling
        (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017). Of several runs,
        these are the geometric means of their own.

        Raises
        ------
        NotEnoughPointsError
            If the curve has too few points.
        LRFinderError
            If the loss does not fall.
        """
        settings = self.settings
        return cyclical_bounds(
            self._curves, skip_start=settings.skip_start, skip_end=settings.skip_end
        )

    def cyclic(
        self,
        optimizer: Optimizer,
        step_size_up: int,
        *,
        bounds: tuple[float, float] | None = None,
        **options: Any,
    ) -> CyclicLR:
        """Return torch's `CyclicLR` between the `cyclical_bounds`, or `bounds`.

        >>> scheduler = result.cyclic(optimizer, 4 * len(loader))  # doctest: +SKIP

        A rise takes `step_size_up` optimizer steps, 2 to 10 epochs in Smith's paper. Options are
        those of `CyclicLR`, such as ``mode="triangular2"``. Else as `one_cycle`.
        """
        low, high = self.cyclical_bounds() if bounds is None else bounds
        return cyclic(optimizer, step_size_up, high, **{**options, "base_lr": low})

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

        `kind` is ``"one_cycle"``, ``"warmup_cosine"``, ``"cyclic"`` (its upper bound is `lr`), or
        ``"constant"``, which only sets the rate. With `optimizer` the lines are those for it, and
        shorter. Without `total_steps` they take ``epochs * len(loader)``.
        """
        if kind == "cyclic" and lr is None:
            low, lr = self.cyclical_bounds()
            options = {"base_lr": low, **options}
        chosen = self._chosen(lr)
        return code(kind, chosen, optimizer=optimizer, total_steps=total_steps, **options)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the result to a JSON file, whole or not at all, and return its path."""
        return write_whole(path, self._document())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a result that `save` wrote.

        Raises
        ------
        LRFinderError
            If the file holds something else; the message says what is wrong.
        """
        return cls.combined([cls._from_store(stored) for stored in read_runs(path)])

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write step, learning rate, loss and smoothed loss to a CSV file; return its path.

        Validation loss, gradient norm and each metric have a column too where there are any. Of
        several runs, each is written, with its number (from 1 on) in the first column.
        """
        return write_whole(path, table(self.runs))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LRFinderResult):
            return NotImplemented
        return self._document() == other._document()

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        # An iterator cannot be pickled, and what a function raised may not be.
        left_out = ("loader", "_of_function")
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __repr__(self) -> str:
        found = self.suggested
        parts = [f"suggestion {found.lr:.3g} ({found.rule})" if found else "no suggestion"]
        if self._several:
            agreement = "" if self.spread is None else f" {self.spread.words.split(',')[0]}"
            parts.append(f"{len(self.runs)} runs{agreement}")
        parts.append(f"{len(self._curve)} of {self.settings.num_iter} points")
        return f"LRFinderResult({', '.join(parts)}, {self.stop_reason})"

    def _chosen(self, lr: float | None) -> float:
        return self.suggestion.lr if lr is None else lr

    @property
    def _run_suggestions(self) -> tuple[float, ...]:
        """What each run suggests by itself, those with too few points left out."""
        return tuple(found.lr for run in self._counted if (found := run.suggested) is not None)

    @cached_property
    def _curves(self) -> list[Curve]:
        return [Curve(run.lrs, run.losses) for run in self._counted]

    @property
    def _counted(self) -> Sequence[Self]:
        """The runs whose suggestions count: not those that somebody stopped, beside whole ones."""
        return [run for run in self.runs if run.stop_reason != STOPPED] or self.runs

    def _reading(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "beta": settings.beta,
            "skip_start": settings.skip_start,
            "skip_end": settings.skip_end,
        }

    def _document(self) -> str:
        runs = [Stored(run, run.suggested) for run in self.runs]
        return write_document(runs, self.suggested)

    @classmethod
    def _from_store(cls, stored: Stored) -> Self:
        """Return the result of one sweep that is held."""
        result = cls(**stored.record.fields())
        if _was_function(result.settings):
            result._stored = stored.suggestion
        return result


def _was_function(settings: SweepSettings) -> bool:
    """Return whether the rule was a function before it came from a file."""
    return isinstance(settings.rule, str) and settings.rule.startswith(CUSTOM_RULE)
