"""A result shows what was found, and comes back from a file as it went in."""

import copy
import csv
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.analysis.repeats import times
from lrfinder_widget.analysis.rules import RULES
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError, SettingsError
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.settings import SweepSettings, learning_rates

DECADES = np.linspace(-7, 1, 100)


def losses_at(decades):
    return 2.3 - 1.7 / (1 + np.exp(-4 * (decades + 2.5))) + 0.3 * np.exp(5 * decades)


LOSSES = losses_at(DECADES)


def make(points=90, shift=0.0, **changes):
    checked = SweepSettings(**changes)
    return LRFinderResult(
        lrs=learning_rates(checked)[:points],
        losses=losses_at(DECADES + shift)[:points],
        settings=checked,
        stop_reason="diverged",
        notes=("The model was in eval mode.",),
        loss_name="cross-entropy (inferred)",
        optimizer="AdamW",
        network="convolutional",
        batch_size=32,
    )


def make_three(**changes):
    runs = [make(points=90, **changes), make(points=85, shift=0.2, **changes)]
    return LRFinderResult.combined([*runs, make(points=93, shift=-0.1, **changes)])


def fifth(lrs, losses):
    return lrs[losses.argmin()] / 5


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


def test_a_saved_result_loads_as_it_was(tmp_path):
    result = make(beta=0.9, seed=3, rule="valley", device="cpu", diverge_threshold=None)
    path = result.save(tmp_path / "result.json")
    back = LRFinderResult.load(path)
    assert back == result
    assert back.settings == result.settings
    assert back.suggestion.to_dict() == result.suggestion.to_dict()
    assert (back.stop_reason, back.notes, back.loss_name) == (
        result.stop_reason,
        result.notes,
        result.loss_name,
    )
    assert (back.optimizer, back.network, back.batch_size) == ("AdamW", "convolutional", 32)
    assert back != make()


def test_a_file_of_the_first_version_still_loads(tmp_path):
    result = make(seed=3)
    path = result.save(tmp_path / "result.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    for name in ("optimizer", "network", "batch_size"):
        del document[name]
    document["version"] = 1
    path.write_text(json.dumps(document), encoding="utf-8")
    back = LRFinderResult.load(path)
    assert np.array_equal(back.losses, result.losses)
    assert back.suggestion.to_dict() == result.suggestion.to_dict()
    assert (back.optimizer, back.network, back.batch_size) == ("", "", 0)
    assert back.runs == (back,)


@settings(deadline=None)
@given(losses=st.lists(st.floats(), max_size=20))
def test_arrays_come_back_bit_for_bit(losses, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "result.json"
    result = LRFinderResult(lrs=np.geomspace(1 / 3, 7, len(losses)), losses=losses)
    back = LRFinderResult.load(result.save(path))
    assert back == result
    assert np.array_equal(back.lrs, result.lrs)
    finite = np.isfinite(result.losses)
    assert back.losses[finite].tobytes() == result.losses[finite].tobytes()
    assert [str(x) for x in back.losses[~finite]] == [str(x) for x in result.losses[~finite]]


def test_what_a_function_suggested_survives_the_file(tmp_path):
    result = make(rule=fifth)
    back = LRFinderResult.load(result.save(tmp_path / "result.json"))
    assert back.settings.rule == "custom:fifth"
    assert back.suggestion.to_dict() == result.suggestion.to_dict()
    assert back.suggestions["custom:fifth"] == result.suggestion
    assert back == result
    assert back.resmoothed(0.5).suggestion == result.suggestion
    assert back.suggest(fifth) == result.suggestion


def test_the_file_is_plain_json_that_names_its_format(tmp_path):
    result = LRFinderResult(lrs=[1e-3, 1e-2, 0.1], losses=[1.0, math.inf, math.nan])
    text = result.save(tmp_path / "result.json").read_text(encoding="utf-8")
    document = json.loads(text, parse_constant=pytest.fail)
    assert document["format"] == "lrfinder-widget/result"
    assert document["version"] == 3
    assert document["losses"] == [1.0, "Infinity", "NaN"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "not a stored result"),
        ({"version": 4}, "version 4, and this release reads up to 3; upgrade"),
        ({"version": "1"}, "version must be a whole number from 1 on .got '1'"),
        ({"losses": [1.0]}, "got 90 learning rates, 1 losses"),
        ({"losses": ["x"] * 90}, "losses must hold numbers.*got 'x' at 0"),
        ({"lrs": "abc"}, "'lrs' must be of type list .got str"),
        ({"lrs": [-1.0] * 90}, "finite and positive"),
        ({"settings": {"num_iter": 1}}, "num_iter must be at least 2"),
        ({"settings": {"numiter": 10}}, "did you mean 'num_iter'"),
        ({"settings": None}, "'settings' must be of type dict"),
        ({"stop_reason": "bored"}, "stop_reason must be one of"),
        ({"suggestion": {"lr": 1.0}}, "'suggestion' cannot be read"),
        ({"suggestion": 3}, "'suggestion' cannot be read"),
        ({"optimizer": None}, "'optimizer' must be of type str"),
        ({"batch_size": "many"}, "'batch_size' must be of type int"),
        ({"grad_norms": [1.0]}, "grad_norms must have one number for each .* 1 for 90 learning"),
        ({"val_losses": ["x"] * 90}, "val_losses must hold numbers.*got 'x' at 0"),
        ({"val_losses": None}, "'val_losses' must be of type list"),
        ({"metrics": []}, "'metrics' must be of type dict"),
        ({"metrics": {"accuracy": 3}}, "accuracy must be a list of numbers"),
        ({"metrics": {"accuracy": [1.0]}}, "accuracy must have one number for each"),
        ({"runs": {}}, "'runs' must be of type list"),
        ({"runs": []}, "'runs' is empty"),
        ({"runs": [3]}, "run 1 cannot be read: 'the run' must be of type dict .got int"),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_right_is_refused_with_what_is_wrong(change, words, tmp_path):
    path = make().save(tmp_path / "result.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(document | change), encoding="utf-8")
    with pytest.raises(LRFinderError, match=words) as caught:
        LRFinderResult.load(path)
    assert str(caught.value).startswith(f"cannot load {path}: ")


@pytest.mark.parametrize("name", ["lrs", "losses", "settings", "stop_reason", "notes"])
def test_a_file_that_lacks_something_is_refused(name, tmp_path):
    path = make().save(tmp_path / "result.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    del document[name]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(LRFinderError, match=f"'{name}' is missing"):
        LRFinderResult.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b"null"], ids=str)
def test_what_is_no_result_at_all_is_refused(content, tmp_path):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(LRFinderError, match=r"cannot load .*result\.json"):
        LRFinderResult.load(path)


def test_saving_replaces_the_file_whole_and_leaves_nothing_else(tmp_path, monkeypatch):
    path = make().save(tmp_path / "result.json")
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space"):
        make(points=50).save(path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    make(points=50).save(path)
    assert len(LRFinderResult.load(path).lrs) == 50
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_the_csv_holds_every_point_exactly(tmp_path):
    losses = [*LOSSES[:20], math.nan]
    result = LRFinderResult(lrs=np.geomspace(1e-7, 1, 21), losses=losses)
    with result.to_csv(tmp_path / "curve.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["step", "learning_rate", "loss", "smoothed"]
    assert [int(row[0]) for row in rows] == list(range(21))
    assert [float(row[1]) for row in rows] == result.lrs.tolist()
    assert [float(row[2]) for row in rows[:-1]] == losses[:-1]
    assert [float(row[3]) for row in rows[:-1]] == result.smoothed[:-1].tolist()
    assert rows[-1][2:] == ["NaN", "NaN"]


def test_a_result_can_be_pickled():
    assert pickle.loads(pickle.dumps(make())) == make()


def test_a_result_without_a_point_still_answers():
    empty = LRFinderResult(lrs=[], losses=[], stop_reason="stopped")
    assert empty.suggestions == {}
    assert len(empty.smoothed) == 0
    assert "0 of 100 points" in repr(empty)


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


def test_several_runs_load_as_they_were(tmp_path):
    several = make_three(seed=3, beta=0.5)
    path = several.save(tmp_path / "result.json")
    back = LRFinderResult.load(path)
    assert back == several
    assert back.runs == several.runs
    assert back.spread == several.spread
    assert np.array_equal(back.smoothed, several.smoothed)
    assert back != make_three(seed=4, beta=0.5)
    assert back != several.runs[0]
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["suggestion"]["lr"] == several.suggestion
    assert pickle.loads(pickle.dumps(several)) == several


def test_what_a_function_suggested_for_several_runs_survives_the_file(tmp_path):
    several = make_three(rule=fifth)
    back = LRFinderResult.load(several.save(tmp_path / "result.json"))
    assert back.suggestion.to_dict() == several.suggestion.to_dict()
    assert back == several
    assert back.resmoothed(0.5).suggestion == several.suggestion


def test_a_defect_in_one_of_several_runs_is_named_with_its_number(tmp_path):
    path = make_three().save(tmp_path / "result.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    document["runs"][1]["losses"][0] = "x"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(LRFinderError, match="run 2 cannot be read: losses must hold numbers"):
        LRFinderResult.load(path)


def test_the_csv_of_several_runs_tells_them_apart(tmp_path):
    several = make_three()
    with several.to_csv(tmp_path / "curve.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["run", "step", "learning_rate", "loss", "smoothed"]
    assert [int(row[0]) for row in rows] == [1] * 90 + [2] * 85 + [3] * 93
    second = [row for row in rows if row[0] == "2"]
    assert [int(row[1]) for row in second] == list(range(85))
    assert [float(row[3]) for row in second] == several.runs[1].losses.tolist()


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
