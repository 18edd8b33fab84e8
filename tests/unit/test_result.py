"""A result shows what was found, and comes back from a file as it went in."""

import csv
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.analysis.rules import RULES
from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.settings import SweepSettings, learning_rates

DECADES = np.linspace(-7, 1, 100)
LOSSES = 2.3 - 1.7 / (1 + np.exp(-4 * (DECADES + 2.5))) + 0.3 * np.exp(5 * DECADES)


def make(points=90, **changes):
    checked = SweepSettings(**changes)
    return LRFinderResult(
        lrs=learning_rates(checked)[:points],
        losses=LOSSES[:points],
        settings=checked,
        stop_reason="diverged",
        notes=("The model was in eval mode.",),
        loss_name="cross-entropy (inferred)",
    )


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


def test_too_few_points_give_no_suggestions_and_say_why():
    result = make(points=4)
    assert result.suggestions == {}
    with pytest.raises(NotEnoughPointsError, match=r"at least 5"):
        _ = result.suggestion
    assert repr(result) == "LRFinderResult(no suggestion, 4 of 100 points, diverged)"


def test_skipped_points_count_for_every_rule():
    assert make(skip_end=60).suggest("minimum").index == 29


def test_the_repr_shows_suggestion_points_and_ending():
    assert repr(make()) == "LRFinderResult(suggestion 0.0115 (auto), 90 of 100 points, diverged)"


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
    assert back != make()


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
    assert document["version"] == 1
    assert document["losses"] == [1.0, "Infinity", "NaN"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "not a stored result"),
        ({"version": 2}, "version 2, and this release reads up to 1; upgrade"),
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
