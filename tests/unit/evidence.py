"""Train beside a sweep, and compare what can be seen afterwards."""

import random
import types
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.optim import SGD

from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.sweep import Sweep
from lrfinder_widget.training.training import Training as Swept
from specimens import (
    LOADERS,
    LOADERS_WITH_WORKERS,
    MODELS,
    OPTIMIZERS,
    Samples,
    batches_of_4,
    mlp,
)

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random, torch.Generator)


class Training:
    """A user's training loop, which goes on in mid-epoch wherever it was left."""

    def __init__(self, model, optimizer, loader, loss_fn=None, scheduler=None):
        self.model = model
        self.optimizer = optimizer
        self.loader = loader
        self.loss_fn = loss_fn or nn.CrossEntropyLoss()
        self.scheduler = scheduler
        self.batches = []
        self._iterator = iter(())

    def train(self, steps):
        for _ in range(steps):
            inputs, targets = self._next()
            self.batches.append(inputs.float().numpy().tobytes())
            self.optimizer.zero_grad()
            self.loss_fn(self.model(inputs), targets).backward()
            self.optimizer.step()
            if self.scheduler is not None:
                self.scheduler.step()

    def _next(self):
        for batch in self._iterator:
            return batch
        self._iterator = iter(self.loader)
        return next(self._iterator)

    def sweep(self, loss_fn=None, **settings):
        chosen = {"start_lr": 1e-3, "end_lr": 0.5, "num_iter": 12, "diverge_threshold": None}
        return Sweep(self.for_sweep(loss_fn), SweepSettings(**{**chosen, **settings}))

    def for_sweep(self, loss_fn=None):
        return Swept(
            model=self.model,
            optimizer=self.optimizer,
            loader=self.loader,
            loss_fn=loss_fn or self.loss_fn,
            scheduler=self.scheduler,
        )

    def trace(self):
        """Return everything that can be told of this training, by the path that leads there."""
        return flat(
            {
                "model": self.model,
                "optimizer": self.optimizer,
                "loss": self.loss_fn,
                "scheduler": self.scheduler,
                "dataset": getattr(self.loader, "dataset", None),
                "loader's generator": getattr(self.loader, "generator", None),
                "batches": self.batches,
                "Python's generator": random.getstate(),
                "NumPy's generator": np.random.get_state(),
                "torch's generator": torch.get_rng_state(),
            }
        )

    def objects(self):
        """Return the objects that a user may hold on to, which must stay the same ones."""
        held = {}
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            held[f"parameter {name}"] = parameter
            held[f"gradient {name}"] = parameter.grad
            for key, value in self.optimizer.state.get(parameter, {}).items():
                held[f"state {name} {key}"] = value
        for name, buffer in self.model.named_buffers(remove_duplicate=False):
            held[f"buffer {name}"] = buffer
        for index, group in enumerate(self.optimizer.param_groups):
            held[f"group {index}"] = group
            held[f"rate {index}"] = group["lr"]
        return {name: value for name, value in held.items() if not isinstance(value, _PLAIN)}


def seeded(seed=0):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def new_training(model="MLP", optimizer="SGD with momentum", loader="shuffled", seed=0):
    """Build a training from the names in `specimens`, on freshly seeded generators."""
    seeded(seed)
    built = MODELS[model]()
    trained = [parameter for parameter in built.parameters() if parameter.requires_grad]
    loaders = {**LOADERS, **LOADERS_WITH_WORKERS}
    return Training(built, OPTIMIZERS[optimizer](trained), loaders[loader](Samples()))


def flat(value, path="", seen=None):
    """Return what an object is made of as a dict from paths to plain values.

    Objects that are met again are named by their first path, so that ties are told too.
    """
    seen = {} if seen is None else seen
    if isinstance(value, _PLAIN):
        return {path: repr(value)}
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type, types.ModuleType)):
        return {path: getattr(value, "__qualname__", value.__name__)}
    if id(value) in seen:
        return {path: f"the same as {seen[id(value)][0]}"}
    seen[id(value)] = (path, value)
    told = {path: type(value).__name__}
    for name, part in _parts(value):
        told.update(flat(part, f"{path}/{name}", seen))
    return told


def _parts(value):
    if isinstance(value, torch.Tensor):
        dense = value.detach().cpu().to_dense().contiguous()
        content = dense.view(-1).view(torch.uint8).numpy().tobytes()
        return [
            ("kind", str((value.dtype, tuple(value.shape), value.requires_grad))),
            ("content", content.hex()),
            ("gradient", value.grad if value.is_leaf else None),
        ]
    if isinstance(value, np.ndarray):
        return [("content", value.tobytes().hex())]
    if isinstance(
        value, (np.random.Generator, np.random.RandomState, random.Random, torch.Generator)
    ):
        return [("state", _state(value))]
    if isinstance(value, Mapping):
        return [(_name(key, i), part) for i, (key, part) in enumerate(value.items())]
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    return list(getattr(value, "__dict__", {}).items())


def _state(generator):
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.getstate() if isinstance(generator, random.Random) else generator.get_state()


def _name(key, position):
    return key if isinstance(key, (str, int)) else position


def differences(before, after):
    """Return the paths at which two traces differ."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )


def training_with(dataset=None, model=None, optimizer=None, **more):
    """Build a training from parts; what is not given is simple."""
    model = mlp() if model is None else model
    optimizer = optimizer or SGD(model.parameters(), lr=0.05, momentum=0.9)
    return Training(model, optimizer, batches_of_4(dataset or Samples(), shuffle=True), **more)


def assert_sweep_changes_nothing(training, **settings):
    """Sweep, and compare what can be told and what can be held on to before and after."""
    told, held = training.trace(), training.objects()
    points = list(training.sweep(**settings))
    assert len(points) == settings.get("num_iter", 12)
    assert differences(told, training.trace()) == []
    now = training.objects()
    assert [name for name in held if now.get(name) is not held[name]] == []


def assert_leaves_no_trace(build, before=7, after=7):
    """Compare train / sweep / train with training only; `build` makes a new `Training`."""
    seeded()
    expected = build()
    expected.train(before + after)
    seeded()
    training = build()
    training.train(before)
    assert_sweep_changes_nothing(training)
    training.train(after)
    assert differences(expected.trace(), training.trace()) == []
    return training
