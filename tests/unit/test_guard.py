"""Threads that belong to the sweep's own step, and those that do not."""

import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import pytest
import torch
from torch import nn

from evidence import training_with
from lrfinder_widget.errors import SweepInProgressError
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.sweep import Sweep
from lrfinder_widget.training import guard
from lrfinder_widget.training.training import Training
from specimens import CLASSES, FEATURES, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Rollouts:
    """A loader that asks the model itself, in threads, for what it is to learn."""

    def __init__(self, policy, pool):
        self.policy, self.pool = policy, pool

    def __iter__(self):
        for _ in range(3):
            seen = [torch.randn(4, FEATURES) for _ in range(3)]
            yield torch.cat(seen), torch.cat(list(self.pool.map(self.act, seen)))

    def act(self, seen):
        with torch.no_grad():
            return self.policy(seen).argmax(1)


@pytest.mark.parametrize("part", ["loader", "val_loader"])
def test_a_loader_may_ask_the_model_in_threads(part):
    model = mlp()
    with ThreadPoolExecutor(2) as pool:
        batches = [(torch.randn(4, FEATURES), torch.randint(CLASSES, (4,)))]
        loaders = {"loader": batches, part: Rollouts(model, pool)}
        training = Training(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            loss_fn=nn.CrossEntropyLoss(),
            **loaders,
        )
        assert len(list(Sweep(training, SweepSettings(num_iter=5, end_lr=0.01)))) == 5


class InJoblib(nn.Module):
    """Hands its parts to joblib's threads."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([mlp(), mlp()])

    def forward(self, inputs):
        parallel = joblib.Parallel(2, backend="threading")
        return sum(parallel(joblib.delayed(part)(inputs) for part in self.parts))


def test_a_model_may_hand_its_parts_to_threads_of_joblib():
    assert len(list(training_with(model=InJoblib()).sweep(num_iter=4))) == 4


def test_a_thread_that_no_step_waits_for_is_refused_while_a_batch_is_taken(monkeypatch):
    monkeypatch.setattr(guard, "_PATIENCE_SECONDS", 0.01)

    class Slow:
        def __init__(self, model):
            self.model = model
            self.answer = None

        def __iter__(self):
            threading.Thread(target=self.ask).start()
            while self.answer is None:  # not a wait that can be seen
                pass
            assert isinstance(self.answer, SweepInProgressError)
            yield torch.randn(4, FEATURES), torch.randint(CLASSES, (4,))

        def ask(self):
            try:
                self.answer = self.model(torch.zeros(1, FEATURES))
            except SweepInProgressError as error:
                self.answer = error

    training = training_with()
    training.loader = Slow(training.model)
    assert len(list(training.sweep(num_iter=2, fixed_batch=True))) == 2
