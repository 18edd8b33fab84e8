"""Sweeping every fold, and whether folds differ more than repeats do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget import LRFinderResult
from lrfinder_widget.analysis.repeats import geometric_mean
from lrfinder_widget.command.agreement import agreement
from lrfinder_widget.command.folds import verdict
from toy import CONFIG, lr_finder

FOLDS = ("folds", "--config", "toy.yaml", "--output", "out")


def drawn(seed, shifts, repeats=3, noise=0.1):
    """Rates of groups that differ by shifts, in decades."""
    draws = np.random.default_rng(seed)
    return [10 ** (shift + draws.normal(-2, noise, repeats)) for shift in shifts]


def test_groups_that_lie_apart_differ():
    found = agreement(drawn(0, shifts=(0, 0, 1, 1, 2)))
    assert found.differ
    assert found.between > found.within
    assert verdict(found).startswith("The folds differ more than repeats do")


def test_groups_from_the_same_differ_in_about_one_of_twenty_cases():
    called = [agreement(drawn(seed, shifts=(0,) * 5)).differ for seed in range(60)]
    assert sum(called) <= 8
    assert verdict(agreement(drawn(1, shifts=(0,) * 5))).startswith("The folds differ no more")


def test_with_too_few_sweeps_it_says_so():
    found = agreement(drawn(0, shifts=(0, 3), repeats=2))
    assert not found.differ
    assert not found.enough
    assert "raise --repeats" in verdict(found)


def test_rates_that_are_all_the_same_do_not_differ():
    found = agreement([[0.1] * 3] * 4)
    assert not found.differ
    assert found.between == found.within == 1


@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
@settings(max_examples=10, deadline=None)
def test_neither_the_order_of_folds_nor_the_unit_matters(seed, factor):
    groups = drawn(seed, shifts=(0, 0.5, 1))
    found = agreement(groups)
    assert agreement([factor * group for group in groups]).chance == pytest.approx(found.chance)
    assert agreement(groups[::-1]).chance == pytest.approx(found.chance, abs=0.02)


@pytest.mark.usefixtures("no_pictures")
def test_each_fold_is_a_run_with_its_fold_and_draws_of_its_own(toy, capsys):
    assert lr_finder(*FOLDS, "--folds", 3, "--repeats", 2) == 0
    results = [LRFinderResult.load(toy / "out" / f"fold_{fold}") for fold in range(3)]
    assert [result.settings.seed for result in results] == [1, 3, 5]
    assert [len(result.runs) for result in results] == [2, 2, 2]
    assert "fold: 2" in (toy / "out" / "fold_2" / "config.yaml").read_text()
    said = capsys.readouterr().out
    for fold in range(3):
        assert f"Fold {fold} of 3" in said
    assert "differ" in said
    together = geometric_mean([result.suggestion.lr for result in results])
    assert f"to lr: {together:.3g}" in said
    assert (toy / "out" / "lr_finder.png").exists()
    assert (toy / "out" / "lr_finder.html").exists()


@pytest.mark.usefixtures("no_pictures")
def test_two_folds_are_swept_four_times_unless_the_file_says_otherwise(toy):
    assert lr_finder(*FOLDS, "--folds", 2, "--num_iter", 10) == 0
    assert len(LRFinderResult.load(toy / "out" / "fold_1").runs) == 4
    (toy / "toy.yaml").write_text(CONFIG.replace("seed: 1", "repeats: 2"))
    assert lr_finder(*FOLDS[:3], "--output", "b", "--folds", 2, "--num_iter", 10) == 0
    assert len(LRFinderResult.load(toy / "b" / "fold_1").runs) == 2


@pytest.mark.parametrize("flags", [("--folds", 1), ("--folds", 3, "--repeats", 1)])
def test_what_cannot_be_compared_is_refused(flags, toy, capsys):
    assert lr_finder(*FOLDS, *flags) == 2
    assert "at least 2" in capsys.readouterr().err
    assert not (toy / "out").exists()


def test_data_without_folds_is_refused(toy, capsys):
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_data", ":no_batch_size"))
    assert lr_finder(*FOLDS, "--folds", 3) == 2
    assert "takes no 'fold'" in capsys.readouterr().err
    assert not (toy / "out").exists()
