"""The command, started by torchrun in two processes."""

import os
import subprocess
import sys

import pytest

from lrfinder_widget import LRFinderResult
from lrfinder_widget.command import main

CONFIG = """\
model: {class_path: "parts:make_model", init_args: {kind: KIND}}
data: parts:make_data
optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.1, momentum: 0.9}}
sweep: {start_lr: 1e-3, end_lr: 0.5, num_iter: 20}
"""
PARTS = '''\
"""A training for several processes."""

import torch
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader, TensorDataset


class Failing(nn.Linear):
    """Fails on rank 1 in its fifth forward pass."""

    calls = 0

    def forward(self, inputs):
        self.calls += 1
        if self.calls == 5 and torch.distributed.get_rank() == 1:
            raise ArithmeticError("as the test wants it")
        return super().forward(inputs)


def make_model(kind: str):
    torch.manual_seed(0)
    first = Failing if kind == "failing" else nn.Linear
    model = nn.Sequential(first(3, 8), nn.Tanh(), nn.Linear(8, 2))
    return fully_shard(model) if kind == "FSDP2" else model


def make_data(batch_size: int = 8):
    inputs = torch.randn(160, 3, generator=torch.Generator().manual_seed(5))
    return DataLoader(TensorDataset(inputs, (inputs[:, 0] > 0).long()), batch_size)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "parts.py").write_text(PARTS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("parts", None)


def config_of(folder, kind):
    path = folder / f"{kind}.yaml"
    path.write_text(CONFIG.replace("KIND", kind))
    return str(path)


def torchrun(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*command, "-m", "lrfinder_widget", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize("kind", ["DDP", "FSDP2"])
def test_two_processes_find_what_one_finds_with_the_doubled_batch(folder, kind):
    done = torchrun("run", "--config", config_of(folder, kind), "--output", "together")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Sweeping with seed") == 1
    alone = ("run", "--config", config_of(folder, "plain"), "--batch_size", "16")
    assert main([*alone, "--output", "alone"]) == 0
    together, alone = map(LRFinderResult.load, ("together", "alone"))
    assert together.losses.tolist() == pytest.approx(alone.losses.tolist(), rel=1e-4)
    assert together.suggestion.lr == pytest.approx(alone.suggestion.lr, rel=1e-3)


def test_when_one_process_fails_the_points_are_kept_and_all_end(folder):
    done = torchrun("run", "--config", config_of(folder, "failing"), "--output", "together")
    assert done.returncode == 1
    assert "ArithmeticError: as the test wants it" in done.stderr
    assert len(LRFinderResult.load("together").losses) == 4
