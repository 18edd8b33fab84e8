"""The norms of the gradients, what they cost, and clipping."""

import copy
import math
import sys
import time

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD

from lrfinder_widget import SettingsError, lr_find
from lrfinder_widget.training import gradients
from specimens import CLASSES, mlp
from steps import SEEN, SHORT, batches, parts, point_of, step_of, sweep_of, swept

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()


def norm_of(training, batch):
    twin = copy.deepcopy(training.model)
    functional.cross_entropy(twin(batch[0]), batch[1]).backward()
    return torch.cat([p.grad.flatten() for p in twin.parameters()]).norm().item()


def test_gradient_norms_are_those_before_clipping():
    training = swept()
    (batch,) = batches(1)
    expected = norm_of(training, batch)
    clipped = point_of(step_of(training, clip_grad_norm=expected / 10), [batch])
    assert clipped.grad_norm == pytest.approx(expected, rel=1e-5)
    grads = torch.cat([p.grad.flatten() for p in training.model.parameters()])
    assert grads.norm().item() == pytest.approx(expected / 10, rel=1e-4)


def test_under_a_scaler_the_norm_is_that_of_the_unscaled_gradients():
    training = swept(scaler=torch.amp.GradScaler("cpu", init_scale=1024.0))
    (batch,) = batches(1)
    expected = norm_of(training, batch)
    point = point_of(step_of(training, grad_norms=True), [batch])
    assert point.grad_norm == pytest.approx(expected, rel=1e-4)


def test_gradients_are_clipped_by_value():
    training = swept()
    point_of(step_of(training, clip_grad_value=1e-3), batches(1))
    largest = max(p.grad.abs().max().item() for p in training.model.parameters())
    assert largest == pytest.approx(1e-3)


def test_the_norm_of_a_sparse_gradient_is_known():
    model = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(8, CLASSES))
    training = swept(model, SGD(model.parameters(), lr=0.1))
    batch = (torch.tensor([[1, 1], [2, 3]]), torch.tensor([0, 1]))
    point = point_of(step_of(training, grad_norms=True), [batch])
    parts = [p.grad.to_dense().flatten() for p in model.parameters()]
    assert point.grad_norm == pytest.approx(torch.cat(parts).norm().item(), rel=1e-5)


@pytest.mark.parametrize(("share", "recorded"), [(math.inf, True), (0.0, False)])
def test_by_default_norms_are_recorded_where_they_cost_little(monkeypatch, share, recorded):
    monkeypatch.setattr(gradients, "SHARE", share)
    tried = gradients.TRIALS
    assert tells_norm(swept()) == [False] * (tried - 1) + [recorded] * (12 - tried + 1)


def tells_norm(training, **settings):
    """Whether each step of a sweep tells the gradients' norm."""
    points = sweep_of(training, num_iter=12, **settings)
    return [math.isfinite(point.grad_norm) for point in points]


@pytest.mark.parametrize(("share", "recorded"), [(math.inf, True), (0.0, False)])
def test_what_norms_cost_is_found_out_once_for_all_sweeps_of_a_training(
    monkeypatch, share, recorded
):
    monkeypatch.setattr(gradients, "SHARE", share)
    training = swept()
    tells_norm(training)
    monkeypatch.setattr(gradients, "SHARE", 0.0 if recorded else math.inf)
    assert tells_norm(training) == [recorded] * 12
    assert tells_norm(training, grad_norms=not recorded) == [not recorded] * 12


def test_slow_steps_settle_it_sooner(monkeypatch):
    monkeypatch.setattr(gradients, "SHARE", math.inf)
    monkeypatch.setattr(gradients, "PATIENCE_SECONDS", 0.0)
    assert tells_norm(swept())[:4] == [False, True, True, True]


@pytest.mark.skipif(sys.platform == "win32", reason="a thread's time is counted too coarsely")
def test_a_step_that_waits_does_not_make_norms_seem_cheap():
    class Waits(nn.Module):
        def forward(self, inputs):
            time.sleep(0.02)  # as on a machine that is busy with something else
            return inputs

    assert not any(tells_norm(swept(nn.Sequential(Waits(), *mlp()))))


def test_values_of_sparse_gradients_are_not_clipped_but_refused():
    model = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(8, CLASSES))
    batch = (torch.randint(9, (5, 2)), torch.randint(CLASSES, (5,)))
    sparse = swept(model, SGD(model.parameters(), lr=0.1), loader=[batch])
    with pytest.raises(SettingsError, match="use clip_grad_norm"):
        list(sweep_of(sparse, clip_grad_value=1.0))


def test_norms_can_be_asked_for_and_refused():
    asked = lr_find(*parts(swept()), progress=False, grad_norms=True, **SHORT)
    assert (asked.grad_norms > 0).all()
    refused = lr_find(*parts(swept()), progress=False, grad_norms=False, clip_grad_norm=1, **SHORT)
    assert all(map(math.isnan, refused.grad_norms))
