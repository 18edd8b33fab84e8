"""Run torch-lr-finder over the range of its README: Adam at 1e-7, `end_lr=100`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from torch_lr_finder import LRFinder

from benchmarks.regret.peers.sweeps import STEPS, optimizer_of, serve

if TYPE_CHECKING:
    from benchmarks.regret.tasks import Pair

START, END = 1e-7, 100


class RangeTest:
    """A range test; its plot suggests the rate at which the loss falls steepest."""

    def __init__(self, pair: Pair, seed: int) -> None:
        model, self.loader = pair.task.start(seed)
        optimizer = optimizer_of(pair, model.parameters(), START)
        self.finder = LRFinder(model, optimizer, pair.task.loss_fn)

    def suggest(self) -> float:
        """Sweep and plot."""
        self.finder.range_test(self.loader, end_lr=END, num_iter=STEPS)
        figure, axes = plt.subplots()
        try:
            _, suggestion = self.finder.plot(ax=axes)
        finally:
            plt.close(figure)
        return suggestion

    def curve(self) -> tuple[list[float], list[float]]:
        """Return the history."""
        return self.finder.history["lr"], self.finder.history["loss"]


if __name__ == "__main__":
    serve({"torch-lr-finder": RangeTest})
