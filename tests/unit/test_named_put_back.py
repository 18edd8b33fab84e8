"""Promise 1 for what code names: globals of a notebook, and of modules beside it."""

import sys
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam

from evidence import differences, flat, training_with
from lrfinder_widget.training.reachable import reachable_from
from specimens import CLASSES, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")

RNG = np.random.default_rng(0)
NORM = nn.BatchNorm1d(CLASSES)
NORMS = {"of outputs": nn.BatchNorm1d(CLASSES)}
OPTIMIZERS = {}
HELPERS = types.ModuleType("helpers_of_a_user")
HELPERS.NORM = NORM


class Noise(nn.Module):
    def forward(self, inputs):
        return inputs + RNG.normal()


def helper(output):
    return NORM(output)


def helpers_helper(output, depth=3):
    return helper(output) if depth == 0 else helpers_helper(output, depth - 1)


HELPERS.helper = helper


def in_a_comprehension(output, target):
    return cross_entropy(sum([NORM(each) for each in (output, output)]), target)


def in_a_generator_expression(output, target):
    return cross_entropy(sum(NORM(each) for each in (output, output)), target)


def in_a_function_inside(output, target):
    def normed():
        return NORM(output)

    return cross_entropy(normed(), target)


def in_a_helper(output, target):
    return cross_entropy(helper(output), target)


def in_a_helper_of_a_helper_that_calls_itself(output, target):
    return cross_entropy(helpers_helper(output), target)


def in_a_dict(output, target):
    return cross_entropy(NORMS["of outputs"](output), target)


def in_a_module_of_the_users(output, target):
    return cross_entropy(HELPERS.NORM(output), target)


def in_a_function_of_a_module_of_the_users(output, target):
    return cross_entropy(HELPERS.helper(output), target)


@pytest.mark.parametrize(
    "loss_fn",
    [
        in_a_comprehension,
        in_a_generator_expression,
        in_a_function_inside,
        in_a_helper,
        in_a_helper_of_a_helper_that_calls_itself,
        in_a_dict,
        in_a_module_of_the_users,
        in_a_function_of_a_module_of_the_users,
    ],
)
def test_a_module_that_the_loss_names_is_put_back(loss_fn):
    before = flat([NORM, NORMS])
    list(training_with(loss_fn=loss_fn).sweep())
    assert differences(before, flat([NORM, NORMS])) == []


def test_a_generator_that_a_layers_forward_names_is_put_back():
    before = flat(RNG)
    list(training_with(model=nn.Sequential(mlp(), Noise())).sweep())
    assert differences(before, flat(RNG)) == []


@pytest.mark.parametrize("count", [8, 300], ids=["few", "more than a short dict holds"])
def test_the_optimizers_of_a_step_in_the_backward_pass_are_put_back(monkeypatch, count):
    parameters = [nn.Parameter(torch.zeros(2)) for _ in range(count)]
    monkeypatch.setitem(globals(), "OPTIMIZERS", {each: Adam([each]) for each in parameters})

    def loss_fn(output, target):
        for parameter in list(OPTIMIZERS)[:2]:
            parameter.grad = torch.ones_like(parameter)
            OPTIMIZERS[parameter].step()
        return cross_entropy(output, target)

    list(training_with(loss_fn=loss_fn).sweep())
    assert not any(each.state for each in OPTIMIZERS.values())
    assert not any(each.any() for each in parameters)


def test_an_attribute_of_the_same_name_is_not_taken_for_a_global():
    def loss_fn(output, target):
        return cross_entropy(output.RNG, target.helper)

    assert reachable_from([loss_fn]) == [loss_fn]


def test_functions_of_installed_packages_are_not_followed(monkeypatch):
    installed = types.ModuleType("installed")
    installed.__file__ = "/usr/lib/python3/site-packages/installed.py"
    monkeypatch.setitem(sys.modules, "installed", installed)

    def loss_fn(output, target):
        return further_loss(output, target)  # noqa: F821 - as a cell defines it

    def theirs(output, target):
        return NORM(output)

    def ours(output, target):
        return NORM(output)

    theirs.__module__ = "installed"
    monkeypatch.setitem(globals(), "further_loss", theirs)
    assert not any(each is NORM for each in reachable_from([loss_fn]))
    monkeypatch.setitem(globals(), "further_loss", ours)
    assert any(each is NORM for each in reachable_from([loss_fn]))


def test_of_thousands_of_globals_only_those_that_code_names_are_reached(monkeypatch):
    for index in range(3000):
        monkeypatch.setitem(globals(), f"layer_{index}", nn.Identity())
    assert [*map(id, reachable_from([in_a_helper]))] == [*map(id, (in_a_helper, helper, NORM))]
