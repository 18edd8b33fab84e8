"""A result shows what was found."""

import copy
import pickle

import numpy as np
import pytest

from lrfinder_widget.analysis.rules import RULES
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError, SettingsError
from lrfinder_widget.result import LRFinderResult
from results import make, make_three


def test_the_arrays_are_float64_and_read_only():
    result = make()
    for array in (result.lrs, result.losses, result.smoothed):
        assert array.dtype == np.float64
        assert array.shape == (90,)
        with pytest.raises(ValueError, match=r"read-only"):
            array[0] = 1.0


def test_the_suggestion_is_that_of_the_settings_rule():
    result = make(rule="steepest")
    assert result.suggestion == result.suggestions["steepest"] == result.suggest("steepest")
    assert make().suggestion.rule == "auto"
    assert list(result.suggestions) == list(RULES)


def test_a_rule_reads_the_smoothing_that_is_shown():
    result = make(beta=0.95)
    assert np.array_equal(result.smoothed, smooth(result.lrs, result.losses, 0.95))
    assert result.suggest("minimum") == result.lrs[np.argmin(result.smoothed)]


def test_another_smoothing_gives_another_result_of_the_same_points():
    result = make()
    other = result.resmoothed(0.9)
    assert other.settings.beta == 0.9
    assert result.settings.beta is None
    assert np.array_equal(other.losses, result.losses)
    assert other.notes == result.notes
    assert not np.array_equal(other.smoothed, result.smoothed)
    assert other.resmoothed(None) == result


def failing(lrs, losses):
    raise ValueError("too steep for me")


@pytest.mark.parametrize("rule", [failing, lambda lrs, losses: None, lambda lrs, losses: 10**400])
@pytest.mark.parametrize("runs", [1, 2])
def test_a_rule_that_fails_loses_nothing_but_its_own_suggestion(rule, runs, tmp_path):
    result = LRFinderResult.combined([make(rule=rule)] * runs)
    with pytest.raises((ValueError, SettingsError)):
        _ = result.suggestion
    assert isinstance(result.rule_error, (ValueError, SettingsError))
    assert result.findings[0].name == "failed_rule"
    assert list(result.suggestions) == list(RULES)
    assert (result.suggested, result.interval) == (None, None)
    assert "no suggestion" in repr(result)
    assert result.figure().data
    result.plot()
    assert result == copy.copy(result)
    loaded = LRFinderResult.load(result.save(tmp_path / "result.json"))
    assert loaded.losses.tolist() == result.losses.tolist()
    assert list(loaded.suggestions) == list(RULES)


def test_too_few_points_give_no_suggestions_and_say_why():
    result = make(points=4)
    assert result.suggestions == {}
    with pytest.raises(NotEnoughPointsError, match=r"at least 5"):
        _ = result.suggestion
    assert repr(result) == "LRFinderResult(no suggestion, 4 of 100 points, diverged)"


def test_skipped_points_count_for_every_rule():
    assert make(skip_end=60).suggest("minimum").index == 29


def test_the_repr_shows_suggestion_points_and_ending():
    assert repr(make()) == "LRFinderResult(suggestion 0.0106 (auto), 90 of 100 points, diverged)"


def test_an_unknown_ending_is_refused():
    with pytest.raises(LRFinderError, match=r"stop_reason must be one of .*got 'bored'"):
        LRFinderResult(lrs=[1.0], losses=[1.0], stop_reason="bored")


def test_a_result_can_be_pickled():
    assert pickle.loads(pickle.dumps(make())) == make()


def test_a_result_without_a_point_still_answers():
    empty = LRFinderResult(lrs=[], losses=[], stop_reason="stopped")
    assert empty.suggestions == {}
    assert len(empty.smoothed) == 0
    assert "0 of 100 points" in repr(empty)


def test_a_healthy_sweep_has_no_findings_and_a_flat_one_has():
    for result in (make(), make_three()):
        assert result.findings == ()
    flat = LRFinderResult(lrs=make().lrs, losses=np.full(90, 2.3), optimizer="SGD")
    assert [found.name for found in flat.findings] == ["flat_everywhere"]
    assert [found.name for found in LRFinderResult.combined([flat, flat]).findings] == [
        "flat_everywhere"
    ]


def test_findings_read_the_result_and_what_each_run_suggests(monkeypatch):
    seen = []
    monkeypatch.setattr("lrfinder_widget.result.find_findings", seen.append)
    several = make_three()
    assert several.findings is None
    [reading] = seen
    assert np.array_equal(reading.smoothed, several.smoothed)
    assert reading.suggestion == several.suggestion
    assert reading.run_suggestions == tuple(run.suggestion for run in several.runs)
    assert (reading.optimizer, reading.network, reading.batch_size) == (
        "AdamW",
        "convolutional",
        32,
    )
    assert LRFinderResult(lrs=[], losses=[]).findings is None
    assert seen[-1].suggestion is None
