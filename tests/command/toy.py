"""A small training for the command, and ways to run it."""

import os
import subprocess
import sys
from pathlib import Path

from lrfinder_widget.command import main

ROOT = Path(__file__).parents[2]

CONFIG = """\
# A toy.
model:
  class_path: toy_training:make_model
  init_args:
    hidden: 4
data: toy_training:make_data
optimizer:
  class_path: torch.optim.SGD
  init_args:
    lr: 0.001  # to be found
    momentum: 0.9
sweep:
  num_iter: 30
  start_lr: 1e-4
  end_lr: 10
  seed: 1
"""

MODULE = '''\
"""A toy."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_model(hidden: int, bias: bool = True) -> nn.Module:
    return nn.Sequential(nn.Linear(3, hidden, bias=bias), nn.Tanh(), nn.Linear(hidden, 2))


def make_data(batch_size: int = 8, fold: int = 0, folds: int = 5, seed: int = 0):
    draws = torch.Generator().manual_seed(5)
    inputs = torch.randn(80, 3, generator=draws)
    targets = (inputs[:, 0] + 0.3 * torch.randn(80, generator=draws) > 0).long()
    kept = [index for index in range(80) if index % folds != fold]
    order = torch.Generator().manual_seed(seed)
    data = TensorDataset(inputs[kept], targets[kept])
    return DataLoader(data, batch_size, shuffle=True, generator=order)


def make_optimizer(model, lr: float = 0.1):
    return torch.optim.AdamW(model.parameters(), lr=lr)


def no_batch_size():
    return [(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))]
'''


def lr_finder(*arguments):
    """Run the command in this process, and return its exit code."""
    return main([str(argument) for argument in arguments])


def usage(*arguments):
    """Run a command line that argparse refuses, and return its exit code."""
    try:
        return lr_finder(*arguments)
    except SystemExit as exit_:
        return exit_.code


def started(*arguments, **options):
    """Start the command in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "lrfinder_widget", *map(str, arguments)],
        env={**environment, **options.pop("env", {})},
        **options,
    )


def only_run(folder):
    """Return the folder of the one run there is."""
    (run,) = (folder / "runs").iterdir()
    return run
