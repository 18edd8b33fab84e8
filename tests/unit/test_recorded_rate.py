"""Promise 2: the recorded learning rate is the used one, and the recorded loss belongs to it."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim import lr_scheduler as sched

from evidence import Training, new_training, seeded
from lrfinder_widget import lr_find
from lrfinder_widget.settings import SweepSettings, learning_rates
from specimens import Samples, batches_of_4, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Spy(SGD):
    """Notes the rate of every group at each step."""

    def __init__(self, params, **options):
        super().__init__(params, **options)
        # A tuple of immutable things, for a sweep restores what an optimizer keeps on itself.
        self.report = None

    def step(self, closure=None):
        if self.report is not None:
            self.report([float(group["lr"]) for group in self.param_groups])
        return super().step(closure)


def spied(*base_rates, dtype=None):
    seeded()
    model = mlp()
    parts = [[*model[0].parameters()], [*model[2].parameters()]]
    if len(base_rates) == 1:
        parts = [[*model.parameters()]]
    groups = [
        {"params": part, "lr": rate if dtype is None else torch.tensor(rate, dtype=dtype)}
        for part, rate in zip(parts, base_rates, strict=True)
    ]
    optimizer = Spy(groups, lr=1.0)
    return Training(model, optimizer, batches_of_4(Samples(), shuffle=True))


def swept(training, **settings):
    """Return the points of a sweep and what the optimizer used at each step."""
    used = []
    training.optimizer.report = used.append
    points = list(training.sweep(**settings))
    training.optimizer.report = None
    return points, used


@pytest.mark.parametrize("step_mode", ["exp", "linear"])
def test_the_recorded_rate_is_the_one_the_optimizer_used(step_mode):
    points, used = swept(spied(0.1), step_mode=step_mode, num_iter=20)
    assert [[point.lr] for point in points] == used
    settings = SweepSettings(start_lr=1e-3, end_lr=0.5, num_iter=20, step_mode=step_mode)
    assert [point.lr for point in points] == learning_rates(settings).tolist()


def test_the_first_and_last_point_use_exactly_the_two_ends():
    points, used = swept(spied(0.1), start_lr=1e-7, end_lr=10, num_iter=100)
    assert (used[0], used[-1]) == ([1e-7], [10.0])
    assert [point.index for point in points] == list(range(100))


def test_point_i_of_n_is_trained_with_the_rate_that_the_formula_gives():
    _, used = swept(spied(0.1), start_lr=1e-5, end_lr=1.0, num_iter=11)
    assert used == [[1e-5 * (1.0 / 1e-5) ** (i / 10)] for i in range(10)] + [[1.0]]


@pytest.mark.parametrize("bases", [(0.1, 0.01), (0.01, 0.1), (0.1, 0.0), (0.3, 0.1)])
def test_every_parameter_group_keeps_its_ratio_at_each_step(bases):
    points, used = swept(spied(*bases))
    ratio = bases[1] / bases[0]
    assert used == [[point.lr, point.lr * ratio] for point in points]


def test_ratios_hold_while_a_warm_up_stands_at_0():
    training = spied(0.1, 0.02)
    training.scheduler = sched.LambdaLR(training.optimizer, lambda epoch: epoch / 10)
    points, used = swept(training)
    assert used == [[point.lr, point.lr * (0.02 / 0.1)] for point in points]
    assert [group["lr"] for group in training.optimizer.param_groups] == [0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_with_tensor_rates_the_recorded_rate_is_the_one_the_tensor_held(dtype):
    points, used = swept(spied(0.1, 0.02, dtype=dtype))
    assert [point.lr for point in points] == [first for first, _ in used]
    ratios = [second / first for first, second in used]
    assert ratios == pytest.approx([0.2] * 12, rel=1e-6)


def test_a_hook_of_the_users_that_changes_the_rate_does_not_change_the_next_one():
    training = spied(0.1)

    def meddle(optimizer, *_):
        optimizer.param_groups[0]["lr"] = 99.0

    training.optimizer.register_step_post_hook(meddle)
    points, used = swept(training)
    assert used == [[point.lr] for point in points]
    assert training.optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("rate", [0.05, torch.tensor(0.05)], ids=["number", "tensor"])
@pytest.mark.parametrize("how", ["load_state_dict", "new list", "new group"])
def test_the_rate_is_written_to_the_groups_that_the_optimizer_has_at_that_step(how, rate):
    used = []

    class Regrouping(Spy):
        def step(self, closure=None):
            result = super().step(closure)
            if how == "load_state_dict":
                self.load_state_dict(self.state_dict())
            elif how == "new list":
                self.param_groups = [dict(group) for group in self.param_groups]
            else:
                self.param_groups[0] = dict(self.param_groups[0], lr=0.7)
            return result

    seeded()
    model = mlp()
    optimizer = Regrouping(model.parameters(), lr=rate)
    optimizer.report = used.append
    training = Training(model, optimizer, batches_of_4(Samples(), shuffle=True))
    group = optimizer.param_groups[0]
    points = list(training.sweep())
    assert used == [[point.lr] for point in points]
    assert optimizer.param_groups[0] is group
    assert float(group["lr"]) == float(rate)


class Falling(nn.Module):
    """One weight, whose loss is the weight itself: each step takes the rate off it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, inputs):
        return self.weight + 0 * inputs.sum()


def test_the_recorded_loss_is_the_one_before_the_step_at_that_rate():
    model = Falling()
    loader = [(torch.zeros(1, dtype=torch.float64), torch.zeros(1))] * 3
    result = lr_find(
        model,
        SGD(model.parameters(), lr=1.0),
        loader,
        lambda output, _: output,
        start_lr=1e-3,
        end_lr=1.0,
        num_iter=10,
        diverge_threshold=None,
        progress=False,
    )
    expected = -np.concatenate([[0.0], np.cumsum(result.lrs)[:-1]])
    np.testing.assert_allclose(result.losses, expected, rtol=1e-12)


def test_losses_below_0_do_not_end_a_sweep():
    model = Falling()
    result = lr_find(
        model,
        SGD(model.parameters(), lr=1.0),
        [(torch.zeros(1, dtype=torch.float64), torch.zeros(1))],
        lambda output, _: output,
        num_iter=50,
        progress=False,
    )
    assert result.stop_reason == "completed"
    assert result.losses[-1] < 0
    assert len(result.losses) == 50


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_sweep_at_its_own_rate(value):
    training = spied(0.1)
    calls = iter(range(100))
    used = []
    training.optimizer.report = used.append
    sweep = training.sweep(
        lambda output, target: (
            nn.functional.cross_entropy(output, target) + (value if next(calls) == 4 else 0)
        )
    )
    points = list(sweep)
    assert sweep.stop_reason == "non-finite loss"
    assert [point.lr for point in points] == [rate for (rate,) in used]
    assert [math.isfinite(point.loss) for point in points] == [True] * 4 + [False]


def test_lr_find_returns_the_points_that_the_sweep_yields():
    first, second = new_training(), new_training()
    settings = {"start_lr": 1e-3, "end_lr": 0.5, "num_iter": 12, "diverge_threshold": None}
    points = list(first.sweep())
    result = lr_find(
        second.model, second.optimizer, second.loader, second.loss_fn, progress=False, **settings
    )
    assert result.lrs.tolist() == [point.lr for point in points]
    assert result.losses.tolist() == [point.loss for point in points]
    assert result.lrs.dtype == result.losses.dtype == np.float64


def test_the_optimizers_own_rate_does_not_change_the_curve():
    def losses(lr):
        training = new_training()
        training.optimizer = Adam(training.model.parameters(), lr=lr)
        return list(training.sweep())

    assert losses(1e-5) == losses(0.7)
