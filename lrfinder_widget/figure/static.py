"""Pictures to keep, drawn with Matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from lrfinder_widget.analysis.curve import measured
from lrfinder_widget.analysis.layout import Layout, Pictured, good, lay_out
from lrfinder_widget.analysis.norm_axis import norm_axis
from lrfinder_widget.figure.style import (
    BAND,
    BAND_SHADE,
    CURVE,
    FAINT,
    GAP,
    GOOD_SHADE,
    GRID,
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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Where the legend begins, in heights of the loss curve: below the title of the horizontal axis.
BELOW_THE_TITLE = -0.13
WIDTH, HEIGHT = 8.0, 4.5


class _Ink(NamedTuple):
    """The colours of text, of what is less important, and of the grid."""

    text: str
    soft: str
    grid: str


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
    paper = Canvas(figsize=_size(result), dpi=150, facecolor=PAPER)
    paper.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    canvas = FigureCanvasAgg(paper)
    _draw_into(paper, result, selected, _Ink(INK, SOFT, GRID), PAPER)
    target = io.BytesIO()
    canvas.print_png(target)
    return target.getvalue()


def matplotlib_plot(result: Pictured, ax: Axes | None = None) -> Axes:
    """Draw a result into Matplotlib axes, or into a new figure, and return the axes of the loss.

    Text and grid have the colours of the user's style. A new figure has the gradient norms too,
    below the loss, if there are any.
    """
    from matplotlib import pyplot as plt
    from matplotlib import rcParams

    text = str(rcParams["text.color"])
    ink = _Ink(text, text, str(rcParams["grid.color"]))
    if ax is None:
        return _draw_into(
            plt.figure(figsize=_size(result), layout="constrained"), result, None, ink
        )
    _draw_loss(ax, lay_out(result), result, ink)
    _add_legend(ax, ax, ink)
    return ax


def _size(result: Pictured) -> tuple[float, float]:
    """Return width and height, with room for the gradient norms below a loss of full height."""
    alone = norm_axis(result.grad_norms) is None
    return WIDTH, HEIGHT if alone else HEIGHT / (1 - NORM_PART - GAP)


def _draw_into(
    paper: Figure, result: Pictured, selected: float | None, ink: _Ink, background: str = "none"
) -> Axes:
    """Draw the loss, and the gradient norms below it if there are any; return the upper axes."""
    layout = lay_out(result, selected)
    if norm_axis(result.grad_norms) is None:
        axes = lowest = paper.add_subplot(facecolor=background)
    else:
        heights = [1 - NORM_PART - GAP, NORM_PART]
        grid = paper.add_gridspec(2, 1, height_ratios=heights, hspace=GAP)
        axes = paper.add_subplot(grid[0], facecolor=background)
        lowest = paper.add_subplot(grid[1], sharex=axes, facecolor=background)
        _draw_norms(lowest, layout, result, ink)
    _draw_loss(axes, layout, result, ink)
    if lowest is not axes:
        axes.set_xlabel("")
        axes.tick_params(which="both", labelbottom=False)
    _add_legend(axes, lowest, ink)
    return axes


def _draw_loss(axes: Axes, layout: Layout, result: Pictured, ink: _Ink) -> None:
    axes.set_ylim(*layout.loss_range)
    axes.set_yticks(layout.loss_ticks)
    axes.set_ylabel("loss", color=ink.soft)
    _prepare(axes, layout, ink)
    _draw_lines(axes, result, ink)
    for mark in layout.marks:
        stem = [mark.loss, mark.label_height]
        axes.plot([mark.lr] * 2, stem, color=ink.soft, linewidth=0.8, alpha=0.6)
        axes.plot(mark.lr, mark.loss, "o", color=ink.soft, markersize=4, zorder=3, clip_on=False)
        axes.annotate(
            mark.text,
            (mark.lr, mark.label_height),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=ink.text,
            fontsize=8.5,
            # The line of the chosen rate may run behind a label.
            bbox={"boxstyle": "square,pad=0.1", "facecolor": axes.get_facecolor(), "lw": 0},
        )
    _draw_chosen(axes, layout)


def _draw_norms(axes: Axes, layout: Layout, result: Pictured, ink: _Ink) -> None:
    scale = norm_axis(result.grad_norms)
    if scale is None:
        return
    axes.set_yscale("log" if scale.logarithmic else "linear")
    axes.set_ylim(scale.low, scale.high)
    if not scale.logarithmic:
        axes.locator_params(axis="y", nbins=3)
    axes.set_ylabel(NORM, color=ink.soft, fontsize="small")
    _prepare(axes, layout, ink)
    axes.plot(result.lrs, result.grad_norms, color=CURVE, linewidth=1.2)
    if result.interval is not None:
        axes.axvspan(*result.interval, color=CURVE, alpha=GOOD_SHADE, lw=0)
    if layout.chosen is not None:
        axes.axvline(layout.chosen.lr, color=CURVE, linewidth=1.4, linestyle="--")


def _prepare(axes: Axes, layout: Layout, ink: _Ink) -> None:
    """Set what all axes have alike."""
    axes.set_xscale("log")
    axes.set_xlim(*layout.lr_range)
    axes.set_xlabel(LR, color=ink.soft)
    axes.tick_params(which="both", color=ink.grid, labelcolor=ink.soft)
    axes.grid(visible=True, color=ink.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(ink.grid)


def _add_legend(axes: Axes, below: Axes, ink: _Ink) -> None:
    """Put what is drawn in the one axes below the other."""
    height = (1 - NORM_PART - GAP) / NORM_PART if below is not axes else 1.0
    handles, labels = axes.get_legend_handles_labels()
    below.legend(
        handles,
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, BELOW_THE_TITLE * height),
        ncols=5,
        frameon=False,
        labelcolor=ink.soft,
        fontsize="small",
    )


def _draw_lines(axes: Axes, result: Pictured, ink: _Ink) -> None:
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
    if measured(result.val_losses):
        axes.plot(
            result.lrs,
            result.val_losses,
            color=ink.text,
            linewidth=1.2,
            linestyle=(0, (4, 2)),
            label=VALIDATION,
        )
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
