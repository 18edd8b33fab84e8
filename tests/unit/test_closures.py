"""Optimizers that evaluate the loss themselves: with a closure, or in two passes."""

import itertools

import pytest
import torch
from torch.nn import functional
from torch.optim import LBFGS, SGD, Optimizer

from evidence import differences, seeded, training_with
from lrfinder_widget import SettingsError, lr_find
from lrfinder_widget.settings import SweepSettings, learning_rates
from specimens import mlp
from steps import SEEN, SHORT, batches, point_of, step_of, sweep_of, swept, weights

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()


# Closures


def test_an_optimizer_that_needs_a_closure_gets_one_and_the_first_loss_is_recorded():
    model = mlp()
    training = swept(model, LBFGS(model.parameters(), lr=0.1, max_iter=4))
    batch = batches(1)
    with torch.no_grad():
        before = functional.cross_entropy(model(batch[0][0]), batch[0][1]).item()
    assert point_of(step_of(training), batch).loss == before
    with torch.no_grad():
        after = functional.cross_entropy(model(batch[0][0]), batch[0][1]).item()
    assert after < before


def test_a_sweep_with_a_closure_leaves_no_trace():
    training = training_with()
    training.optimizer = LBFGS(training.model.parameters(), lr=0.1, max_iter=3, history_size=3)
    for _ in range(2):  # it has a state
        x, y = next(iter(training.loader))

        def closure(x=x, y=y):
            training.optimizer.zero_grad()
            loss = training.loss_fn(training.model(x), y)
            loss.backward()
            return loss

        training.optimizer.step(closure)
    told = training.trace()
    assert len(list(training.sweep(accumulation_steps=2))) == 12
    assert differences(told, training.trace()) == []


def test_a_closure_and_a_gradient_scaler_do_not_go_together():
    model = mlp()
    training = swept(model, LBFGS(model.parameters()))
    with pytest.raises(SettingsError, match=r"LBFGS evaluates .* use amp='bf16'"):
        sweep_of(training, amp="fp16")


# Optimizers of two passes


class TwoPasses(Optimizer):
    """SAM as it is usually written: it takes the closure as optional, and insists on it."""

    def __init__(self, parameters, base=SGD, rho=0.05, **options):
        super().__init__(parameters, {"rho": rho, **options})
        self.base = base(self.param_groups, **options)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def first_step(self, *, zero_grad=False):
        own = [each for group in self.param_groups for each in group["params"]]
        norm = torch.norm(torch.stack([each.grad.norm() for each in own if each.grad is not None]))
        for each in own:
            self.state[each]["before"] = each.data.clone()
            each.add_(each.grad * 0.05 / norm)
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, *, zero_grad=False):
        for group in self.param_groups:
            for each in group["params"]:
                each.copy_(self.state[each]["before"])
        self.base.step()

    @torch.no_grad()
    def step(self, closure=None):
        assert closure is not None, "requires closure, but it was not provided"
        self.first_step(zero_grad=True)
        torch.enable_grad()(closure)()
        self.second_step()


class InsistsOnIt(TwoPasses):
    def step(self, closure):
        return super().step(closure)


class NoClosureError(Exception):
    pass


class UnderAnotherName(Optimizer):
    """Tells only by what it raises that it needs a closure."""

    def __init__(self, parameters, **options):
        super().__init__(parameters, options)
        self.inner = TwoPasses(self.param_groups, **options)
        self.param_groups = self.inner.param_groups

    def step(self, closure=None):
        if closure is None:
            raise NoClosureError("UnderAnotherName requires it.")
        return self.inner.step(closure)


def trained_in_two_passes(kind, rates):
    """Return the losses of a loop as users of SAM write it."""
    seeded()
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for rate, (inputs, target) in zip(rates, itertools.cycle(batches(5)), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate

        def closure(inputs=inputs, target=target):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), target)
            loss.backward()
            return loss

        losses.append(closure().item())
        optimizer.step(closure)
    return losses


TWO_PASSES = [TwoPasses, InsistsOnIt]


@pytest.mark.parametrize("kind", TWO_PASSES)
def test_an_optimizer_of_two_passes_is_stepped_as_its_users_do(kind):
    rates = learning_rates(SweepSettings(**SHORT)).tolist()
    expected = trained_in_two_passes(kind, rates)
    seeded()
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.05, momentum=0.9)
    points = list(sweep_of(swept(model, optimizer, loader=batches(5))))
    assert [point.loss for point in points] == expected
    assert [point.lr for point in points] == rates


@pytest.mark.parametrize("kind", [*TWO_PASSES, UnderAnotherName])
@pytest.mark.parametrize("grad_norms", [None, False])
def test_a_sweep_in_two_passes_leaves_no_trace(kind, grad_norms):
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.05, momentum=0.9)
    training = swept(model, optimizer)
    before = weights(training)
    assert len(list(sweep_of(training, grad_norms=grad_norms))) == 6
    assert all(map(torch.equal, before, weights(training)))
    assert not optimizer.state
    assert [group["lr"] for group in optimizer.param_groups] == [0.05]


def test_what_asks_for_a_closure_at_its_first_step_gets_one_with_gradients_there():
    def losses(kind):
        seeded()
        model = mlp()
        optimizer = kind(model.parameters(), lr=0.05, momentum=0.9)
        return [point.loss for point in sweep_of(swept(model, optimizer))]

    assert losses(UnderAnotherName) == losses(TwoPasses)


@pytest.mark.parametrize("kind", [*TWO_PASSES, UnderAnotherName])
def test_two_passes_and_a_gradient_scaler_do_not_go_together(kind):
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.05)
    with pytest.raises(SettingsError, match="which a gradient scaler cannot follow"):
        list(sweep_of(swept(model, optimizer), amp="fp16"))


def test_an_error_of_an_optimizer_that_is_about_something_else_stays_as_it_is():
    class Broken(SGD):
        def step(self, closure=None):
            raise ValueError("out of order")

    model = mlp()
    with pytest.raises(ValueError, match=r"^out of order$"):
        list(sweep_of(swept(model, Broken(model.parameters(), lr=0.1))))


def test_an_optimizer_without_a_learning_rate_is_refused():
    class NoRate(SGD):
        def __init__(self, parameters):
            super().__init__(parameters, lr=0.1)
            for group in self.param_groups:
                del group["lr"]

    model = mlp()
    with pytest.raises(SettingsError, match=r"NoRate has no learning rate .*no 'lr' \(it has mom"):
        lr_find(model, NoRate(model.parameters()), batches(1), progress=False)
