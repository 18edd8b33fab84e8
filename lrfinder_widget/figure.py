"""Pictures of a result: Plotly to explore, Matplotlib to keep."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from lrfinder_widget.analysis.layout import Layout, Pictured, good, lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from plotly.graph_objects import Figure

    from lrfinder_widget.analysis.repeats import Band

CURVE = "#0b66d8"
INK = "#1c1f23"
SOFT = "#5c6570"
GRID = "#e6eaee"
PAPER = "#ffffff"
FAINT = 0.35
# How strongly the good rates and the band of several runs are shaded; they lie over each other.
GOOD_SHADE = 0.08
BAND_SHADE = 0.16
BAND = "band"
THIN = 0.55
# Where the legend begins, in heights of the axes: below the title of the horizontal one.
BELOW_THE_TITLE = -0.13
TWO_DECADES = 100.0


def png(result: Pictured, selected: float | None = None) -> bytes:
    """Return a picture as PNG on a light background, whatever the user's Matplotlib is set to.

    Parameters
    ----------
    result
        The result to show.
    selected
        The learning rate to emphasise; by default the suggestion.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    # Not through pyplot, which keeps a list of figures and belongs to the main thread.
    paper = Canvas(figsize=(8, 4.5), dpi=150, facecolor=PAPER)
    paper.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    canvas = FigureCanvasAgg(paper)
    axes = paper.add_subplot(facecolor=PAPER)
    _draw(axes, result, selected, ink=INK, soft=SOFT, grid=GRID)
    target = io.BytesIO()
    canvas.print_png(target)
    return target.getvalue()


def matplotlib_plot(result: Pictured, ax: Axes | None = None) -> Axes:
    """Draw a result into Matplotlib axes, or into a new figure, and return the axes.

    Text and grid have the colours of the user's style.
    """
    from matplotlib import pyplot as plt
    from matplotlib import rcParams

    axes = plt.subplots(figsize=(8, 4.5), layout="constrained")[1] if ax is None else ax
    ink = str(rcParams["text.color"])
    _draw(axes, result, None, ink=ink, soft=ink, grid=str(rcParams["grid.color"]))
    return axes


def _draw(
    axes: Axes, result: Pictured, selected: float | None, *, ink: str, soft: str, grid: str
) -> None:
    layout = lay_out(result, selected)
    axes.set_xscale("log")
    axes.set_xlim(*layout.lr_range)
    axes.set_ylim(*layout.loss_range)
    axes.set_yticks(layout.loss_ticks)
    axes.set_xlabel("learning rate", color=soft)
    axes.set_ylabel("loss", color=soft)
    axes.tick_params(which="both", color=grid, labelcolor=soft)
    axes.grid(visible=True, color=grid, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(grid)
    _draw_lines(axes, result)
    for mark in layout.marks:
        stem = [mark.loss, mark.label_height]
        axes.plot([mark.lr] * 2, stem, color=soft, linewidth=0.8, alpha=0.6)
        axes.plot(mark.lr, mark.loss, "o", color=soft, markersize=4, zorder=3, clip_on=False)
        axes.annotate(
            mark.text,
            (mark.lr, mark.label_height),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=ink,
            fontsize=8.5,
            # The line of the chosen rate may run behind a label.
            bbox={"boxstyle": "square,pad=0.1", "facecolor": axes.get_facecolor(), "lw": 0},
        )
    _draw_chosen(axes, layout)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, BELOW_THE_TITLE),
        ncols=4,
        frameon=False,
        labelcolor=soft,
        fontsize="small",
    )


def _draw_lines(axes: Axes, result: Pictured) -> None:
    several = result.band is not None
    if result.band is not None:
        low, _, high = result.band
        axes.fill_between(result.lrs, low, high, color=CURVE, alpha=BAND_SHADE, lw=0, label=BAND)
        for number, run in enumerate(result.runs):
            name = f"{len(result.runs)} runs" if number == 0 else None
            axes.plot(run.lrs, run.smoothed, color=CURVE, alpha=THIN, linewidth=0.8, label=name)
    else:
        axes.scatter(
            result.lrs, result.losses, s=10, color=CURVE, alpha=FAINT, linewidths=0, label="loss"
        )
    name = "median" if several else "smoothed"
    axes.plot(result.lrs, result.smoothed, color=CURVE, linewidth=2, label=name)
    if result.interval is not None:
        axes.axvspan(
            *result.interval, color=CURVE, alpha=GOOD_SHADE, lw=0, label=good(result.interval)
        )


def _draw_chosen(axes: Axes, layout: Layout) -> None:
    if layout.chosen is None:
        return
    lr, loss, text = layout.chosen[:3]
    axes.axvline(lr, color=CURVE, linewidth=1.4, linestyle="--")
    axes.plot(
        lr,
        loss,
        "o",
        markerfacecolor=PAPER,
        markeredgecolor=CURVE,
        markeredgewidth=2,
        zorder=4,
        clip_on=False,
    )
    axes.annotate(
        text,
        (lr, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 8),
        textcoords="offset points",
        ha=layout.side,
        va="bottom",
        color=PAPER,
        weight="bold",
        bbox={"boxstyle": "round,pad=0.35", "facecolor": CURVE, "edgecolor": "none"},
    )


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
    if result.interval is not None:
        figure.add_vrect(
            *result.interval,
            name=good(result.interval),
            showlegend=True,
            fillcolor=CURVE,
            opacity=GOOD_SHADE,
            line_width=0,
            layer="below",
        )
    _add_marks(figure, layout)
    _add_chosen(figure, layout)
    span = layout.lr_range[1] / layout.lr_range[0]
    figure.update_layout(
        template="plotly_white",
        height=460,
        margin={"l": 60, "r": 20, "t": 50, "b": 70},
        showlegend=True,
        legend={"orientation": "h", "xanchor": "center", "x": 0.5, "yanchor": "top", "y": -0.17},
        font={"color": INK},
        xaxis={
            "type": "log",
            "title": "learning rate",
            "range": np.log10(layout.lr_range).tolist(),
            "dtick": 1 if span >= TWO_DECADES else None,
            "exponentformat": "power",
        },
        yaxis={
            "title": "loss",
            "range": list(layout.loss_range),
            "tickvals": list(layout.loss_ticks),
            "zeroline": False,
        },
    )
    return figure


def _hover(what: str) -> str:
    return f"learning rate %{{x:.3g}}<br>{what} %{{y:.4g}}<extra></extra>"


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
    figure.add_vline(x=lr, line={"color": CURVE, "width": 1.5, "dash": "dash"})
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
