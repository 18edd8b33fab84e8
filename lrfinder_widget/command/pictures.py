"""Pictures of several results in one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from lrfinder_widget.analysis.layout import short
from lrfinder_widget.analysis.shape import before_blow_up
from lrfinder_widget.command.report import usable
from lrfinder_widget.command.run_folder import HTML, PNG
from lrfinder_widget.result_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from plotly.graph_objects import Figure

    from lrfinder_widget.result import LRFinderResult

# Told apart with every kind of colour vision (Okabe and Ito, 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
AIR = 0.08


def draw_together(results: Mapping[str, LRFinderResult], folder: Path) -> None:
    """Draw the smoothed lines of results, by their names, as PNG and as HTML."""
    (folder / PNG).write_bytes(_png(results))
    write_whole(folder / HTML, _figure(results).to_html(include_plotlyjs=True))


def _label(name: str, result: LRFinderResult) -> str:
    return f"{name}: {short(result.suggestion.lr)}" if usable(result) else name


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _loss_range(results: Mapping[str, LRFinderResult]) -> tuple[float, float]:
    """Return the range in which every line can be read, however high some of them blew up."""
    lines = [result.smoothed[np.isfinite(result.smoothed)] for result in results.values()]
    shown = [line[: before_blow_up(line)] for line in lines if len(line)]
    low = float(min((line.min() for line in shown), default=0.0))
    high = float(max((line.max() for line in shown), default=0.0))
    air = AIR * ((high - low) or abs(high) or 1.0)
    return low - air, high + air


def _png(results: Mapping[str, LRFinderResult]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    paper = Canvas(figsize=(8, 4.5), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(paper)
    axes = paper.add_subplot()
    axes.set_xscale("log")
    axes.set_ylim(*_loss_range(results))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("smoothed loss")
    axes.grid(visible=True, color="#e6eaee", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    for number, (name, result) in enumerate(results.items()):
        colour = _colour(number)
        axes.plot(result.lrs, result.smoothed, color=colour, lw=2, label=_label(name, result))
        if usable(result):
            axes.axvline(result.suggestion.lr, color=colour, linewidth=1.2, linestyle="--")
    axes.legend(frameon=False, fontsize="small")
    target = io.BytesIO()
    canvas.print_png(target)
    return target.getvalue()


def _figure(results: Mapping[str, LRFinderResult]) -> Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, (name, result) in enumerate(results.items()):
        colour = _colour(number)
        figure.add_scatter(
            x=result.lrs,
            y=result.smoothed,
            mode="lines",
            name=_label(name, result),
            line={"color": colour, "width": 2.5},
        )
        if usable(result):
            figure.add_vline(x=result.suggestion.lr, line={"color": colour, "dash": "dash"})
    figure.update_layout(
        template="plotly_white",
        xaxis={"type": "log", "title": "learning rate", "exponentformat": "power"},
        yaxis={"title": "smoothed loss", "range": list(_loss_range(results))},
        # A single one is to be named, too.
        showlegend=True,
    )
    return figure
