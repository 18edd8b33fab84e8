"""A sweep that a command makes elsewhere: seen live on a page, chosen there, picked up there."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]

CONFIG = """\
model: slow_training:make_model
data: slow_training:make_data
optimizer:
  class_path: torch.optim.SGD
  init_args:
    lr: 0.001
sweep:
  num_iter: 120
  diverge_threshold: null
"""

MODULE = """\
import time

import torch
from torch import nn


class Slow(nn.Linear):
    def forward(self, inputs):
        time.sleep(0.02)
        return super().forward(inputs)


def make_model():
    return nn.Sequential(Slow(6, 8), nn.Tanh(), nn.Linear(8, 3))


def make_data():
    torch.manual_seed(0)
    return [(torch.randn(16, 6), torch.randint(3, (16,))) for _ in range(20)]
"""


@pytest.fixture
def command(tmp_path):
    """The command in a terminal of its own, which waits for a choice after its sweep."""
    (tmp_path / "lr_finder.yaml").write_text(CONFIG)
    (tmp_path / "slow_training.py").write_text(MODULE)
    run = tmp_path / "run"
    line = [
        *(sys.executable, "-m", "lrfinder_widget", "run", "--config", "lr_finder.yaml"),
        *("--output", str(run), "--wait-for-choice"),
    ]
    own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        line, cwd=tmp_path, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield process, run
        process.kill()


def test_a_sweep_elsewhere_is_watched_chosen_here_and_picked_up_there(notebook, command, shots):
    process, run = command
    watch = f"""
        import time
        from pathlib import Path

        from lrfinder_widget import LRFinderWidget

        while not Path({str(run)!r}).exists():
            time.sleep(0.05)
        w = LRFinderWidget.watch({str(run)!r}).show()
        w
    """
    tab = notebook([textwrap.dedent(watch)])
    tab.run(0)
    tab.wait_points(20)
    assert process.poll() is None
    expect(tab.button("Stop")).to_be_enabled()
    tab.root.screenshot(path=shots / "watching.png")
    tab.until("w.status['state'] == 'done'")
    tab.settled()
    assert tab.points() == tab.evaluate("len(w.result.lrs)")
    tab.rate_field.fill("0.025")
    tab.rate_field.press("Enter")
    tab.button("Choose").click()
    expect(tab.root).to_contain_text("choice.json")
    tab.root.screenshot(path=shots / "watched-and-chosen.png")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Chosen learning rate: 0.025" in said
    # There is nothing here to train again, or to undo.
    assert tab.button("Undo").count() == tab.button("Run again").count() == 0
