"""`range_test` sweeps any function of a rate, and its result is read as that of `lr_find`."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lrfinder_widget import NotEnoughPointsError, SettingsError, lr_find, range_test
from lrfinder_widget.settings import SweepSettings, learning_rates

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def quadratic():
    """A model whose loss falls and then diverges, its optimizer, and the same batches each time."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    inputs = torch.randn(8, 4)
    targets = inputs @ torch.ones(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return model, optimizer, [(inputs, targets)]


def step_of(model, optimizer, batches):
    """The training of these objects as a function of the rate; it reports all there is."""
    [(inputs, targets)] = batches

    def step(lr):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters()])
        optimizer.step()
        return {"loss": loss, "grad_norm": norm, "bias": model.bias.detach()}

    return step


SWEEP = {"start_lr": 1e-5, "end_lr": 1e3, "num_iter": 120}


def test_the_same_training_gives_the_same_curve_stop_suggestions_and_findings():
    expected = lr_find(*quadratic(), nn.MSELoss(), progress=False, grad_norms=True, **SWEEP)
    found = range_test(step_of(*quadratic()), **SWEEP)
    assert found.stop_reason == expected.stop_reason == "diverged"
    assert np.array_equal(found.lrs, expected.lrs)
    assert np.array_equal(found.losses, expected.losses)
    np.testing.assert_allclose(found.grad_norms, expected.grad_norms, rtol=1e-6)
    assert {name: each.to_dict() for name, each in found.suggestions.items()} == {
        name: each.to_dict() for name, each in expected.suggestions.items()
    }
    assert found.interval == expected.interval
    assert found.cyclical_bounds() == expected.cyclical_bounds()
    assert [each.name for each in found.findings] == [each.name for each in expected.findings]


def test_the_same_training_gives_the_same_picture():
    expected = lr_find(*quadratic(), nn.MSELoss(), progress=False, grad_norms=True, **SWEEP)
    found = range_test(step_of(*quadratic()), **SWEEP)
    figures = [result.figure() for result in (found, expected)]
    assert [trace.name for trace in figures[0].data] == [trace.name for trace in figures[1].data]
    assert figures[0].layout.xaxis.range == figures[1].layout.xaxis.range
    assert np.array_equal(figures[0].data[0].y, figures[1].data[0].y)


def test_a_dict_holds_the_loss_and_other_scalars_of_each_step():
    rates = learning_rates(SweepSettings(num_iter=12))

    def step(lr):
        return {
            "loss": 1 - lr / 10,
            "val_loss": torch.tensor(2.0),
            "grad_norm": np.float32(3.0),
            "accuracy": np.array(0.5),
            "rows": [1, 2],
            "note": "0.1",
            "done": True,
        }

    result = range_test(step, num_iter=12)
    assert result.losses.tolist() == (1 - rates / 10).tolist()
    assert set(result.val_losses) == {2.0}
    assert set(result.grad_norms) == {3.0}
    assert {name: set(values) for name, values in result.metrics.items()} == {"accuracy": {0.5}}


def test_a_scalar_that_a_step_does_not_report_is_nan_there():
    steps = iter([{"loss": 1.0}, {"loss": 1.0, "accuracy": 0.0}, 1.0])
    result = range_test(lambda lr: next(steps), num_iter=3)
    assert [str(value) for value in result.metrics["accuracy"]] == ["nan", "0.0", "nan"]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ({"accuracy": 1.0}, r"a dict without 'loss' \(it has accuracy\)"),
        ({}, r"a dict without 'loss' \(it has nothing\)"),
        ({"loss": "high"}, r"must return the loss as a number \(got str\)"),
        (None, r"must return the loss as a number \(got NoneType\)"),
        ([1.0, 2.0], r"must return the loss as a number \(got list\)"),
    ],
    ids=str,
)
def test_what_holds_no_loss_is_refused(returned, words):
    with pytest.raises(SettingsError, match=words):
        range_test(lambda lr: returned, num_iter=5)


@pytest.mark.parametrize(
    ("losses", "stop_reason"),
    [
        ([1.0, 1.0, math.nan, 1.0], "non-finite loss"),
        ([1.0, 0.9, math.inf, 1.0], "non-finite loss"),
        ([1.0, 0.5, 0.25, 0.125], "completed"),
    ],
    ids=str,
)
def test_it_ends_at_a_loss_that_is_not_finite(losses, stop_reason):
    steps = iter(losses)
    result = range_test(lambda lr: next(steps), num_iter=4)
    assert result.stop_reason == stop_reason
    assert len(result.lrs) == (3 if stop_reason != "completed" else 4)


def test_without_a_suggestion_it_says_that_the_loss_is_not_finite_and_not_to_take_more_points():
    result = range_test(lambda lr: math.nan, num_iter=50)
    with pytest.raises(NotEnoughPointsError) as caught:
        _ = result.suggestion
    assert "look for NaN or infinity in the data" in str(caught.value)
    assert "raise num_iter" not in str(caught.value)
