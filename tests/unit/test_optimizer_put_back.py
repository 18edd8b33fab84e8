"""Promise 1 for optimizers that keep state in unusual places, and for schedulers."""

import collections
import copy
import warnings

import pytest
import torch
from torch.optim import SGD, Adam, Optimizer
from torch.optim import lr_scheduler as sched

from evidence import (
    assert_leaves_no_trace,
    assert_sweep_changes_nothing,
    new_training,
    training_with,
)
from specimens import (
    Counting,
    FullPrecisionState,
    Samples,
    Wrapping,
    mlp,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_an_optimizer_that_wraps_another_finds_both_states_again():
    def build():
        model = mlp()
        return training_with(model=model, optimizer=Wrapping(model.parameters()))

    assert_leaves_no_trace(build)


def test_a_model_of_low_precision_keeps_its_state_in_full_precision():
    def build():
        model = mlp().to(torch.bfloat16)
        optimizer = FullPrecisionState(model.parameters())
        low = Samples(transform=lambda row: row.bfloat16())
        return training_with(low, model=model, optimizer=optimizer)

    training = assert_leaves_no_trace(build)
    states = training.optimizer.state.values()
    assert {state["master"].dtype for state in states} == {torch.float32}


class LateChange(SGD):
    """Writes a group key once, late in a long sweep."""

    def __init__(self, params, at):
        super().__init__(params, lr=0.05)
        self.at, self.calls = at, 0

    def step(self, closure=None):
        self.calls += 1
        if self.calls == self.at:
            self.param_groups[0]["phase"] = "late"
            self.param_groups[0]["weight_decay"] = 0.1
        return super().step(closure)


@pytest.mark.parametrize("at", [1, 12, 17, 29])
def test_a_group_key_that_the_optimizer_changes_once_is_put_back(at):
    model = mlp()
    training = training_with(model=model, optimizer=LateChange(model.parameters(), at))
    assert_sweep_changes_nothing(training, num_iter=30)


class OwnHistory(SGD):
    """Keeps a list, a table and a tensor on itself."""

    def __init__(self, params):
        super().__init__(params, lr=0.05)
        self.history, self.table, self.norm = [], {"calls": 0}, torch.zeros(())

    def step(self, closure=None):
        self.history.append(len(self.history))
        self.table["calls"] += 1
        self.norm += 1
        return super().step(closure)


def test_what_an_optimizer_keeps_on_itself_is_put_back():
    def build():
        model = mlp()
        return training_with(model=model, optimizer=OwnHistory(model.parameters()))

    assert_leaves_no_trace(build)


def test_what_somebody_writes_into_a_group_meanwhile_stays():
    training = new_training("MLP", "counting")
    training.train(2)
    group = training.optimizer.param_groups[0]
    counted = group["k"]
    with training.sweep() as sweep:
        next(sweep)
        group["added"] = "by a cell"
        group["note"] = "changed by a cell"
        next(sweep)
    assert (group["added"], group["note"], group["k"]) == (
        "by a cell",
        "changed by a cell",
        counted,
    )


def test_a_tensor_rate_is_put_back_in_place_to_the_bit():
    rate = torch.tensor(0.0123)
    model = mlp()
    training = training_with(model=model, optimizer=Adam(model.parameters(), lr=rate))
    list(training.sweep())
    assert training.optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == torch.tensor(0.0123).item()


def scheduled(build_scheduler):
    training = training_with()
    training.scheduler = build_scheduler(training.optimizer)
    return training


@pytest.mark.parametrize(
    "build_scheduler",
    [
        lambda optimizer: sched.StepLR(optimizer, 3),
        lambda optimizer: sched.OneCycleLR(optimizer, 0.1, total_steps=40),
        lambda optimizer: sched.SequentialLR(
            optimizer,
            [sched.LinearLR(optimizer, 0.1, total_iters=4), sched.ExponentialLR(optimizer, 0.9)],
            [4],
        ),
    ],
    ids=["StepLR", "OneCycleLR", "SequentialLR"],
)
def test_a_scheduler_goes_on_where_it_was(build_scheduler):
    assert_leaves_no_trace(lambda: scheduled(build_scheduler))


def test_a_scheduler_that_the_optimizers_hook_steps_goes_on_where_it_was():
    training = scheduled(lambda optimizer: sched.OneCycleLR(optimizer, 0.1, total_steps=40))

    def step_scheduler(*_):
        training.scheduler.step()

    training.optimizer.register_step_post_hook(step_scheduler)
    training.optimizer.zero_grad()
    assert_sweep_changes_nothing(training)


def order_warnings(training):
    """Step the scheduler first, which torch warns of unless the optimizer has stepped."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        training.scheduler.step()
    return [
        str(each.message) for each in caught if "before `optimizer.step()`" in str(each.message)
    ]


def test_the_warning_of_a_scheduler_stepped_first_still_comes_after_a_sweep():
    training = scheduled(lambda optimizer: sched.StepLR(optimizer, 3))
    list(training.sweep())
    assert len(order_warnings(training)) == 1


def test_a_sweep_brings_no_warning_of_a_schedulers():
    training = scheduled(lambda optimizer: sched.StepLR(optimizer, 3))
    training.optimizer.step()
    list(training.sweep())
    assert order_warnings(training) == []


def test_counters_of_a_custom_optimizer_count_on():
    model = mlp()
    optimizer = Counting(model.parameters())
    training = training_with(model=model, optimizer=optimizer)
    training.train(3)
    list(training.sweep())
    training.train(1)
    group = optimizer.param_groups[0]
    assert (optimizer.calls, group["k"], group["trace"]) == (4, 4, [1, 2, 3, 4])


def test_what_the_optimizer_changed_in_the_last_step_before_a_pause_is_put_back():
    model = mlp()
    training = training_with(model=model, optimizer=LateChange(model.parameters(), at=8))
    with training.sweep(num_iter=20) as sweep:
        for _ in range(8):
            next(sweep)
        sweep.rest()
        next(sweep)
    assert training.optimizer.param_groups[0]["weight_decay"] == 0


class StartingOver(SGD):
    """Forgets its state now and then, by another dict."""

    def __init__(self, params):
        super().__init__(params, lr=0.05, momentum=0.9)
        self.calls = 0

    def step(self, closure=None):
        self.calls += 1
        if self.calls % 4 == 0:
            self.state = collections.defaultdict(dict)
        return super().step(closure)


class RollingBack(SGD):
    """Loads an earlier state into itself, which makes new groups and states."""

    def __init__(self, params):
        super().__init__(params, lr=0.05, momentum=0.9)
        self.calls, self.good = 0, None

    def step(self, closure=None):
        result = super().step(closure)
        self.calls += 1
        if self.calls % 5 == 0:
            self.load_state_dict(self.good)
        elif self.calls % 5 == 2:
            self.good = copy.deepcopy(self.state_dict())
        return result


class Regrouping(SGD):
    """Now and then takes a group out, and puts it back at the other end."""

    def __init__(self, params):
        first, *others = params
        super().__init__([{"params": others}, {"params": [first]}], lr=0.05, momentum=0.9)
        self.calls = 0

    def step(self, closure=None):
        self.calls += 1
        if self.calls % 4 == 0:  # an odd number of times in a sweep
            self.param_groups.append(self.param_groups.pop(0))
        return super().step(closure)


@pytest.mark.parametrize("kind", [StartingOver, RollingBack, Regrouping])
def test_state_and_groups_that_an_optimizer_binds_anew_are_the_former_ones_again(kind):
    def build():
        model = mlp()
        return training_with(model=model, optimizer=kind(model.parameters()))

    assert_leaves_no_trace(build)
    training = build()
    optimizer = training.optimizer
    training.train(3)
    state, groups = optimizer.state, optimizer.param_groups
    assert_sweep_changes_nothing(training)
    assert optimizer.state is state
    assert optimizer.param_groups is groups


class Projector:
    """Keeps statistics of gradients, in a list."""

    def __init__(self, like):
        self.calls, self.statistics = 0, [torch.zeros_like(like)]

    def __call__(self, gradient):
        self.calls += 1
        self.statistics[0].mul_(0.9).add_(gradient)
        return self.statistics[0] / self.calls


class Projecting(Optimizer):
    """Keeps an object for each parameter, nested in its state, and a generator in a group."""

    def __init__(self, params):
        noise = torch.Generator().manual_seed(3)
        super().__init__(params, {"lr": 0.05, "noise": {"drawn from": noise}})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["projectors"] = {"first": Projector(parameter)}
                    state["second"] = Projector(parameter)
                step = state["projectors"]["first"](parameter.grad)
                step += state["second"](parameter.grad)
                step += torch.randn(1, generator=group["noise"]["drawn from"])
                parameter.sub_(step, alpha=float(group["lr"]))


def test_objects_and_generators_in_state_and_groups_are_put_back():
    def build():
        model = mlp()
        return training_with(model=model, optimizer=Projecting(model.parameters()))

    assert_leaves_no_trace(build, before=0)
    training = assert_leaves_no_trace(build)
    drawn_from = training.optimizer.param_groups[0]["noise"]["drawn from"]
    state = drawn_from.get_state()
    list(training.sweep())
    assert torch.equal(drawn_from.get_state(), state)


def test_an_object_in_the_state_is_put_back_whatever_its_size():
    model = mlp()
    parameter = model[2].bias
    optimizer = Projecting([parameter])
    large = torch.zeros(2_100_000)

    def count_up(*_):
        optimizer.state[parameter]["second"].statistics[1].add_(1)

    optimizer.state[parameter] = {
        "projectors": {"first": Projector(parameter)},
        "second": Projector(parameter),
    }
    optimizer.state[parameter]["second"].statistics.append(large)
    optimizer.register_step_post_hook(count_up)
    list(training_with(model=model, optimizer=optimizer).sweep(num_iter=2))
    assert not large.any()


def test_a_group_that_somebody_adds_meanwhile_stays():
    training = training_with()
    with training.sweep() as sweep:
        next(sweep)
        sweep.rest()
        training.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))]})
        next(sweep)
    assert len(training.optimizer.param_groups) == 2
