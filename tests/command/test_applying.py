"""`lr-finder apply` and `show`, and a choice that the command waits for."""

import re

import pytest
from ruamel.yaml import YAML

from lrfinder_widget import LRFinderResult, range_test
from lrfinder_widget.analysis.layout import short
from lrfinder_widget.choice import choice_path, write_choice
from lrfinder_widget.command import run as run_module
from lrfinder_widget.command.config import Config
from toy import CONFIG, lr_finder

pytestmark = pytest.mark.usefixtures("no_pictures")


def valley(lr):
    """A loss with a best rate."""
    return (abs(lr - 0.02) + 0.02) ** 0.5


@pytest.fixture
def run(toy):
    folder = toy / "found"
    folder.mkdir()
    range_test(valley, start_lr=1e-4, end_lr=1.0, num_iter=50).save(folder / "result.json")
    return folder


def stopped(toy, form, points):
    """Return the folder of a sweep of the toy that was stopped after so many of 100 points."""
    whole, early = toy / "whole", toy / "early"
    flags = ("--start_lr", "1e-7", "--num_iter", 100, "--output", whole)
    assert lr_finder("run", "--config", "toy.yaml", *flags) == 0
    lines = (whole / "journal.jsonl").read_text().splitlines(keepends=True)
    early.mkdir()
    (early / "journal.jsonl").write_text("".join(lines[: 1 + points]))
    if form == "interrupted":
        LRFinderResult.load(early).save(early / "result.json")
    return early


def rate(path):
    return YAML(typ="safe").load(path)["optimizer"]["init_args"]["lr"]


def test_the_suggested_rate_is_written_and_said_with_its_line(run, toy, capsys):
    suggestion = LRFinderResult.load(run).suggestion.lr
    assert lr_finder("apply", run, "--config", "toy.yaml") == 0
    assert rate(toy / "toy.yaml") == float(f"{suggestion:.3g}")
    assert f"toy.yaml:10: lr: 0.001 is now lr: {suggestion:.3g}" in capsys.readouterr().out


def test_another_rate_and_another_rule_can_be_named(run, toy):
    assert lr_finder("apply", run, "--config", "toy.yaml", "--lr", "0.123456") == 0
    assert rate(toy / "toy.yaml") == 0.123456
    assert lr_finder("apply", run, "--config", "toy.yaml", "--rule", "minimum") == 0
    minimum = LRFinderResult.load(run).suggestions["minimum"].lr
    assert rate(toy / "toy.yaml") == float(f"{minimum:.3g}")


def test_what_was_chosen_in_a_notebook_comes_before_the_suggestion(run, toy):
    write_choice(run / "journal.jsonl", 0.0375)
    assert lr_finder("apply", run, "--config", "toy.yaml") == 0
    assert rate(toy / "toy.yaml") == 0.0375


def test_a_small_rate_is_a_number_to_every_reader_of_yaml(run, toy):
    import yaml

    assert lr_finder("apply", run, "--config", "toy.yaml", "--lr", "1e-5") == 0
    assert rate(toy / "toy.yaml") == 1e-5
    read = yaml.safe_load((toy / "toy.yaml").read_text().replace("1e-4", "0.1"))
    assert read["optimizer"]["init_args"]["lr"] == 1e-5


@pytest.mark.parametrize(
    "optimizer",
    ["optimizer: torch.optim.SGD\n", "optimizer:\n  class_path: torch.optim.SGD\n"],
)
def test_a_config_without_a_rate_gets_one(optimizer, run, toy):
    text = CONFIG[: CONFIG.index("optimizer:")] + optimizer + "# the end\n"
    (toy / "toy.yaml").write_text(text)
    assert lr_finder("apply", run, "--config", "toy.yaml", "--lr", "0.5") == 0
    assert Config.read(toy / "toy.yaml").part("optimizer").arguments == {"lr": 0.5}
    assert "# the end" in (toy / "toy.yaml").read_text()


def test_a_config_that_cannot_be_used_stays_as_it_is(run, toy, capsys):
    text = CONFIG.replace("model:", "modle:")
    (toy / "toy.yaml").write_text(text)
    assert lr_finder("apply", run, "--config", "toy.yaml") == 2
    assert "modle" in capsys.readouterr().err
    assert (toy / "toy.yaml").read_text() == text


def test_a_run_without_a_suggestion_is_exit_code_3(toy):
    (toy / "short").mkdir()
    range_test(valley, num_iter=3).save(toy / "short" / "result.json")
    assert lr_finder("apply", "short", "--config", "toy.yaml") == 3
    assert (toy / "toy.yaml").read_text() == CONFIG


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_what_is_no_run_is_refused(content, toy, capsys):
    if content is not None:
        (toy / "none").mkdir()
        (toy / "none" / "result.json").write_text(content)
    for command in (("apply", "none", "--config", "toy.yaml"), ("show", "none")):
        assert lr_finder(*command) == 2
        assert "none" in capsys.readouterr().err
    assert not (toy / "runs").exists()


@pytest.mark.parametrize("content", ["xx", "", "[]", '{"lr": -1}', None])
def test_a_choice_that_cannot_be_read_is_refused(content, run, toy, capsys):
    path = choice_path(run / "journal.jsonl")
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    assert lr_finder("apply", run, "--config", "toy.yaml") == 2
    assert "cannot read the choice" in capsys.readouterr().err
    assert (toy / "toy.yaml").read_text() == CONFIG


@pytest.mark.skipif("sys.platform == 'win32'", reason="there are no modes")
def test_a_config_behind_a_link_is_written_where_it_is_and_keeps_its_mode(run, toy):
    (toy / "kept").mkdir()
    kept = (toy / "toy.yaml").rename(toy / "kept" / "toy.yaml")
    kept.chmod(0o600)
    (toy / "toy.yaml").symlink_to(kept)
    assert lr_finder("apply", run, "--config", "toy.yaml", "--lr", "0.5") == 0
    assert (toy / "toy.yaml").is_symlink()
    assert rate(kept) == 0.5
    assert kept.stat().st_mode & 0o777 == 0o600


def test_arguments_shared_with_another_part_get_no_rate_there(run, toy):
    text = CONFIG[: CONFIG.index("data:")] + (
        "data: {class_path: 'toy_training:make_data', init_args: &a {}}\n"
        "optimizer: {class_path: torch.optim.SGD, init_args: *a}\n"
    )
    (toy / "toy.yaml").write_text(text)
    assert lr_finder("apply", run, "--config", "toy.yaml", "--lr", "0.5") == 0
    config = Config.read(toy / "toy.yaml")
    assert config.part("data").arguments == {}
    assert config.part("optimizer").arguments == {"lr": 0.5}


def test_a_suggestion_not_to_be_used_is_exit_code_3_unless_it_is_asked_for(toy, capsys):
    (toy / "flat").mkdir()
    result = range_test(lambda lr: 1.0, start_lr=1e-4, end_lr=1.0, num_iter=50)
    (finding,) = [each for each in result.findings if each.severity == "error"]
    result.save(toy / "flat" / "result.json")
    assert lr_finder("apply", "flat", "--config", "toy.yaml") == 3
    said = capsys.readouterr().err
    assert finding.text in said
    assert "--rule or --lr" in said
    assert (toy / "toy.yaml").read_text() == CONFIG
    assert lr_finder("apply", "flat", "--config", "toy.yaml", "--rule", "steepest") == 0


@pytest.mark.parametrize("form", ["interrupted", "killed"])
def test_a_rate_of_a_sweep_that_was_stopped_on_the_plateau_is_written_only_on_demand(
    form, toy, capsys
):
    stopped(toy, form, 26)
    assert lr_finder("apply", "early", "--config", "toy.yaml") == 3
    said = capsys.readouterr().err
    assert "was stopped after 26 of 100 points, before the loss had fallen. --rule or --lr" in said
    assert (toy / "toy.yaml").read_text() == CONFIG
    assert lr_finder("apply", "early", "--config", "toy.yaml", "--rule", "auto") == 0
    assert lr_finder("apply", "early", "--config", "toy.yaml", "--lr", "0.5") == 0


def test_one_that_was_stopped_after_the_loss_had_fallen_has_a_rate(toy):
    stopped(toy, "killed", 90)
    assert lr_finder("apply", "early", "--config", "toy.yaml") == 0


def test_a_folder_of_folds_is_answered_with_what_to_pass(run, toy, capsys):
    (toy / "folds").mkdir()
    run.rename(toy / "folds" / "fold_0")
    for command in (("apply", "folds", "--config", "toy.yaml"), ("show", "folds")):
        assert lr_finder(*command) == 2
        said = capsys.readouterr().err
        assert re.search(r"folds holds a run for each fold; pass one .*folds.fold_0", said)


def test_an_optimizer_that_takes_no_rate_gets_none(run, toy, capsys):
    with (toy / "toy_training.py").open("a") as file:
        file.write("\n\ndef fixed(params):\n    return torch.optim.SGD(params, lr=0.1)\n")
    text = CONFIG[: CONFIG.index("optimizer:")] + "optimizer: toy_training:fixed\n"
    (toy / "toy.yaml").write_text(text)
    assert lr_finder("apply", run, "--config", "toy.yaml") == 2
    assert "toy.yaml:7: optimizer: fixed takes no 'lr', so" in capsys.readouterr().err
    assert (toy / "toy.yaml").read_text() == text


# Showing.


def test_a_suggestion_of_a_sweep_that_was_stopped_on_the_plateau_is_shown_as_none(toy, capsys):
    rate = short(LRFinderResult.load(stopped(toy, "interrupted", 26)).suggestion.lr)
    capsys.readouterr()
    assert lr_finder("show", "early", "--output", "shown") == 0
    said = capsys.readouterr().out
    assert "no usable suggestion; 26 of 100 points" in said
    assert "before the loss had fallen" in said
    assert rate not in said
    assert rate not in (toy / "shown" / "lr_finder.html").read_text()


def test_one_or_more_runs_are_drawn_together(run, toy, capsys):
    (toy / "other").mkdir()
    range_test(lambda lr: valley(10 * lr), num_iter=40).save(toy / "other" / "result.json")
    assert lr_finder("show", run, "other", "--output", "both") == 0
    said = capsys.readouterr().out
    first, second = LRFinderResult.load(run), LRFinderResult.load("other")
    assert "found\n" in said
    assert f"{len(second.lrs)} of 40 points, {second.stop_reason}" in said
    assert (toy / "both" / "lr_finder.png").read_bytes().startswith(b"\x89PNG")
    page = (toy / "both" / "lr_finder.html").read_text()
    for name in ("found", "other"):
        assert name in page
    assert first.suggestion != second.suggestion
    assert lr_finder("show", run) == 0
    ((folder),) = (toy / "runs").iterdir()
    assert folder.name.startswith("lr_finder_show_")


def test_runs_of_the_same_name_are_told_apart_by_their_paths(run, toy, capsys):
    (toy / "a").mkdir()
    (toy / "a" / "found").mkdir()
    range_test(valley, num_iter=40).save(toy / "a" / "found" / "result.json")
    assert lr_finder("show", "found", "a/found", "--output", "both") == 0
    assert "a/found\n" in capsys.readouterr().out


def test_a_picture_that_is_there_is_not_overwritten(run, toy, capsys):
    (toy / "both").mkdir()
    (toy / "both" / "mine").touch()
    assert lr_finder("show", run, "--output", "both") == 2
    assert "not overwritten" in capsys.readouterr().err


# Waiting for a choice.

WAITING = ("run", "--config", "toy.yaml", "--output", "out", "--wait-for-choice")


def while_it_waits(monkeypatch, *happen):
    """Let one thing after the other happen whenever the command would sleep."""
    todo = iter(happen)
    monkeypatch.setattr(run_module, "sleep", lambda seconds: next(todo)())


def test_the_command_waits_for_a_choice_and_goes_on_with_it(toy, monkeypatch, capsys):
    def choose():
        assert (toy / "out" / "result.json").exists()
        write_choice(toy / "out" / "journal.jsonl", 0.0375)

    while_it_waits(monkeypatch, lambda: None, choose)
    assert lr_finder(*WAITING) == 0
    said = capsys.readouterr().out
    assert 'LRFinderWidget.watch("out/journal.jsonl")' in said
    assert "Chosen learning rate: 0.0375" in said
    assert "change toy.yaml:10 from lr: 0.001 to lr: 0.0375" in said


def test_a_choice_that_is_none_is_warned_of_once_and_waited_over(toy, monkeypatch, capsys):
    path = choice_path(toy / "out" / "journal.jsonl")
    while_it_waits(
        monkeypatch,
        lambda: path.write_text('{"lr": -1}'),
        lambda: None,
        lambda: write_choice(path, 0.5),
    )
    assert lr_finder(*WAITING) == 0
    said = capsys.readouterr().out
    assert said.count("cannot read the choice") == 1
    assert "Chosen learning rate: 0.5" in said


def test_an_interrupt_while_it_waits_leaves_the_whole_result(toy, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    while_it_waits(monkeypatch, interrupt)
    assert lr_finder(*WAITING) == 130
    assert len(LRFinderResult.load("out").losses) == 30


def test_a_choice_counts_where_there_is_no_suggestion(toy, monkeypatch):
    while_it_waits(monkeypatch, lambda: write_choice(toy / "out" / "journal.jsonl", 0.5))
    assert lr_finder(*WAITING, "--num_iter", 3) == 0
