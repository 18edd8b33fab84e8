"""Promise 1 for what a step changes beside model and optimizer: scalers, averages, hooks."""

import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adam
from torch.optim import lr_scheduler as sched
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from evidence import differences, flat, seeded
from lrfinder_widget import SweepSettings
from lrfinder_widget.sweep import Sweep
from lrfinder_widget.training.training import Training
from specimens import Samples, batch_norm_and_dropout, batches_of_4, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def parts(model=None):
    seeded()
    model = model or batch_norm_and_dropout()
    return model, SGD(model.parameters(), lr=0.05, momentum=0.9)


def sweep(model, optimizer, *, loss_fn=functional.cross_entropy, points=8, **more):
    """Sweep and return the number of points."""
    training = Training(
        model=model,
        optimizer=optimizer,
        loader=batches_of_4(Samples(), shuffle=True),
        loss_fn=None if "compute_loss" in more or "train_step" in more else loss_fn,
        **more,
    )
    settings = SweepSettings(start_lr=1e-3, end_lr=0.1, num_iter=points, diverge_threshold=None)
    assert len(list(Sweep(training, settings))) == points


def assert_as_found(*things, run):
    """Run a sweep and compare everything that can be told of `things`."""
    before = [flat(thing) for thing in things]
    run()
    for told, thing in zip(before, things, strict=True):
        assert differences(told, flat(thing)) == []


def averages():
    """The same average of the weights, updated from different places."""
    return {
        "beside the sweep": lambda model, optimizer, average: None,
        "an optimizer's post hook": lambda model, optimizer, average: (
            optimizer.register_step_post_hook(lambda *_: average.update_parameters(model))
        ),
        "an optimizer's pre hook": lambda model, optimizer, average: (
            optimizer.register_step_pre_hook(lambda *_: average.update_parameters(model))
        ),
        "a forward hook": lambda model, optimizer, average: model.register_forward_hook(
            lambda *_: average.update_parameters(model)
        ),
        "a submodule's pre hook": lambda model, optimizer, average: model[
            0
        ].register_forward_pre_hook(lambda *_: average.update_parameters(model)),
        "a backward hook": lambda model, optimizer, average: model[-1].register_full_backward_hook(
            lambda *_: average.update_parameters(model)
        ),
        "a parameter's hook": lambda model, optimizer, average: model[
            0
        ].weight.register_post_accumulate_grad_hook(lambda _: average.update_parameters(model)),
        "a partial in a hook": lambda model, optimizer, average: optimizer.register_step_post_hook(
            functools.partial(update, average, model)
        ),
    }


def update(average, model, *_):
    average.update_parameters(model)


@pytest.mark.parametrize("kind", ["SWA", "EMA"])
@pytest.mark.parametrize("place", averages())
def test_an_average_of_the_weights_is_put_back_wherever_it_is_updated(place, kind):
    model, optimizer = parts()
    how = get_ema_multi_avg_fn(0.9) if kind == "EMA" else None
    average = AveragedModel(model, multi_avg_fn=how, use_buffers=True)
    average.update_parameters(model)
    averages()[place](model, optimizer, average)
    hooks = flat(
        {
            "model": [vars(m)["_forward_hooks"] for m in model.modules()],
            "optimizer": vars(optimizer)["_optimizer_step_post_hooks"],
        }
    )
    assert_as_found(model, optimizer, average, run=lambda: sweep(model, optimizer))
    now = flat(
        {
            "model": [vars(m)["_forward_hooks"] for m in model.modules()],
            "optimizer": vars(optimizer)["_optimizer_step_post_hooks"],
        }
    )
    assert differences(hooks, now) == []


class PlainAverage:
    """No module: a list of tensors, a dict of them, and a count."""

    def __init__(self, model):
        self.shadow = [parameter.detach().clone() for parameter in model.parameters()]
        self.named = {name: each.detach().clone() for name, each in model.named_parameters()}
        self.updates = 0

    def update(self, model):
        self.updates += 1
        for mean, parameter in zip(self.shadow, model.parameters(), strict=True):
            mean.lerp_(parameter.detach(), 0.1)
        for name, parameter in model.named_parameters():
            self.named[name] = 0.9 * self.named[name] + 0.1 * parameter.detach()


def test_an_average_that_is_no_module_is_put_back():
    model, optimizer = parts()
    average = PlainAverage(model)
    optimizer.register_step_post_hook(lambda *_: average.update(model))
    assert_as_found(average, run=lambda: sweep(model, optimizer))


def test_an_average_that_a_notebook_names_is_put_back(monkeypatch):
    model, optimizer = parts()
    monkeypatch.setitem(globals(), "average", PlainAverage(model))
    optimizer.register_step_post_hook(
        lambda *_: average.update(model)  # noqa: F821 - as a cell defines it
    )
    named = globals()["average"]
    assert_as_found(named, run=lambda: sweep(model, optimizer))


def test_a_second_optimizer_that_the_loss_steps_is_put_back():
    model, optimizer = parts()
    rival = mlp()
    rivals = Adam(rival.parameters(), lr=0.01)

    def compute_loss(model, batch):
        inputs, targets = batch
        rivals.zero_grad()
        functional.cross_entropy(rival(inputs), targets).backward()
        rivals.step()
        return functional.cross_entropy(model(inputs) + rival(inputs).detach(), targets)

    assert_as_found(rival, rivals, run=lambda: sweep(model, optimizer, compute_loss=compute_loss))


def test_what_a_frameworks_step_closes_over_is_put_back():
    model, optimizer = parts()
    meter = {"losses": [], "mean": torch.zeros(())}

    def train_step(batch):
        inputs, targets = batch
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        meter["losses"].append(loss.item())
        meter["mean"].lerp_(loss.detach(), 0.1)
        return loss

    assert_as_found(
        model, optimizer, meter, run=lambda: sweep(model, optimizer, train_step=train_step)
    )


class Progress:
    """What a framework keeps about its training."""

    def __init__(self):
        self.step = 0
        self.best = None
        self.history = {"losses": [[0.5]]}
        self.last = torch.zeros(3)
        self.array = np.zeros(2)

    def change(self):
        self.step += 1
        self.best = object()
        self.history["losses"][0].append(self.step)
        self.last = self.last + 1
        self.array += 1
        self.added = "new"


ALSO = {
    "a module": lambda: nn.BatchNorm1d(6),
    "an optimizer": lambda: Adam([nn.Parameter(torch.ones(2))], lr=0.1),
    "an object": Progress,
    "a tensor": lambda: torch.zeros(3),
    "a list of tensors": lambda: [torch.zeros(3)],
    "a dict": lambda: {"count": 0, "inner": {"tensor": torch.zeros(2)}},
}


def change(thing):
    if isinstance(thing, nn.Module):
        thing(torch.randn(4, 6))
    elif isinstance(thing, torch.optim.Optimizer):
        thing.param_groups[0]["params"][0].grad = torch.ones(2)
        thing.step()
    elif isinstance(thing, Progress):
        thing.change()
    elif isinstance(thing, list):
        thing[0].add_(1)
        thing.append(torch.ones(1))
    elif isinstance(thing, dict):
        thing["count"] += 1
        thing["inner"]["tensor"].add_(1)
    else:
        thing.add_(1)


CHANGED = []


@pytest.mark.parametrize("kind", ALSO)
def test_further_objects_of_a_training_are_put_back(kind):
    model, optimizer = parts()
    thing = ALSO[kind]()
    CHANGED[:] = [thing]  # not to be found from the loss

    def loss_fn(output, target):
        change(CHANGED[0])
        return functional.cross_entropy(output, target)

    if isinstance(thing, torch.optim.Optimizer):
        thing.param_groups[0]["params"][0].grad = torch.ones(2)
    assert_as_found(thing, run=lambda: sweep(model, optimizer, loss_fn=loss_fn, also=(thing,)))


@pytest.mark.parametrize("used", [False, True], ids=["never used", "used before"])
def test_a_gradient_scaler_is_put_back_exactly(used):
    # On a CPU, float16 takes a model of its own; the scaler works on any.
    model, optimizer = parts(mlp())
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=2)

    def train(steps):
        for inputs, targets in list(batches_of_4(Samples()))[:steps]:
            optimizer.zero_grad()
            scaler.scale(functional.cross_entropy(model(inputs), targets)).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()

    if used:
        train(3)
    scale = scaler._scale
    assert (scale is None) is not used
    assert_as_found(model, optimizer, scaler, run=lambda: sweep(model, optimizer, scaler=scaler))
    assert scaler._scale is scale
    train(2)


def test_several_schedulers_are_put_back():
    model, optimizer = parts()
    schedulers = [sched.StepLR(optimizer, 2), sched.ExponentialLR(optimizer, 0.9)]

    def step(*_):
        for each in schedulers:
            each.step()

    optimizer.register_step_post_hook(step)
    optimizer.zero_grad()
    assert_as_found(
        *schedulers, optimizer, run=lambda: sweep(model, optimizer, scheduler=schedulers)
    )


class ReadsItself(list):
    """A list of batches that draws a random number whenever it is iterated."""

    def __iter__(self):
        torch.rand(1)
        return super().__iter__()


def test_remembering_a_loader_does_not_read_it():
    model, optimizer = parts()
    loader = ReadsItself(batches_of_4(Samples()))
    training = Training(model=model, optimizer=optimizer, loader=loader)
    state = torch.get_rng_state()
    list(Sweep(training, SweepSettings(num_iter=4)))
    assert torch.equal(torch.get_rng_state(), state)
