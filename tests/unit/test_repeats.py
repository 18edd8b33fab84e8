"""Several runs of the same sweep: where they lie, how far they agree, what that is called."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.analysis.curve import Curve
from lrfinder_widget.analysis.interval import interval
from lrfinder_widget.analysis.repeats import (
    Spread,
    band,
    consensus,
    consensus_all,
    geometric_mean,
    most_common,
    spread,
    times,
)
from lrfinder_widget.analysis.suggestion import suggest
from lrfinder_widget.errors import NotEnoughPointsError

rates = st.lists(st.floats(1e-12, 1e3), min_size=2, max_size=12)
lines = st.lists(st.lists(st.floats(), max_size=9).map(np.array), min_size=1, max_size=14)


@settings(deadline=None)
@given(rates, st.randoms())
def test_a_spread_is_at_least_one_and_the_same_in_any_order(found, random):
    first = spread(found)
    assert first.ratio >= 1
    assert min(found) <= first.median <= max(found)
    assert min(found) <= first.geometric_mean <= max(found)
    random.shuffle(found)
    assert spread(found) == first


@settings(deadline=None)
@given(st.floats(1e-300, 1e300), st.integers(2, 100))
def test_equal_suggestions_agree_exactly(lr, runs):
    assert spread([lr] * runs) == Spread(1.0, lr, lr)


@settings(deadline=None)
@given(rates, st.floats(1e-3, 1e3))
def test_a_spread_is_about_ratios(found, factor):
    first, other = spread(found), spread([lr * factor for lr in found])
    assert other.ratio == pytest.approx(first.ratio)
    assert other.geometric_mean == pytest.approx(first.geometric_mean * factor)


def test_one_suggestion_or_none_has_no_spread():
    assert spread([1e-3]) is None
    assert spread([]) is None


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (1.0, "very normal"),
        (2.0, "very normal"),
        (2.01, "normal"),
        (5.0, "normal"),
        (5.01, "concerning"),
        (10.0, "concerning"),
        (10.01, "an issue"),
        (1e9, "an issue"),
        (math.inf, "an issue"),
    ],
)
def test_a_spread_is_put_in_words(ratio, verdict):
    found = Spread(ratio, 1e-3, 1e-3)
    assert found.verdict == verdict
    assert found.words == f"within {times(ratio)}, {verdict}"
    assert f"which is {verdict}" in found.sentence
    assert found.sentence.endswith(".")
    # What to check is said only where there is something to check.
    assert ("check" in found.sentence) == (ratio > 5)


@pytest.mark.parametrize(
    ("ratio", "digits"), [(1.0, "1.0"), (1.44, "1.4"), (9.94, "9.9"), (9.96, "10"), (23.4, "23")]
)
def test_a_ratio_is_written_as_people_write_it(ratio, digits):
    assert times(ratio) == f"{digits}\N{MULTIPLICATION SIGN}"


@settings(deadline=None)
@given(lines)
def test_a_band_holds_its_median_between_its_edges(runs):
    low, median, high = band(runs)
    there = ~np.isnan(median)
    assert len(low) == len(median) == len(high) == max(map(len, runs))
    assert (np.isfinite(low) == there).all()
    assert (np.isfinite(high) == there).all()
    assert (low[there] <= median[there]).all()
    assert (median[there] <= high[there]).all()


@settings(deadline=None)
@given(lines, st.randoms())
def test_a_band_is_the_same_in_any_order(runs, random):
    first = band(runs)
    random.shuffle(runs)
    for one, other in zip(first, band(runs), strict=True):
        assert np.array_equal(one, other, equal_nan=True)


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_the_band_of_equal_lines_is_that_line(losses):
    for line in band([np.array(losses)] * 4):
        assert line.tolist() == losses


def test_a_band_of_up_to_ten_holds_them_all_and_of_more_leaves_the_outermost_out():
    ten = band([np.array([float(value)]) for value in range(10)])
    assert [line.item() for line in ten] == [0.0, 4.5, 9.0]
    many = band([np.array([float(value)]) for value in range(21)])
    assert [line.item() for line in many] == [2.0, 10.0, 18.0]


def test_a_band_counts_those_that_got_there():
    runs = [np.array([1.0, 1.0, 1.0]), np.array([3.0, math.nan]), np.array([2.0, 5.0])]
    low, median, high = band(runs)
    assert low.tolist() == [1.0, 1.0, 1.0]
    assert median.tolist() == [2.0, 3.0, 1.0]
    assert high.tolist() == [3.0, 5.0, 1.0]


def test_the_geometric_mean_lies_in_the_middle_of_the_decades():
    assert geometric_mean([1e-4, 1e-2]) == pytest.approx(1e-3)


def test_of_equally_common_words_the_first_counts():
    assert most_common(["a", "b", "b", "a"]) == "a"


def curve(shift):
    decades = np.linspace(-7, 1, 100)
    losses = 2.3 - 1.7 / (1 + np.exp(-4 * (decades + 2.5 + shift))) + 0.3 * np.exp(5 * decades)
    return Curve(10.0**decades, losses)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=4), st.randoms())
def test_a_consensus_lies_among_the_suggestions_and_is_the_same_in_any_order(shifts, random):
    curves = [curve(shift) for shift in shifts]
    found = consensus(curves, "steepest")
    own = [suggest(one, "steepest") for one in curves]
    assert min(own) <= found <= max(own)
    random.shuffle(curves)
    assert consensus(curves, "steepest") == found


def test_the_consensus_of_one_curve_is_its_suggestion():
    assert consensus([curve(0)]).to_dict() == suggest(curve(0)).to_dict()


def test_all_rules_at_once_suggest_what_each_does():
    curves = [curve(0), curve(0.3)]
    for rule, found in consensus_all(curves, beta=0.9, skip_start=3).items():
        alone = consensus(curves, rule, beta=0.9, skip_start=3)
        assert found.to_dict() == alone.to_dict()


def test_curves_that_are_all_too_short_have_no_consensus():
    short = Curve([1e-3, 1e-2], [1.0, 1.0])
    with pytest.raises(NotEnoughPointsError, match="at least 5"):
        consensus([short, short])
    assert consensus([short, curve(0)]) == suggest(curve(0))


@settings(deadline=None)
@given(st.floats(1e-9, 1e3), st.integers(0, 20))
def test_an_interval_always_holds_its_rate(suggested, points):
    lrs = np.geomspace(1e-7, 10, points)
    low, high = interval(lrs, np.ones(points), suggested)
    assert 0 < low <= suggested <= high < math.inf


def test_an_interval_ends_where_the_losses_do():
    lrs = np.geomspace(1e-4, 1, 5)
    smoothed = np.array([2.0, 1.0, 0.5, 0.7, math.nan])
    low, high = interval(lrs, smoothed, 0.09)
    assert low < 0.09
    assert high == pytest.approx(0.1)
    assert interval(lrs, smoothed, 1.5e-4)[0] == lrs[0]
