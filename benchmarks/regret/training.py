"""One training of a pair at one rate."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.regret.tasks import ONE_CYCLE, OPTIMIZERS, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor
    from torch.utils.data import DataLoader

LOOKS = 6  # how often a training is validated on its way


@dataclass(frozen=True)
class Training:
    """The validation losses on the way, the last of them inf if the training diverged."""

    losses: tuple[float, ...]
    milliseconds_a_step: float
    finished: bool


def train(pair: Pair, rate: float, seed: int) -> Training:
    """Train at a rate, and validate now and then; end once the training loss is not finite."""
    task = pair.task
    model, loader = task.start(seed)
    optimizer = OPTIMIZERS[pair.optimizer](model.parameters(), rate)
    one_cycle = pair.schedule == ONE_CYCLE
    scheduler = OneCycleLR(optimizer, rate, total_steps=task.steps) if one_cycle else None
    losses, seconds = [], 0.0
    batches = endless(loader)
    for step in range(1, task.steps + 1):
        began = time.thread_time()  # others may use the machine
        inputs, targets = next(batches)
        loss = task.loss_fn(model(inputs), targets)
        if not math.isfinite(loss.item()):
            return Training((*losses, math.inf), 1e3 * seconds / step, finished=False)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        seconds += time.thread_time() - began
        if step % (task.steps // LOOKS) == 0 or step == task.steps:
            seen = task.validation_loss(model)
            losses.append(seen if math.isfinite(seen) else math.inf)
    return Training(tuple(losses), 1e3 * seconds / task.steps, finished=True)


def endless(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches, epoch after epoch."""
    while True:
        yield from loader
