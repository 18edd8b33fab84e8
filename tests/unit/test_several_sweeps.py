"""Sweeps beside and within one another: each is what it would have been alone."""

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from evidence import new_training, training_with
from lrfinder_widget.training import turns
from specimens import batch_norm_and_dropout, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")

LONG = 300
LIMIT = 20


@pytest.fixture(autouse=True)
def _no_turn_is_left():
    yield
    assert turns._inside == turns._queue == []


def generators():
    return torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate()


def sweep(count=LONG, loss_fn=None, **settings):
    return new_training("batch norm and dropout").sweep(
        num_iter=count, seed=1, end_lr=0.01, loss_fn=loss_fn, **settings
    )


def losses(points):
    return [point.loss for point in points]


def test_two_sweeps_in_two_threads_are_what_each_is_alone():
    alone = losses(sweep())
    sweeps = [sweep(), sweep()]
    before = generators()
    with ThreadPoolExecutor(2) as pool:
        assert [losses(each) for each in pool.map(list, sweeps)] == [alone, alone]
    assert generators() == before
    assert sweeps[0].notes == sweeps[1].notes == []


def test_a_sweep_beside_one_on_the_main_thread_is_what_it_is_alone():
    alone = losses(sweep())
    first, second = sweep(), sweep()
    before = generators()
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(list, second)
        assert losses(first) == alone
        assert losses(beside.result()) == alone
    assert generators() == before


def test_two_sweeps_at_a_time_both_come_forward():
    first, second = sweep(1_000_000), sweep(1_000_000)
    counts, end = [0, 0], threading.Event()

    def count(number, swept):
        with swept:
            for _ in swept:
                counts[number] += 1
                if end.is_set():
                    break

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(count, *each) for each in enumerate((first, second))]
        for _ in range(3):
            aims = [seen + 10 for seen in counts]
            limit = time.monotonic() + LIMIT
            while time.monotonic() < limit and (counts[0] < aims[0] or counts[1] < aims[1]):
                time.sleep(0.01)
            assert counts[0] >= aims[0]
            assert counts[1] >= aims[1]
        end.set()
        for each in done:
            each.result()


def test_a_sweep_that_nobody_advances_holds_up_no_other():
    alone = losses(sweep())
    held, other = sweep(), sweep()
    before = generators()
    points = [next(held), next(held)]
    with ThreadPoolExecutor(1) as pool:
        assert losses(pool.submit(list, other).result(LIMIT)) == alone
    assert losses([*points, *held]) == alone
    assert generators() == before


def test_sweeps_that_are_advanced_in_turns_are_what_each_is_alone():
    alone = losses(sweep(12))
    first, second = sweep(12), sweep(12)
    before = generators()
    pairs = list(zip(first, second, strict=True))
    assert [losses(each) for each in zip(*pairs, strict=True)] == [alone, alone]
    assert generators() == before


def within(call):
    """Return a loss that sweeps another model first, by `call`."""

    def loss(outputs, targets):
        training = training_with(model=batch_norm_and_dropout())
        state = generators()
        inner = training.sweep(num_iter=4, seed=1, end_lr=0.01)
        assert len(call(list, inner)) == 4
        assert generators() == state
        return functional.cross_entropy(outputs, targets)

    return loss


def test_a_sweep_within_a_step_of_another_changes_nothing_for_it():
    outer = sweep(3, within(lambda function, argument: function(argument)))
    before = generators()
    assert len(list(outer)) == 3
    assert generators() == before


def test_a_sweep_in_a_thread_that_a_step_waits_for_is_let_in(monkeypatch):
    monkeypatch.setattr(turns, "_PATIENCE_SECONDS", 0.05)
    with ThreadPoolExecutor(1) as pool:
        outer = sweep(2, within(lambda *call: pool.submit(*call).result(LIMIT)))
        before = generators()
        assert len(list(outer)) == 2
    assert generators() == before


class Stands(nn.Module):
    """Stands still in its forward pass, though not where one waits for a thread."""

    def __init__(self):
        super().__init__()
        self.body = mlp()
        self.entered, self.go_on = threading.Event(), False

    def forward(self, inputs):
        self.entered.set()
        while not self.go_on:
            time.sleep(0.001)
        return self.body(inputs)


@pytest.fixture
def standing():
    """A sweep in another thread that stands in the middle of its first step; its model."""
    training = training_with(model=Stands())
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(list, training.sweep(num_iter=2))
        assert training.model.entered.wait(LIMIT)
        yield training.model
        training.model.go_on = True
        done.result()


def test_an_interrupt_of_a_sweep_that_waits_for_its_turn_holds_up_nobody(standing):
    def interrupt():
        limit = time.monotonic() + LIMIT
        while not turns._queue and time.monotonic() < limit:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        list(sweep(2))
    interrupting.join()
    assert turns._queue == []
    standing.go_on = True
    assert len(list(sweep(2))) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("standing")
def test_a_forked_process_does_not_wait_for_a_sweep_that_it_does_not_run():
    class Nothing(turns.Turn):
        def _begin(self):
            pass

        def _finish(self):
            pass

    child = os.fork()
    if not child:
        signal.alarm(LIMIT)
        Nothing(1, lambda: 0).enter()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
