"""Small Lightning modules and datamodules, each with a habit that a sweep has to cope with."""

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from specimens import CLASSES, FEATURES, Samples, batch_norm_and_dropout, batches_of_4, mlp


def trainer(**options):
    quiet = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "max_epochs": 1,
    }
    return pl.Trainer(**{**quiet, **options})


class Classifier(pl.LightningModule):
    """Takes a batch, returns its loss; the loss of each step is kept for the tests."""

    def __init__(self, lr=0.05, body=mlp):
        super().__init__()
        self.save_hyperparameters("lr")
        self.lr = lr
        self.net = body()

    def loss_on(self, batch):
        inputs, targets = batch
        return functional.cross_entropy(self.net(inputs), targets)

    def training_step(self, batch, batch_idx):
        return self.loss_on(batch)

    def configure_optimizers(self):
        return SGD(self.parameters(), lr=self.lr, momentum=0.9)


class Restless(Classifier):
    """Drops, normalises, counts, logs, and asks the trainer for whatever it can tell."""

    def __init__(self, lr=0.05):
        super().__init__(lr, batch_norm_and_dropout)
        self.told = []

    def training_step(self, batch, batch_idx):
        loss = self.loss_on(batch)
        self.told.append((self.global_step, self.current_epoch, self.trainer.max_epochs, batch_idx))
        self.log("train_loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        self.log_dict({"double": 2 * loss, "index": batch_idx})
        if self.logger is not None:
            self.logger.log_metrics({"seen": 1.0})
        return {"loss": loss, "weight": self.net[0].weight.norm(), "batch": batch}

    def configure_optimizers(self):
        optimizer = AdamW(self.parameters(), lr=self.lr)
        steps = self.trainer.estimated_stepping_batches
        schedule = {"scheduler": OneCycleLR(optimizer, self.lr, steps), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


class Adversaries(pl.LightningModule):
    """Two optimizers, stepped by the module itself, each with a schedule."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.first, self.second = mlp(), mlp()

    def training_step(self, batch, batch_idx):
        inputs, targets = batch
        for optimizer, net in zip(self.optimizers(), (self.first, self.second), strict=True):
            self.toggle_optimizer(optimizer)
            loss = functional.cross_entropy(net(inputs), targets)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            self.untoggle_optimizer(optimizer)
        for scheduler in self.lr_schedulers():
            scheduler.step()
        self.log("second", loss)
        return loss

    def configure_optimizers(self):
        optimizers = [
            Adam(self.first.parameters(), lr=0.01),
            SGD(self.second.parameters(), lr=0.1, momentum=0.9),
        ]
        return optimizers, [StepLR(each, 5) for each in optimizers]


class Data(pl.LightningDataModule):
    """Tells in what order it was called, and scales the batches by what it found in setup."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.noise = torch.Generator().manual_seed(5)

    def prepare_data(self):
        self.calls.append("prepare_data")

    def setup(self, stage):
        self.calls.append(f"setup {stage}")
        self.train, _ = torch.utils.data.random_split(Samples(), [16, 4])

    def train_dataloader(self):
        self.calls.append("train_dataloader")
        return batches_of_4(self.train, shuffle=True)

    def on_after_batch_transfer(self, batch, dataloader_idx):
        inputs, targets = batch
        return inputs + 0.1 * torch.randn(inputs.shape, generator=self.noise), targets


class Rates(Callback):
    """Remembers the learning rate of every step of a fit, and the batches."""

    def __init__(self):
        self.rates = []
        self.batches = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])
        self.batches.append(batch)


def linear_head():
    return nn.Linear(FEATURES, CLASSES)
