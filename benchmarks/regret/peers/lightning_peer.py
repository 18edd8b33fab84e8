"""Run Lightning's Tuner with its own range."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.tuner import Tuner

from benchmarks.regret.peers.sweeps import STEPS, optimizer_of, serve

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from benchmarks.regret.tasks import Pair


class Training(LightningModule):
    """A pair's training; `lr` is what the Tuner looks for and sets."""

    def __init__(self, pair: Pair, model: Any) -> None:
        super().__init__()
        self.pair = pair
        self.model = model
        self.lr = 1e-3

    def training_step(self, batch: list[Tensor], _number: int) -> Tensor:
        """Return the loss of a batch."""
        inputs, targets = batch
        return self.pair.task.loss_fn(self.model(inputs), targets)

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer that the pair is trained with."""
        return optimizer_of(self.pair, self.parameters(), self.lr)


class Tuned:
    """One call of `Tuner.lr_find`."""

    def __init__(self, pair: Pair, seed: int) -> None:
        model, self.loader = pair.task.start(seed)
        self.training = Training(pair, model)
        self.found: Any = None

    def suggest(self) -> float | None:
        """Sweep; the trainer writes nothing that outlasts it."""
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(
                accelerator="cpu",
                default_root_dir=folder,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            self.found = Tuner(trainer).lr_find(self.training, self.loader, num_training=STEPS)
        return self.found.suggestion()

    def curve(self) -> tuple[list[float], list[float]]:
        """Return the results: the losses are smoothed."""
        results = self.found.results if self.found is not None else {}
        return results.get("lr", []), results.get("loss", [])


if __name__ == "__main__":
    serve({"lightning": Tuned})
