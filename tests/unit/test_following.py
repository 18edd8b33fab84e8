"""A sweep that another process makes, watched through its journal."""

import json
import threading

import pytest
import torch

from evidence import new_training
from lrfinder_widget import LRFinderError, LRFinderWidget, SettingsError, lr_find
from lrfinder_widget.choice import read_choice

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SHORT = {"num_iter": 30, "end_lr": 0.5, "diverge_threshold": None, "progress": False}


def swept(path, **settings):
    """Sweep and write a journal, as a process elsewhere does."""
    training = new_training()
    parts = training.model, training.optimizer, training.loader, training.loss_fn
    return lr_find(*parts, journal=path, **{**SHORT, **settings})


def watched(path):
    widget = LRFinderWidget.watch(path)
    widget.run()
    return widget


def until(condition):
    reached = threading.Event()
    for _ in range(2000):
        if condition():
            return
        reached.wait(0.01)
    raise AssertionError


class Elsewhere:
    """A process that writes a journal line by line."""

    def __init__(self, source, target):
        self.lines = source.read_text().splitlines(keepends=True)
        self.target = target
        self.written = 0

    def write(self, count, torn=""):
        with self.target.open("a") as file:
            file.write("".join(self.lines[self.written : self.written + count]) + torn)
        self.written += count


@pytest.fixture
def elsewhere(tmp_path):
    swept(tmp_path / "source.jsonl", repeats=2, clip_grad_norm=1.0)
    return Elsewhere(tmp_path / "source.jsonl", tmp_path / "journal.jsonl")


def test_a_finished_sweep_is_shown_as_its_own_result_says(tmp_path):
    path = tmp_path / "journal.jsonl"
    result = swept(path, repeats=2, clip_grad_norm=1.0, beta=0.9)
    widget = watched(path)
    seen = widget.wait(30)
    assert seen.suggestion == result.suggestion
    assert seen.settings == result.settings
    assert [run.losses.tolist() for run in seen.runs] == [
        run.losses.tolist() for run in result.runs
    ]
    assert seen.grad_norms.tolist() == result.grad_norms.tolist()
    assert widget.status["state"] == "done"
    assert widget.status["follows"] == str(path)
    assert widget.loss == "CrossEntropyLoss"
    assert widget.optimizer["name"] == "SGD"


def test_the_folder_of_a_run_can_be_watched(tmp_path):
    swept(tmp_path / "journal.jsonl")
    assert len(watched(tmp_path).wait(30).lrs) == 30


@pytest.mark.parametrize("name", ["later", "lr_finder_2.5"])
def test_the_folder_of_a_run_can_be_watched_before_it_is_there(name, tmp_path):
    widget = watched(tmp_path / name)
    (tmp_path / name).mkdir()
    until(lambda: widget.status["state"] == "running")
    swept(tmp_path / name / "journal.jsonl")
    assert len(widget.wait(30).lrs) == 30
    widget.apply(3e-3)
    assert read_choice(tmp_path / name / "journal.jsonl") == 3e-3


def test_a_journal_with_another_ending_that_is_there_can_be_watched(tmp_path):
    swept(tmp_path / "points")
    assert len(watched(tmp_path / "points").wait(30).lrs) == 30


def test_a_file_where_a_folder_was_awaited_is_told(tmp_path):
    widget = watched(tmp_path / "points")
    swept(tmp_path / "points")
    with pytest.raises(LRFinderError, match=r"cannot read .*points.journal\.jsonl: "):
        widget.wait(30)


def test_points_come_as_they_are_written_and_none_of_a_torn_line(elsewhere):
    widget = watched(elsewhere.target)  # which is not there yet
    assert widget.status["state"] in ("idle", "running")
    elsewhere.write(11, torn='{"run": 0, "ind')
    until(lambda: len(widget._runner.points) == 10)
    assert widget.status["state"] == "running"
    assert (widget.settings["num_iter"], widget.settings["repeats"]) == (30, 2)
    whole = elsewhere.target.read_text().rsplit("\n", 1)[0] + "\n"
    elsewhere.target.write_text(whole)
    elsewhere.write(len(elsewhere.lines))
    assert len(widget.wait(30).runs) == 2


def test_a_choice_is_written_beside_the_journal_while_the_points_go_on(elsewhere):
    widget = watched(elsewhere.target)
    elsewhere.write(15)
    until(lambda: len(widget._runner.points) == 14)
    widget.apply(3e-3)
    assert read_choice(elsewhere.target) == 3e-3
    assert json.loads(elsewhere.target.with_name("choice.json").read_text()) == {"lr": 3e-3}
    assert widget.applied["lr"] == 3e-3
    assert "--wait-for-choice" in widget.applied["notes"][0]
    assert widget.status["state"] == "running"
    elsewhere.write(len(elsewhere.lines))
    widget.wait(30)
    widget.apply()
    assert read_choice(elsewhere.target) == pytest.approx(widget.result.suggestion.lr)


def test_following_can_be_stopped_and_the_points_so_far_are_kept(elsewhere):
    widget = watched(elsewhere.target)
    elsewhere.write(21)
    until(lambda: len(widget._runner.points) == 20)
    widget.stop()
    assert widget.status["state"] == "stopped"
    assert len(widget.result.lrs) == 20


def test_a_sweep_that_failed_where_it_ran_says_so_here(tmp_path):
    training = new_training()
    calls = iter(range(100))

    def fails(output, target):
        if next(calls) == 7:
            raise ZeroDivisionError("in my loss")
        return training.loss_fn(output, target)

    parts = training.model, training.optimizer, training.loader, fails
    with pytest.raises(ZeroDivisionError):
        lr_find(*parts, journal=tmp_path / "journal.jsonl", **SHORT)
    widget = watched(tmp_path)
    with pytest.raises(LRFinderError, match=r"failed where it ran: ZeroDivisionError: in my loss"):
        widget.wait(30)
    assert widget.status["state"] == "failed"
    assert len(widget._runner.points) == 7


def test_only_the_smoothing_can_be_changed_from_here(tmp_path):
    swept(tmp_path / "journal.jsonl")
    widget = watched(tmp_path)
    widget.wait(30)
    with pytest.raises(SettingsError, match="num_iter cannot be changed from here"):
        widget._finder.configure({"num_iter": 50})
    assert widget._finder.configure({"beta": 0.5, "num_iter": 30})
    assert widget.result.settings.beta == 0.5
    with pytest.raises(LRFinderError, match="nothing to undo"):
        widget.undo()


def test_a_folder_that_is_not_there_and_a_file_that_is_no_journal_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"no folder .*elsewhere to watch for journal.jsonl"):
        LRFinderWidget.watch(tmp_path / "elsewhere" / "journal.jsonl")
    other = tmp_path / "other.jsonl"
    other.write_text('{"a": 1}\n')
    with pytest.raises(LRFinderError, match=r"line 1: it is not a journal"):
        LRFinderWidget.watch(other)


def test_watching_draws_no_random_number_and_trains_nothing(tmp_path):
    swept(tmp_path / "journal.jsonl")
    before = torch.get_rng_state()
    watched(tmp_path).wait(30)
    assert torch.equal(before, torch.get_rng_state())
