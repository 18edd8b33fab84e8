"""skorch and Ignite need no adapter: three lines of their own words each."""

import copy
import itertools

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events, create_supervised_trainer
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn
from torch.optim import SGD, Adam

from evidence import differences, flat, seeded
from lrfinder_widget import get_lr, lr_find, range_test, set_lr
from specimens import CLASSES, FEATURES, Samples, batch_norm_and_dropout, batches_of_4

pytestmark = pytest.mark.usefixtures("one_torch_thread")

QUICK = {"start_lr": 1e-3, "num_iter": 30, "rule": "steepest", "progress": False}


# --- skorch -------------------------------------------------------------------------------------


class Probabilities(nn.Module):
    """What skorch's classifier expects with its own criterion: the softmax is in the model."""

    def __init__(self):
        super().__init__()
        self.body = batch_norm_and_dropout()

    def forward(self, inputs):
        return self.body(inputs).softmax(1)


class Regression(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Dropout(0.2))
        self.head = nn.Linear(8, 1)

    def forward(self, inputs):
        return self.head(self.body(inputs))


def arrays():
    samples = Samples(40)
    return samples.inputs.numpy(), samples.targets.numpy()


def classifier():
    return NeuralNetClassifier(
        Probabilities,
        optimizer=Adam,
        lr=0.01,
        batch_size=8,
        max_epochs=2,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def swept(net, x, y):
    """Sweep a skorch net; these are the lines that a user needs."""
    net.initialize()
    batches = net.get_iterator(net.get_dataset(x, y), training=True)

    def compute_loss(_, batch):
        return net.get_loss(net.infer(batch[0]), batch[1], training=True)

    return lr_find(net.module_, net.optimizer_, batches, compute_loss=compute_loss, **QUICK)


def test_a_skorch_net_is_swept_on_its_own_loss():
    seeded()
    x, y = arrays()
    net = classifier()
    result = swept(net, x, y)
    assert len(result.losses) > 10
    # skorch takes the logarithm of the probabilities before NLLLoss: the loss is that of chance.
    assert 0.7 < result.losses[0] / np.log(CLASSES) < 2
    assert result.batch_size == 8


def test_the_suggestion_reaches_a_skorch_net_that_is_initialized_and_one_that_fits_anew():
    seeded()
    x, y = arrays()
    net = classifier()
    result = swept(net, x, y)
    assert get_lr(net.optimizer_) == 0.01
    net.set_params(lr=result.suggestion)
    assert get_lr(net.optimizer_) == result.suggestion
    net.fit(x, y)
    assert get_lr(net.optimizer_) == result.suggestion


def test_a_skorch_net_trains_after_a_sweep_as_if_it_had_never_run():
    x, y = arrays()
    traces = []
    for with_sweep in (False, True):
        seeded()
        net = classifier()
        if with_sweep:
            swept(net, x, y)
        else:
            net.initialize()
        net.partial_fit(x, y)
        losses = [row["train_loss"] for row in net.history]
        traces.append(flat({"net": [net.module_, net.optimizer_], "losses": losses}))
    assert differences(*traces) == []


def test_a_skorch_regressor_is_swept():
    seeded()
    x, y = arrays()
    net = NeuralNetRegressor(Regression, lr=0.01, train_split=None, verbose=0)
    result = swept(net, x, y[:, None].astype("float32"))
    assert np.isfinite(result.suggestion)


# --- Ignite -------------------------------------------------------------------------------------


def ignite_parts():
    seeded()
    model = batch_norm_and_dropout()
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
    return model, optimizer, batches_of_4(Samples(), shuffle=True)


def test_an_ignite_trainer_is_swept_by_its_parts_and_trains_as_if_it_had_not():
    traces = []
    for with_sweep in (False, True):
        model, optimizer, loader = ignite_parts()
        trainer = create_supervised_trainer(model, optimizer, nn.CrossEntropyLoss())
        losses = []
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED,
            lambda engine, losses=losses: losses.append(engine.state.output),
        )
        trainer.run(loader, max_epochs=1)
        if with_sweep:
            lr_find(model, optimizer, loader, nn.CrossEntropyLoss(), **QUICK)
        trainer.run(loader, max_epochs=2)
        traces.append(flat({"parts": [model, optimizer], "losses": losses}))
    assert differences(*traces) == []


def test_an_ignite_trainer_goes_on_at_the_rate_that_is_set():
    model, optimizer, loader = ignite_parts()
    trainer = create_supervised_trainer(model, optimizer, nn.CrossEntropyLoss())
    result = lr_find(model, optimizer, loader, nn.CrossEntropyLoss(), **QUICK)
    set_lr(optimizer, result.suggestion)
    seen = []
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda: seen.append(get_lr(optimizer)))
    trainer.run(loader, max_epochs=1)
    assert seen == [result.suggestion] * len(loader)


def test_the_loss_of_an_engine_of_ones_own_is_swept():
    model, optimizer, loader = ignite_parts()
    smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)

    def compute_loss(model, batch):
        inputs, targets = batch
        return smoothed(model(inputs), targets) + 1e-3 * model[0].weight.square().sum()

    def process(_engine, batch):
        optimizer.zero_grad()
        loss = compute_loss(model, batch)
        loss.backward()
        optimizer.step()
        return loss.item()

    result = lr_find(model, optimizer, loader, compute_loss=compute_loss, **QUICK)
    assert np.isfinite(result.suggestion)
    assert Engine(process).run(loader).output > 0


def test_an_engine_is_swept_whole_on_copies_of_model_and_optimizer():
    model, optimizer, loader = ignite_parts()
    before = flat([model, optimizer])
    copies = copy.deepcopy((model, optimizer))
    trainer = create_supervised_trainer(*copies, nn.CrossEntropyLoss())
    batches = itertools.cycle(loader)

    def train(lr):
        set_lr(copies[1], lr)
        return trainer.run([next(batches)]).output

    result = range_test(train, start_lr=1e-3, num_iter=30, rule="steepest")
    assert np.isfinite(result.suggestion)
    assert differences(before, flat([model, optimizer])) == []
    assert not torch.equal(copies[0][0].weight, model[0].weight)
