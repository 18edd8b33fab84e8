"""Run Ignite's FastaiLRFinder up to its default `end_lr`, from the 1e-6 of its how-to guide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ignite.engine import create_supervised_trainer
from ignite.handlers import FastaiLRFinder

from benchmarks.regret.peers.sweeps import STEPS, optimizer_of, serve

if TYPE_CHECKING:
    from benchmarks.regret.tasks import Pair

START = 1e-6


class Attached:
    """A finder attached to a trainer for one run."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.model, self.loader = pair.task.start(seed)
        self.optimizer = optimizer_of(pair, self.model.parameters(), START)
        self.trainer = create_supervised_trainer(self.model, self.optimizer, pair.task.loss_fn)
        self.finder = FastaiLRFinder()

    def suggest(self) -> float:
        """Sweep, and ask for the suggestion."""
        to_save = {"model": self.model, "optimizer": self.optimizer}
        with self.finder.attach(self.trainer, to_save, num_iter=STEPS) as trainer:
            trainer.run(self.loader)
        return self.finder.lr_suggestion()

    def curve(self) -> tuple[list[float], list[float]]:
        """Return the results: the losses are smoothed."""
        results = self.finder.get_results()
        return results.get("lr", []), results.get("loss", [])


if __name__ == "__main__":
    serve({"ignite": Attached})
