"""Promise 1 beside other cells: what they draw or seed during a sweep stands, and is told."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from evidence import new_training, training_with
from lrfinder_widget.runner import Runner
from lrfinder_widget.series import Series
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.training import random_streams
from specimens import batch_norm_and_dropout, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")

MODELS = ["MLP", "batch norm and dropout"]


def torch_draw():
    return torch.rand(3).tolist()


DRAWS = {
    "torch": torch_draw,
    "NumPy": lambda: np.random.rand(3).tolist(),
    "random": random.random,
}


class Elsewhere:
    """A sweep on a thread of its own, one point at a time: between them it stands still."""

    def __init__(self, training):
        self.sweep = training.sweep()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pool.submit(self.sweep.close).result()
        self._pool.shutdown()

    def begin_point(self):
        return self._pool.submit(next, self.sweep)

    def points(self, count):
        for _ in range(count):
            self.begin_point().result()

    def rest(self):
        self._pool.submit(self.sweep.rest).result()

    def finish(self):
        self._pool.submit(list, self.sweep).result()


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("model", MODELS)
def test_while_a_sweep_rests_a_cell_draws_what_it_would_have_drawn(model, draw):
    new_training(model)
    expected = [draw(), draw(), draw()]
    with Elsewhere(new_training(model)) as elsewhere:
        elsewhere.points(3)
        elsewhere.rest()
        first = draw()
        elsewhere.points(3)
        elsewhere.rest()
        second = draw()
        elsewhere.finish()
    assert [first, second, draw()] == expected


@pytest.mark.parametrize("name", DRAWS)
def test_the_generator_that_a_cell_drew_from_is_named_and_no_other(name):
    with Elsewhere(new_training("batch norm and dropout")) as elsewhere:
        elsewhere.points(2)
        elsewhere.rest()
        DRAWS[name]()
        elsewhere.finish()
    notes = [
        note for note in elsewhere.sweep.notes if "numbers were drawn outside the sweep" in note
    ]
    assert len(notes) == 1
    assert [other for other in DRAWS if other in notes[0].split("(", 1)[1]] == [name]


def test_where_nobody_draws_nothing_is_noted():
    with Elsewhere(new_training("batch norm and dropout")) as elsewhere:
        elsewhere.points(2)
        elsewhere.rest()
        elsewhere.finish()
    assert elsewhere.sweep.notes == []


@pytest.mark.parametrize("model", MODELS)
def test_a_seed_that_a_cell_sets_while_a_sweep_rests_stands(model):
    torch.manual_seed(99)
    expected = torch_draw()
    with Elsewhere(new_training(model)) as elsewhere:
        elsewhere.points(2)
        elsewhere.rest()
        torch.manual_seed(99)
        elsewhere.finish()
    assert torch_draw() == expected


@pytest.mark.parametrize("points", [1, 2, 8])
@pytest.mark.parametrize("model", MODELS)
def test_a_seed_that_a_cell_sets_between_two_steps_stands_and_is_told(model, points):
    torch.manual_seed(99)
    expected = torch_draw()
    with Elsewhere(new_training(model)) as elsewhere:
        elsewhere.points(points)
        torch.manual_seed(99)
        elsewhere.finish()
    assert torch_draw() == expected
    assert any("torch" in note for note in elsewhere.sweep.notes)


@pytest.mark.parametrize(
    ("seed", "draw"),
    [(random.seed, random.random), (np.random.seed, np.random.rand)],
    ids=["Python", "NumPy"],
)
@pytest.mark.parametrize("points", [1, 8])
def test_a_seed_of_another_generator_that_a_cell_sets_stands(points, seed, draw):
    seed(99)
    expected = draw()
    with Elsewhere(new_training("MLP")) as elsewhere:
        elsewhere.points(points)
        seed(99)
        elsewhere.finish()
    assert draw() == expected


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("model", MODELS)
def test_what_a_cell_draws_between_two_steps_is_never_drawn_again(model, draw):
    with Elsewhere(new_training(model)) as elsewhere:
        elsewhere.points(2)
        drawn = [draw()]
        elsewhere.points(2)
        drawn.append(draw())
        elsewhere.finish()
    drawn += [draw(), draw()]
    assert len({str(each) for each in drawn}) == 4


class Waits(nn.Module):
    """Stands still in its forward pass until it is told to go on."""

    def __init__(self, body):
        super().__init__()
        self.body = body
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def forward(self, inputs):
        self.entered.set()
        assert self.go_on.wait(20)
        return self.body(inputs)


def seeded_in_mid_step(seed, body):
    """Sweep on another thread, and seed while its eighth step stands still; return the notes."""
    training = training_with(model=Waits(body))
    model = training.model
    with Elsewhere(training) as elsewhere:
        elsewhere.points(7)
        model.go_on.clear()
        model.entered.clear()
        step = elsewhere.begin_point()
        assert model.entered.wait(20)
        seed(99)
        model.go_on.set()
        step.result()
        elsewhere.finish()
    return elsewhere.sweep.notes


@pytest.mark.parametrize(
    ("seed", "name"),
    [(np.random.seed, "NumPy"), (random.seed, "random"), (torch.manual_seed, "torch")],
    ids=["NumPy", "random", "torch"],
)
def test_a_seed_that_a_cell_sets_in_mid_step_stands_and_is_told(monkeypatch, seed, name):
    monkeypatch.setattr(random_streams, "SHORTEST_SECONDS", 0.0)
    seed(99)
    expected = DRAWS[name]()
    notes = seeded_in_mid_step(seed, mlp())
    assert DRAWS[name]() == expected
    assert any(name in note for note in notes)


def test_a_seed_that_a_cell_sets_in_mid_step_is_told_where_the_model_draws_too(monkeypatch):
    monkeypatch.setattr(random_streams, "SHORTEST_SECONDS", 0.0)
    notes = seeded_in_mid_step(torch.manual_seed, batch_norm_and_dropout())
    assert any("torch" in note for note in notes)


class DrawsLate(Waits):
    """Draws from NumPy's generator in its eighth forward pass, and never else."""

    def __init__(self):
        super().__init__(mlp())
        self.calls = 0

    def forward(self, inputs):
        self.calls += 1
        drawn = np.random.rand() if self.calls == 8 else 0
        return super().forward(inputs) + drawn


def test_what_the_model_draws_late_is_not_taken_for_another_cells(monkeypatch):
    monkeypatch.setattr(random_streams, "SHORTEST_SECONDS", 0.0)
    np.random.seed(99)
    expected = np.random.rand()
    np.random.seed(99)
    training = training_with(model=DrawsLate())
    model = training.model
    with Elsewhere(training) as elsewhere:
        elsewhere.points(7)
        model.go_on.clear()
        model.entered.clear()
        step = elsewhere.begin_point()
        assert model.entered.wait(20)
        # Another cell computes in the middle of that step, but draws nothing.
        assert sum(range(100_000)) > 0
        model.go_on.set()
        step.result()
        elsewhere.finish()
    assert np.random.rand() == expected


class SeedsNowAndThen(nn.Module):
    """Seeds all generators in every tenth forward pass, each of which takes its time."""

    def __init__(self):
        super().__init__()
        self.body = mlp()
        self.calls = 0

    def forward(self, inputs):
        self.calls += 1
        time.sleep(0.03)
        if self.calls % 10 == 0:
            for seed in (torch.manual_seed, np.random.seed, random.seed):
                seed(0)
        return self.body(inputs)


class Deaf:
    """A listener that does nothing."""

    def started(self, _):
        pass

    sweep_began = stepped = changed = started


def test_what_a_model_seeds_is_not_taken_for_another_cells_while_a_cell_waits_for_the_sweep():
    before = {name: draw() for name, draw in DRAWS.items()}
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(99)
    expected = {name: draw() for name, draw in DRAWS.items()}
    assert expected != before
    training = training_with(model=SeedsNowAndThen()).for_sweep()
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(99)
    sweep = Series(training, SweepSettings(num_iter=45, end_lr=0.01))
    runner = Runner(Deaf())
    runner.run(sweep)
    runner.wait()
    assert {name: draw() for name, draw in DRAWS.items()} == expected
    assert sweep.notes == []
