"""One sweep of the command: told as it goes, on disk whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfinder_widget.interrupts import interrupts_deferred
from lrfinder_widget.points import Points
from lrfinder_widget.series import Series
from lrfinder_widget.series_result import result_of

if TYPE_CHECKING:
    from lrfinder_widget.command.output import Output
    from lrfinder_widget.command.plan import Plan
    from lrfinder_widget.command.run_folder import RunFolder
    from lrfinder_widget.result import LRFinderResult
    from lrfinder_widget.training.training import Training


def sweep(
    plan: Plan, training: Training, folder: RunFolder | None, output: Output
) -> LRFinderResult:
    """Sweep, write everything to `folder` (if there is one), and return the result.

    Whatever ends the sweep early, an interrupt too, is raised after the points so far are written
    in all forms; without a single point the folder is taken away again.
    """
    points = Points()
    series = None
    try:
        if folder is not None:
            folder.begin(plan)
        journal = None if folder is None else folder.new_journal()
        series = Series(training, plan.settings, journal=journal)
        with series, output.progress() as progress:
            for point in series:
                points.append(point)
                progress.step(point, series.total)
    except BaseException:
        with interrupts_deferred():
            if folder is not None and series is not None and len(points):
                folder.write_result(result_of(series, points))
                output.warn(f"ended after {len(points)} points, which are in {folder.path}")
            elif folder is not None:
                folder.discard()
        raise
    with interrupts_deferred():
        result = result_of(series, points)
        if folder is not None:
            folder.write_result(result)
    return result
