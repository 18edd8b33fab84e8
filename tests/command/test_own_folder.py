"""The folder of a run: its own, and nobody else's."""

from contextlib import nullcontext
from datetime import datetime

import pytest

from lrfinder_widget.command import own_folder
from lrfinder_widget.command import run as run_module
from toy import CONFIG, lr_finder

RUN = ("run", "--config", "toy.yaml")

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_there_is_never_overwritten(kind, toy, capsys):
    if kind == "file":
        (toy / "out").write_text("mine")
    else:
        (toy / "out").mkdir()
        (toy / "out" / "mine").touch()
    assert lr_finder(*RUN, "--output", "out") == 2
    assert "not overwritten" in capsys.readouterr().err
    assert [*(toy / "out").iterdir()] == [toy / "out" / "mine"] if kind == "folder" else True


@pytest.fixture
def one_second(monkeypatch):
    """The clock stands still."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(own_folder, "datetime", Stopped)
    return "2026-01-02_03-04-05"


def test_two_runs_in_the_same_second_have_folders_of_their_own(toy, one_second):
    assert lr_finder(*RUN) == 0
    assert lr_finder(*RUN) == 0
    names = sorted(path.name for path in (toy / "runs").iterdir())
    assert names == [f"lr_finder_{one_second}", f"lr_finder_{one_second}-2"]


def test_so_have_two_that_look_for_a_name_before_either_has_written(toy, one_second):
    # The model of the first is built while the second makes its whole run.
    with (toy / "toy_training.py").open("a") as file:
        file.write(
            "\n\ndef make_late(hidden: int):\n"
            "    from toy import lr_finder\n\n"
            "    assert lr_finder('run', '--config', 'toy.yaml') == 0\n"
            "    return make_model(hidden)\n"
        )
    (toy / "late.yaml").write_text(CONFIG.replace(":make_model", ":make_late"))
    assert lr_finder("run", "--config", "late.yaml") == 0
    names = sorted(path.name for path in (toy / "runs").iterdir())
    assert names == [f"lr_finder_{one_second}", f"lr_finder_{one_second}-2"]


def test_a_run_that_cannot_begin_leaves_no_folder(toy):
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_model", ":make_modle"))
    assert lr_finder(*RUN) == 2
    assert not (toy / "runs").exists()
    (toy / "mine").mkdir()
    assert lr_finder(*RUN, "--output", "mine") == 2
    assert (toy / "mine").is_dir()


@pytest.mark.parametrize("command", ["run", "check", "folds"])
def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_built(
    command, toy, capsys
):
    (toy / "toy.yaml").write_text(CONFIG.replace(":make_model", ":make_modle"))
    more = ("--folds", 2) if command == "folds" else ()
    place = toy / "toy.yaml" / "x"
    assert lr_finder(command, "--config", "toy.yaml", "--output", place, *more) == 2
    assert f"cannot write to {place}" in capsys.readouterr().err


def test_of_two_runs_started_at_once_the_second_leaves_the_first_as_it_is(toy, monkeypatch, capsys):
    assert lr_finder(*RUN, "--output", "out") == 0
    before = {path.name: path.read_bytes() for path in (toy / "out").iterdir()}
    # The second looked before the first had made its folder.
    monkeypatch.setattr(run_module, "own_folder", lambda output: nullcontext(toy / "out"))
    assert lr_finder(*RUN, "--seed", "2", "--output", "out") == 2
    assert "is not overwritten; name another" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (toy / "out").iterdir()} == before


def test_a_journal_of_another_is_left_where_a_run_is_refused_for_it(toy, monkeypatch):
    (toy / "out").mkdir()
    (toy / "out" / "journal.jsonl").write_text("another's")
    monkeypatch.setattr(run_module, "own_folder", lambda output: nullcontext(toy / "out"))
    assert lr_finder(*RUN) == 2
    assert [path.name for path in (toy / "out").iterdir()] == ["journal.jsonl"]
