"""The same training, swept in four ways; imported by the kernel that is measured.

Every way trains its own copy of one model on its own loader over one data set, with one loss
function. That function notes the time, so that a step is what lies between two of its calls:
batch, forward, backward, optimizer step, and whatever the sweep adds.
"""

from __future__ import annotations

import contextlib
import copy
import io
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from tqdm.std import tqdm

from lrfinder_widget import LRFinderWidget, lr_find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START, END = 1e-7, 1.0
# Workers start, kernels are chosen and the loss is looked at in the first steps.
WARM_UP = 20

torch.set_num_threads(1)
torch.manual_seed(0)
_inputs = torch.randn(8192, 20)
_data = TensorDataset(_inputs, (_inputs @ torch.randn(20, 2)).argmax(1))
_model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))

# When the loss was asked, on the wall's clock and on the clock of the thread's own work.
stamps: list[tuple[float, float]] = []


def timed_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy that notes when it was asked."""
    stamps.append((time.perf_counter(), time.thread_time()))
    return cross_entropy(output, target)


def fresh() -> tuple[nn.Module, torch.optim.Optimizer, DataLoader[Any]]:
    """Return a model, its optimizer and a shuffled loader."""
    model = copy.deepcopy(_model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return model, optimizer, DataLoader(_data, batch_size=32, shuffle=True)


def seconds_a_step(expected: int) -> tuple[float, float]:
    """Return the mean step of the sweep that has just ended: its duration and its work."""
    if len(stamps) != expected:
        raise RuntimeError(f"the sweep ended after {len(stamps)} of {expected} steps")
    first, last = stamps[WARM_UP], stamps[-1]
    steps = expected - 1 - WARM_UP
    return (last[0] - first[0]) / steps, (last[1] - first[1]) / steps


def _timed(sweep: Callable[[int], None], steps: int) -> tuple[float, float]:
    stamps.clear()
    sweep(steps)
    return seconds_a_step(steps)


def bare(steps: int) -> tuple[float, float]:
    """Time the training loop that everybody writes."""
    model, optimizer, loader = fresh()
    group = optimizer.param_groups[0]

    def sweep(steps: int) -> None:
        lrs: list[float] = []
        losses: list[float] = []
        batches = _endless(loader)
        for lr in np.geomspace(START, END, steps).tolist():
            inputs, targets = next(batches)
            group["lr"] = lr
            optimizer.zero_grad()
            loss = timed_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            lrs.append(lr)
            losses.append(loss.item())

    return _timed(sweep, steps)


def _endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def headless(steps: int) -> tuple[float, float]:
    """Time `lr_find` without its progress bar."""
    ours = fresh()

    def sweep(steps: int) -> None:
        lr_find(*ours, timed_loss, progress=False, **_settings(steps))

    return _timed(sweep, steps)


def peer(steps: int) -> tuple[float, float]:
    """Time torch-lr-finder's `range_test`; its progress bar and its prints go nowhere."""
    import torch_lr_finder.lr_finder as theirs

    # In a notebook it would pick the bar that is a widget; a plain one costs it less.
    theirs.tqdm = partial(tqdm, file=io.StringIO())
    model, optimizer, loader = fresh()
    for group in optimizer.param_groups:
        group["lr"] = START
    finder = theirs.LRFinder(model, optimizer, timed_loss, device="cpu")

    def sweep(steps: int) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            # 5 times the best loss would end it early, and a block has so many steps.
            finder.range_test(loader, end_lr=END, num_iter=steps, diverge_th=float("inf"))

    taken = _timed(sweep, steps)
    finder.reset()
    return taken


def widget(steps: int) -> LRFinderWidget:
    """Return a widget for the live way; its page starts the sweeps and sees them end."""
    return LRFinderWidget(*fresh(), timed_loss, **_settings(steps))


def _settings(steps: int) -> dict[str, Any]:
    return {"start_lr": START, "end_lr": END, "num_iter": steps, "diverge_threshold": None}
