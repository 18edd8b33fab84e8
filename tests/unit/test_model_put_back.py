"""Promise 1 for a model and its loss: gradients, modes, and state in unusual places."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Adam, Optimizer

from evidence import (
    assert_leaves_no_trace,
    assert_sweep_changes_nothing,
    differences,
    flat,
    new_training,
    training_with,
)
from lrfinder_widget import SweepInProgressError
from specimens import (
    CLASSES,
    FEATURES,
    LearntLoss,
    batch_norm_and_dropout,
    mlp,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_gradients_keep_their_objects_and_values():
    training = new_training()
    training.train(3)
    gradients = [parameter.grad for parameter in training.model.parameters()]
    values = [gradient.clone() for gradient in gradients]
    list(training.sweep())
    now = [parameter.grad for parameter in training.model.parameters()]
    assert all(a is b for a, b in zip(now, gradients, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(now, values, strict=True))


def test_a_gradient_that_was_none_stays_none():
    training = new_training("partly frozen")
    list(training.sweep())
    assert [parameter.grad for parameter in training.model.parameters()] == [None] * 6


def test_gradients_that_a_user_accumulates_are_neither_used_nor_changed():
    clean, laden = new_training(), new_training()
    for parameter in laden.model.parameters():
        parameter.grad = torch.full_like(parameter, 100.0)
    assert list(clean.sweep()) == list(laden.sweep())
    assert all((p.grad == 100).all() for p in laden.model.parameters())


def test_a_leaf_that_is_a_plain_attribute_keeps_its_gradient():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()
            self.scale = torch.ones((), requires_grad=True)

        def forward(self, inputs):
            return self.body(inputs) * self.scale

    model = Scaled()
    list(training_with(model=model).sweep())
    assert model.scale.grad is None


def test_modes_are_trained_in_as_they_are_found():
    training = new_training("partly frozen")
    with training.sweep() as sweep:
        next(sweep)
        assert [training.model[index].training for index in (1, 3)] == [False, True]
    assert sweep.notes == []


def test_a_model_wholly_in_eval_mode_is_swept_in_train_mode_and_says_so():
    training = new_training("batch norm and dropout")
    training.model.eval()
    with training.sweep() as sweep:
        next(sweep)
        assert all(module.training for module in training.model.modules())
    assert not any(module.training for module in training.model.modules())
    assert any("eval mode" in note for note in sweep.notes)


def test_a_loss_with_parameters_and_buffers_is_put_back():
    def build():
        model, loss_fn = batch_norm_and_dropout(), LearntLoss()
        optimizer = Adam([*model.parameters(), *loss_fn.parameters()], lr=0.01)
        return training_with(model=model, optimizer=optimizer, loss_fn=loss_fn)

    assert_leaves_no_trace(build)


def test_a_loss_that_a_function_closes_over_is_put_back():
    criterion = LearntLoss()
    before = flat(criterion)
    training = training_with()
    list(training.sweep(lambda output, target: 2 * criterion(output, target)))
    assert differences(before, flat(criterion)) == []


class PlainLoss:
    """No module: counts, and keeps a running mean by binding it anew."""

    def __init__(self):
        self.calls, self.mean, self.log = 0, torch.zeros(()), []

    def __call__(self, output, target):
        self.calls += 1
        self.log.append(self.calls)
        loss = nn.functional.cross_entropy(output, target)
        self.mean = 0.9 * self.mean + 0.1 * loss.detach()
        return loss - self.mean


def test_a_loss_that_is_a_plain_object_is_put_back():
    assert_leaves_no_trace(lambda: training_with(loss_fn=PlainLoss()))


class ArrayAttribute(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp()
        self.seen = np.zeros(2)
        self.meter = type("Meter", (), {})()
        self.meter.count = 0

    def forward(self, inputs):
        self.seen += 1
        self.meter.count += 1
        return self.body(inputs) + 0.01 * float(self.seen[0]) + 0.01 * self.meter.count


def test_an_array_and_an_object_that_the_forward_pass_changes_are_put_back():
    assert_leaves_no_trace(lambda: training_with(model=ArrayAttribute()))


def test_attributes_that_hooks_keep_on_parameters_and_buffers_are_put_back():
    class Kept:
        count = 0

    def build():
        model = batch_norm_and_dropout()

        def gather(parameter):
            parameter.seen += 1
            parameter.main_grad.add_(parameter.grad)
            parameter.kept.count += 1
            parameter.last = parameter.grad.clone()
            model[1].running_mean.seen = parameter.seen

        for parameter in model.parameters():
            parameter.main_grad, parameter.seen = torch.zeros_like(parameter), 0
            parameter.kept = Kept()
            parameter.register_post_accumulate_grad_hook(gather)
        return training_with(model=model)

    training = build()
    tensors = [*training.model.parameters(), training.model[1].running_mean]
    for trained in (0, 2):
        training.train(trained)
        before = [flat(vars(tensor)) for tensor in tensors]
        list(training.sweep())
        now = [flat(vars(tensor)) for tensor in tensors]
        assert [differences(*pair) for pair in zip(before, now, strict=True)] == [[]] * len(tensors)
    assert tensors[0].seen == tensors[0].kept.count == 2


def test_modules_in_a_plain_list_are_put_back():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = [nn.Linear(FEATURES, FEATURES), nn.BatchNorm1d(FEATURES)]
            self.body = mlp()

        def forward(self, inputs):
            for part in self.parts:
                inputs = part(inputs)
            return self.body(inputs)

    def build():
        model = Listed()
        listed = [p for part in model.parts for p in part.parameters()]
        return training_with(model=model, optimizer=Adam([*model.parameters(), *listed], lr=0.01))

    assert_leaves_no_trace(build)


def test_tensors_that_overlap_in_memory_are_put_back():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()
            self.register_buffer("row", torch.zeros(8))
            self.register_buffer("windows", self.row.unfold(0, FEATURES, 1))

        def forward(self, inputs):
            self.row += 0.1
            return self.body(inputs + self.windows.mean(0))

    assert_leaves_no_trace(lambda: training_with(model=Windows()))


def test_a_parameter_that_the_optimizer_gives_new_memory_is_put_back_in_the_old():
    class Rebinding(Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.05})

        def step(self, closure=None):
            for parameter in self.param_groups[0]["params"]:
                parameter.data = parameter.data - 0.05 * parameter.grad

    model = mlp()
    training = training_with(model=model, optimizer=Rebinding(model.parameters()))
    view = model[0].weight.detach()
    assert_sweep_changes_nothing(training)
    assert model[0].weight.data_ptr() == view.data_ptr()


def test_a_layer_that_the_forward_pass_unfreezes_is_frozen_again():
    class Unfreezing(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Linear(FEATURES, FEATURES).requires_grad_(requires_grad=False)
            self.body = mlp()

        def forward(self, inputs):
            self.stem.requires_grad_(requires_grad=True)
            return self.body(self.stem(inputs))

    training = training_with(model=Unfreezing())
    assert_sweep_changes_nothing(training)


def test_no_hook_is_left_on_model_or_optimizer():
    training = new_training("batch norm and dropout", "Adam")
    list(training.sweep())
    hooks = [
        (name, hook)
        for owner in (*training.model.modules(), training.optimizer)
        for name, hooks in vars(owner).items()
        if "_hooks" in name and hooks
        for hook in hooks
    ]
    assert hooks == []
    assert not any("_compiled_call_impl" in vars(module) for module in training.model.modules())


def test_a_copy_of_the_model_made_during_a_sweep_is_free_of_its_guard():
    training = new_training("MLP", "Adam")
    with training.sweep() as sweep:
        next(sweep)
        duplicate = copy.deepcopy(training.model)
        unpickled = pickle.loads(pickle.dumps(training.model))
        for each in (duplicate, unpickled):
            with ThreadPoolExecutor() as pool:
                outcome = pool.submit(each, torch.zeros(1, FEATURES)).result()
            assert torch.isfinite(outcome).all()


@pytest.mark.parametrize("compiled", ["the model", "a part"])
def test_a_module_compiled_in_place_stays_compiled_and_is_guarded(compiled):
    class Outer(nn.Module):
        def __init__(self, part):
            super().__init__()
            self.part = part

        def forward(self, inputs):
            return self.part(inputs)

    calls = []

    def backend(graph, _inputs):
        calls.append(len(calls))
        return graph.forward

    training = training_with(model=Outer(Outer(mlp())))
    module = training.model if compiled == "the model" else training.model.part
    module.compile(backend=backend)
    call = module._compiled_call_impl
    inputs = torch.zeros(1, FEATURES)
    with training.sweep() as sweep:
        next(sweep)
        with ThreadPoolExecutor() as pool, pytest.raises(SweepInProgressError):
            pool.submit(training.model, inputs).result()
        list(sweep)
    assert calls
    assert module._compiled_call_impl is call


def test_a_set_that_no_step_changed_keeps_its_order():
    class Named(nn.Linear):
        def __init__(self):
            super().__init__(FEATURES, CLASSES)
            self.names = {f"layer {number}" for number in range(40)}
            for number in range(40, 400):
                self.names.add(f"layer {number}")
            for number in range(40, 400):
                self.names.discard(f"layer {number}")

    training = training_with(model=Named())
    before = list(training.model.names)
    list(training.sweep())
    assert list(training.model.names) == before


def test_the_order_of_a_dict_is_put_back():
    class Recent(nn.Linear):
        def __init__(self):
            super().__init__(FEATURES, CLASSES)
            self.seen = {"a": 1, "b": 1}  # only the keys tell the order

        def forward(self, inputs):
            self.seen["a"] = self.seen.pop("a")
            return super().forward(inputs)

    training = training_with(model=Recent())
    list(training.sweep())
    assert list(training.model.seen) == ["a", "b"]


class Growing(nn.Module):
    """Builds its head in the first forward pass, exchanges a layer, drops one and adds one."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(FEATURES, FEATURES)
        self.activation = nn.Tanh()
        self.layers = nn.ModuleList(nn.Linear(FEATURES, FEATURES) for _ in range(3))
        self.order = nn.Sequential(nn.Identity(), nn.Identity())
        self.empty = None
        self.calls = 0

    def forward(self, inputs):
        self.calls += 1
        if not hasattr(self, "head"):
            self.head = nn.Linear(FEATURES, CLASSES)
            self.empty = nn.Identity()
        self.activation = nn.ReLU() if self.calls % 2 else nn.Tanh()
        if self.calls % 3 == 0:
            del self.layers[0]  # which makes a new table
            self.layers.append(nn.Linear(FEATURES, FEATURES))
            self.order.insert(0, nn.Tanh())
        inputs = self.activation(self.stem(inputs))
        for layer in self.layers:
            inputs = layer(inputs)
        return self.head(self.order(inputs))


def test_modules_that_the_forward_pass_makes_or_exchanges_are_the_former_ones_again():
    assert_leaves_no_trace(lambda: training_with(model=Growing()))


def test_a_head_that_the_first_forward_pass_builds_is_gone_after_a_sweep():
    training = training_with(model=Growing())
    names, modules = list(training.model.state_dict()), dict(training.model.named_modules())
    tables = [vars(module)["_modules"] for module in modules.values()]
    list(training.sweep())
    assert list(training.model.state_dict()) == names
    assert list(training.model.named_modules()) == list(modules.items())
    now = [vars(module)["_modules"] for module in modules.values()]
    assert all(a is b for a, b in zip(now, tables, strict=True))
