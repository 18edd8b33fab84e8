"""One record of several sweeps over the same learning rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lrfinder_widget.analysis.repeats import band, most_common
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.stop_reasons import OUT_OF_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from lrfinder_widget.analysis.record import Record

    Vector = NDArray[np.float64]

# Learning rates nearer to each other than this, relatively, are the same.
SAME_RATE = 1e-9


def median_fields(runs: Sequence[Record]) -> dict[str, Any]:
    """Return the fields of a record that holds the median of `runs` at each rate.

    Settings and what was trained are those of the first.

    Raises
    ------
    LRFinderError
        If there is none, or if they were swept over different learning rates.
    """
    longest = _longest_rates(runs)
    return {
        **runs[0].fields(),
        "lrs": longest,
        "losses": _median(run.losses for run in runs),
        "val_losses": _median(run.val_losses for run in runs),
        "grad_norms": _median(run.grad_norms for run in runs),
        "metrics": _median_metrics([run.metrics for run in runs]),
        "stop_reason": _reason(run.stop_reason for run in runs),
        "notes": tuple(dict.fromkeys(note for run in runs for note in run.notes)),
    }


def _reason(reasons: Iterable[str]) -> str:
    """Return why most sweeps ended; memory that ran out for one is what matters."""
    every = list(reasons)
    return OUT_OF_MEMORY if OUT_OF_MEMORY in every else most_common(every)


def _median(columns: Iterable[Vector]) -> Vector:
    """Return the median over the runs that got there with a finite number."""
    return band([*columns]).median


def _median_metrics(runs: Sequence[Mapping[str, Vector]]) -> dict[str, Vector]:
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: _median(run[name] for run in runs if name in run) for name in names}


def _longest_rates(runs: Sequence[Record]) -> Vector:
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
