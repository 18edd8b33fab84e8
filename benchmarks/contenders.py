"""The same training, swept in four ways; imported by the kernel that is measured.

Every way trains its own copy of one model on its own loader over one data set, with one loss
function. That function stops the clock every now and then, takes a few steps of a bare loop, and
goes on: so both are timed on the same thread within the same twentieth of a second, whatever else
the machine does.
"""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from tqdm.std import tqdm

from lrfinder_widget import LRFinderWidget, lr_find, runner
from lrfinder_widget.widget import pages, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START, END = 1e-7, 1.0
# Steps between two looks at the clock, of the sweep and of the bare loop.
SWEPT, BARE = 40, 20
# Steps of either that are not timed: caches have to fill again.
REFILL = 5
# Chunks at the beginning: workers start, kernels are chosen and the loss is looked at.
WARM_UP = 4

torch.set_num_threads(1)
torch.manual_seed(0)
_inputs = torch.randn(8192, 20)
_data = TensorDataset(_inputs, (_inputs @ torch.randn(20, 2)).argmax(1))
_model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))


class Alternation:
    """Times a sweep's steps in chunks, and bare steps between them."""

    def __init__(self) -> None:
        # Seconds of each chunk, on the wall's clock and on that of the thread's own work.
        self._swept: list[tuple[float, float]] = []
        self._bare: list[tuple[float, float]] = []
        self._asked = 0
        self._began = (0.0, 0.0)
        self._bare_loop = bare_steps()

    def ask(self) -> None:
        """Take note of a step of the sweep."""
        within = self._asked % (REFILL + SWEPT)
        if within == 0:
            if self._asked:
                self._swept.append(_since(self._began))
            clock.stop()
            self._take_bare(REFILL)
            began = _clocks()
            self._take_bare(BARE)
            self._bare.append(_since(began))
        elif within == REFILL:
            clock.go_on()
            self._began = _clocks()
        self._asked += 1

    def _take_bare(self, count: int) -> None:
        for _ in range(count):
            next(self._bare_loop)

    def seconds(self, expected: int) -> list[float]:
        """Return the seconds a step of sweep and bare loop, on the one clock and on the other.

        They are means: what a live sweep does now and then belongs to all its steps.
        """
        if self._asked != expected:
            raise RuntimeError(f"the sweep ended after {self._asked} of {expected} steps")
        found = []
        for clock_number in (0, 1):
            for chunks, steps in ((self._swept, SWEPT), (self._bare, BARE)):
                timed = chunks[WARM_UP:]
                found.append(sum(each[clock_number] for each in timed) / len(timed) / steps)
        return found


class Clock:
    """The clock by which a live sweep tells pages of itself: it stands still in untimed steps.

    Otherwise what it tells in the meantime would weigh on the timed ones, or on none.
    """

    def __init__(self) -> None:
        self._left_out = 0.0
        self._stopped_at: float | None = None

    def monotonic(self) -> float:
        """Return seconds, as ``time.monotonic`` does."""
        now = time.monotonic() if self._stopped_at is None else self._stopped_at
        return now - self._left_out

    def stop(self) -> None:
        """Stand still."""
        self._stopped_at = time.monotonic()

    def go_on(self) -> None:
        """Go on from where it stopped."""
        if self._stopped_at is not None:
            self._left_out += time.monotonic() - self._stopped_at
        self._stopped_at = None


clock = Clock()


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    wall, work = _clocks()
    return wall - began[0], work - began[1]


# None where a sweep is to be left alone.
alternation: Alternation | None = None


def timed_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy that looks at the clock."""
    if alternation is not None:
        alternation.ask()
    return cross_entropy(output, target)


def fresh() -> tuple[nn.Module, torch.optim.Optimizer, DataLoader[Any]]:
    """Return a model, its optimizer and a shuffled loader."""
    model = copy.deepcopy(_model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return model, optimizer, DataLoader(_data, batch_size=32, shuffle=True)


def begin() -> None:
    """Begin to time anew."""
    global alternation  # noqa: PLW0603 - what the loss closes over, a sweep would put back
    clock.go_on()
    alternation = Alternation()


def seconds(expected: int) -> list[float]:
    """Return what was timed; see `Alternation.seconds`."""
    return alternation.seconds(expected) if alternation is not None else []


def _timed(sweep: Callable[[int], None], steps: int) -> list[float]:
    begin()
    sweep(steps)
    return seconds(steps)


def bare_steps(loss_fn: Any = cross_entropy) -> Iterator[None]:
    """Train in the loop that everybody writes, step by step."""
    model, optimizer, loader = fresh()
    group = optimizer.param_groups[0]
    lrs: list[float] = []
    losses: list[float] = []
    batches = _endless(loader)
    for lr in itertools.cycle(np.geomspace(START, END, 1000).tolist()):
        inputs, targets = next(batches)
        group["lr"] = lr
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        lrs.append(lr)
        losses.append(loss.item())
        yield


def bare(steps: int) -> list[float]:
    """Time the bare loop against itself: what differs is chance."""

    def sweep(steps: int) -> None:
        training = bare_steps(timed_loss)
        for _ in range(steps):
            next(training)

    return _timed(sweep, steps)


def _endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def headless(steps: int) -> list[float]:
    """Time `lr_find` without its progress bar."""
    ours = fresh()

    def sweep(steps: int) -> None:
        lr_find(*ours, timed_loss, progress=False, **_settings(steps))

    return _timed(sweep, steps)


def peer(steps: int) -> list[float]:
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
    for module in (runner, stream, pages):
        module.time = clock  # type: ignore[attr-defined]  # all that they take from it
    return LRFinderWidget(*fresh(), timed_loss, **_settings(steps))


def _settings(steps: int) -> dict[str, Any]:
    return {"start_lr": START, "end_lr": END, "num_iter": steps, "diverge_threshold": None}
