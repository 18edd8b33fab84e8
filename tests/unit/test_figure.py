"""Pictures show the points, the smoothed line and the rules, and can be read."""

import io
import math

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from lrfinder_widget.analysis.layout import CHARACTER, _rows, good, lay_out, short
from lrfinder_widget.analysis.norm_axis import norm_axis
from lrfinder_widget.figure import matplotlib_plot, plotly_figure, png
from lrfinder_widget.result import LRFinderResult

DECADES = np.linspace(-7, 1, 100)
LOSSES = 2.3 - 1.7 / (1 + np.exp(-4 * (DECADES + 2.5))) + 0.3 * np.exp(5 * DECADES)
CURVES = {
    "typical": LOSSES,
    "blown up": np.where(DECADES > 0.5, 1e12, LOSSES),
    "ends with NaN": np.where(DECADES > 0.5, math.nan, LOSSES),
    "flat": np.ones(100),
    "zero": np.zeros(100),
    "rising": np.exp(DECADES),
    "falling": -DECADES,
    "negative": LOSSES - 500,
    "as large as a float": LOSSES * 3e306,
    "as small as a float": LOSSES * 5e-324,
    "large and level": 1e18 + LOSSES,
    "three points": LOSSES[:3],
    "one point": LOSSES[:1],
    "only NaN": np.full(9, math.nan),
    "no point": np.array([]),
}
each_curve = pytest.mark.parametrize("losses", CURVES.values(), ids=CURVES)


SEVERAL = {
    "alike": ["typical", "typical", "typical"],
    "of different lengths": ["typical", "three points", "no point"],
    "one of them blown up": ["typical", "as large as a float"],
    "one of them flat": ["typical", "flat", "ends with NaN"],
    "without a number": ["only NaN", "no point"],
}
each_several = pytest.mark.parametrize("names", SEVERAL.values(), ids=SEVERAL)


def result_of(losses):
    return LRFinderResult(lrs=10.0 ** DECADES[: len(losses)], losses=losses)


def several_of(names):
    return LRFinderResult.combined([result_of(CURVES[name]) for name in names])


def shifted_runs():
    shifts = (0.0, 0.3, -0.2)
    return LRFinderResult.combined([result_of(np.roll(LOSSES, int(9 * by))) for by in shifts])


def pixels(picture):
    from matplotlib.image import imread

    return imread(io.BytesIO(picture))


@each_curve
def test_every_curve_can_be_drawn_in_every_way(losses):
    result = result_of(losses)
    assert pixels(png(result, 3e-3)).shape[:2] == (675, 1200)
    assert len(plotly_figure(result).data) >= 2
    axes = Figure().add_subplot()
    assert matplotlib_plot(result, axes) is axes


@each_several
def test_several_runs_can_be_drawn_whatever_they_are(names):
    result = several_of(names)
    assert pixels(png(result, 3e-3)).shape[:2] == (675, 1200)
    assert len(plotly_figure(result).data) >= 2
    bottom, top = lay_out(result).loss_range
    assert -math.inf < bottom < top < math.inf


@each_curve
def test_ranges_are_finite_and_hold_the_chosen_rate(losses):
    layout = lay_out(result_of(losses), 3e-3)
    low, high = layout.lr_range
    assert 0 < low < high < math.inf
    bottom, top = layout.loss_range
    assert -math.inf < bottom < top < math.inf
    assert 1 <= len(layout.loss_ticks) <= 12
    assert layout.chosen.text == "Chosen 3e-3"
    assert low <= 3e-3 <= high
    assert all(bottom <= mark.loss <= top for mark in (*layout.marks, layout.chosen))


def test_the_descent_stays_readable_beside_a_blow_up():
    bottom, top = lay_out(result_of(CURVES["blown up"])).loss_range
    assert top < 5
    assert bottom > -4


def test_the_suggestion_is_emphasised_and_named():
    result = result_of(LOSSES)
    chosen = lay_out(result).chosen
    assert chosen.lr == result.suggestion
    assert chosen.text == f"Suggested {short(result.suggestion)}"
    assert chosen.loss == pytest.approx(
        np.interp(math.log(chosen.lr), np.log(result.lrs), result.smoothed)
    )


def test_another_choice_is_emphasised_and_the_suggestion_still_marked():
    result = result_of(LOSSES)
    layout = lay_out(result, 3e-3)
    assert layout.chosen.text == "Chosen 3e-3"
    assert f"Suggested {short(result.suggestion)}" in [mark.text for mark in layout.marks]
    assert lay_out(result, float(result.suggestion)).chosen.text.startswith("Suggested")


def test_the_plotly_figure_has_the_points_the_line_and_a_label_for_each_rule():
    result = result_of(LOSSES)
    figure = plotly_figure(result)
    points, line = figure.data[:2]
    assert np.array_equal(points.y, result.losses)
    assert points.mode == "markers"
    assert points.marker.opacity < 0.5
    assert np.array_equal(line.y, result.smoothed)
    assert figure.layout.xaxis.type == "log"
    labels = " ".join(note.text for note in figure.layout.annotations)
    for name, found in result.suggestions.items():
        if name != "auto":
            assert f"{found.label} {short(found)}" in labels
    assert f"Suggested {short(result.suggestion)}" in labels
    assert "%{x" in points.hovertemplate
    assert "%{y" in points.hovertemplate


def legend_of(figure):
    named = [*figure.data, *figure.layout.shapes]
    return [thing.name for thing in named if thing.showlegend is not False and thing.name]


def test_a_plotly_figure_of_several_runs_has_each_of_them_their_median_and_the_band():
    result = shifted_runs()
    figure = plotly_figure(result)
    lowest, highest = (trace for trace in figure.data if trace.legendgroup == "band")
    assert np.array_equal(lowest.y, result.band.low)
    assert np.array_equal(highest.y, result.band.high)
    assert highest.fill == "tonexty"
    runs = [trace for trace in figure.data if trace.legendgroup == "runs"]
    for trace, run in zip(runs, result.runs, strict=True):
        assert np.array_equal(trace.y, run.smoothed)
    [median] = [trace for trace in figure.data if trace.name == "median"]
    assert np.array_equal(median.y, result.smoothed)
    assert median.line.width > 2 * runs[0].line.width
    assert "run 2" in runs[1].hovertemplate
    assert legend_of(figure) == ["band", "3 runs", "median", good(result.interval)]


def test_a_plotly_figure_shades_the_good_rates_of_one_run_and_of_several():
    for result in (result_of(LOSSES), shifted_runs()):
        figure = plotly_figure(result)
        [shade] = [shape for shape in figure.layout.shapes if shape.type == "rect"]
        assert (shade.x0, shade.x1) == result.interval
        assert shade.layer == "below"
    assert legend_of(plotly_figure(result_of(LOSSES)))[:2] == ["loss", "smoothed"]


def test_the_legend_of_a_plot_names_what_is_drawn_and_the_good_rates():
    for result, names in (
        (result_of(LOSSES), ["loss", "smoothed"]),
        (shifted_runs(), ["band", "3 runs", "median"]),
    ):
        axes = matplotlib_plot(result, Figure().add_subplot())
        texts = [text.get_text() for text in axes.get_legend().get_texts()]
        assert texts == [*names, good(result.interval)]


def test_a_curve_without_a_suggestion_has_no_good_rates():
    figure = plotly_figure(result_of(CURVES["three points"]))
    assert legend_of(figure) == ["loss", "smoothed"]


def test_the_descent_of_every_run_stays_readable():
    names = ["typical", "negative", "blown up"]
    bottom, top = lay_out(several_of(names)).loss_range
    assert bottom < LOSSES.min() - 500
    assert LOSSES[:80].max() < top < 50


def test_the_good_rates_are_named_as_people_write_them():
    assert good((1.8e-3, 1.84e-2)) == "good from 1.8e-3 to 1.8e-2"


def test_a_plotly_figure_can_be_shared_as_html():
    assert "Steepest" in plotly_figure(result_of(LOSSES)).to_html(include_plotlyjs=False)


def test_plotting_draws_into_the_axes_given_or_into_new_ones(monkeypatch):
    mpl.use("agg")
    from matplotlib import pyplot as plt

    result = result_of(LOSSES)
    axes = result.plot()
    assert axes.get_xscale() == "log"
    assert axes.get_figure() is plt.gcf()
    plt.close(axes.get_figure())
    ours = Figure().add_subplot()
    assert result.plot(ax=ours) is ours


def test_the_png_is_light_under_any_style_and_leaves_pyplot_alone():
    mpl.use("agg")
    from matplotlib import pyplot as plt

    before = plt.get_fignums()
    with plt.style.context("dark_background"):
        picture = pixels(png(result_of(LOSSES)))
    assert plt.get_fignums() == before
    assert picture[0, 0, :3].tolist() == [1.0, 1.0, 1.0]
    assert np.median(picture[..., :3]) == 1.0


@pytest.mark.parametrize(
    "result",
    [*map(result_of, (LOSSES, CURVES["rising"], CURVES["falling"])), shifted_runs()],
    ids=["typical", "rising", "falling", "several"],
)
@pytest.mark.parametrize("selected", [None, 10.0])
def test_nothing_in_the_png_touches_its_edge(result, selected):
    picture = pixels(png(result, selected))[..., :3]
    edges = [picture[:3], picture[-3:], picture[:, :3], picture[:, -3:]]
    assert all((edge == 1.0).all() for edge in edges)


texts = st.lists(st.tuples(st.floats(0, 1), st.text("abc", min_size=3, max_size=25)), max_size=9)


@settings(deadline=None)
@given(texts)
def test_no_label_covers_another_or_a_leader(labels):
    places, words = [place for place, _ in labels], [text for _, text in labels]
    rows = _rows(places, words)
    for i, (place, row) in enumerate(zip(places, rows, strict=True)):
        for j, other in enumerate(places):
            # A label that begins under this one's text has its leader end above it.
            if i != j and place < other < place + len(words[i]) * CHARACTER:
                assert rows[j] < row


@pytest.mark.parametrize(
    ("lr", "text"), [(1e-3, "1e-3"), (7.94e-3, "7.9e-3"), (1.0, "1e0"), (9.99e-5, "1e-4")]
)
def test_a_rate_is_written_as_people_write_it(lr, text):
    assert short(lr) == text


# Validation losses and gradient norms


def measured(norms=None, val_losses=None):
    count = 90
    given = {} if norms is None else {"grad_norms": norms[:count]}
    given |= {} if val_losses is None else {"val_losses": val_losses[:count]}
    return LRFinderResult(lrs=10.0 ** DECADES[:count], losses=LOSSES[:count], **given)


NORMS = 1 + 0.1 * np.sin(9 * DECADES)
BLOWN_UP = NORMS + np.exp(6 * (DECADES + 1))
EACH_NORMS = {
    "level": NORMS,
    "blown up": BLOWN_UP,
    "beyond a float": np.where(DECADES > 0, math.inf, BLOWN_UP),
    "vanishing": np.where(DECADES < -3, 0.0, NORMS),
    "tiny": NORMS * 1e-300,
    "some not measured": np.where(DECADES < -3, math.nan, NORMS),
    "zero": np.zeros(100),
}


@pytest.mark.parametrize("norms", EACH_NORMS.values(), ids=EACH_NORMS)
def test_whatever_the_gradient_norms_they_can_be_drawn(norms):
    result = measured(norms, LOSSES + 0.1)
    assert pixels(png(result)).shape[1] == 1200
    assert plotly_figure(result).to_json()


def test_the_validation_loss_is_a_dashed_line_in_the_legend():
    result = measured(val_losses=LOSSES + 0.1)
    [line] = [trace for trace in plotly_figure(result).data if trace.name == "validation loss"]
    assert np.array_equal(line.y, result.val_losses)
    assert line.line.dash == "dash"
    axes = matplotlib_plot(result, Figure().add_subplot())
    [drawn] = [line for line in axes.lines if line.get_label() == "validation loss"]
    assert np.array_equal(drawn.get_ydata(), result.val_losses)
    assert drawn.is_dashed()
    assert "validation loss" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_validation_loss_stays_readable_however_high_it_lies_or_blows_up():
    bottom, top = lay_out(measured(val_losses=np.where(DECADES > 0, 1e9, LOSSES + 3))).loss_range
    assert LOSSES[0] + 3 < top < 10
    assert bottom < LOSSES.min()


def test_without_measurements_a_picture_shows_the_loss_alone():
    figure = plotly_figure(measured())
    assert "yaxis2" not in figure.layout.to_plotly_json()
    assert tuple(figure.layout.yaxis.domain) == (0, 1)
    assert {trace.name for trace in figure.data} >= {"loss", "smoothed"}
    assert "validation loss" not in {trace.name for trace in figure.data}
    assert pixels(png(measured())).shape[:2] == (675, 1200)


@pytest.mark.parametrize(("norms", "scale"), [(NORMS, "linear"), (BLOWN_UP, "log")])
def test_gradient_norms_have_a_panel_below_the_loss_that_shares_its_rates(norms, scale):
    result = measured(norms)
    figure = plotly_figure(result)
    [line] = [trace for trace in figure.data if trace.name == "gradient norm"]
    assert np.array_equal(line.y, result.grad_norms)
    assert line.yaxis == "y2"
    assert line.xaxis is None  # the one of the loss
    assert figure.layout.yaxis2.type == scale
    assert figure.layout.yaxis2.domain[1] < figure.layout.yaxis.domain[0]
    assert figure.layout.xaxis.anchor == "y2"
    assert pixels(png(result)).shape[0] > 675


@pytest.mark.parametrize(("norms", "scale"), [(NORMS, "linear"), (BLOWN_UP, "log")])
def test_a_plot_of_its_own_has_the_gradient_norms_below_the_loss(norms, scale):
    mpl.use("agg")
    from matplotlib import pyplot as plt

    result = measured(norms)
    upper = result.plot()
    assert upper.get_ylabel() == "loss"
    [lower] = [axes for axes in upper.figure.axes if axes is not upper]
    assert np.array_equal(lower.lines[0].get_ydata(), result.grad_norms)
    assert (lower.get_yscale(), lower.get_xlabel()) == (scale, "learning rate")
    assert lower.get_xlim() == upper.get_xlim()
    assert lower.get_legend() is not None
    assert upper.get_legend() is None
    plt.close(upper.figure)


def test_into_axes_that_are_given_only_the_loss_is_drawn():
    figure = Figure()
    axes = figure.add_subplot()
    measured(NORMS).plot(axes)
    assert figure.axes == [axes]
    assert axes.get_xlabel() == "learning rate"


def test_the_norms_of_a_blow_up_leave_the_others_readable():
    axis = norm_axis(np.array([1.0, 1.2, 0.9, 1.1, 1e30]))
    assert axis.logarithmic
    assert axis.low < 0.9
    assert axis.high < 1e8
    level = norm_axis(np.array([1.0, 1.001, math.nan, 0.0, math.inf]))
    assert not level.logarithmic
    assert level.high - level.low > 0.1
    assert norm_axis(np.array([0.0, math.nan])) is None
    assert norm_axis(np.array([])) is None


@pytest.mark.parametrize("norms", [NORMS, BLOWN_UP], ids=["level", "blown up"])
def test_nothing_in_a_png_of_two_panels_touches_its_edge(norms):
    picture = pixels(png(measured(norms, LOSSES + 0.1)))[..., :3]
    edges = [picture[:3], picture[-3:], picture[:, :3], picture[:, -3:]]
    assert all((edge == 1.0).all() for edge in edges)
