"""Hooks that register or remove themselves in a step stand afterwards as if no step had been."""

import pytest
from torch import nn
from torch.optim import SGD

from evidence import assert_leaves_no_trace, assert_sweep_changes_nothing, training_with
from specimens import mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def once(weight, register):
    """Register a hook that scales weights at its first call and removes itself."""

    def scale(*_, **__):
        weight.data.mul_(0.5)  # where autograd does not see it
        handle.remove()

    handle = register(scale)
    return handle


ONCE = {
    "before a forward pass": lambda model, optimizer: model[0].register_forward_pre_hook,
    "with keywords": lambda model, optimizer: (
        lambda hook: model[0].register_forward_pre_hook(hook, with_kwargs=True)
    ),
    "after a forward pass": lambda model, optimizer: (
        lambda hook: model[0].register_forward_hook(hook, always_call=True)
    ),
    "after a backward pass": lambda model, optimizer: model[2].register_full_backward_hook,
    "before an optimizer step": lambda model, optimizer: optimizer.register_step_pre_hook,
    "after an optimizer step": lambda model, optimizer: optimizer.register_step_post_hook,
    "at a gradient": lambda model, optimizer: model[0].weight.register_hook,
    "after a gradient": lambda model, optimizer: model[0].weight.register_post_accumulate_grad_hook,
}


def with_hook_once(when):
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.05)
    register = ONCE[when](model, optimizer)
    training = training_with(model=model, optimizer=optimizer)
    training.handle = once(model[2].weight, register)
    return training


@pytest.mark.parametrize("when", ONCE)
def test_a_hook_that_works_once_has_its_work_before_it_after_a_sweep(when):
    assert_leaves_no_trace(lambda: with_hook_once(when), before=0)
    assert_leaves_no_trace(lambda: with_hook_once(when), before=2)


def test_a_hook_that_a_step_removed_is_in_its_place_again():
    training = with_hook_once("before a forward pass")
    first = training.model[0]
    first.register_forward_pre_hook(print_nothing)
    before = list(first._forward_pre_hooks.items())
    assert_sweep_changes_nothing(training)
    assert list(first._forward_pre_hooks.items()) == before
    training.handle.remove()
    assert list(first._forward_pre_hooks.values()) == [print_nothing]


def print_nothing(*_):
    """Stand for a hook."""


class Watching(nn.Module):
    """Registers a hook on a part and on a parameter when it first runs, or late."""

    def __init__(self, at):
        super().__init__()
        self.body = mlp()
        self.at, self.calls, self.handles, self.seen = at, 0, [], []

    def forward(self, inputs):
        self.calls += 1
        if self.calls == self.at:
            self.handles.append(self.body.register_forward_hook(self.note))
            self.handles.append(self.body[0].weight.register_hook(self.note))
        return self.body(inputs)

    def note(self, *_):
        self.seen.append(self.calls)


@pytest.mark.parametrize("at", [1, 9])
def test_a_hook_that_a_forward_pass_registers_is_gone_after_a_sweep(at):
    training = training_with(model=Watching(at))
    assert_sweep_changes_nothing(training)
    assert not training.model.body._forward_hooks
    assert not training.model.body[0].weight._backward_hooks
    training.train(at)
    assert len(training.model.seen) == 2


def test_hooks_that_somebody_registers_or_removes_meanwhile_stay_so():
    training = with_hook_once("after a forward pass")
    first = training.model[0]
    gone = first.register_forward_hook(print_nothing)
    with training.sweep() as sweep:
        next(sweep)
        next(sweep)
        added = first.register_forward_hook(print_nothing)
        gone.remove()
        next(sweep)
    keys = [training.handle.id, added.id]
    assert list(first._forward_hooks) == keys


class Named(nn.Module):
    """Calls a count and a list of its own hooks."""

    def __init__(self):
        super().__init__()
        self.body = mlp()
        self.n_hooks, self.log_hooks = 0, []

    def forward(self, inputs):
        self.n_hooks += 1
        self.log_hooks.append(self.n_hooks)
        return self.body(inputs)


class NamedSGD(SGD):
    """Does the same."""

    def __init__(self, params):
        super().__init__(params, lr=0.05)
        self.n_hooks, self.log_hooks = 0, []

    def step(self, closure=None):
        self.n_hooks += 1
        self.log_hooks.append(self.n_hooks)
        return super().step(closure)


def test_attributes_that_only_are_called_hooks_are_put_back():
    def build():
        model = Named()
        return training_with(model=model, optimizer=NamedSGD(model.parameters()))

    assert_leaves_no_trace(build)
