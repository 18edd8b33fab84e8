"""The command in a process of its own: on a terminal, and into a pipe."""

import os
import re
import subprocess
from pathlib import Path

import pexpect
import pytest

from lrfinder_widget import LRFinderResult
from toy import CONFIG, ROOT, only_run, started

pytestmark = pytest.mark.skipif("sys.platform == 'win32'", reason="there are no pseudo-terminals")


def on_a_terminal(toy, *arguments):
    import os
    import sys

    return pexpect.spawn(
        sys.executable,
        ["-m", "lrfinder_widget", *arguments],
        cwd=str(toy),
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        dimensions=(30, 100),
        encoding="utf-8",
        timeout=120,
    )


def test_on_a_terminal_a_bar_shows_rate_loss_and_time_left_and_ctrl_c_keeps_the_points(toy):
    # Long enough to be interrupted, on any machine.
    (toy / "toy.yaml").write_text(CONFIG.replace("num_iter: 30", "num_iter: 100000"))
    terminal = on_a_terminal(toy, "run", "--config", "toy.yaml")
    terminal.expect(r"LR\s+\d\.\d\de-\d\d")
    terminal.expect(r"\d+/100000")
    terminal.expect(r"loss \d\.\d{4}")
    terminal.expect(r"\d+:\d\d.*left")
    terminal.sendintr()
    terminal.expect(r"ended after (\d+) points")
    points = int(terminal.match.group(1))
    terminal.expect("interrupted")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    result = LRFinderResult.load(only_run(toy))
    assert len(result.losses) == points
    assert result.stop_reason == "stopped"


def test_into_a_pipe_each_point_is_a_line_as_soon_as_it_is_there(toy):
    (toy / "toy.yaml").write_text(CONFIG.replace("num_iter: 30", "num_iter: 100000"))
    with started(
        "run", "--config", "toy.yaml", cwd=toy, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = [process.stdout.readline() for _ in range(4)]
        finally:
            process.kill()
    assert lines[0].startswith("Sweeping with seed 1, writing to runs/lr_finder_")
    for line in lines[1:]:
        assert re.fullmatch(r"LR: \d\.\d\de[-+]\d\d \| Loss: \d\.\d{4}\n", line)
    # Killed, not interrupted: the journal is what is left.
    assert len(LRFinderResult.load(only_run(toy)).losses) >= 3


def test_into_a_pipe_that_nobody_reads_the_sweep_goes_on_in_silence(toy):
    read, write = os.pipe()
    os.close(read)
    with started(
        "run", "--config", "toy.yaml", cwd=toy, stdout=write, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(write)
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert len(LRFinderResult.load(only_run(toy) / "result.json").losses) == 30
    assert (only_run(toy) / "lr_finder.html").exists()


@pytest.mark.skipif("sys.platform != 'linux'", reason="there is no /dev/full")
def test_onto_a_full_disk_the_sweep_goes_on_in_silence(toy):
    with (
        Path("/dev/full").open("w") as full,
        started(
            "run", "--config", "toy.yaml", cwd=toy, stdout=full, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert (only_run(toy) / "lr_finder.html").exists()


def test_a_sign_that_the_output_does_not_know_is_replaced(toy):
    flags = ("--repeats", "2", "--output", "größer")
    with started(
        "run",
        "--config",
        "toy.yaml",
        *flags,
        cwd=toy,
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said, wrong = process.communicate()
    assert (process.returncode, wrong) == (0, "")
    assert "Written: gr??er" in said
