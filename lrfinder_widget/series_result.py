"""The result of a series of sweeps, while it runs and at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.stop_reasons import OUT_OF_MEMORY

if TYPE_CHECKING:
    from lrfinder_widget.dispatch import Dispatched
    from lrfinder_widget.following import Followed
    from lrfinder_widget.points import Points
    from lrfinder_widget.series import Series
    from lrfinder_widget.settings import SweepSettings


def result_of(
    series: Series | Dispatched | Followed,
    points: Points,
    settings: SweepSettings | None = None,
) -> LRFinderResult:
    """Return the result of a series from all its points so far.

    Parameters
    ----------
    series
        Where the points come from; it may be in progress.
    points
        The points of all its sweeps, one after the other.
    settings
        Those to read the curve with; by default the series' own.
    """
    count = len(points)
    reasons = series.stop_reasons or [series.stop_reason]
    starts = [start for start in series.starts if start < count or OUT_OF_MEMORY in reasons] or [0]
    results = [
        LRFinderResult(
            **points.part(start, end).columns(),
            settings=settings or series.settings,
            stop_reason=reason,
            notes=tuple(series.notes),
            loss_name=series.loss_name,
            optimizer=series.optimizer,
            network=series.network,
            batch_size=series.batch_size,
        )
        for start, end, reason in zip(starts, [*starts[1:], count], reasons, strict=False)
    ]
    for result in results:
        result.loader = series.loader
    return LRFinderResult.combined(results)
