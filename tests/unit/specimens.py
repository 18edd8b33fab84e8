"""Small models, optimizers and loaders, each with a habit that a careless sweep would disturb."""

import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.utils.data import DataLoader, Dataset

FEATURES, CLASSES = 6, 3


class Samples(Dataset):
    """Rows of numbers, each with its class; `fuse`, if there is one, is told of every read."""

    def __init__(self, length=20, transform=None):
        generator = torch.Generator().manual_seed(11)
        self.inputs = torch.randn(length, FEATURES, generator=generator)
        self.targets = torch.randint(CLASSES, (length,), generator=generator)
        self.transform = transform
        self.fuse = None

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, index):
        if self.fuse is not None:
            self.fuse()
        row = self.inputs[index]
        return (row if self.transform is None else self.transform(row)), self.targets[index]


def mlp():
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, CLASSES))


def batch_norm_and_dropout():
    return nn.Sequential(
        nn.Linear(FEATURES, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(8, CLASSES),
    )


class TiedWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Linear(FEATURES, FEATURES)
        self.up = nn.Linear(FEATURES, FEATURES)
        self.up.weight = self.down.weight
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, inputs):
        return self.head(self.up(torch.tanh(self.down(inputs))))


class RestlessBuffers(nn.Module):
    """Changes a buffer in place, one behind an expanded view, and binds one anew."""

    def __init__(self):
        super().__init__()
        self.body = mlp()
        self.register_buffer("mean", torch.zeros(FEATURES), persistent=False)
        self.register_buffer("spread", torch.ones(1).expand(FEATURES))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, inputs):
        self.mean.lerp_(inputs.mean(0), 0.1)
        self.spread[:1].add_(0.01)
        self.seen = self.seen + 1
        return self.body((inputs - self.mean) / self.spread) / (1 + 0.01 * self.seen)


class Remembering(nn.Module):
    """Keeps a count, a hidden state, a history and a table as plain attributes."""

    def __init__(self):
        super().__init__()
        self.body = mlp()
        self.steps = 0
        self.hidden = torch.zeros(CLASSES)
        self.total = torch.zeros(())
        self.history = []
        self.table = {"last": 0.0}

    def forward(self, inputs):
        output = self.body(inputs) + 0.1 * self.hidden + 0.01 * self.total + 0.01 * self.steps
        self.steps += 1
        self.hidden = output.detach().mean(0)
        self.total += 1
        self.history.append(self.steps)
        self.table["last"] = len(self.history) + self.table["last"]
        self.table[self.steps] = "seen"
        return output + 0.001 * self.table["last"]


def partly_frozen():
    """A layer that is not trained, and a batch normalisation held in eval mode."""
    model = batch_norm_and_dropout()
    model[0].requires_grad_(requires_grad=False)
    model[1].eval()
    return model


def spectral_norm():
    return nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Linear(FEATURES, 8)),
        nn.ReLU(),
        nn.Linear(8, CLASSES),
    )


MODELS = {
    "MLP": mlp,
    "batch norm and dropout": batch_norm_and_dropout,
    "tied weights": TiedWeights,
    "restless buffers": RestlessBuffers,
    "remembering": Remembering,
    "partly frozen": partly_frozen,
    "spectral norm": spectral_norm,
}


class Counting(Optimizer):
    """Counts in its groups and on itself, and nests its state."""

    def __init__(self, params, lr=0.05):
        super().__init__(params, {"lr": lr, "k": 0, "trace": [], "note": "mine"})
        self.calls = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.calls += 1
        for group in self.param_groups:
            group["k"] += 1
            group["trace"].append(group["k"])
            group.setdefault("since", self.calls)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                inner = state.setdefault("inner", {"moments": [torch.zeros_like(parameter)]})
                inner["moments"][0].mul_(0.9).add_(parameter.grad)
                inner["count"] = inner.get("count", 0) + 1
                direction = inner["moments"][0] / inner["count"] ** 0.5
                parameter.sub_(direction, alpha=float(group["lr"]) / group["k"] ** 0.5)


class FullPrecisionState(Optimizer):
    """Keeps weights of low precision in full precision in its state."""

    def __init__(self, params, lr=0.05):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                master = state.setdefault("master", parameter.detach().float())
                master.sub_(parameter.grad.float(), alpha=float(group["lr"]))
                parameter.copy_(master)


class Wrapping(Optimizer):
    """Lets another optimizer, with a state of its own, do the work."""

    def __init__(self, params):
        super().__init__(params, {"lr": 0.05})
        self.inner = SGD(self.param_groups, lr=0.05, momentum=0.9)
        self.param_groups = self.inner.param_groups

    def step(self, closure=None):
        self.inner.step()


def two_groups(parameters):
    parameters = list(parameters)
    groups = [{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.005}]
    return SGD(groups, lr=0.05, momentum=0.9, nesterov=True)


OPTIMIZERS = {
    "SGD": lambda parameters: SGD(parameters, lr=0.05),
    "SGD with momentum": lambda parameters: SGD(parameters, lr=0.05, momentum=0.9),
    "two groups": two_groups,
    "Adam": lambda parameters: Adam(parameters, lr=0.01),
    "AdamW": lambda parameters: AdamW(parameters, lr=0.01, amsgrad=True),
    "tensor rate": lambda parameters: Adam(parameters, lr=torch.tensor(0.01)),
    "counting": Counting,
}


class OwnLoader:
    """An iterable that shuffles with Python's generator and adds noise with NumPy's."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        order = random.sample(range(len(self.dataset)), len(self.dataset))
        for start in range(0, len(order), 4):
            rows, targets = zip(*(self.dataset[i] for i in order[start : start + 4]), strict=True)
            noise = torch.from_numpy(np.random.normal(size=FEATURES)).float()
            yield torch.stack(rows) + 0.01 * noise, torch.stack(targets)


def batches_of_4(dataset, **options):
    return DataLoader(dataset, batch_size=4, **options)


LOADERS = {
    "in order": batches_of_4,
    "shuffled": lambda data: batches_of_4(data, shuffle=True),
    "shuffled by its own generator": lambda data: batches_of_4(
        data, shuffle=True, generator=torch.Generator().manual_seed(3)
    ),
    "own iterable": OwnLoader,
}
LOADERS_WITH_WORKERS = {
    "workers": lambda data: batches_of_4(data, shuffle=True, num_workers=2),
    "workers, own generator": lambda data: batches_of_4(
        data, shuffle=True, num_workers=2, generator=torch.Generator().manual_seed(3)
    ),
    "persistent workers": lambda data: batches_of_4(
        data, shuffle=True, num_workers=2, persistent_workers=True
    ),
    "persistent workers, own generator": lambda data: batches_of_4(
        data,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
        generator=torch.Generator().manual_seed(3),
    ),
}


class LearntLoss(nn.Module):
    """Cross-entropy at a temperature that is learnt, against a centre that drifts."""

    def __init__(self):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(()))
        self.register_buffer("centre", torch.zeros(CLASSES))

    def forward(self, output, target):
        self.centre.lerp_(output.detach().mean(0), 0.1)
        return functional.cross_entropy((output - self.centre) * self.temperature, target)
