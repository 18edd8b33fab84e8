"""Every command line in the docs, in their order, as a newcomer would type them."""

import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from lrfinder_widget import LRFinderResult
from lrfinder_widget.choice import write_choice
from lrfinder_widget.command import run as run_module
from toy import ROOT, usage

PAGE = ROOT / "docs" / "command.md"
CHOSEN = 0.0625
TORCHRUN = "torch.distributed.run"


def command_lines():
    blocks = re.findall(
        r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture
def newcomer(tmp_path, monkeypatch):
    """A folder with photos of cats and dogs."""
    draws = np.random.default_rng(1)
    for name, brightness in (("cats", 80), ("dogs", 170)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.clip(draws.normal(brightness, 40, (12, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.jpg")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("training", None)


def carry_out(line, folder):
    """Carry out a command line, and return its exit code."""
    program, *arguments = shlex.split(line)
    if program == "lr-finder":
        return usage(*arguments)
    programs = {"python": [sys.executable], "torchrun": [sys.executable, "-m", TORCHRUN]}
    own = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*programs[program], *arguments]
    return subprocess.run(command, cwd=folder, env=own, check=False).returncode


def test_the_page_has_command_lines_of_every_command():
    said = "\n".join(command_lines())
    for command in ("init", "check", "run", "apply", "folds", "show"):
        assert f"lr-finder {command} " in said


def test_every_flag_is_told_of():
    from lrfinder_widget.command.arguments import FLAGS, SWITCHES

    said = "\n".join(command_lines())
    assert all(f"--{name}" in said for name in (*FLAGS, *SWITCHES))


@pytest.mark.timeout(600)  # seven sweeps and a training, also on a machine that does other things
def test_the_page_can_be_followed_from_a_folder_of_images_to_a_trained_model(
    newcomer, monkeypatch, no_pictures
):
    def choose(seconds):
        # Somebody chooses while the command waits.
        write_choice(newcomer / "runs" / "watched" / "journal.jsonl", CHOSEN)

    monkeypatch.setattr(run_module, "sleep", choose)
    rates = []
    for line in command_lines():
        assert carry_out(line, newcomer) == 0, line
        if "apply" in line:
            config = YAML(typ="safe").load(newcomer / "lr_finder.yaml")
            rates.append(config["optimizer"]["init_args"]["lr"])
    assert (newcomer / "model.pt").stat().st_size > 0
    first = LRFinderResult.load("runs/first")
    assert rates == [pytest.approx(first.suggestion.lr, rel=0.01), CHOSEN]
    assert "# what lr-finder apply changes" in (newcomer / "lr_finder.yaml").read_text()


def test_the_example_that_init_writes_is_learnt_at_the_rate_that_is_found(newcomer, no_pictures):
    assert carry_out("lr-finder init example", newcomer) == 0
    config = "example/lr_finder.yaml"
    assert carry_out(f"lr-finder check --config {config}", newcomer) == 0
    assert carry_out(f"lr-finder run --config {config} --seed 1 --output out", newcomer) == 0
    assert carry_out(f"lr-finder apply out --config {config}", newcomer) == 0
    said = subprocess.run(
        [sys.executable, "example/training.py"], capture_output=True, text=True, check=True
    ).stdout
    *_, (epochs, right) = re.findall(r"epoch (\d+): (\d+)% of the held-out images right", said)
    assert int(epochs) <= 20
    assert int(right) > 80


def test_files_that_are_there_are_not_overwritten(newcomer, capsys):
    (newcomer / "training.py").write_text("mine")
    assert carry_out("lr-finder init", newcomer) == 2
    assert "training.py exists" in capsys.readouterr().err
    assert (newcomer / "training.py").read_text() == "mine"
    assert not (newcomer / "lr_finder.yaml").exists()


@pytest.mark.parametrize("images", ["nowhere", "photos/cats"])
def test_a_folder_without_a_folder_for_each_class_is_refused(images, newcomer, capsys):
    assert carry_out(f"lr-finder init --images {images}", newcomer) == 2
    assert images in capsys.readouterr().err
    assert not (newcomer / "lr_finder.yaml").exists()
