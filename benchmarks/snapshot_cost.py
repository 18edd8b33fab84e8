"""What it costs to remember a model and to put it back; a process of its own, prints JSON."""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import torch
from torch import nn

from lrfinder_widget.training.snapshot import Snapshot
from lrfinder_widget.training.training import Training

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYERS, WIDTH = 12, 1024  # 50 MB of parameters, and twice that in Adam's moments
ROUNDS = 15


def measure() -> dict[str, Any]:
    """Time a snapshot beside one clone, in turn, and watch the memory of one snapshot."""
    torch.set_num_threads(1)
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(LAYERS)))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, WIDTH)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    tensors = list(model.parameters())
    tensors += [value for state in optimizer.state.values() for value in state.values()]
    size = sum(tensor.nbytes for tensor in tensors)

    training = Training(model=model, optimizer=optimizer, loader=[])
    clones, snapshots = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        copies = [tensor.detach().clone() for tensor in tensors]
        clones.append(time.perf_counter() - began)
        del copies
        began = time.perf_counter()
        snapshot = Snapshot(training)
        snapshot.restore()
        snapshots.append(time.perf_counter() - began)
        del snapshot
    with watched_memory() as peak:
        snapshot = Snapshot(training)
        snapshot.restore()
    return {
        "bytes": size,
        "clone_seconds": clones,
        "snapshot_seconds": snapshots,
        "ratio": statistics.median(ours / one for ours, one in zip(snapshots, clones, strict=True)),
        "copies_at_peak": peak[0] / size,
    }


@contextmanager
def watched_memory() -> Iterator[list[float]]:
    """Yield a list that holds, after the block, the most memory it took on top, in bytes."""
    process = psutil.Process()
    peak = [0.0]
    ended = threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        # Copying lets go of the interpreter, so this sees what is held in the middle of it.
        while not ended.wait(0.0005):
            peak[0] = max(peak[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
        peak[0] = max(peak[0], process.memory_info().rss - before)
    finally:
        ended.set()
        watcher.join()


if __name__ == "__main__":
    json.dump(measure(), sys.stdout)
