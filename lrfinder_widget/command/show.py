"""`lr-finder show`: runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfinder_widget.analysis.layout import short
from lrfinder_widget.command.exits import FOUND
from lrfinder_widget.command.output import Output
from lrfinder_widget.command.own_folder import own_folder
from lrfinder_widget.command.pictures import draw_together
from lrfinder_widget.command.report import usable, why_unusable
from lrfinder_widget.command.run_folder import HTML, PNG, load_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lrfinder_widget.result import LRFinderResult


def show(runs: Sequence[Path], output: str | None) -> int:
    """Say what each run found, and draw all of them into one picture."""
    results = {_name(run, runs): load_run(run) for run in runs}
    said = Output()
    with own_folder(output, "lr_finder_show") as folder:
        for name, result in results.items():
            said.headline(name)
            said.say(f"  {_words(result)}")
        draw_together(results, folder)
        said.say(f"Drawn: {folder / PNG} and {HTML} beside it")
    return FOUND


def _name(run: Path, runs: Sequence[Path]) -> str:
    """Return the run's own name, or its path where that name is not its alone."""
    own = run.resolve().name
    return own if [each.resolve().name for each in runs].count(own) == 1 else str(run)


def _words(result: LRFinderResult) -> str:
    ended = f"{len(result.lrs)} of {result.settings.num_iter} points, {result.stop_reason}"
    if not usable(result):
        why = why_unusable(result)
        return f"no suggestion; {ended}" if why is None else f"no usable suggestion; {ended}. {why}"
    low, high = result.interval or (result.suggestion.lr,) * 2
    return (
        f"suggested {short(result.suggestion.lr)}, about as good {short(low)} to {short(high)}; "
        f"{ended}"
    )
