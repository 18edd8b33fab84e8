"""The last step's gradients are off before the next, as `zero_grad` of the user's does it."""

import pytest
import torch
from torch import nn
from torch.optim import SGD

from lrfinder_widget import lr_find
from lrfinder_widget.training.clearing import clearing

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def with_gradients(kind=SGD):
    parameters = [torch.ones(2, requires_grad=True) for _ in range(3)]
    parameters[0].grad = torch.ones(2)
    parameters[2].grad = torch.ones(2).to_sparse()
    groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.2}]
    return parameters, kind(groups, lr=0.1)


def test_gradients_are_none_afterwards_in_every_group():
    parameters, optimizer = with_gradients()
    clearing(optimizer)()
    assert [each.grad for each in parameters] == [None] * 3


def test_a_group_that_is_added_later_is_cleared_too():
    _, optimizer = with_gradients()
    clear = clearing(optimizer)
    late = torch.ones(2, requires_grad=True)
    late.grad = torch.ones(2)
    optimizer.add_param_group({"params": [late]})
    clear()
    assert late.grad is None


class KeepsZeros(SGD):
    def zero_grad(self):
        super().zero_grad(set_to_none=False)


def test_a_zero_grad_of_the_optimizers_class_is_called():
    parameters, optimizer = with_gradients(KeepsZeros)
    clearing(optimizer)()
    assert parameters[0].grad.tolist() == [0, 0]


def test_a_zero_grad_of_the_optimizer_alone_is_called():
    parameters, optimizer = with_gradients()
    calls = []
    optimizer.zero_grad = lambda: calls.append(1)
    clearing(optimizer)()
    assert calls == [1]
    assert parameters[0].grad is not None


SEEN = []


class Spy(SGD):
    def step(self, closure=None):
        SEEN.append(self.param_groups[0]["params"][0].grad.clone())
        return super().step(closure)


def test_the_steps_of_a_sweep_do_not_add_up_gradients():
    SEEN.clear()
    model = nn.Linear(3, 1)
    batch = torch.randn(8, 3), torch.randn(8, 1)
    # At next to no rate the same batch gives the same gradients.
    optimizer = Spy(model.parameters(), lr=0.1)
    lr_find(model, optimizer, [batch], start_lr=1e-15, end_lr=1e-14, num_iter=5, progress=False)
    assert len(SEEN) == 5
    assert all(torch.allclose(each, SEEN[0]) for each in SEEN)
