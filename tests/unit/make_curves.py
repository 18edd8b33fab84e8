"""Run the sweeps whose curves lie in `curves/`, and store them: `python tests/unit/make_curves.py`.

The tests read the stored curves; this is only run to add one, or to see where they come from.
Names given as arguments make only those.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits, load_wine, make_regression
from torch import nn
from torch.optim import SGD, Adam, AdamW
from torch.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.regret.tasks import OPTIMIZERS, PAIRS  # noqa: E402 - needs the root
from lrfinder_widget import lr_find  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch.optim import Optimizer

FOLDER = Path(__file__).parent / "curves"


class Specimen(NamedTuple):
    """What one sweep needs, and how it came about in one line."""

    made: str
    model: nn.Module
    optimizer: Optimizer
    loader: DataLoader
    loss_fn: nn.Module
    network: str
    settings: Mapping[str, Any] = MappingProxyType({})


def digits(targets: int = 10) -> TensorDataset:
    images, labels = load_digits(return_X_y=True)
    return TensorDataset(
        torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels % targets)
    )


def wine() -> TensorDataset:
    values, labels = load_wine(return_X_y=True)
    values = (values - values.mean(0)) / values.std(0)
    return TensorDataset(torch.tensor(values, dtype=torch.float32), torch.tensor(labels))


def diabetes(scale: float = 1.0) -> TensorDataset:
    values, progress = load_diabetes(return_X_y=True, scaled=False)
    values = (values - values.mean(0)) / values.std(0)
    targets = (progress - progress.mean()) / progress.std() * scale
    return TensorDataset(
        torch.tensor(values, dtype=torch.float32),
        torch.tensor(targets, dtype=torch.float32)[:, None],
    )


def heavy_tailed() -> TensorDataset:
    values, targets = make_regression(2000, 10, random_state=0)
    targets = np.sinh(2 * targets / targets.std())
    return TensorDataset(
        torch.tensor(values, dtype=torch.float32),
        torch.tensor(targets / targets.std(), dtype=torch.float32)[:, None],
    )


def shuffled(data: TensorDataset, batch_size: int, seed: int = 0) -> DataLoader:
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(data, batch_size, shuffle=True, generator=generator)


def perceptron(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1])


def trained(model: nn.Module, loader: DataLoader, loss_fn: nn.Module, epochs: int) -> nn.Module:
    optimizer = Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss_fn(model(inputs), targets).backward()
            optimizer.step()
    return model


def momentum(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.1, momentum=0.9)


class WithUnusedHead(nn.Module):
    """A model with a head that its output does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.unused = perceptron(64, 32, 10), nn.Linear(10, 10)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.body(inputs)


def flat_unused_head() -> Specimen:
    model = WithUnusedHead()
    return Specimen(
        "digits, MLP 64-32-10; the optimizer holds only a head that the output does not use",
        model, momentum(model.unused), shuffled(digits(), 32), nn.CrossEntropyLoss(),
        "perceptron",
    )  # fmt: skip


def flat_full_batch() -> Specimen:
    model = WithUnusedHead()
    return Specimen(
        "as flat_unused_head, in one batch of all",
        model, Adam(model.unused.parameters()), shuffled(digits(), 2000),
        nn.CrossEntropyLoss(), "perceptron",
    )  # fmt: skip


def flat_saturated() -> Specimen:
    model = perceptron(64, 32, 10)
    with torch.no_grad():
        model[0].bias.fill_(-1e4)
    model[2].bias.requires_grad_(requires_grad=False)
    return Specimen(
        "digits, MLP 64-32-10; every ReLU dead and the last bias frozen: no gradient arrives",
        model, AdamW(model.parameters(), weight_decay=0.0), shuffled(digits(), 64),
        nn.CrossEntropyLoss(), "perceptron",
    )  # fmt: skip


def explodes_from_high_start() -> Specimen:
    model = perceptron(10, 32, 1)
    return Specimen(
        "diabetes, MLP 10-32-1, SGD with momentum from a rate of 1",
        model, momentum(model), shuffled(diabetes(), 32), nn.MSELoss(), "perceptron",
        {"start_lr": 1.0, "end_lr": 100.0},
    )  # fmt: skip


def explodes_unscaled() -> Specimen:
    inputs, targets = diabetes().tensors
    data = TensorDataset(inputs * 3000, targets * 100)
    model = perceptron(10, 32, 1)
    return Specimen(
        "diabetes with inputs times 3000 and targets times 100, MLP 10-32-1, SGD with momentum",
        model, momentum(model), shuffled(data, 32), nn.MSELoss(), "perceptron",
    )  # fmt: skip


def unscaled_wine(start_lr: float) -> Specimen:
    values, labels = load_wine(return_X_y=True)
    data = TensorDataset(
        torch.tensor(values, dtype=torch.float32),
        torch.tensor(labels, dtype=torch.float32)[:, None],
    )
    model = nn.Linear(13, 1)
    return Specimen(
        f"the class of wine from inputs up to 1680, linear, SGD from a rate of {start_lr:g}",
        model, SGD(model.parameters(), lr=0.1), shuffled(data, 32), nn.MSELoss(), "perceptron",
        {"start_lr": start_lr},
    )  # fmt: skip


def explodes_after_steep_fall() -> Specimen:
    return unscaled_wine(1e-6)


def steep_start() -> Specimen:
    return unscaled_wine(1e-7)


def never_rose_flat() -> Specimen:
    model = perceptron(64, 32, 10)
    return Specimen(
        "digits, MLP 64-32-10, SGD with momentum, up to 1e-4 only",
        model, momentum(model), shuffled(digits(), 32), nn.CrossEntropyLoss(), "perceptron",
        {"end_lr": 1e-4},
    )  # fmt: skip


def never_rose_falling() -> Specimen:
    model = perceptron(64, 32, 10)
    return Specimen(
        "digits, MLP 64-32-10, SGD with momentum, up to 0.2 only",
        model, momentum(model), shuffled(digits(), 32), nn.CrossEntropyLoss(), "perceptron",
        {"end_lr": 0.2},
    )  # fmt: skip


def never_rose_adam() -> Specimen:
    model = perceptron(64, 32, 10)
    return Specimen(
        "digits, MLP 64-32-10, Adam, up to 0.01 only",
        model, Adam(model.parameters()), shuffled(digits(), 32), nn.CrossEntropyLoss(),
        "perceptron", {"end_lr": 0.01},
    )  # fmt: skip


def stopped_heavy_tails() -> Specimen:
    model = perceptron(10, 32, 1)
    return Specimen(
        "regression with heavy-tailed targets, MLP 10-32-1, batches of 2",
        model, momentum(model), shuffled(heavy_tailed(), 2), nn.MSELoss(), "perceptron",
    )  # fmt: skip


def stopped_heavy_tails_again() -> Specimen:
    return stopped_heavy_tails()._replace(settings={"diverge_threshold": 30.0})


def stopped_low_threshold() -> Specimen:
    model = perceptron(10, 32, 1)
    return Specimen(
        "diabetes, MLP 10-32-1, batches of 4, stopped at 1.5 times the best",
        model, momentum(model), shuffled(diabetes(), 4), nn.MSELoss(), "perceptron",
        {"diverge_threshold": 1.5},
    )  # fmt: skip


def stopped_single_samples() -> Specimen:
    model = perceptron(13, 16, 3)
    return Specimen(
        "wine, MLP 13-16-3 trained for one epoch, batches of 1",
        trained(model, shuffled(wine(), 16), nn.CrossEntropyLoss(), 4), momentum(model),
        shuffled(wine(), 1), nn.CrossEntropyLoss(), "perceptron",
    )  # fmt: skip


def noisy_batches() -> Specimen:
    model = perceptron(10, 32, 1)
    return Specimen(
        "diabetes, MLP 10-32-1, batches of 2",
        model, momentum(model), shuffled(diabetes(), 2), nn.L1Loss(), "perceptron",
        {"diverge_threshold": 20.0},
    )  # fmt: skip


def noisy_few_points() -> Specimen:
    model = perceptron(10, 16, 1)
    return Specimen(
        "diabetes, MLP 10-16-1, batches of 4, 40 points",
        model, Adam(model.parameters()), shuffled(diabetes(), 4), nn.MSELoss(), "perceptron",
        {"num_iter": 40, "diverge_threshold": 30.0},
    )  # fmt: skip


def noisy_labels() -> Specimen:
    inputs, labels = digits().tensors
    generator = torch.Generator().manual_seed(0)
    wrong = torch.randint(0, 10, labels.shape, generator=generator)
    mixed = torch.where(torch.rand(labels.shape, generator=generator) < 0.7, wrong, labels)
    model = perceptron(64, 32, 10)
    return Specimen(
        "digits with 70 % random labels, MLP 64-32-10, batches of 4",
        model, momentum(model), shuffled(TensorDataset(inputs, mixed), 4), nn.CrossEntropyLoss(),
        "perceptron",
    )  # fmt: skip


def edge_start() -> Specimen:
    model = perceptron(64, 32, 10)
    return Specimen(
        "digits, MLP 64-32-10, AdamW from a rate of 0.01",
        model, AdamW(model.parameters()), shuffled(digits(), 32), nn.CrossEntropyLoss(),
        "perceptron", {"start_lr": 0.01},
    )  # fmt: skip


def edge_start_momentum() -> Specimen:
    model = perceptron(64, 32, 10)
    return Specimen(
        "digits, MLP 64-32-10, SGD with momentum from a rate of 0.1",
        model, momentum(model), shuffled(digits(), 32), nn.CrossEntropyLoss(),
        "perceptron", {"start_lr": 0.1},
    )  # fmt: skip


def non_finite_input() -> Specimen:
    inputs, labels = digits().tensors
    inputs[900, 20] = torch.nan
    model = perceptron(64, 32, 10)
    return Specimen(
        "digits with one missing pixel in one image, MLP 64-32-10",
        model, momentum(model), shuffled(TensorDataset(inputs, labels), 32),
        nn.CrossEntropyLoss(), "perceptron",
    )  # fmt: skip


def non_finite_first() -> Specimen:
    model = perceptron(10, 16, 1)

    class Logarithmic(nn.Module):
        def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return (torch.log(output) - target).square().mean()

    return Specimen(
        "diabetes, MLP 10-16-1, a loss that takes the logarithm of negative outputs",
        model, momentum(model), shuffled(diabetes(), 32), Logarithmic(), "perceptron",
    )  # fmt: skip


def non_finite_end() -> Specimen:
    model = perceptron(10, 32, 1)
    return Specimen(
        "diabetes, MLP 10-32-1, SGD with momentum with the threshold off: it ends in overflow",
        model, momentum(model), shuffled(diabetes(), 32), nn.MSELoss(), "perceptron",
        {"diverge_threshold": None},
    )  # fmt: skip


def converged_classifier() -> Specimen:
    loss_fn = nn.CrossEntropyLoss()
    model = trained(perceptron(64, 64, 10), shuffled(digits(), 32), loss_fn, 60)
    return Specimen(
        "digits, MLP 64-64-10 after 60 epochs",
        model, momentum(model), shuffled(digits(), 32), loss_fn, "perceptron",
    )  # fmt: skip


def converged_adam() -> Specimen:
    loss_fn = nn.CrossEntropyLoss()
    model = trained(perceptron(64, 64, 10), shuffled(digits(), 32), loss_fn, 15)
    return Specimen(
        "digits, MLP 64-64-10 after 15 epochs, AdamW",
        model, AdamW(model.parameters()), shuffled(digits(), 64), loss_fn, "perceptron",
    )  # fmt: skip


def converged_regression() -> Specimen:
    loss_fn = nn.MSELoss()
    model = trained(perceptron(10, 32, 1), shuffled(diabetes(), 32), loss_fn, 100)
    return Specimen(
        "diabetes, MLP 10-32-1 after 100 epochs",
        model, momentum(model), shuffled(diabetes(), 64), loss_fn, "perceptron",
    )  # fmt: skip


def unusual_low() -> Specimen:
    inputs, targets = diabetes().tensors
    data = TensorDataset(inputs * 300, targets * 100)
    model = perceptron(10, 32, 1)
    return Specimen(
        "diabetes with inputs times 300 and targets times 100, MLP 10-32-1, SGD, from 1e-14",
        model, SGD(model.parameters(), lr=0.1), shuffled(data, 64),
        nn.MSELoss(), "perceptron", {"start_lr": 1e-14, "end_lr": 1e-2},
    )  # fmt: skip


def unusual_scaled_loss() -> Specimen:
    model = perceptron(64, 32, 10)

    class Small(nn.CrossEntropyLoss):
        def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return super().forward(output, target) / 1000

    return Specimen(
        "digits, MLP 64-32-10, SGD with momentum, the loss divided by 1000",
        model, momentum(model), shuffled(digits(), 32), Small(), "perceptron",
        {"start_lr": 1e-3, "end_lr": 1e4},
    )  # fmt: skip


def stuck_deep_sigmoid() -> Specimen:
    model = perceptron(64, 32, 32, 10, activation=nn.Sigmoid)
    return Specimen(
        "digits, MLP 64-32-32-10 with sigmoids, SGD",
        model, SGD(model.parameters(), lr=0.1), shuffled(digits(), 64), nn.CrossEntropyLoss(),
        "perceptron", {"end_lr": 100.0},
    )  # fmt: skip


class LastState(nn.Module):
    """A recurrent network whose last state is read."""

    def __init__(self, recurrent: nn.Module, outputs: int) -> None:
        super().__init__()
        self.recurrent, self.head = recurrent, nn.Linear(recurrent.hidden_size, outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        states, _ = self.recurrent(inputs)
        return self.head(states[:, -1])


def signs_of_sums(steps: int = 100) -> TensorDataset:
    values = torch.randn(1500, steps, 1, generator=torch.Generator().manual_seed(1))
    return TensorDataset(values, (values.sum((1, 2)) > 0).long())


def gradients_gru() -> Specimen:
    model = LastState(nn.GRU(1, 64, batch_first=True), 10)
    return Specimen(
        "the sign of the sum of 100 numbers, GRU 1-64-10, SGD with momentum, no clipping",
        model, momentum(model), shuffled(signs_of_sums(), 32), nn.CrossEntropyLoss(), "recurrent",
    )  # fmt: skip


def gradients_rnn() -> Specimen:
    model = LastState(nn.RNN(1, 64, batch_first=True), 10)
    return Specimen(
        "the sign of the sum of 100 numbers, RNN 1-64-10, Adam, no clipping",
        model, Adam(model.parameters()), shuffled(signs_of_sums(), 32), nn.CrossEntropyLoss(),
        "recurrent",
    )  # fmt: skip


def plateau_lstm() -> Specimen:
    return healthy("digit-rows-lstm", "sgd-momentum", "recurrent", seed=1)


def stopped_near_zero() -> Specimen:
    specimen = healthy("breast-cancer-linear", "adam", "perceptron", seed=3)
    return specimen._replace(settings={"num_iter": 300})


def noisy_lstm() -> Specimen:
    return healthy("waves-lstm", "rmsprop", "recurrent", seed=2)


def healthy(name: str, optimizer: str, network: str, seed: int = 0) -> Specimen:
    task = next(pair.task for pair in PAIRS if pair.task.name == name)
    model, loader = task.start(seed)
    made = f"{name} of benchmarks/regret/tasks.py with {optimizer}, seed {seed}"
    prepared = OPTIMIZERS[optimizer](model.parameters(), 1e-3)
    return Specimen(made, model, prepared, loader, task.loss_fn, network)


SPECIMENS: dict[str, Callable[[], Specimen]] = {
    function.__name__: function
    for function in (
        flat_unused_head,
        flat_full_batch,
        flat_saturated,
        explodes_from_high_start,
        explodes_unscaled,
        explodes_after_steep_fall,
        steep_start,
        never_rose_flat,
        never_rose_falling,
        never_rose_adam,
        stopped_heavy_tails,
        stopped_heavy_tails_again,
        stopped_low_threshold,
        stopped_single_samples,
        noisy_batches,
        noisy_few_points,
        noisy_labels,
        edge_start,
        edge_start_momentum,
        non_finite_input,
        non_finite_first,
        non_finite_end,
        converged_classifier,
        converged_adam,
        converged_regression,
        unusual_low,
        unusual_scaled_loss,
        stuck_deep_sigmoid,
        plateau_lstm,
        stopped_near_zero,
        noisy_lstm,
        gradients_gru,
        gradients_rnn,
    )
}
HEALTHY = (
    ("digits-mlp", "sgd-momentum", "perceptron"),
    ("digits-mlp", "adamw", "perceptron"),
    ("breast-cancer-linear", "adam", "perceptron"),
    ("digits-cnn-batchnorm", "sgd-momentum", "convolutional"),
    ("digits-autoencoder", "adamw", "perceptron"),
    ("friedman-mlp", "adamw", "perceptron"),
    ("friedman-deep-tanh", "rmsprop", "perceptron"),
    ("clusters-mlp-batchnorm", "sgd-momentum", "perceptron"),
    ("source-gru", "adamw", "recurrent"),
    ("source-transformer", "adamw", "transformer"),
    ("diabetes-mlp", "sgd-momentum", "perceptron"),
)
SPECIMENS |= {
    f"healthy_{task}_{way}": partial(healthy, task, way, net) for task, way, net in HEALTHY
}


def swept(name: str) -> dict[str, Any]:
    """Run one sweep and return what is stored of it."""
    torch.manual_seed(0)
    specimen = SPECIMENS[name]()
    result = lr_find(
        specimen.model,
        specimen.optimizer,
        specimen.loader,
        specimen.loss_fn,
        progress=False,
        grad_norms=True,
        **specimen.settings,
    )
    return {
        "made": specimen.made,
        "optimizer": type(specimen.optimizer).__name__,
        "network": specimen.network,
        "batch_size": specimen.loader.batch_size,
        "settings": dict(specimen.settings),
        "stop_reason": result.stop_reason,
        "lrs": stored(result.lrs),
        "losses": stored(result.losses),
        "grad_norms": stored(result.grad_norms),
    }


def stored(values: NDArray[np.float64]) -> list[float | None]:
    """Return six digits, which keep the files small; what is not finite is stored as null."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def main() -> None:
    """Make the curves that are named, or all."""
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SPECIMENS:
        text = json.dumps(swept(name), separators=(", ", ": ")).replace(', "', ',\n"')
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
