"""Promise 1 for gradients that no optimizer sees: those of inputs, as a PINN's points have them."""

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

from lrfinder_widget import lr_find

pytestmark = pytest.mark.usefixtures("one_torch_thread")

POINTS = torch.zeros(0)


def square(output, target):
    return (output - target).square().mean()


def in_a_list(points, targets):
    return {"loader": [(points, targets)]}


def in_a_data_set(points, targets):
    return {"loader": DataLoader(TensorDataset(points, targets), batch_size=len(points))}


def in_a_loss(points, targets):
    return {
        "loader": [(torch.zeros(4, 1), torch.zeros(4, 1))],
        "compute_loss": lambda model, batch: square(model(points), targets),
    }


def in_a_notebook(points, targets):
    globals()["POINTS"] = points
    return {
        "loader": [(torch.zeros(4, 1), torch.zeros(4, 1))],
        "compute_loss": lambda model, batch: square(model(POINTS), targets),
    }


@pytest.mark.parametrize("former", [None, 0.0], ids=["none before", "one before"])
@pytest.mark.parametrize(
    ("where", "count"),
    [
        (in_a_list, 10),
        (in_a_list, 3_000_000),  # more than is copied of a plain object's
        (in_a_data_set, 3000),
        (in_a_loss, 3_000_000),
        (in_a_notebook, 10),
    ],
)
def test_inputs_keep_the_gradient_that_they_had(where, count, former):
    points = torch.zeros(count, 1, requires_grad=True)
    gradient = None if former is None else torch.full_like(points, former)
    points.grad = gradient
    model = nn.Linear(1, 1)
    how = where(points, torch.ones(count, 1))
    if "compute_loss" not in how:
        how["loss_fn"] = square
    loader = how.pop("loader")
    lr_find(model, SGD(model.parameters(), lr=0.1), loader, num_iter=4, progress=False, **how)
    assert points.grad is gradient
    assert gradient is None or (gradient == former).all()
