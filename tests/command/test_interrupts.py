"""Ctrl-C at any moment: exit code 130, and a run that can be loaded once the sweep has begun."""

import signal
import sys
from pathlib import Path

import pytest

import lrfinder_widget
from lrfinder_widget import LRFinderResult
from lrfinder_widget.command.run_folder import RunFolder
from toy import CONFIG, lr_finder, only_run

PACKAGE = Path(lrfinder_widget.__file__).parent
RUN = ("run", "--config", "toy.yaml")
PRESS = "import signal; signal.raise_signal(signal.SIGINT)"

pytestmark = pytest.mark.usefixtures("no_pictures")


def add(toy, text):
    with (toy / "toy_training.py").open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    "text",
    [
        f"\n\n{PRESS}\n",
        f"\n\ndef make_data(): {PRESS}\n",
        f"\n\ndef make_model(hidden): {PRESS}\n",
    ],
    ids=["while modules are imported", "while data is built", "while the model is built"],
)
def test_before_the_sweep_nothing_is_left(toy, capsys, text):
    add(toy, text)
    assert lr_finder(*RUN) == 130
    assert capsys.readouterr().err == "lr-finder: interrupted\n"
    assert not (toy / "runs").exists()


LOSS = f"""

steps = [0]


def pressed(output, target):
    with open("steps", "a") as file:
        file.write(".")
    if len(open("steps").read()) == STEP:
        {PRESS}
    return nn.functional.cross_entropy(output, target)
"""


def test_in_the_first_step_nothing_is_left(toy):
    add(toy, LOSS.replace("STEP", "1"))
    (toy / "toy.yaml").write_text(f"{CONFIG}loss: toy_training:pressed\n")
    assert lr_finder(*RUN) == 130
    assert not (toy / "runs").exists()


def test_in_the_middle_of_the_sweep_the_points_so_far_are_written_in_all_forms(toy, capsys):
    add(toy, LOSS.replace("STEP", "12"))
    (toy / "toy.yaml").write_text(f"{CONFIG}loss: toy_training:pressed\n")
    assert lr_finder(*RUN) == 130
    assert "ended after 11 points" in capsys.readouterr().out
    run = only_run(toy)
    assert {"result.json", "curve.csv", "journal.jsonl"} <= {path.name for path in run.iterdir()}
    result = LRFinderResult.load(run)
    assert len(result.losses) == 11
    assert result.stop_reason == "stopped"


def test_while_the_result_is_written_it_is_written_whole(toy, monkeypatch):
    to_csv = LRFinderResult.to_csv

    def pressed(result, path):
        signal.raise_signal(signal.SIGINT)
        return to_csv(result, path)

    monkeypatch.setattr(LRFinderResult, "to_csv", pressed)
    assert lr_finder(*RUN) == 130
    assert (only_run(toy) / "curve.csv").exists()
    assert len(LRFinderResult.load(only_run(toy)).losses) == 30


def test_a_second_one_while_the_points_so_far_are_written_changes_nothing(toy, monkeypatch):
    write_result = RunFolder.write_result

    def pressed(folder, result):
        signal.raise_signal(signal.SIGINT)
        write_result(folder, result)

    monkeypatch.setattr(RunFolder, "write_result", pressed)
    add(toy, LOSS.replace("STEP", "12"))
    (toy / "toy.yaml").write_text(f"{CONFIG}loss: toy_training:pressed\n")
    assert lr_finder(*RUN) == 130
    assert (only_run(toy) / "curve.csv").exists()


class Pressed:
    """Presses Ctrl-C at the given one of the lines of the package that are run."""

    # Where a line is one of the engine's, that has tests of its own.
    FILES = frozenset(
        map(
            str,
            [
                *(PACKAGE / name for name in ("journal.py", "find.py", "result_files.py")),
                *(PACKAGE / "command").glob("*.py"),
            ],
        )
    )

    def __init__(self, at):
        self.at = at
        self.lines = 0

    def __enter__(self):
        sys.settrace(self._call)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _call(self, frame, event, argument):
        return self._line if frame.f_code.co_filename in self.FILES else None

    def _line(self, frame, event, argument):
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self._line


def ended(*arguments):
    """Return the exit code; outside of main's own lines Python itself ends with this one."""
    try:
        return lr_finder(*arguments)
    except KeyboardInterrupt:
        return 130


def lines_of_a_run(toy):
    with Pressed(at=0) as press:
        assert lr_finder(*RUN, "--output", "whole") == 0
    return press.lines


def test_at_any_line_what_the_sweep_has_begun_can_be_loaded(toy):
    text = CONFIG.replace("num_iter: 30", "num_iter: 6")
    (toy / "toy.yaml").write_text(text)
    count = lines_of_a_run(toy)
    assert count > 1000
    loaded = []
    # The sweep and what comes after it are the last third.
    begin = [round(part * count / 30) for part in range(10)]
    rest = [round(count * (20 + part / 3) / 30) for part in range(30)]
    for number, at in enumerate([1, *begin[1:], *rest, count]):
        with Pressed(at) as press:
            code = ended(*RUN, "--output", f"out_{number}")
        assert press.lines >= at
        assert code == 130
        folder = toy / f"out_{number}"
        if (folder / "journal.jsonl").exists() and (folder / "journal.jsonl").stat().st_size:
            loaded.append(len(LRFinderResult.load(folder).losses))
    assert len(loaded) > 15
    assert {0 < points <= 6 for points in loaded} == {True}
    assert 6 in loaded
