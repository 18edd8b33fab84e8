"""Pictures to explore, drawn with Plotly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfinder_widget.analysis.curve import measured
from lrfinder_widget.analysis.layout import Layout, Pictured, good, lay_out
from lrfinder_widget.analysis.norm_axis import NormAxis, norm_axis
from lrfinder_widget.figure.style import (
    BAND,
    BAND_SHADE,
    CURVE,
    FAINT,
    GAP,
    GOOD_SHADE,
    INK,
    LR,
    NORM,
    NORM_PART,
    PAPER,
    SOFT,
    THIN,
    VALIDATION,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from lrfinder_widget.analysis.repeats import Band

HEIGHT = 460
# Where the legend begins, in heights of the loss curve.
BELOW_THE_TITLE = -0.17
TWO_DECADES = 100.0


def plotly_figure(result: Pictured) -> Figure:
    """Return an interactive figure of a result."""
    import plotly.graph_objects as go

    layout = lay_out(result)
    figure = go.Figure()
    if result.band is None:
        _add_points(figure, result)
    else:
        _add_runs(figure, result, result.band)
    figure.add_scatter(
        x=result.lrs,
        y=result.smoothed,
        mode="lines",
        name="smoothed" if result.band is None else "median",
        line={"color": CURVE, "width": 2.5},
        hovertemplate=_hover("smoothed loss" if result.band is None else "median loss"),
    )
    if measured(result.val_losses):
        figure.add_scatter(
            x=result.lrs,
            y=result.val_losses,
            mode="lines",
            name=VALIDATION,
            line={"color": INK, "width": 1.5, "dash": "dash"},
            hovertemplate=_hover(VALIDATION),
        )
    norms = norm_axis(result.grad_norms)
    if norms is not None:
        _add_norms(figure, result, norms)
    if result.interval is not None:
        low, high = result.interval
        figure.add_shape(
            type="rect",
            x0=low,
            x1=high,
            y0=0,
            y1=1,
            yref="paper",
            name=good(result.interval),
            showlegend=True,
            fillcolor=CURVE,
            opacity=GOOD_SHADE,
            line_width=0,
            layer="below",
        )
    _add_marks(figure, layout)
    _add_chosen(figure, layout)
    share = 1.0 if norms is None else 1 - NORM_PART - GAP
    span = layout.lr_range[1] / layout.lr_range[0]
    figure.update_layout(
        template="plotly_white",
        height=HEIGHT / share,
        margin={"l": 60, "r": 20, "t": 50, "b": 70},
        showlegend=True,
        legend={
            "orientation": "h",
            "xanchor": "center",
            "x": 0.5,
            "yanchor": "top",
            "y": BELOW_THE_TITLE * share,
        },
        font={"color": INK},
        xaxis={
            "type": "log",
            "title": LR,
            "range": np.log10(layout.lr_range).tolist(),
            "dtick": 1 if span >= TWO_DECADES else None,
            "exponentformat": "power",
            # Below all that share it.
            "anchor": "y" if norms is None else "y2",
        },
        yaxis={
            "title": "loss",
            "range": list(layout.loss_range),
            "tickvals": list(layout.loss_ticks),
            "zeroline": False,
            "domain": [1 - share, 1],
        },
    )
    return figure


def _add_norms(figure: Figure, result: Pictured, axis: NormAxis) -> None:
    figure.add_scatter(
        x=result.lrs,
        y=result.grad_norms,
        yaxis="y2",
        mode="lines",
        name=NORM,
        showlegend=False,
        line={"color": CURVE, "width": 1.5},
        hovertemplate=_hover(NORM),
    )
    ends = [axis.low, axis.high]
    figure.update_layout(
        yaxis2={
            "title": {"text": NORM, "font": {"size": 12}},
            "type": "log" if axis.logarithmic else "linear",
            "range": np.log10(ends).tolist() if axis.logarithmic else ends,
            "domain": [0, NORM_PART],
            **({"dtick": _every_decade(axis)} if axis.logarithmic else {"nticks": 3}),
            "exponentformat": "power",
            "zeroline": False,
        }
    )


def _every_decade(axis: NormAxis) -> int:
    """Return how many decades lie between labels if there is room for three."""
    return max(1, math.ceil(math.log10(axis.high / axis.low) / 3))


def _hover(what: str) -> str:
    return f"{LR} %{{x:.3g}}<br>{what} %{{y:.4g}}<extra></extra>"


def _add_points(figure: Figure, result: Pictured) -> None:
    figure.add_scatter(
        x=result.lrs,
        y=result.losses,
        mode="markers",
        name="loss",
        marker={"color": CURVE, "size": 5, "opacity": FAINT},
        hovertemplate=_hover("loss"),
    )


def _add_runs(figure: Figure, result: Pictured, band: Band) -> None:
    # A gap would break the shape into pieces that are filled one by one.
    there = np.isfinite(band.median)
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "legendgroup": BAND}
    figure.add_scatter(x=result.lrs[there], y=band.low[there], showlegend=False, **edge)
    figure.add_scatter(
        x=result.lrs[there],
        y=band.high[there],
        name=BAND,
        fill="tonexty",
        fillcolor=f"rgba(11, 102, 216, {BAND_SHADE})",
        **edge,
    )
    for number, run in enumerate(result.runs, start=1):
        figure.add_scatter(
            x=run.lrs,
            y=run.smoothed,
            mode="lines",
            name=f"{len(result.runs)} runs",
            # One entry in the legend shows and hides them all.
            legendgroup="runs",
            showlegend=number == 1,
            line={"color": CURVE, "width": 1},
            opacity=THIN,
            hovertemplate=_hover(f"run {number}: smoothed loss"),
        )


def _add_marks(figure: Figure, layout: Layout) -> None:
    for mark in layout.marks:
        figure.add_scatter(
            x=[mark.lr, mark.lr],
            y=[mark.loss, mark.label_height],
            mode="lines",
            line={"color": SOFT, "width": 1},
            opacity=0.6,
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_annotation(
            x=float(np.log10(mark.lr)),
            y=mark.label_height,
            text=mark.text,
            showarrow=False,
            xanchor="left",
            yanchor="middle",
            font={"size": 12, "color": INK},
            bgcolor=PAPER,
            borderpad=0,
            xshift=3,
        )
    figure.add_scatter(
        x=[mark.lr for mark in layout.marks],
        y=[mark.loss for mark in layout.marks],
        mode="markers",
        name="rules",
        showlegend=False,
        marker={"color": SOFT, "size": 7},
        customdata=[[mark.text, mark.why] for mark in layout.marks],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}<extra></extra>",
    )


def _add_chosen(figure: Figure, layout: Layout) -> None:
    if layout.chosen is None:
        return
    lr, loss, text = layout.chosen[:3]
    figure.add_shape(
        type="line",
        x0=lr,
        x1=lr,
        y0=0,
        y1=1,
        yref="paper",
        line={"color": CURVE, "width": 1.5, "dash": "dash"},
    )
    figure.add_scatter(
        x=[lr],
        y=[loss],
        mode="markers",
        name=text,
        showlegend=False,
        marker={"color": PAPER, "size": 10, "line": {"color": CURVE, "width": 2.5}},
        hovertemplate=f"{text}<extra></extra>",
    )
    figure.add_annotation(
        x=float(np.log10(lr)),
        y=1,
        yref="paper",
        text=f"<b>{text}</b>",
        showarrow=False,
        xanchor=layout.side,
        yanchor="bottom",
        yshift=6,
        font={"color": PAPER, "size": 13},
        bgcolor=CURVE,
        borderpad=4,
    )
