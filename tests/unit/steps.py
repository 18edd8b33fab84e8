"""Sweeps and single steps of small trainings, and what a test watches in them."""

import itertools

import torch
from torch.nn import functional
from torch.optim import SGD

from evidence import seeded
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.sweep import Sweep
from lrfinder_widget.training.step import TrainStep
from lrfinder_widget.training.training import Training as Swept
from specimens import Samples, batches_of_4, mlp

SHORT = {"start_lr": 1e-3, "end_lr": 0.1, "num_iter": 6, "diverge_threshold": None}
CPU = torch.device("cpu")
# What a test watches: a list of its own would be put back with everything else.
SEEN = []


def swept(model=None, optimizer=None, **parts):
    seeded()
    model = mlp() if model is None else model
    optimizer = optimizer or SGD(model.parameters(), lr=0.05, momentum=0.9)
    given = {"loader": batches_of_4(Samples()), "loss_fn": functional.cross_entropy}
    return Swept(model=model, optimizer=optimizer, **{**given, **parts})


def sweep_of(training, **settings):
    return Sweep(training, SweepSettings(**{**SHORT, **settings}))


def step_of(training, **settings):
    return TrainStep(training, SweepSettings(**settings), CPU)


def point_of(step, batches):
    return step.way(step, batches, 0, 0.1)


def weights(training):
    return [parameter.detach().clone() for parameter in training.model.parameters()]


def batches(count=4):
    return list(itertools.islice(batches_of_4(Samples()), count))


def counting(model):
    """Return an optimizer that lists the rate of each step that is really taken."""
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    optimizer.register_step_post_hook(lambda own, *_: SEEN.append(own.param_groups[0]["lr"]))
    return optimizer


def parts(training):
    return training.model, training.optimizer, training.loader, training.loss_fn
