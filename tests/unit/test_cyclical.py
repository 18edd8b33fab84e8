"""Cyclical bounds: where the loss starts to fall, and where it stops falling."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.analysis.curve import Curve
from lrfinder_widget.analysis.cyclical import cyclical_bounds
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.settings import SweepSettings, learning_rates
from stored_curves import HEALTHY

DECADES = np.linspace(-7, 1, 161)


def straight(decades=DECADES, *, start=-4.0, stop=-1.0):
    """Flat, a straight fall between two decades, flat for a decade, and up."""
    return np.interp(decades, [-7, start, stop, stop + 1, stop + 2], [2.3, 2.3, 0.6, 0.6, 4.0])


def decades_of(lrs, losses, **options):
    return [math.log10(lr) for lr in cyclical_bounds([Curve(lrs, losses)], **options)]


def test_the_bounds_lie_where_the_loss_starts_and_stops_falling():
    low, high = decades_of(10.0**DECADES, straight())
    # A tenth of the fall is left out at either side.
    assert low == pytest.approx(-3.7, abs=0.15)
    assert high == pytest.approx(-1.3, abs=0.15)


def test_in_a_linear_sweep_they_are_found_within_a_hundredth_of_the_range():
    chosen = SweepSettings(start_lr=1e-5, end_lr=1e-1, num_iter=400, step_mode="linear")
    lrs = learning_rates(chosen)
    losses = np.interp(lrs, [0, 0.02, 0.06, 0.08, 0.1], [2.3, 2.3, 0.6, 0.6, 4.0])
    low, high = cyclical_bounds([Curve(lrs, losses)])
    assert low == pytest.approx(0.024, abs=0.001)
    assert high == pytest.approx(0.056, abs=0.001)


def test_in_a_linear_sweep_a_loss_that_falls_at_once_has_its_lower_bound_near_the_start():
    chosen = SweepSettings(start_lr=1e-5, end_lr=1e-1, num_iter=400, step_mode="linear")
    lrs = learning_rates(chosen)
    low, high = cyclical_bounds([Curve(lrs, straight(np.log10(lrs), start=-3, stop=-2))])
    assert low == pytest.approx(10**-2.9, abs=0.001)
    assert high == pytest.approx(10**-2.1, abs=0.002)


@pytest.mark.parametrize("name", HEALTHY)
def test_on_real_curves_they_enclose_the_descent_and_end_before_the_loss_rises(name):
    lrs, losses = HEALTHY[name]
    low, high = cyclical_bounds([Curve(lrs, losses)])
    assert lrs[0] < low < high < lrs[-1]
    middle = losses[(lrs >= low) & (lrs <= high)]
    assert np.median(losses[lrs < low]) > np.median(middle)
    # At most the descent of a benchmark task, which takes up to three decades.
    assert 2 < high / low < 2000


def test_points_that_rules_skip_do_not_count():
    losses = straight()
    losses[:20] -= 5.0
    with pytest.raises(LRFinderError, match="does not fall"):
        decades_of(10.0**DECADES, losses)
    assert decades_of(10.0**DECADES, losses, skip_start=20) == pytest.approx([-3.7, -1.3], abs=0.15)


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        (np.ones(161), "the loss does not fall"),
        (DECADES, "the loss does not fall"),
        (2 + np.random.default_rng(0).standard_normal(161), "no more than chance would make it"),
    ],
    ids=["flat", "rising", "noise alone"],
)
def test_a_loss_that_does_not_fall_has_no_bounds(losses, words):
    with pytest.raises(LRFinderError, match=words):
        decades_of(10.0**DECADES, losses)


def test_too_few_points_have_no_bounds():
    with pytest.raises(NotEnoughPointsError, match=r"need at least 5 points .*got 3 of 4 recorded"):
        decades_of([1e-4, 1e-3, 1e-2, 1e-1], [3.0, 2.0, 1.0, math.nan])


def test_of_several_runs_the_bounds_are_the_geometric_means_of_those_that_have_some():
    lrs = 10.0**DECADES
    curves = [Curve(lrs, straight()), Curve(lrs, straight(start=-3.6, stop=-0.6))]
    first, second = (cyclical_bounds([curve]) for curve in curves)
    pooled = cyclical_bounds([*curves, Curve(lrs[:4], np.ones(4)), Curve(lrs, np.ones(161))])
    assert pooled == pytest.approx([math.sqrt(a * b) for a, b in zip(first, second, strict=True)])


def test_a_results_bounds_do_not_depend_on_the_smoothing_that_is_shown():
    lrs = 10.0**DECADES
    result = LRFinderResult(lrs=lrs, losses=straight())
    assert result.cyclical_bounds() == cyclical_bounds([Curve(lrs, straight())])
    assert result.resmoothed(0.98).cyclical_bounds() == result.cyclical_bounds()
    several = LRFinderResult.combined([result, result])
    assert several.cyclical_bounds() == pytest.approx(result.cyclical_bounds())


curves = st.lists(st.floats(-100, 100) | st.just(math.nan), max_size=60)


@settings(max_examples=200, deadline=None)
@given(curves)
def test_whatever_the_curve_the_bounds_rise_and_are_rates_that_were_swept(losses):
    lrs = np.geomspace(1e-6, 1, len(losses)) if losses else []
    try:
        low, high = cyclical_bounds([Curve(lrs, losses)])
    except LRFinderError:
        return
    assert low < high
    assert {low, high} <= set(lrs.tolist())
