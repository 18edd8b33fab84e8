"""A page of pictures: for each pair the regret over the rates, and where each finder points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from benchmarks.regret.grid import measured
from benchmarks.regret.tasks import PAIRS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = Path(__file__).parents[1] / "results/suggestions.html"
COLUMNS = 3
ROW_PIXELS = 230
COLOURS = ("#0b66d8", "#5aa0f2", "#c2410c", "#b45309", "#7c3aed", "#0f766e", "#be185d", "#64748b")


def write_page(
    finders: Sequence[str], rates: Mapping[str, Mapping[str, Sequence[float | None]]]
) -> Path:
    """Write the page, which needs no network, and return where."""
    rows = -(-len(PAIRS) // COLUMNS)
    figure = make_subplots(
        rows, COLUMNS, subplot_titles=[pair.name for pair in PAIRS], vertical_spacing=0.35 / rows
    )
    for number, pair in enumerate(PAIRS):
        place = {"row": number // COLUMNS + 1, "col": number % COLUMNS + 1}
        found = measured(pair)
        line = go.Scatter(
            x=found.rates, y=found.regrets(), line_color="#94a3b8", showlegend=False, name="regret"
        )
        figure.add_trace(line, **place)
        for height, (name, colour) in enumerate(zip(finders, COLOURS, strict=False)):
            given = [rate for rate in rates[name][pair.name] if rate is not None]
            dots = go.Scatter(
                x=given,
                y=[1.4 - 0.12 * height] * len(given),
                mode="markers",
                marker={"color": colour, "size": 7, "opacity": 0.7},
                name=name,
                legendgroup=name,
                showlegend=number == 0,
            )
            figure.add_trace(dots, **place)
    figure.update_xaxes(type="log", range=[-5, 1], exponentformat="power")
    figure.update_yaxes(range=[-0.05, 1.55], title_text="regret")
    figure.update_annotations(font_size=12)
    figure.update_layout(
        template="plotly_white",
        height=rows * ROW_PIXELS,
        title="Regret of training at a rate, and what each finder suggests from four seeds",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    PAGE.parent.mkdir(exist_ok=True)
    figure.write_html(PAGE, include_plotlyjs=True)
    return PAGE
