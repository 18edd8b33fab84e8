"""Promise 1: training after a sweep is bit-identical to training with no sweep."""

import functools
import multiprocessing
import random
import signal

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.optim import SGD

from endings import ENDINGS
from evidence import differences, new_training, training_with
from specimens import LOADERS, LOADERS_WITH_WORKERS, MODELS, OPTIMIZERS, Samples, batches_of_4, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@functools.cache
def trace_without_a_sweep(model, optimizer, loader, before, after):
    training = new_training(model, optimizer, loader)
    training.train(before + after)
    return training.trace()


def assert_leaves_no_trace(
    model="MLP",
    optimizer="SGD with momentum",
    *,
    loader="shuffled",
    ending="normally",
    at=6,
    before=7,
    after=7,
):
    """Train, sweep, train on, and compare with training without the sweep.

    An epoch has 5 batches: by default the sweep comes in the middle of the second.
    """
    training = new_training(model, optimizer, loader)
    training.train(before)
    told, held = training.trace(), training.objects()
    ENDINGS[ending](training, at)
    assert differences(told, training.trace()) == []
    now = training.objects()
    assert [name for name in held if now.get(name) is not held[name]] == []
    training.train(after)
    expected = trace_without_a_sweep(model, optimizer, loader, before, after)
    assert differences(expected, training.trace()) == []


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_training_goes_on_as_if_the_sweep_had_never_run(model, optimizer):
    assert_leaves_no_trace(model, optimizer)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        ("batch norm and dropout", "Adam"),
        ("restless buffers", "SGD with momentum"),
        ("remembering", "counting"),
    ],
)
def test_it_holds_however_the_sweep_ends(model, optimizer, ending):
    assert_leaves_no_trace(model, optimizer, ending=ending)


@pytest.mark.parametrize("ending", ["normally", "by an error in the loader", "by close"])
@pytest.mark.parametrize("before", [0, 5, 7], ids=["first epoch", "between epochs", "mid-epoch"])
@pytest.mark.parametrize("loader", LOADERS)
def test_it_holds_with_every_loader_at_any_place_in_an_epoch(loader, before, ending):
    assert_leaves_no_trace("batch norm and dropout", loader=loader, before=before, ending=ending)


@pytest.mark.parametrize("before", [0, 5], ids=["first epoch", "between epochs"])
@pytest.mark.parametrize("loader", LOADERS_WITH_WORKERS)
def test_it_holds_with_worker_processes(loader, before):
    assert_leaves_no_trace(loader=loader, before=before, after=6)


@pytest.mark.parametrize(
    "ending", ["by close", "by an error in the loader", "by an interrupt in forward"]
)
def test_it_holds_with_worker_processes_when_a_sweep_is_cut_short(ending):
    assert_leaves_no_trace(
        loader="persistent workers, own generator", before=2, after=6, ending=ending
    )


def test_the_sweeps_own_workers_end_with_it():
    others = {*multiprocessing.active_children()}  # of a loader that is not collected yet
    training = new_training(loader="workers")
    sweep = training.sweep()
    next(sweep)
    own = {*multiprocessing.active_children()} - others
    assert len(own) >= 2
    sweep.close()
    assert not any(worker.is_alive() for worker in own)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    model=st.sampled_from(sorted(MODELS)),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    loader=st.sampled_from(sorted(LOADERS)),
    ending=st.sampled_from(sorted(ENDINGS)),
    at=st.integers(1, 10),
    before=st.integers(0, 9),
    after=st.integers(1, 7),
)
def test_it_holds_for_any_mixture(*, model, optimizer, loader, ending, at, before, after):
    assert_leaves_no_trace(
        model, optimizer, loader=loader, ending=ending, at=at, before=before, after=after
    )


def test_a_sweep_trains_while_it_runs():
    training = new_training("batch norm and dropout")
    before = training.trace()
    with training.sweep() as sweep:
        for _ in range(3):
            next(sweep)
        changed = differences(before, training.trace())
    assert "/model/_modules/0/_parameters/weight/content" in changed
    assert "/model/_modules/1/_buffers/running_mean/content" in changed
    assert differences(before, training.trace()) == []


class Halfway(SGD):
    """Fails when it has stepped some of the parameters."""

    def __init__(self, params):
        super().__init__(params, lr=0.05, momentum=0.9)
        self.fails = False

    def step(self, closure=None):
        super().step(closure)
        if self.fails:
            self.param_groups[0]["params"][0].data.fill_(float("nan"))
            raise SystemExit("half-way")


def test_a_step_that_fails_half_way_is_taken_back():
    model = mlp()
    training = training_with(model=model, optimizer=Halfway(model.parameters()))
    training.train(2)
    training.optimizer.fails = True
    before = training.trace()
    with pytest.raises(SystemExit, match="half-way"):
        list(training.sweep())
    assert differences(before, training.trace()) == []


class InterruptsItsEnd:
    """A loader at whose closing somebody presses Ctrl-C, twice."""

    def __init__(self):
        self.batch = next(iter(batches_of_4(Samples())))

    def __iter__(self):
        try:
            while True:
                yield self.batch
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_comes_while_the_sweep_restores_waits_until_that_is_done():
    training = training_with()
    training.loader = InterruptsItsEnd()
    before = training.trace()
    sweep = training.sweep()
    next(sweep)
    with pytest.raises(KeyboardInterrupt):
        sweep.close()
    assert differences(before, training.trace()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("points", [0, 1], ids=["never started", "after its first point"])
def test_closing_twice_changes_nothing(points):
    training = new_training()
    before = training.trace()
    sweep = training.sweep()
    for _ in range(points):
        next(sweep)
    sweep.close()
    sweep.close()
    assert list(sweep) == []
    assert differences(before, training.trace()) == []


def test_a_sweep_that_is_only_built_leaves_no_trace():
    training = new_training("remembering")
    before = training.trace()
    sweep = training.sweep()
    assert differences(before, training.trace()) == []
    sweep.close()


def test_the_same_training_sweeps_to_the_same_curve_twice():
    training = new_training("batch norm and dropout")
    training.train(3)
    assert list(training.sweep()) == list(training.sweep())


def test_a_seed_decides_the_curve_and_leaves_the_generators_alone():
    training = new_training("batch norm and dropout")
    before = training.trace()
    first, other = list(training.sweep(seed=1)), list(training.sweep(seed=2))
    assert differences(before, training.trace()) == []
    torch.rand(3)
    assert list(training.sweep(seed=1)) == first != other


def test_what_is_drawn_after_a_sweep_is_what_would_have_been_drawn():
    def draws():
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()

    new_training(loader="own iterable")
    expected = draws()
    training = new_training(loader="own iterable")
    list(training.sweep())
    assert draws() == expected
