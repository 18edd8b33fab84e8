"""What is trained: tasks, each with the optimizers and schedules it is trained with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.regret import data, models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch.nn import Parameter

OPTIMIZERS: dict[str, Callable[[Iterable[Parameter], float], Optimizer]] = {
    "sgd-momentum": lambda parameters, lr: SGD(parameters, lr=lr, momentum=0.9),
    "sgd": lambda parameters, lr: SGD(parameters, lr=lr),
    "adamw": lambda parameters, lr: AdamW(parameters, lr=lr),
    "adam": lambda parameters, lr: Adam(parameters, lr=lr),
    "rmsprop": lambda parameters, lr: RMSprop(parameters, lr=lr),
}
SCHEDULES = ("constant", "one-cycle")


@dataclass(frozen=True)
class Task:
    """A model, its data and its loss, and how many steps it is trained for."""

    name: str
    kind: str
    make_model: Callable[[], nn.Module]
    make_data: Callable[[], tuple[TensorDataset, TensorDataset]]
    loss_fn: nn.Module
    batch_size: int
    steps: int = 300

    def start(self, seed: int) -> tuple[nn.Module, DataLoader]:
        """Return a fresh model and a shuffling loader; the seed decides both, and any dropout."""
        train, _ = self.make_data()
        torch.manual_seed(seed)
        model = self.make_model()
        shuffling = torch.Generator().manual_seed(seed)
        loader = DataLoader(
            train, self.batch_size, shuffle=True, drop_last=True, generator=shuffling
        )
        return model, loader

    def validation_loss(self, model: nn.Module) -> float:
        """Return the loss over the validation set, in evaluation mode; the model's mode stays."""
        _, validation = self.make_data()
        inputs, targets = validation.tensors
        was_training = model.training
        model.eval()
        with torch.no_grad():
            loss = self.loss_fn(model(inputs), targets).item()
        model.train(was_training)
        return loss


@dataclass(frozen=True)
class Pair:
    """A task and how it is trained, all but the rate."""

    task: Task
    optimizer: str
    schedule: str

    @property
    def name(self) -> str:
        """Name the task, the optimizer and the schedule."""
        return f"{self.task.name} {self.optimizer} {self.schedule}"


CONSTANT, ONE_CYCLE = SCHEDULES


def trained(task: Task, *ways: tuple[str, str]) -> tuple[Pair, ...]:
    """Pair a task with optimizers and schedules."""
    return tuple(Pair(task, optimizer, schedule) for optimizer, schedule in ways)


IMAGE_PAIRS = (
    *trained(
        Task(
            "digits-mlp",
            "image",
            partial(models.dense, 64, 64, 32, 10),
            data.digits,
            nn.CrossEntropyLoss(),
            batch_size=32,
        ),
        ("sgd-momentum", CONSTANT),
        ("adamw", CONSTANT),
    ),
    *trained(
        Task(
            "digits-cnn",
            "image",
            models.digit_cnn,
            data.digits,
            nn.CrossEntropyLoss(),
            batch_size=64,
        ),
        ("sgd", CONSTANT),
    ),
    *trained(
        Task(
            "digits-cnn-batchnorm",
            "image",
            models.digit_cnn_batchnorm,
            data.digits,
            nn.CrossEntropyLoss(),
            batch_size=32,
        ),
        ("sgd-momentum", ONE_CYCLE),
    ),
    *trained(
        Task(
            "digits-autoencoder",
            "image",
            partial(models.dense, 64, 32, 12, 32, 64),
            data.digits_to_rebuild,
            nn.BCEWithLogitsLoss(),
            batch_size=128,
        ),
        ("adamw", CONSTANT),
    ),
    *trained(
        Task(
            "patches-resnet",
            "image",
            models.patch_resnet,
            data.placed_patches,
            nn.CrossEntropyLoss(),
            batch_size=32,
        ),
        ("adamw", ONE_CYCLE),
    ),
    *trained(
        Task(
            "patches-cnn-groupnorm",
            "image",
            models.patch_cnn_groupnorm,
            data.photograph_patches,
            nn.CrossEntropyLoss(),
            batch_size=64,
        ),
        ("rmsprop", CONSTANT),
    ),
    *trained(
        Task(
            "patches-autoencoder",
            "image",
            models.patch_autoencoder,
            data.patches_to_rebuild,
            nn.MSELoss(),
            batch_size=64,
        ),
        ("sgd-momentum", CONSTANT),
    ),
    *trained(
        Task(
            "patches-denoiser",
            "image",
            models.patch_denoiser,
            data.patches_to_denoise,
            nn.L1Loss(),
            batch_size=16,
        ),
        ("adamw", CONSTANT),
    ),
)

TABULAR_PAIRS = (
    *trained(
        Task(
            "friedman-mlp",
            "tabular",
            partial(models.dense, 10, 32, 32, 1, activation=nn.SiLU),
            data.friedman_first,
            nn.MSELoss(),
            batch_size=64,
        ),
        ("adamw", CONSTANT),
    ),
    *trained(
        Task(
            "friedman-deep-tanh",
            "tabular",
            partial(models.dense, 4, 32, 32, 32, 32, 32, 1, activation=nn.Tanh),
            data.friedman_second,
            nn.SmoothL1Loss(),
            batch_size=32,
        ),
        ("sgd-momentum", ONE_CYCLE),
        ("rmsprop", CONSTANT),
    ),
    *trained(
        Task(
            "diabetes-mlp",
            "tabular",
            partial(models.dense, 10, 16, 1),
            data.diabetes,
            nn.L1Loss(),
            batch_size=16,
        ),
        ("sgd-momentum", CONSTANT),
    ),
    *trained(
        Task(
            "breast-cancer-linear",
            "tabular",
            partial(models.dense, 30, 1),
            data.breast_cancer,
            nn.BCEWithLogitsLoss(),
            batch_size=16,
        ),
        ("adam", CONSTANT),
    ),
    *trained(
        Task(
            "clusters-mlp-batchnorm",
            "tabular",
            partial(models.dense, 20, 64, 64, 10, norm=nn.BatchNorm1d),
            data.clusters,
            nn.CrossEntropyLoss(),
            batch_size=128,
        ),
        ("sgd-momentum", CONSTANT),
        ("adamw", ONE_CYCLE),
    ),
    *trained(
        Task(
            "multi-label-mlp-layernorm",
            "tabular",
            partial(models.dense, 40, 64, 8, norm=nn.LayerNorm, dropout=0.1),
            data.labelled_counts,
            nn.BCEWithLogitsLoss(),
            batch_size=128,
        ),
        ("adamw", CONSTANT),
        ("sgd-momentum", CONSTANT),
    ),
)

TEXT_PAIRS = (
    *trained(
        Task(
            "source-mlp",
            "text",
            partial(models.character_mlp, data.CHARACTERS, 8),
            data.next_character,
            nn.CrossEntropyLoss(),
            batch_size=128,
        ),
        ("sgd", CONSTANT),
        ("adam", CONSTANT),
    ),
    *trained(
        Task(
            "source-gru",
            "text",
            partial(models.CharacterRecurrent, nn.GRU, data.CHARACTERS, 32),
            data.next_characters,
            nn.CrossEntropyLoss(),
            batch_size=16,
        ),
        ("adamw", ONE_CYCLE),
    ),
    *trained(
        Task(
            "source-transformer",
            "text",
            partial(models.character_transformer, data.CHARACTERS, 16),
            data.next_characters,
            nn.CrossEntropyLoss(),
            batch_size=16,
        ),
        ("adamw", CONSTANT),
    ),
    *trained(
        Task(
            "module-cnn",
            "text",
            partial(models.SnippetCnn, data.CHARACTERS, len(data.MODULES)),
            data.module_of_snippet,
            nn.CrossEntropyLoss(),
            batch_size=32,
            # After 300 it has hardly begun.
            steps=900,
        ),
        ("adam", CONSTANT),
        ("sgd-momentum", ONE_CYCLE),
    ),
    *trained(
        Task(
            "module-words",
            "text",
            partial(models.WordBag, data.WORDS, len(data.MODULES)),
            data.module_of_words,
            nn.CrossEntropyLoss(),
            batch_size=64,
        ),
        ("rmsprop", CONSTANT),
    ),
)

SEQUENCE_PAIRS = (
    *trained(
        Task(
            "digit-rows-lstm",
            "sequence",
            partial(models.Recurrent, nn.LSTM, 8, 32, 10),
            data.digit_rows,
            nn.CrossEntropyLoss(),
            batch_size=64,
        ),
        ("sgd-momentum", CONSTANT),
    ),
    *trained(
        Task(
            "digit-rows-transformer",
            "sequence",
            models.row_transformer,
            data.digit_rows,
            nn.CrossEntropyLoss(),
            batch_size=32,
        ),
        ("adamw", CONSTANT),
    ),
    *trained(
        Task(
            "sums-gru",
            "sequence",
            partial(models.Recurrent, nn.GRU, 2, 24, 1),
            data.marked_sums,
            nn.MSELoss(),
            batch_size=64,
            steps=400,
        ),
        ("adam", CONSTANT),
    ),
    *trained(
        Task(
            "waves-cnn",
            "sequence",
            partial(models.WaveCnn, 24, 8),
            data.sines,
            nn.MSELoss(),
            batch_size=32,
        ),
        ("sgd-momentum", CONSTANT),
        ("adamw", ONE_CYCLE),
    ),
    *trained(
        Task(
            "waves-lstm",
            "sequence",
            partial(models.Recurrent, nn.LSTM, 1, 24, 8),
            data.sines,
            nn.SmoothL1Loss(),
            batch_size=32,
        ),
        ("adam", ONE_CYCLE),
    ),
)

PAIRS: tuple[Pair, ...] = (*IMAGE_PAIRS, *TABULAR_PAIRS, *TEXT_PAIRS, *SEQUENCE_PAIRS)
