"""Bad input is answered by a specific error that says what to do, and nothing is changed."""

import functools
import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.utils.data import DataLoader, IterableDataset, Subset

from evidence import Training, differences, new_training
from lrfinder_widget import (
    LossInferenceError,
    LRFinderError,
    SettingsError,
    SweepInProgressError,
    lr_find,
    range_test,
)
from lrfinder_widget.sweep import Sweep
from lrfinder_widget.training.batches import refuse_one_shot
from lrfinder_widget.training.training import Training as Swept
from lrfinder_widget.training.validation import check_validation
from specimens import FEATURES, Samples, batches_of_4, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def refused(training, error, words, *, loss_fn=None, **settings):
    """Run `lr_find`, expect the error, and compare everything before and after."""
    before = training.trace()
    settings = {"num_iter": 12, "progress": False, **settings}
    with pytest.raises(error, match=words) as caught:
        lr_find(training.model, training.optimizer, training.loader, loss_fn, **settings)
    assert isinstance(caught.value, LRFinderError)
    assert differences(before, training.trace()) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start_lr": 0.1, "end_lr": 0.1}, r"end_lr must be greater .*start_lr=0\.1, end_lr=0\.1"),
        ({"start_lr": 1, "end_lr": 1e-3}, r"end_lr must be greater .*start_lr=1, end_lr=0\.001"),
        ({"start_lr": 0}, r"start_lr must be positive \(got 0\)"),
        ({"start_lr": -1e-3}, r"start_lr must be positive \(got -0\.001\)"),
        ({"end_lr": -10}, r"end_lr must be positive \(got -10\)"),
        ({"end_lr": math.inf}, r"end_lr must be finite \(got inf\)"),
        ({"num_iter": 1}, r"num_iter must be at least 2 \(got 1\)"),
        ({"num_iter": 10.5}, r"num_iter must be a whole number \(got 10\.5\)"),
        ({"diverge_threshold": 0.5}, "diverge_threshold must be greater than 1"),
        ({"step_mode": "log"}, r"step_mode must be 'exp' or 'linear' \(got 'log'\)"),
        ({"num_iters": 50}, "unknown setting 'num_iters'; did you mean 'num_iter'"),
        ({"rule": "steepst"}, "steepst.*steepest"),
        ({"seed": -1}, r"seed must be at least 0 \(got -1\)"),
        ({"device": "quantum"}, "device 'quantum' is not one torch knows"),
        ({"device": "meta"}, "device is 'meta', but the model is on cpu"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(settings, words):
    training = new_training()
    training.train(2)
    refused(training, SettingsError, words, **settings)


def test_a_model_that_is_no_module_is_refused():
    training = new_training()
    with pytest.raises(SettingsError, match=r"model must be a torch\.nn\.Module \(got function\)"):
        lr_find(mlp, training.optimizer, training.loader, progress=False)


def test_an_optimizer_that_is_none_is_refused():
    training = new_training()
    with pytest.raises(SettingsError, match=r"optimizer must be .*Optimizer \(got float\)"):
        lr_find(training.model, 0.1, training.loader, progress=False)


def test_a_loss_that_cannot_be_called_is_refused():
    refused(new_training(), SettingsError, r"loss_fn must be a function .*got str", loss_fn="mse")


def test_the_class_of_a_loss_is_refused_for_an_instance_of_it():
    words = r"class CrossEntropyLoss itself.*loss_fn=CrossEntropyLoss\(\)"
    refused(new_training(), SettingsError, words, loss_fn=nn.CrossEntropyLoss)


@pytest.mark.parametrize(
    ("loss_fn", "takes"),
    [
        (nn.TripletMarginLoss(), "anchor, positive, negative"),
        (nn.CTCLoss(), "log_probs, targets, input_lengths, target_lengths"),
        (lambda output: output.sum(), "output"),
        (functools.partial(nn.functional.ctc_loss, blank=1), "log_probs, targets, .*"),
    ],
    ids=["triplet", "CTC", "of the output alone", "partial"],
)
def test_a_loss_of_more_or_less_than_output_and_target_is_refused_with_what_to_pass(loss_fn, takes):
    words = rf"as loss_fn\(output, target\): it takes \({takes}\); pass compute_loss=lambda model"
    refused(new_training(), SettingsError, words, loss_fn=loss_fn)


def with_a_third(function):
    @functools.wraps(function)
    def called(output, target):
        return function(output, target, 0.1)

    return called


@with_a_third
def smoothed(output, target, smoothing):
    return nn.functional.cross_entropy(output, target, label_smoothing=smoothing)


class AddsAnArgument(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_forward_pre_hook(lambda _, args: (*args, 0.1))

    def forward(self, output, target, smoothing):
        return nn.functional.cross_entropy(output, target, label_smoothing=smoothing)


@pytest.mark.parametrize(
    "loss_fn",
    [
        smoothed,
        AddsAnArgument(),
        functools.partial(nn.functional.cross_entropy, label_smoothing=0.1),
        nn.functional.cross_entropy,
    ],
    ids=["decorated", "hook", "partial", "function"],
)
def test_a_loss_that_is_given_more_by_others_is_used(loss_fn):
    training = new_training()
    assert len(list(training.sweep(loss_fn))) == 12


def test_a_model_on_the_meta_device_is_refused():
    model = nn.Linear(FEATURES, 3, device="meta")
    with pytest.raises(SettingsError, match=r"on the meta device.*model\.to_empty\(device="):
        lr_find(model, SGD(model.parameters(), lr=0.1), batches_of_4(Samples()), progress=False)


def test_a_model_whose_lazy_buffers_have_no_shape_yet_is_refused():
    model = nn.Sequential(nn.Linear(FEATURES, 3), nn.LazyBatchNorm1d(affine=False))
    optimizer = SGD(model[0].parameters(), lr=0.1)
    with pytest.raises(SettingsError, match=r"lazy parameters or buffers .* run one batch through"):
        lr_find(model, optimizer, batches_of_4(Samples()), progress=False)
    assert isinstance(model[1].running_mean, nn.parameter.UninitializedBuffer)


def test_an_optimizer_none_of_whose_parameters_are_the_models_is_refused():
    training = new_training()
    training.optimizer = SGD(mlp().parameters(), lr=0.1)
    refused(training, SettingsError, "holds none of the model's parameters; build it from")


def test_a_model_with_no_trainable_parameter_is_refused():
    training = new_training()
    training.model.requires_grad_(requires_grad=False)
    refused(training, SettingsError, "no trainable parameter: every requires_grad is False")


def test_a_model_with_no_parameter_at_all_is_refused():
    training = new_training()
    training.model = nn.Flatten()
    refused(training, SettingsError, "no trainable parameter")


def test_a_model_whose_lazy_parameters_have_no_shape_yet_is_refused():
    model = nn.Sequential(nn.LazyLinear(3))
    optimizer = SGD(model.parameters(), lr=0.1)
    with pytest.raises(SettingsError, match=r"lazy parameters .* run one batch through it"):
        lr_find(model, optimizer, batches_of_4(Samples()), progress=False)
    assert isinstance(model[0].weight, nn.parameter.UninitializedParameter)


def test_a_first_group_at_rate_0_beside_others_is_refused():
    training = new_training()
    parts = [*training.model.parameters()]
    training.optimizer = SGD([{"params": parts[:2], "lr": 0.0}, {"params": parts[2:]}], lr=0.1)
    refused(training, SettingsError, "first parameter group's learning rate is 0")


@pytest.mark.parametrize("loader", [[], DataLoader([]), {}], ids=["list", "DataLoader", "dict"])
def test_an_empty_loader_is_refused(loader):
    training = new_training()
    training.loader = loader
    refused(training, SettingsError, "the loader is empty: it yields no batch")


@pytest.mark.parametrize("loader", [None, 3, "batches", b"batches"])
def test_a_loader_that_holds_no_batches_is_refused(loader):
    training = new_training()
    training.loader = loader
    refused(training, SettingsError, f"loader must be .*got {type(loader).__name__}")


INPUTS, TARGETS = torch.zeros(20, FEATURES), torch.zeros(20).long()


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        (Samples(), r"is a Dataset \(Samples\).* pass DataLoader\(dataset, batch_size="),
        (Subset(Samples(), [1, 2]), r"is a Dataset \(Subset\)"),
        ({"train": [], "held": []}, r"is a dict, .*\(train, held\): pass the"),
        ((INPUTS, TARGETS), r"is a tuple of .*DataLoader\(TensorDataset\(\*loader\), batch_size="),
        ([INPUTS, TARGETS], "is a list of inputs and targets, whole"),
        ((INPUTS.numpy(), TARGETS.numpy()), "is a tuple of inputs and targets, whole"),
        ((INPUTS, INPUTS[:, :1]), "is a tuple of inputs and targets, whole"),
    ],
    ids=["data set", "subset", "dict", "tuple", "list", "arrays", "regression"],
)
def test_data_in_place_of_a_loader_is_refused_with_what_to_pass(loader, words):
    training = new_training()
    training.loader = loader
    refused(training, SettingsError, f"loader {words}")
    with pytest.raises(SettingsError, match=f"val_loader {words.replace('loader', 'val_loader')}"):
        check_validation(loader)


@pytest.mark.parametrize(
    "loader",
    [
        [INPUTS[:4], INPUTS[:4]],
        [torch.zeros(4, 7).long(), torch.zeros(4, 9).long()],
        [INPUTS.numpy(), INPUTS.numpy()],
        [(INPUTS, TARGETS)],
        ((INPUTS, TARGETS), (INPUTS, TARGETS)),
        [INPUTS, TARGETS[:4]],
    ],
    ids=["inputs alone", "tokens", "arrays", "one batch", "a tuple of batches", "other lengths"],
)
def test_batches_in_a_list_are_a_loader(loader):
    refuse_one_shot(loader)


class OwnIteration(Samples):
    def __iter__(self):
        return iter([(INPUTS, TARGETS)])


def test_a_data_set_that_makes_its_own_batches_is_a_loader():
    refuse_one_shot(OwnIteration())


def one_shots():
    def batches():
        yield from batches_of_4(Samples())

    return {
        "generator": batches(),
        "map": map(tuple, batches_of_4(Samples())),
        "zip": zip(torch.randn(5, 4, FEATURES), torch.zeros(5, 4).long(), strict=True),
        "iterator of a list": iter(list(batches())),
        "islice": itertools.islice(batches(), 3),
    }


@pytest.mark.parametrize("kind", one_shots())
def test_a_one_shot_loader_is_refused_before_its_first_batch_is_read(kind):
    training = new_training()
    training.loader = one_shots()[kind]
    refused(training, SettingsError, "one-shot .*nothing was read")
    remaining = len(list(training.loader))
    assert remaining == (3 if kind == "islice" else 5)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_iterator_of_a_data_loader_is_refused_though_it_has_a_length(workers):
    training = new_training()
    training.loader = iter(batches_of_4(Samples(), num_workers=workers))
    refused(training, SettingsError, "pass the DataLoader itself.* replay=True .*nothing was read")
    assert len(list(training.loader)) == 5


class RunsDry:
    """Yields its batches only once, though it can be started again."""

    def __init__(self):
        self.dataset = None
        self.rest = list(batches_of_4(Samples()))

    def __iter__(self):
        while self.rest:
            yield self.rest.pop(0)


def test_a_loader_that_runs_dry_is_refused_with_the_number_it_gave():
    training = new_training()
    training.loader = RunsDry()
    refused(training, SettingsError, "ran dry after 5 batches .* can be iterated repeatedly")


class Stream(IterableDataset):
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def test_an_iterable_dataset_over_a_one_shot_is_refused_before_it_is_read():
    training = new_training()
    rows = iter(Samples()[i] for i in range(8))
    training.loader = DataLoader(Stream(rows), batch_size=4)
    refused(training, SettingsError, r"\(Stream\) keeps a generator .* or replay=True")
    assert len(list(rows)) == 8


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (torch.tensor([0.0, 1.0, 1.0, 0.0]), "float targets of another shape"),
        (torch.rand(4, 3).round(), "all 0 or 1 .*BCEWithLogitsLoss"),
        (torch.tensor([True, False, True, False]), "boolean targets .*binary_cross_entropy"),
        (torch.tensor([0, 1, 2, 3]), "targets reach 3, but the model gives 3 scores"),
        (torch.zeros(4, 2).long(), "no loss fits integer targets"),
    ],
    ids=[
        "another shape",
        "0/1 floats",
        "booleans",
        "too many classes",
        "integers of two dimensions",
    ],
)
def test_an_output_and_target_that_no_loss_fits_are_refused_with_what_to_pass(targets, words):
    training = new_training()
    training.loader = [(torch.zeros(4, FEATURES), targets)]
    refused(training, LossInferenceError, words)


class TwoOutputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp()

    def forward(self, inputs):
        return self.body(inputs), self.body(inputs)


def test_several_outputs_are_refused_with_what_to_pass():
    training = new_training()
    training.model = TwoOutputs()
    training.optimizer = SGD(training.model.parameters(), lr=0.1)
    refused(training, LossInferenceError, "returns a tuple without a loss: pass loss_fn")


class TakesTheTarget(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp()

    def forward(self, inputs, targets):
        return nn.functional.cross_entropy(self.body(inputs), targets)


def test_a_model_that_takes_the_target_is_refused_with_what_to_pass():
    training = new_training()
    training.model = TakesTheTarget()
    training.optimizer = SGD(training.model.parameters(), lr=0.1)
    words = r"as model\(…\).* forward takes \(inputs, targets\).* compute_loss=lambda model, batch"
    refused(training, LossInferenceError, words)
    result = lr_find(
        training.model,
        training.optimizer,
        training.loader,
        compute_loss=lambda model, batch: model(*batch),
        num_iter=6,
        progress=False,
    )
    assert len(result.losses) == 6


@pytest.mark.parametrize("loss_fn", [None, nn.CrossEntropyLoss()])
@pytest.mark.parametrize("arrays", ["inputs", "targets"])
def test_numpy_batches_are_refused_with_what_to_convert(arrays, loss_fn):
    training = new_training()
    inputs, targets = INPUTS, TARGETS
    batch = (inputs.numpy(), targets) if arrays == "inputs" else (inputs, targets.numpy())
    training.loader = [batch]
    words = r"hold NumPy arrays.*torch\.as_tensor\(inputs, dtype=torch\.float32\)"
    refused(training, LossInferenceError, words, loss_fn=loss_fn)


class TakesArrays(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp()

    def forward(self, inputs):
        return self.body(torch.from_numpy(inputs))


def test_numpy_batches_are_left_to_a_model_that_takes_them():
    training = new_training()
    training.model = TakesArrays()
    training.optimizer = SGD(training.model.parameters(), lr=0.1)
    training.loader = [(INPUTS.numpy(), TARGETS)]
    assert len(list(training.sweep())) == 12


def test_a_type_error_of_the_models_own_stays_as_it_is():
    training = new_training()

    def forward(inputs):
        raise TypeError("mine, of a numpy.ndarray")

    training.model.forward = forward
    with pytest.raises(TypeError, match=r"^mine, of") as raised:
        list(training.sweep())
    assert not isinstance(raised.value, LRFinderError)


def test_batches_without_a_target_are_refused_with_what_to_pass():
    training = new_training()
    training.loader = [torch.zeros(4, FEATURES)]
    refused(training, LossInferenceError, "pass loss_fn")


@pytest.mark.parametrize(
    ("loss_fn", "words"),
    [
        (lambda output, _: output, r"shape \(4, 3\); it must return one number"),
        (lambda output, _: output.sum().item(), "returned a float; it must return a scalar tensor"),
        (lambda output, _: output.detach().sum(), "does not depend on any trainable parameter"),
        (lambda *_: None, "returned a NoneType"),
    ],
    ids=["not reduced", "a float", "detached", "nothing"],
)
def test_a_loss_that_is_no_number_with_a_gradient_is_refused(loss_fn, words):
    refused(new_training(), LossInferenceError, words, loss_fn=loss_fn)


@dataclass
class Captioned:
    picture: torch.Tensor
    caption: str


def test_a_batch_whose_target_is_no_tensor_is_refused_with_what_to_pass():
    training = new_training()
    training.loader = [Captioned(torch.zeros(4, FEATURES), "four rows")]
    refused(training, LossInferenceError, "target is a str, not a tensor: pass loss_fn")


def test_a_second_sweep_of_the_same_parameters_is_refused_and_leaves_the_first_be():
    training = new_training()
    with training.sweep() as sweep:
        next(sweep)
        during = training.trace()
        with pytest.raises(SweepInProgressError, match=r"wait for it or stop it"):
            lr_find(training.model, training.optimizer, training.loader, progress=False)
        assert differences(during, training.trace()) == []
        assert len(list(sweep)) == 11


def test_a_sweep_of_other_parameters_may_run_beside_it():
    first, second = new_training(), new_training()
    with first.sweep() as sweep:
        next(sweep)
        with second.sweep() as other:
            next(other)


def test_bad_input_is_told_when_the_sweep_is_built():
    training = new_training()
    other = SGD(mlp().parameters(), lr=0.1)
    with pytest.raises(SettingsError):
        Sweep(Swept(model=training.model, optimizer=other, loader=training.loader))
    with pytest.raises(SettingsError):
        Sweep(Swept(model=training.model, optimizer=training.optimizer, loader=iter([])))


@pytest.mark.parametrize(
    ("train_fn", "words"),
    [
        (None, r"train_fn must be a function .*got NoneType"),
        (lambda _: "low", r"train_fn must return the loss as a number \(got str\)"),
        (lambda _: None, r"train_fn must return the loss as a number \(got NoneType\)"),
    ],
)
def test_a_train_fn_that_is_none_or_returns_none_is_refused(train_fn, words):
    with pytest.raises(SettingsError, match=words):
        range_test(train_fn, num_iter=12)


def test_an_error_of_the_users_own_reaches_the_user_as_it_is():
    training = new_training()

    def loss_fn(output, target):
        raise ZeroDivisionError("mine")

    before = training.trace()
    with pytest.raises(ZeroDivisionError, match="mine"):
        lr_find(training.model, training.optimizer, training.loader, loss_fn, progress=False)
    assert differences(before, training.trace()) == []


def test_a_training_can_be_swept_after_a_refusal():
    training = new_training()
    refused(training, SettingsError, "num_iter", num_iter=1)
    refused(training, LossInferenceError, "one number", loss_fn=lambda output, _: output)
    assert len(list(training.sweep())) == 12
    assert isinstance(training, Training)
