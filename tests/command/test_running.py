"""`lr-finder run` and `check`: what is written, what is said, how it ends."""

import csv
import json
import re
import sys

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from lrfinder_widget import LRFinderResult, lr_find
from toy import CONFIG, lr_finder, only_run

RUN = ("run", "--config", "toy.yaml")

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def run(toy, capsys):
    """A run of the toy: its folder, and what was said."""
    assert lr_finder(*RUN) == 0
    return only_run(toy), capsys.readouterr().out


def test_a_run_leaves_the_result_in_all_its_forms(with_pictures, run):
    folder, _ = run
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml",
        "environment.json",
        "journal.jsonl",
        "result.json",
        "curve.csv",
        "lr_finder.png",
        "lr_finder.html",
    }
    assert re.fullmatch(r"lr_finder_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)
    result = LRFinderResult.load(folder)
    assert result.optimizer == "SGD"
    rows = [*csv.DictReader((folder / "curve.csv").open())]
    assert [float(row["loss"]) for row in rows] == result.losses.tolist()
    assert (folder / "lr_finder.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "lr_finder.html").read_text()
    assert '"type":"log"' in page
    assert '"dash":"dash"' in page


def test_the_journal_holds_the_same_as_the_result(run):
    folder, _ = run
    result = LRFinderResult.load(folder / "result.json")
    assert LRFinderResult.load(folder / "journal.jsonl") == result


def test_it_finds_what_lr_find_finds(run, toy):
    import toy_training  # what the run imported

    torch.manual_seed(1)
    loader = toy_training.make_data(seed=1)
    model = toy_training.make_model(4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    settings = {"num_iter": 30, "start_lr": 1e-4, "end_lr": 10, "seed": 1}
    result = lr_find(model, optimizer, loader, progress=False, **settings)
    assert LRFinderResult.load(run[0]) == result


def test_each_point_is_a_plain_line_where_the_output_is_no_terminal(run):
    folder, said = run
    result = LRFinderResult.load(folder)
    lines = [line for line in said.splitlines() if line.startswith("LR:")]
    assert lines == [
        f"LR: {lr:.2e} | Loss: {loss:.4f}"
        for lr, loss in zip(result.lrs, result.losses, strict=True)
    ]
    assert "\x1b" not in said


def test_at_the_end_it_says_what_was_found_and_which_line_to_change(run):
    folder, said = run
    result = LRFinderResult.load(folder)
    assert f"Suggested learning rate: {_short(result.suggestion)}" in said
    low, high = result.interval
    assert f"Good range: {_short(low)} to {_short(high)}" in said
    assert f"Middle of the good range: {_short((low * high) ** 0.5)}" in said
    for rule, label in (
        ("steepest", "Steepest descent"),
        ("minimum_10", "Minimum / 10"),
    ):
        assert f"{label}: {_short(result.suggestions[rule])}" in said
    for finding in result.findings:
        assert finding.text in said
    assert f"change toy.yaml:10 from lr: 0.001 to lr: {result.suggestion.lr:.3g}" in said
    assert f"lr-finder apply {folder.relative_to(folder.parents[1])} --config toy.yaml" in said


def _short(lr):
    mantissa, exponent = f"{lr:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def test_an_early_end_is_warned_of_with_its_reason(toy, capsys):
    assert lr_finder(*RUN, "--end_lr", 1e6, "--diverge_threshold", 1.5) == 0
    result = LRFinderResult.load(only_run(toy))
    assert result.stop_reason == "diverged"
    said = capsys.readouterr().out
    assert f"Warning: stopped early, after {len(result.lrs)} of 30 points" in said
    assert "1.5 times its best" in said


def test_the_resolved_config_does_the_run_again(run, toy):
    folder, _ = run
    assert lr_finder("run", "--config", folder / "config.yaml", "--output", "again") == 0
    assert LRFinderResult.load("again") == LRFinderResult.load(folder)


def test_the_resolved_config_does_so_too_where_the_config_lay_elsewhere(toy, monkeypatch):
    assert lr_finder(*RUN, "--output", "first") == 0
    (toy / "elsewhere").mkdir()
    monkeypatch.chdir(toy / "elsewhere")
    for config, output in (("first", "second"), ("elsewhere/second", "third")):
        sys.modules.pop("toy_training")
        again = ("run", "--config", toy / config / "config.yaml", "--output", output)
        assert lr_finder(*again) == 0
        assert LRFinderResult.load(output) == LRFinderResult.load(toy / "first")


def test_the_environment_and_the_seed_are_written(run):
    environment = json.loads((run[0] / "environment.json").read_text())
    assert environment["seed"] == 1
    assert environment["torch"] == torch.__version__
    assert {"command", "python", "platform", "lrfinder-widget", "deterministic"} <= {*environment}


def test_without_a_seed_one_is_drawn_told_and_written(toy, capsys):
    (toy / "toy.yaml").write_text(CONFIG.replace("  seed: 1\n", ""))
    assert lr_finder(*RUN) == 0
    folder = only_run(toy)
    seed = LRFinderResult.load(folder).settings.seed
    assert f"seed {seed}" in capsys.readouterr().out
    assert lr_finder(*RUN, "--seed", seed, "--output", "again") == 0
    assert LRFinderResult.load("again") == LRFinderResult.load(folder)


FLAGS = {
    "start_lr": 1e-3,
    "end_lr": 5.0,
    "num_iter": 20,
    "step_mode": "linear",
    "beta": 0.9,
    "diverge_threshold": 6.0,
    "device": "cpu",
    "seed": 9,
    "repeats": 2,
    "rule": "steepest",
}


@pytest.mark.parametrize("spelling", [str, lambda name: name.replace("_", "-")])
def test_each_flag_overrides_the_file_in_both_spellings(toy, spelling):
    flags = [part for name, value in FLAGS.items() for part in (f"--{spelling(name)}", value)]
    assert lr_finder(*RUN, *flags, "--output", "out") == 0
    settings = LRFinderResult.load("out").settings
    assert {name: getattr(settings, name) for name in FLAGS} == FLAGS


def test_none_switches_the_stop_at_divergence_off(toy):
    assert lr_finder(*RUN, "--diverge-threshold", "none", "--output", "out") == 0
    assert LRFinderResult.load("out").settings.diverge_threshold is None


def test_batch_size_and_fold_reach_the_data_function(toy):
    assert lr_finder(*RUN, "--batch_size", 5, "--fold", 2, "--output", "out") == 0
    assert LRFinderResult.load("out").batch_size == 5
    config = YAML(typ="safe").load(toy / "out" / "config.yaml")
    assert config["batch_size"] == 5
    assert config["fold"] == 2
    assert lr_finder(*RUN, "--batch_size", 5, "--fold", 3, "--output", "other") == 0
    assert LRFinderResult.load("other") != LRFinderResult.load("out")


def test_deterministic_holds_for_the_run_only(toy):
    with (toy / "toy_training.py").open("a") as file:
        file.write("\n\ndef make_checked(hidden: int):\n")
        file.write("    assert torch.are_deterministic_algorithms_enabled()\n")
        file.write("    return make_model(hidden)\n")
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_model", ":make_checked"))
    assert lr_finder("check", "--config", "toy.yaml", "--deterministic") == 0
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(AssertionError):
        lr_finder("check", "--config", "toy.yaml")


def test_validation_data_gives_validation_losses(toy):
    with (toy / "toy_training.py").open("a") as file:
        file.write("\n\ndef make_both():\n    return make_data(), make_data(fold=1)\n")
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_data", ":make_both"))
    assert lr_finder(*RUN) == 0
    assert np.isfinite(LRFinderResult.load(only_run(toy)).val_losses).all()


# How it ends.


def test_no_usable_suggestion_is_exit_code_3(toy, capsys):
    assert lr_finder(*RUN, "--num_iter", 3) == 3
    assert "too few points" in capsys.readouterr().out
    assert len(LRFinderResult.load(only_run(toy)).losses) == 3


def test_a_finding_that_says_to_use_no_suggestion_is_exit_code_3_and_all_advice(toy, capsys):
    with (toy / "toy_training.py").open("a") as file:
        file.write("\n\ndef hopeless(output, target):\n    return output.sum() * float('nan')\n")
    (toy / "toy.yaml").write_text(f"{CONFIG}loss: toy_training:hopeless\n")
    assert lr_finder(*RUN) == 3
    said = capsys.readouterr().out
    (finding,) = LRFinderResult.load(only_run(toy)).findings
    assert finding.text in said
    assert "raise --num_iter" not in said


def test_what_the_training_raises_is_raised_and_the_points_before_are_kept(toy, capsys):
    with (toy / "toy_training.py").open("a") as file:
        file.write("\n\ndef failing():\n    good = (torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))")
        file.write("\n    return [good] * 6 + [(torch.randn(4, 7), good[1])]\n")
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_data", ":failing"))
    with pytest.raises(RuntimeError, match="shapes"):
        lr_finder(*RUN)
    assert len(LRFinderResult.load(only_run(toy)).losses) == 6
    assert "ended after 6 points" in capsys.readouterr().out


def test_a_loss_that_cannot_be_inferred_is_exit_code_2_and_leaves_nothing(toy, capsys):
    with (toy / "toy_training.py").open("a") as file:
        file.write("\n\ndef unclear():\n    return [(torch.randn(4, 3), torch.ones(4, 1))]\n")
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_data", ":unclear"))
    assert lr_finder(*RUN) == 2
    assert "'loss'" in capsys.readouterr().err
    assert not (toy / "runs").exists()


# Checking.


def test_check_builds_everything_trains_one_batch_and_writes_nothing(toy, capsys):
    before = {path.name for path in toy.iterdir()}
    assert lr_finder("check", "--config", "toy.yaml") == 0
    said = capsys.readouterr().out
    assert "Model: Sequential, 26 parameters" in said
    assert "Batch: 8 samples" in said
    assert "Loss: cross-entropy (inferred), 0." in said
    assert {path.name for path in toy.iterdir()} - before <= {"__pycache__"}


def test_check_says_that_the_first_loss_is_not_finite(toy, capsys):
    with (toy / "toy_training.py").open("a") as file:
        file.write("\n\ndef hopeless(output, target):\n    return output.sum() * float('nan')\n")
    (toy / "toy.yaml").write_text(f"{CONFIG}loss: toy_training:hopeless\n")
    assert lr_finder("check", "--config", "toy.yaml") == 3
    said = capsys.readouterr().out
    assert "Warning: the loss of the first batch is not finite" in said
    assert "All is well" not in said


def test_check_finds_what_only_a_step_shows(toy):
    (toy / "toy.yaml").write_text(CONFIG.replace("hidden: 4", "hidden: 4\n    bias: false"))
    module = (toy / "toy_training.py").read_text()
    (toy / "toy_training.py").write_text(module.replace("nn.Linear(3,", "nn.Linear(5,"))
    with pytest.raises(RuntimeError, match="shapes"):
        lr_finder("check", "--config", "toy.yaml")
