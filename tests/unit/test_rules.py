"""Each rule finds what it is named after, on curves whose answer is known."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrfinder_widget.analysis.curve import Curve
from lrfinder_widget.analysis.rules import (
    RULES,
    balanced,
    before_explosion,
    minimum,
    minimum_10,
    resolve,
    slide,
    steepest,
    valley,
)
from lrfinder_widget.analysis.suggestion import MIN_POINTS, Suggestion, suggest, suggest_all
from lrfinder_widget.errors import NotEnoughPointsError, SettingsError

DECADES = np.linspace(-7, 1, 161)  # 20 points a decade
LRS = 10.0**DECADES

each_rule = pytest.mark.parametrize("name", RULES)


def straight(*corners):
    """A curve of straight lines over the decades, through (decade, loss)."""
    return np.interp(DECADES, *np.transpose(corners))


# Plateau, descent (steepest from -3 to -2.5), bottom at -1, and up again from there.
TYPICAL = straight((-7, 2.3), (-4, 2.3), (-3, 1.9), (-2.5, 1.2), (-1, 0.6), (0, 1.0), (1, 4.0))
SMOOTH = 2.3 - 1.7 / (1 + np.exp(-4 * (DECADES + 2.5))) + 0.3 * np.exp(5 * DECADES)


def decade(lr):
    return math.log10(lr)


def test_the_steepest_descent_is_found():
    assert decade(steepest(LRS, TYPICAL)) == pytest.approx(-2.75, abs=0.3)
    assert decade(steepest(LRS, SMOOTH)) == pytest.approx(-2.5, abs=0.05)


def test_steepness_is_per_decade_not_per_point_or_per_learning_rate():
    # Three times as many points on the true descent make each step small there.
    decades = np.concatenate(
        [np.linspace(-7, -3, 20), np.linspace(-2.95, -2, 60), np.linspace(-1.9, 0, 5)]
    )
    losses = np.interp(decades, [-7, -3, -2, 0], [2.3, 2.2, 1.2, 0.2])
    assert -3 < decade(steepest(10.0**decades, losses)) < -2


def test_the_minimum_is_found_and_a_tenth_of_it():
    assert decade(minimum(LRS, TYPICAL)) == pytest.approx(-1)
    assert decade(minimum_10(LRS, TYPICAL)) == pytest.approx(-2)


def test_the_minimum_of_a_parabola_is_found():
    found = suggest(Curve(LRS, (DECADES + 3) ** 2), "minimum")
    assert decade(found) == pytest.approx(-3)
    assert found.index == 80


def test_balanced_lies_halfway_between_steepest_and_minimum():
    expected = (decade(steepest(LRS, TYPICAL)) + decade(minimum(LRS, TYPICAL))) / 2
    assert decade(balanced(LRS, TYPICAL)) == pytest.approx(expected)


def test_valley_is_the_middle_of_the_longest_descent():
    losses = straight((-7, 2.0), (-5, 2.0), (-4, 1.8), (-3.9, 1.9), (-1, 0.5), (0, 3.0))
    # From the first twentieth of the fall, at -4.6, to the last, at -1.2.
    assert decade(valley(LRS, losses)) == pytest.approx(-2.9, abs=0.1)


def test_slide_stops_where_both_ends_of_its_interval_fall_equally_fast():
    # The logistic descent is symmetric: the interval of 1.2 decades ends up around its middle.
    assert decade(slide(LRS, SMOOTH)) == pytest.approx(-2.5 - 0.6, abs=0.06)


def test_before_explosion_is_a_tenth_of_where_the_loss_takes_off():
    # A quarter of the gain, 0.25 * (2.3 - 0.6), above the bottom: 1.025, just beyond decade 0.
    assert decade(before_explosion(LRS, TYPICAL)) == pytest.approx(-1, abs=0.06)


def test_without_explosion_it_is_a_tenth_of_the_range_s_end():
    losses = straight((-7, 2.0), (1, 1.0))
    assert before_explosion(LRS, losses) == pytest.approx(1.0)


def test_auto_is_the_same_whatever_smoothing_is_shown():
    curve = Curve(LRS, SMOOTH)
    assert suggest(curve, "auto", beta=0.98) == suggest(curve, "auto")
    assert suggest(curve, "minimum_10", beta=0.9) > suggest(curve, "minimum_10")


@each_rule
def test_the_tail_after_the_blow_up_fools_no_rule(name):
    losses = SMOOTH[:150]
    clean = suggest(Curve(LRS[:150], losses), name)
    tail = [50.0, 80.0, 60.0, 9.0, 0.1, 0.01, 0.1, 0.01, 5.0, 0.2, 0.1]
    fooled = suggest(Curve(LRS, [*losses, *tail]), name)
    assert abs(decade(fooled / clean)) < 0.15


@each_rule
@pytest.mark.parametrize("height", [1e9, 1e12, 1e300])
def test_how_high_the_last_loss_is_moves_no_suggestion(name, height):
    low, high = (suggest(Curve(LRS[:145], [*SMOOTH[:144], last]), name) for last in (1e3, height))
    assert high == pytest.approx(low, rel=1e-3)


@each_rule
def test_nan_in_the_last_slots_does_not_move_a_suggestion(name):
    losses = SMOOTH[:140]
    clean = suggest(Curve(LRS[:140], losses), name, skip_end=2)
    ending = suggest(Curve(LRS[:143], [*losses, math.nan, math.inf, math.nan]), name, skip_end=2)
    assert ending == pytest.approx(clean, rel=1e-6)
    assert ending.index == clean.index


@each_rule
@settings(deadline=None)
@given(shift=st.floats(-1e3, 1e3), exponent=st.integers(-20, 20))
def test_scaling_and_shifting_the_loss_moves_no_rule(name, shift, exponent):
    curve, moved = Curve(LRS, SMOOTH), Curve(LRS, 2.0**exponent * (SMOOTH + shift))
    assert suggest(moved, name) == pytest.approx(suggest(curve, name), rel=1e-3)


@each_rule
@settings(deadline=None)
@given(more=st.integers(1, 100), seed=st.integers(0, 1000))
def test_a_longer_plateau_on_the_left_moves_no_rule_by_more_than_a_quarter(name, more, seed):
    noise = np.random.default_rng(seed).normal(0, 1e-4, len(SMOOTH))
    decades = np.concatenate([-7 - 0.05 * np.arange(more, 0, -1), DECADES])
    longer = np.concatenate([np.full(more, SMOOTH[0]), SMOOTH + noise])
    before = suggest(Curve(LRS, SMOOTH + noise), name)
    after = suggest(Curve(10.0**decades, longer), name)
    assert 1 / 1.25 < after / before < 1.25


@each_rule
@settings(deadline=None)
@given(
    n=st.integers(MIN_POINTS, 60),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["normal", "cauchy", "walk", "integers", "explosion"]),
    linear=st.booleans(),
)
def test_no_curve_leads_out_of_the_range_or_to_an_exception(name, n, seed, kind, linear):
    random = np.random.default_rng(seed)
    losses = {
        "normal": random.normal(size=n),
        "cauchy": random.standard_cauchy(n),
        "walk": random.normal(size=n).cumsum(),
        "integers": random.integers(0, 3, n).astype(float),
        "explosion": 10.0 ** random.uniform(-323, 308, n),
    }[kind]
    lrs = np.linspace(1e-7, 10, n) if linear else np.geomspace(1e-7, 10, n)
    for beta in (None, 0.9):
        found = suggest(Curve(lrs, losses), name, beta=beta)
        assert lrs[0] * (1 - 1e-9) <= found <= lrs[-1] * (1 + 1e-9)
        assert 0 <= found.index < n
        assert found.why.endswith(".")


@each_rule
@pytest.mark.parametrize("level", [0.0, 2.3, -400.0])
def test_a_flat_curve_gives_the_middle_of_the_range(name, level):
    found = suggest(Curve(LRS, np.full(161, level)), name)
    assert decade(found) == pytest.approx(-3)
    assert "hardly changes" in found.why


@each_rule
@pytest.mark.parametrize("spike", [1e9, -1e9])
def test_a_single_spike_on_a_flat_curve_changes_nothing(name, spike):
    losses = np.full(161, 2.3)
    losses[50] = spike
    assert decade(suggest(Curve(LRS, losses), name)) == pytest.approx(-3)


@each_rule
def test_a_curve_that_only_rises_gives_the_start_of_the_range(name):
    for losses in (DECADES, np.exp(DECADES), DECADES - 100):
        found = suggest(Curve(LRS, losses), name)
        assert found == pytest.approx(1e-7)
        assert "sweep lower" in found.why


def test_a_curve_that_only_falls_puts_the_minimum_at_its_end_and_says_so():
    curve = Curve(LRS, -DECADES)
    assert suggest(curve, "minimum") == pytest.approx(10.0)
    assert 1e-5 < suggest(curve, "auto") < 10.0
    assert "sweep further" in suggest(curve, "auto").why


def test_too_few_points_say_how_many_are_needed():
    curve = Curve(LRS[:6], [1.0, 0.9, math.nan, math.inf, 0.8, 0.7])
    with pytest.raises(NotEnoughPointsError, match=r"at least 5 points .*got 4 of 6 recorded"):
        suggest(curve)
    with pytest.raises(NotEnoughPointsError, match="skip fewer"):
        suggest_all(Curve(LRS, SMOOTH), skip_start=100, skip_end=57)
    assert suggest(Curve(LRS, SMOOTH), skip_start=100, skip_end=56) > 0


def test_skipped_points_are_not_chosen():
    curve = Curve(LRS, SMOOTH)
    assert suggest(curve, "minimum", skip_end=80).index == 80
    assert suggest(curve, "steepest", skip_start=120).index >= 120


def test_a_function_is_a_rule_and_sees_only_usable_points():
    seen = {}

    def middle(lrs, losses):
        seen.update(lrs=lrs, losses=losses)
        losses[:] = 0  # what it does to its arrays is its own affair
        return lrs[len(lrs) // 2]

    losses = SMOOTH.copy()
    losses[-1] = math.nan
    found = suggest(Curve(LRS, losses), middle, skip_start=10)
    assert found == LRS[10:160][75]
    assert (found.rule, found.label, found.index) == ("custom:middle", "middle", 85)
    assert len(seen["lrs"]) == 150
    assert suggest(Curve(LRS, losses), "minimum") == pytest.approx(
        suggest(Curve(LRS, SMOOTH), "minimum"), rel=0.3
    )


@pytest.mark.parametrize("answer", [math.nan, math.inf, 0.0, -1e-3, None, "1e-3", True, [1, 2]])
def test_a_function_that_returns_no_learning_rate_is_named_with_what_it_returned(answer):
    def broken(_lrs, _losses):
        return answer

    with pytest.raises(SettingsError, match="broken returned") as caught:
        suggest(Curve(LRS, SMOOTH), broken)
    assert repr(answer) in str(caught.value)


def test_an_unknown_rule_is_answered_with_the_nearest():
    with pytest.raises(SettingsError, match=r"unknown rule 'steepst'; did you mean 'steepest'\?"):
        resolve("steepst")
    with pytest.raises(SettingsError, match="the rules are auto, steepest, "):
        resolve("zzz")
    with pytest.raises(SettingsError, match="'mine' was a function"):
        resolve("custom:mine")


def test_all_rules_are_suggested_and_a_function_too():
    found = suggest_all(Curve(LRS, SMOOTH), lambda lrs, _: lrs[3])
    assert list(found) == [*RULES, "custom:<lambda>"]
    assert {name: found[name].label for name in RULES} == {
        name: rule.label for name, rule in RULES.items()
    }
    assert all(found[name] == suggest(Curve(LRS, SMOOTH), name) for name in RULES)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_suggested_index_is_the_nearest_finite_point(seed):
    random = np.random.default_rng(seed)
    losses = np.where(random.random(161) < 0.2, np.nan, SMOOTH)
    assume(np.isfinite(losses).sum() > MIN_POINTS)
    found = suggest(Curve(LRS, losses), "balanced")
    distance = np.where(np.isfinite(losses), np.abs(np.log(LRS / found)), np.inf)
    assert distance[found.index] == distance.min()


def test_a_suggestion_is_a_number_that_knows_where_it_comes_from():
    found = Suggestion(7.9e-3, 62, "Because.", "auto", "Suggested")
    assert isinstance(found, float)
    assert found * 10 == pytest.approx(7.9e-2)
    assert (found.lr, type(found.lr)) == (7.9e-3, float)
    assert (f"{found}", f"{found:.0e}") == ("0.0079", "8e-03")
    assert repr(found) == "Suggestion(0.0079, rule='auto', why='Because.')"


def test_a_suggestion_can_be_pickled():
    found = Suggestion(7.9e-3, 62, "Because.", "auto", "Suggested")
    back = pickle.loads(pickle.dumps(found))
    assert (back, back.to_dict()) == (found, found.to_dict())
