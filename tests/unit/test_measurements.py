"""Validation losses, gradient norms and metrics are kept, written, read back and combined."""

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

RATES = np.geomspace(1e-6, 1.0, 12)
LOSSES = np.linspace(2.0, 1.0, 12)


def make(points=12, factor=1.0, **fields):
    measured = {
        "val_losses": LOSSES[:points] + factor,
        "grad_norms": factor * RATES[:points],
        "metrics": {"accuracy": factor - LOSSES[:points]},
    }
    return LRFinderResult(lrs=RATES[:points], losses=LOSSES[:points], **{**measured, **fields})


def make_three():
    return LRFinderResult.combined([make(), make(9, 3.0), make(11, 2.0)])


def columns(result):
    return [result.val_losses, result.grad_norms, *result.metrics.values()]


def rows_of(result, path):
    with result.to_csv(path / "curve.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_what_was_measured_is_float64_and_read_only():
    for column in columns(make()):
        assert column.dtype == np.float64
        assert column.shape == (12,)
        with pytest.raises(ValueError, match=r"read-only"):
            column[0] = 1.0
    with pytest.raises(TypeError):
        make().metrics["new"] = RATES


def test_what_was_not_measured_is_nan_at_each_point():
    result = LRFinderResult(lrs=RATES, losses=LOSSES)
    assert np.isnan(result.val_losses).all()
    assert np.isnan(result.grad_norms).all()
    assert len(result.val_losses) == len(result.grad_norms) == 12
    assert dict(result.metrics) == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"val_losses": [1.0]}, "val_losses must have one number for each .*1 for 12 learning"),
        ({"grad_norms": np.ones(13)}, "grad_norms must have one number for each"),
        ({"metrics": {"accuracy": np.ones(3)}}, "accuracy must have one number for each"),
        ({"grad_norms": np.ones((12, 1))}, "grad_norms must be one-dimensional"),
    ],
    ids=str,
)
def test_a_column_of_another_length_is_refused(fields, words):
    with pytest.raises(LRFinderError, match=words):
        make(**fields)


def test_of_several_runs_each_column_is_the_median_of_those_that_got_there():
    several = make_three()
    assert several.grad_norms[:9].tolist() == (2 * RATES[:9]).tolist()
    assert several.val_losses[:9].tolist() == (LOSSES[:9] + 2).tolist()
    assert several.metrics["accuracy"][:9].tolist() == (2 - LOSSES[:9]).tolist()
    assert several.grad_norms[10] == pytest.approx(1.5 * RATES[10])
    assert several.grad_norms[11] == RATES[11]
    assert [run.grad_norms[0] for run in several.runs] == [RATES[0], 3 * RATES[0], 2 * RATES[0]]


def test_of_several_runs_what_was_not_measured_does_not_count():
    gaps = np.where(np.arange(12) < 6, np.nan, RATES)
    several = LRFinderResult.combined([make(grad_norms=gaps, metrics={}), make(), make(factor=3)])
    assert several.grad_norms[0] == pytest.approx(2 * RATES[0])
    assert several.grad_norms[6] == RATES[6]
    assert several.metrics["accuracy"][0] == pytest.approx(2 - LOSSES[0])
    nowhere = LRFinderResult.combined([make(val_losses=()), make(val_losses=())])
    assert np.isnan(nowhere.val_losses).all()


def test_another_smoothing_keeps_what_was_measured():
    for result in (make(), make_three()):
        for before, after in zip(columns(result), columns(result.resmoothed(0.9)), strict=True):
            assert np.array_equal(before, after)


numbers = st.lists(st.floats(), min_size=12, max_size=12)


@settings(max_examples=30, deadline=None)
@given(val_losses=numbers, grad_norms=numbers, metric=numbers, name=st.text(min_size=1))
def test_what_was_measured_comes_back_from_a_file_exactly(
    val_losses, grad_norms, metric, name, tmp_path_factory
):
    result = make(val_losses=val_losses, grad_norms=grad_norms, metrics={name: metric})
    path = result.save(tmp_path_factory.mktemp("saved") / "result.json")
    back = LRFinderResult.load(path)
    assert back == result
    for before, after in zip(columns(result), columns(back), strict=True):
        assert np.array_equal(before, after, equal_nan=True)


def test_several_runs_and_pickles_keep_what_was_measured(tmp_path):
    several = make_three()
    for back in (
        LRFinderResult.load(several.save(tmp_path / "result.json")),
        pickle.loads(pickle.dumps(several)),
    ):
        assert back == several
        assert np.array_equal(back.grad_norms, several.grad_norms)
        assert np.array_equal(back.runs[1].metrics["accuracy"], several.runs[1].metrics["accuracy"])


def test_results_differ_by_what_was_measured():
    assert make() != make(grad_norms=2 * RATES)
    assert make() != make(metrics={})


def test_files_of_earlier_versions_hold_no_measurements_and_still_load(tmp_path):
    path = make().save(tmp_path / "result.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    for name in ("val_losses", "grad_norms", "metrics"):
        del document[name]
    path.write_text(json.dumps({**document, "version": 2}), encoding="utf-8")
    assert LRFinderResult.load(path) == make(val_losses=(), grad_norms=(), metrics={})


def test_the_file_is_no_larger_for_what_was_not_measured(tmp_path):
    path = LRFinderResult(lrs=RATES, losses=LOSSES).save(tmp_path / "result.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    assert (document["val_losses"], document["grad_norms"], document["metrics"]) == ([], [], {})


def test_the_csv_has_a_column_for_each_thing_that_was_measured(tmp_path):
    header, *rows = rows_of(make(grad_norms=()), tmp_path)
    assert header == ["step", "learning_rate", "loss", "smoothed", "val_loss", "accuracy"]
    assert [float(row[4]) for row in rows] == make().val_losses.tolist()
    assert [float(row[5]) for row in rows] == make().metrics["accuracy"].tolist()


def test_the_csv_of_several_runs_has_the_columns_of_all(tmp_path):
    runs = [make(metrics={}, val_losses=()), make(factor=2.0)]
    header, *rows = rows_of(LRFinderResult.combined(runs), tmp_path)
    assert header[1:] == [
        "step",
        "learning_rate",
        "loss",
        "smoothed",
        "val_loss",
        "grad_norm",
        "accuracy",
    ]
    assert rows[0][5:] == ["NaN", repr(RATES[0].item()), "NaN"]
    assert [float(number) for number in rows[12][5:]] == [4.0, 2 * RATES[0], 0.0]


def test_a_metric_that_bears_the_name_of_a_column_gets_another(tmp_path):
    header, *_ = rows_of(make(metrics={"loss": RATES, "grad_norm": RATES}), tmp_path)
    assert len(set(header)) == len(header)
    assert header[-2:] == ["metric_loss", "metric_grad_norm"]


def test_what_is_infinite_was_measured(tmp_path):
    header, *rows = rows_of(make(grad_norms=[math.nan] * 11 + [math.inf]), tmp_path)
    assert header[5] == "grad_norm"
    assert [row[5] for row in rows[-2:]] == ["NaN", "Infinity"]


def test_the_loader_to_go_on_with_stays_with_the_result_and_out_of_files(tmp_path):
    result = make()
    assert result.loader is None
    result.loader = iter([1, 2])
    assert result.resmoothed(0.9).loader is result.loader
    assert LRFinderResult.combined([result, make()]).loader is result.loader
    assert LRFinderResult.load(result.save(tmp_path / "result.json")).loader is None
    assert pickle.loads(pickle.dumps(result)) == result
