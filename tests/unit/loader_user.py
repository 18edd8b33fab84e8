"""Somebody who trains on a loader, sweeps in between, and goes on."""

from torch.nn import functional
from torch.optim import SGD

from evidence import seeded
from lrfinder_widget import lr_find
from specimens import mlp


class User:
    """Trains on a loader, epoch after epoch, and keeps what each batch held."""

    def __init__(self, build):
        seeded()
        self.model = mlp()
        self.optimizer = SGD(self.model.parameters(), lr=0.05)
        self.loader = build()
        self.iterator = iter(())
        self.seen = []

    def train(self, steps):
        for _ in range(steps):
            batch = next(self.iterator, None)
            if batch is None:
                self.iterator = iter(self.loader)
                batch = next(self.iterator)
            self.seen.append(batch[0].tolist())

    def sweep(self, **settings):
        chosen = {"num_iter": 8, "start_lr": 1e-3, "end_lr": 0.1, "progress": False}
        return lr_find(
            self.model,
            self.optimizer,
            self.loader,
            functional.cross_entropy,
            **{**chosen, **settings},
        )
