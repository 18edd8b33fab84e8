"""Several runs make one result, each with its say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.analysis.repeats import times
from lrfinder_widget.analysis.rules import RULES
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError
from lrfinder_widget.result import LRFinderResult
from results import LOSSES, fifth, make, make_three


def test_one_result_combined_is_itself():
    result = make()
    assert LRFinderResult.combined([result]) is result
    assert result.runs == (result,)
    assert result.spread is None
    assert result.band is None


def test_of_several_runs_the_curve_is_the_median_of_those_that_got_there():
    several = make_three()
    first, short, long = several.runs
    assert len(several.lrs) == len(several.losses) == len(several.smoothed) == 93
    assert np.array_equal(several.lrs, long.lrs)
    three = [first.smoothed[40], short.smoothed[40], long.smoothed[40]]
    assert several.smoothed[40] == sorted(three)[1]
    assert several.losses[87] == pytest.approx((first.losses[87] + long.losses[87]) / 2)
    assert several.losses[92] == long.losses[92]
    assert several.notes == ("The model was in eval mode.",)
    assert (several.optimizer, several.network, several.batch_size) == (
        "AdamW",
        "convolutional",
        32,
    )


def test_of_several_runs_a_loss_that_is_not_finite_does_not_count():
    rates = [1e-3, 1e-2, 1e-1]
    losses = [[1.0, 2.0, math.nan], [3.0, 4.0, math.inf], [2.0, math.nan]]
    several = LRFinderResult.combined(
        [LRFinderResult(lrs=rates[: len(run)], losses=run) for run in losses]
    )
    assert several.losses[:2].tolist() == [2.0, 3.0]
    assert math.isnan(several.losses[2])


def test_several_runs_suggest_the_geometric_mean_of_their_own_suggestions():
    several = make_three(rule="minimum")
    for rule in ("minimum", "steepest", "valley"):
        found = several.suggestions[rule]
        own = [float(run.suggest(rule)) for run in several.runs]
        assert found == pytest.approx(math.exp(np.mean(np.log(own))))
        assert found == several.suggest(rule)
        assert found.why.endswith("; the geometric mean over 3 runs.")
        assert found.index == np.argmin(np.abs(np.log(several.lrs / found)))
    assert list(several.suggestions) == list(RULES)
    assert several.suggestion == several.suggestions["minimum"]
    assert several.suggest(fifth) == pytest.approx(several.suggest("minimum") / 5)


def test_a_run_that_was_cut_short_has_no_say_in_the_suggestion():
    several = LRFinderResult.combined([make(), make(points=3)])
    assert several.suggestion == make().suggestion
    assert several.suggestion.why == make().suggestion.why
    assert several.spread is None
    assert "2 runs, " in repr(several)
    with pytest.raises(NotEnoughPointsError):
        _ = LRFinderResult.combined([make(points=3), make(points=2)]).suggestion


def test_a_run_that_somebody_stopped_has_no_say_beside_whole_ones():
    whole = make()
    cut = LRFinderResult(**{**make(points=20).fields(), "stop_reason": "stopped"})
    several = LRFinderResult.combined([whole, cut])
    assert several.suggestion == whole.suggestion
    assert several.spread is None
    assert len(several.runs) == 2
    assert LRFinderResult.combined([cut, cut]).suggestion == cut.suggestion


def test_the_ending_of_several_runs_is_the_most_common_one():
    def ended(*reasons):
        runs = [LRFinderResult(lrs=[1.0], losses=[1.0], stop_reason=reason) for reason in reasons]
        return LRFinderResult.combined(runs).stop_reason

    assert ended("completed", "diverged", "diverged") == "diverged"
    assert ended("stopped", "diverged") == "stopped"


def test_combining_what_is_combined_keeps_every_run():
    several = LRFinderResult.combined([make_three(), make()])
    assert len(several.runs) == 4
    assert several.runs[3] == make()


def test_runs_over_other_learning_rates_are_not_combined():
    with pytest.raises(LRFinderError, match=r"same learning rates .*run 2 differs.*num_iter"):
        LRFinderResult.combined([make(), make(end_lr=1.0)])
    with pytest.raises(LRFinderError, match="at least one"):
        LRFinderResult.combined([])


def test_the_band_is_read_only_and_its_median_is_the_line_that_is_shown():
    several = make_three()
    assert several.band.median is several.smoothed
    for line in several.band:
        assert line.shape == several.lrs.shape
        with pytest.raises(ValueError, match=r"read-only"):
            line[0] = 1.0


def test_the_interval_holds_the_suggestion_and_stays_within_the_sweep():
    for result in (make(), make_three(), make(rule="minimum", end_lr=10)):
        low, high = result.interval
        assert result.lrs[0] <= low < result.suggestion < high <= result.lrs[-1]
    assert make(points=4).interval is None
    low, high = make(rule=lambda lrs, losses: 50.0).interval
    assert low <= 50.0 == high


def test_another_smoothing_smooths_every_run():
    several = make_three()
    other = several.resmoothed(0.9)
    assert [run.settings.beta for run in (other, *other.runs)] == [0.9] * 4
    assert not np.array_equal(other.smoothed, several.smoothed)
    assert other.resmoothed(None) == several


def test_the_repr_of_several_runs_says_how_far_they_agree():
    several = make_three(rule="minimum")
    assert repr(several) == (
        f"LRFinderResult(suggestion {several.suggestion:.3g} (minimum), "
        f"3 runs within {times(several.spread.ratio)}, 93 of 100 points, diverged)"
    )


def test_findings_of_several_runs_read_those_that_ended_as_most_did(monkeypatch):
    seen = []
    monkeypatch.setattr("lrfinder_widget.result.find_findings", seen.append)
    rates = make().lrs
    broken = LRFinderResult(
        lrs=rates[:8], losses=[*LOSSES[:7], math.nan], stop_reason="non-finite loss"
    )
    whole = LRFinderResult(lrs=rates, losses=LOSSES[:90])
    _ = LRFinderResult.combined([broken, whole, broken]).findings
    assert seen[0].stop_reason == "non-finite loss"
    assert len(seen[0].lrs) == 8
    assert math.isnan(seen[0].losses[7])
    assert len(seen[0].run_suggestions) == 3


numbers = st.lists(st.floats(), max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=5), st.randoms())
def test_whatever_the_losses_the_order_of_runs_changes_no_number(losses, random):
    runs = [LRFinderResult(lrs=10.0 ** np.arange(len(run)), losses=run) for run in losses]
    several = LRFinderResult.combined(runs)
    random.shuffle(runs)
    other = LRFinderResult.combined(runs)
    if len(runs) > 1:
        assert np.array_equal(several.losses, other.losses, equal_nan=True)
    assert np.array_equal(several.smoothed, other.smoothed, equal_nan=True)
    assert several.spread == other.spread
    assert several.interval == other.interval
