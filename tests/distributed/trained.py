"""A training on one rank, small enough to be compared bit by bit."""

import hashlib

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, AdamW

from lrfinder_widget import SweepSettings, lr_find
from lrfinder_widget.series import Series
from lrfinder_widget.training.training import Training

BATCH = 4
SETTINGS = {"start_lr": 1e-3, "end_lr": 0.5, "num_iter": 12, "diverge_threshold": None}
DATA = torch.Generator().manual_seed(3)
INPUTS = torch.randn(96, 6, generator=DATA)
TARGETS = torch.randint(0, 3, (96,), generator=DATA)


class Boom(Exception):  # noqa: N818 - it stands for whatever a user's code raises
    """Raised in the place of the user's code."""


def network(*, normalized=False):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8),
        nn.BatchNorm1d(8) if normalized else nn.Tanh(),
        nn.Sequential(nn.Linear(8, 5), nn.Tanh()),
        nn.Linear(5, 3),
    )


def wrapped(kind, **more):
    model = network(**more)
    if kind.startswith("DDP"):
        return DistributedDataParallel(model, gradient_as_bucket_view="views" in kind)
    if kind == "FSDP2":
        fully_shard(model[2])
        return fully_shard(model)
    return model


def batches_of(rank):
    """Return the rank's half of each batch; None stands for the whole."""
    whole = list(zip(INPUTS.split(2 * BATCH), TARGETS.split(2 * BATCH), strict=True))
    if rank is None:
        return whole
    half = slice(rank * BATCH, (rank + 1) * BATCH)
    return [(inputs[half], targets[half]) for inputs, targets in whole]


class Trained:
    """A model, its optimizer and its data on one rank."""

    def __init__(self, rank, kind="DDP", optimizer="AdamW", **more):
        self.model = wrapped(kind, **more)
        parameters = self.model.parameters()
        self.optimizer = (
            AdamW(parameters, lr=0.01)
            if optimizer == "AdamW"
            else SGD(parameters, lr=0.01, momentum=0.9)
        )
        self.batches = batches_of(rank)
        self.taken = 0

    def train(self, steps):
        for _ in range(steps):
            inputs, targets = self.batches[self.taken % len(self.batches)]
            self.taken += 1
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.model(inputs), targets).backward()
            self.optimizer.step()

    def find(self, loss_fn=None, **more):
        loss_fn = loss_fn or nn.CrossEntropyLoss()
        options = {**SETTINGS, "progress": False, **more}
        return lr_find(self.model, self.optimizer, self.batches, loss_fn, **options)

    def series(self, loss_fn=None, **settings):
        training = Training(
            model=self.model,
            optimizer=self.optimizer,
            loader=self.batches,
            loss_fn=loss_fn or nn.CrossEntropyLoss(),
        )
        return Series(training, SweepSettings(**{**SETTINGS, **settings}))

    def state(self):
        """Return a digest of everything that a sweep could leave behind, by name."""
        told = {}
        for name, parameter in self.model.named_parameters():
            told[name] = digest(parameter)
            told[f"gradient of {name}"] = digest(parameter.grad)
            told[f"kind of {name}"] = type(parameter).__name__
            for key, value in self.optimizer.state.get(parameter, {}).items():
                told[f"{key} of {name}"] = digest(value)
        for name, buffer in self.model.named_buffers():
            told[name] = digest(buffer)
        for index, group in enumerate(self.optimizer.param_groups):
            told[f"group {index}"] = str({k: v for k, v in group.items() if k != "params"})
        told["modes"] = str([module.training for module in self.model.modules()])
        told["torch's generator"] = digest(torch.get_rng_state())
        return told


def digest(value):
    if not isinstance(value, torch.Tensor):
        return repr(value)
    own = getattr(value, "_local_tensor", value).detach().contiguous()
    return hashlib.sha256(own.numpy().tobytes()).hexdigest()


def curve(result):
    return {
        "lrs": result.lrs.tolist(),
        "losses": result.losses.tolist(),
        "val_losses": result.val_losses.tolist(),
        "grad_norms": result.grad_norms.tolist(),
        "metrics": {name: values.tolist() for name, values in result.metrics.items()},
        "stop_reason": result.stop_reason,
        "suggestion": result.suggestion,
    }


def group_works():
    """Return whether the process group still does what it is for."""
    total = torch.ones(1)
    dist.all_reduce(total)
    return total.item() == dist.get_world_size()


def meet(name):
    """Wait for the other ranks without a collective."""
    store = dist.group.WORLD.get_group_store()
    store.set(f"{name}/{dist.get_rank()}", "here")
    store.wait([f"{name}/{rank}" for rank in range(dist.get_world_size())])


def changed(before, after):
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


class Fuse:
    """Raises at one of its calls, if any."""

    def __init__(self, at):
        self.left = at

    def __call__(self, *_):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Boom("as the test wants it")


class Lit:
    """A loader with a fuse in it."""

    def __init__(self, batches, fuse):
        self.batches, self.fuse = batches, fuse

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        for batch in self.batches:
            self.fuse()
            yield batch
