"""A sweep's points on disk as they come: what is written, what survives, what is read back."""

import json
import math
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD

from evidence import new_training
from lrfinder_widget import (
    LRFinderError,
    LRFinderResult,
    LRFinderWidget,
    SettingsError,
    SweepSettings,
    lr_find,
    range_test,
)
from lrfinder_widget.choice import choice_path, read_choice, write_choice
from lrfinder_widget.journal import Journal
from lrfinder_widget.journal_reading import JournalReader, read_journal
from lrfinder_widget.series import Series
from lrfinder_widget.training.training import Training

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SHORT = {"num_iter": 8, "end_lr": 0.1, "diverge_threshold": None, "progress": False}


def parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    data = [(torch.randn(5, 3), torch.randint(2, (5,))) for _ in range(4)]
    return model, SGD(model.parameters(), lr=0.05, momentum=0.9), data


def sweep(path, **settings):
    return lr_find(*parts(), journal=path, **{**SHORT, **settings})


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_journal_of_any_name_is_read(tmp_path):
    path = tmp_path / "run.journal"
    losses = sweep(path).losses
    assert LRFinderResult.load(path).losses.tolist() == losses.tolist()


def test_the_first_line_says_what_is_swept_and_how(tmp_path):
    sweep(tmp_path / "journal.jsonl", seed=3)
    header = lines_of(tmp_path / "journal.jsonl")[0]
    assert header["format"] == "lrfinder-widget/journal"
    assert header["version"] == 1
    assert header["settings"]["num_iter"] == 8
    assert header["settings"]["seed"] == 3
    assert header["optimizer"] == "SGD"
    assert header["groups"] == [{"label": "group 0", "lr": 0.05}]
    assert header["loss"] == "cross-entropy (inferred)"
    assert header["batch_size"] == 5


def test_each_point_has_a_line_and_the_last_line_says_why_the_sweep_ended(tmp_path):
    result = sweep(tmp_path / "journal.jsonl")
    points = [line for line in lines_of(tmp_path / "journal.jsonl") if "lr" in line]
    assert [point["index"] for point in points] == [*range(8)]
    assert [point["loss"] for point in points] == result.losses.tolist()
    assert lines_of(tmp_path / "journal.jsonl")[-1] == {"end": "completed"}


@pytest.mark.parametrize("repeats", [1, 3])
def test_what_is_loaded_from_a_journal_is_the_result(tmp_path, repeats):
    result = sweep(tmp_path / "journal.jsonl", repeats=repeats, seed=1, grad_norms=True)
    loaded = LRFinderResult.load(tmp_path / "journal.jsonl")
    assert loaded == result
    assert np.isfinite(loaded.grad_norms).all()


def test_validation_losses_and_metrics_are_loaded_too(tmp_path):
    model, optimizer, data = parts()

    def compute_loss(model, batch):
        scores = model(batch[0])
        loss = nn.functional.cross_entropy(scores, batch[1])
        return {"loss": loss, "accuracy": (scores.argmax(1) == batch[1]).float().mean()}

    result = lr_find(
        model,
        optimizer,
        data,
        compute_loss=compute_loss,
        val_loader=data,
        journal=tmp_path / "journal.jsonl",
        **SHORT,
    )
    loaded = LRFinderResult.load(tmp_path / "journal.jsonl")
    assert np.array_equal(loaded.val_losses, result.val_losses)
    assert np.isfinite(loaded.val_losses).all()
    assert np.array_equal(loaded.metrics["accuracy"], result.metrics["accuracy"])


def test_a_loss_that_json_cannot_hold_comes_back_as_it_was(tmp_path):
    model, optimizer, data = parts()
    result = lr_find(
        model,
        optimizer,
        data,
        lambda output, target: output.sum() * math.inf,
        journal=tmp_path / "journal.jsonl",
        **SHORT,
    )
    loaded = LRFinderResult.load(tmp_path / "journal.jsonl")
    assert loaded.stop_reason == "non-finite loss"
    assert np.array_equal(loaded.losses, result.losses, equal_nan=True)


def test_a_point_is_on_disk_before_the_next_step_begins(tmp_path):
    model, optimizer, data = parts()
    training = Training(model=model, optimizer=optimizer, loader=data)
    reader = JournalReader(tmp_path / "journal.jsonl")
    with Series(training, SweepSettings(num_iter=8), journal=Journal(reader.path)) as series:
        for point in series:
            assert reader.poll() == 1
            assert reader.points.losses[-1] == point.loss
    assert len(reader.points) == 8


def test_a_folder_in_place_of_a_journal_is_told(tmp_path):
    with pytest.raises(LRFinderError, match=r"cannot read .*: \w+"):
        JournalReader(tmp_path).poll()


def test_a_killed_process_leaves_all_points_but_the_last(tmp_path):
    path = tmp_path / "journal.jsonl"
    script = f"""
        import os, signal, torch
        from torch import nn
        from lrfinder_widget import lr_find
        model, steps = nn.Linear(2, 2), 0

        def compute_loss(model, batch):
            global steps
            steps += 1
            if steps == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            return model(batch).square().mean()

        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        lr_find(model, optimizer, [torch.ones(2, 2)], compute_loss=compute_loss,
                journal={str(path)!r}, progress=False)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert killed.returncode == -signal.SIGKILL
    loaded = LRFinderResult.load(path)
    assert len(loaded.losses) == 5
    assert loaded.stop_reason == "stopped"


def test_an_exception_ends_the_journal_and_is_named_in_it(tmp_path):
    model, optimizer, data = parts()
    broken = [data[0], data[1], (torch.randn(5, 7), data[2][1])]
    with pytest.raises(RuntimeError, match="shapes"):
        lr_find(model, optimizer, broken, journal=tmp_path / "journal.jsonl", **SHORT)
    last = lines_of(tmp_path / "journal.jsonl")[-1]
    assert last["end"] == "stopped"
    assert last["error"].startswith("RuntimeError: ")
    assert len(LRFinderResult.load(tmp_path / "journal.jsonl").losses) == 2


def test_each_run_of_several_says_why_it_ended(tmp_path):
    result = sweep(tmp_path / "journal.jsonl", repeats=2, end_lr=1e6, diverge_threshold=2.0)
    assert [run.stop_reason for run in result.runs] == ["diverged"] * 2
    lines = lines_of(tmp_path / "journal.jsonl")
    assert [line["run"] for line in lines if "stop_reason" in line] == [0, 1]
    assert [record.stop_reason for record in read_journal(tmp_path / "journal.jsonl")] == [
        "diverged"
    ] * 2


def test_notes_are_written_and_read(tmp_path):
    model, optimizer, data = parts()
    model.eval()
    lr_find(model, optimizer, data, journal=tmp_path / "journal.jsonl", **SHORT)
    (note,) = LRFinderResult.load(tmp_path / "journal.jsonl").notes
    assert "eval mode" in note


def test_a_file_that_is_there_is_refused_before_anything_is_trained(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text("mine")
    model, optimizer, data = parts()
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(SettingsError, match="not overwritten"):
        lr_find(model, optimizer, data, journal=path, **SHORT)
    assert path.read_text() == "mine"
    assert all(map(torch.equal, before, model.parameters()))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"there is no folder .*nowhere"):
        sweep(tmp_path / "nowhere" / "journal.jsonl")


def test_a_journal_and_an_executor_exclude_each_other(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(SettingsError, match="executor"),
    ):
        sweep(tmp_path / "journal.jsonl", executor=executor)


def test_the_sweep_with_a_journal_trains_the_same_as_without(tmp_path):
    with_journal = sweep(tmp_path / "journal.jsonl", seed=4)
    assert lr_find(*parts(), seed=4, **SHORT) == with_journal


def test_the_widget_writes_each_run_to_a_file_of_its_own(tmp_path):
    training = new_training("MLP")
    widget = LRFinderWidget(
        training.model,
        training.optimizer,
        training.loader,
        journal=tmp_path / "journal.jsonl",
        num_iter=6,
    )
    widget.run()
    first = widget.wait()
    widget.run()
    widget.wait()
    assert LRFinderResult.load(tmp_path / "journal.jsonl") == first
    assert len(LRFinderResult.load(tmp_path / "journal-2.jsonl").losses) == 6
    widget.close()


# Reading.


def test_a_reader_takes_up_what_came_since(tmp_path):
    sweep(tmp_path / "whole.jsonl")
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    path = tmp_path / "journal.jsonl"
    reader = JournalReader(path)
    assert reader.poll() == 0
    with path.open("wb") as file:
        file.write(b"".join(lines[:3]))
        file.flush()
        assert reader.poll() == 2
        assert reader.poll() == 0
        file.write(lines[3][:10])
        file.flush()
        assert reader.poll() == 0
        file.write(lines[3][10:] + b"".join(lines[4:]))
    assert not reader.end
    assert reader.poll() == 6
    assert reader.end == "completed"
    assert reader.starts == [0]
    assert reader.points.losses == LRFinderResult.load(tmp_path / "whole.jsonl").losses.tolist()


def test_a_last_line_that_is_torn_is_left_out(tmp_path):
    path = tmp_path / "journal.jsonl"
    sweep(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]) + lines[4][:-3])
    assert len(LRFinderResult.load(path).losses) == 3


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"run": 0, "index": 1, "lr": 0.1}\n', "'loss' is missing"),
        (b'{"run": 5, "index": 1, "lr": 0.1, "loss": 1}\n', "a point of run 5 follows"),
        (b'{"run": 0, "index": 1, "lr": "high", "loss": 1}\n', "lr must hold numbers"),
        (b"nonsense\n", "Expecting value"),
        (b"[1]\n", "must be a mapping"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, line, problem):
    path = tmp_path / "journal.jsonl"
    sweep(path)
    first_two = path.read_bytes().splitlines(keepends=True)[:2]
    path.write_bytes(b"".join(first_two) + line)
    with pytest.raises(LRFinderError, match=f"line 3: .*{problem}"):
        LRFinderResult.load(path)


def test_another_format_and_a_later_version_are_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"format": "something else"}\n')
    with pytest.raises(LRFinderError, match="not a journal"):
        LRFinderResult.load(path)
    path.write_text('{"format": "lrfinder-widget/journal", "version": 2}\n')
    with pytest.raises(LRFinderError, match="upgrade"):
        LRFinderResult.load(path)


def test_a_journal_without_a_point_says_so(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.touch()
    with pytest.raises(LRFinderError, match="no point yet"):
        LRFinderResult.load(path)


def test_a_rule_of_the_users_own_gives_way_to_auto_and_a_note_says_so(tmp_path):
    sweep(tmp_path / "journal.jsonl", rule=lambda lrs, losses: lrs[losses.argmin()])
    loaded = LRFinderResult.load(tmp_path / "journal.jsonl")
    assert loaded.settings.rule == "auto"
    assert "'auto' is used" in loaded.notes[-1]
    assert loaded.suggestion > 0


# The folder of a run.


def test_the_folder_of_a_run_is_loaded_from_its_result_or_else_its_journal(tmp_path):
    result = sweep(tmp_path / "journal.jsonl")
    assert LRFinderResult.load(tmp_path) == result
    other = range_test(lambda lr: 1 / (1 + lr), num_iter=9)
    other.save(tmp_path / "result.json")
    assert LRFinderResult.load(tmp_path) == other


def test_a_folder_without_either_is_refused(tmp_path):
    with pytest.raises(LRFinderError, match=r"without result.json or journal.jsonl"):
        LRFinderResult.load(tmp_path)


# The choice beside it.


def test_a_choice_is_written_beside_the_journal_and_read_back(tmp_path):
    journal = tmp_path / "journal.jsonl"
    assert read_choice(journal) is None
    assert write_choice(journal, 0.25) == tmp_path / "choice.json"
    assert read_choice(journal) == 0.25
    write_choice(journal, 0.5)
    assert read_choice(journal) == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["choice.json"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"lr": "high"}', '{"lr": -1}', '{"lr": true}', '{"lr": NaN}']
)
def test_a_choice_that_is_no_learning_rate_is_refused(tmp_path, content):
    choice_path(tmp_path / "journal.jsonl").write_text(content)
    with pytest.raises(LRFinderError, match="cannot read the choice"):
        read_choice(tmp_path / "journal.jsonl")


@pytest.mark.parametrize("lr", [0, -1, math.nan, "high"])
def test_no_choice_is_written_that_is_no_learning_rate(tmp_path, lr):
    with pytest.raises(SettingsError):
        write_choice(tmp_path / "journal.jsonl", lr)
    assert not [*tmp_path.iterdir()]
