"""A result comes back from a file as it went in."""

import csv
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.result import LRFinderResult
from results import LOSSES, fifth, make, make_three


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
