"""Promise 1 for plain objects and functions: what a loss, a dataset or a layer keeps on itself."""

import dataclasses
import functools
import threading
from collections import deque

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from evidence import assert_leaves_no_trace, assert_sweep_changes_nothing, seeded, training_with
from lrfinder_widget import LRFinderResult
from specimens import CLASSES, Samples, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@dataclasses.dataclass(slots=True)
class Slotted:
    count: int = 0
    late: float = dataclasses.field(init=False)


class Private:
    __slots__ = ("__count",)

    def __init__(self):
        self.__count = 0

    def up(self):
        self.__count += 1
        return self.__count


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    count: int


class Keeping:
    """Keeps something, and changes it at each call; returns a number that follows from it."""

    kept = None

    def change(self):
        raise NotImplementedError


class KeepsTuple(Keeping):
    def __init__(self):
        self.kept = (0.0, 1.0)

    def change(self):
        self.kept = (self.kept[0] + 0.1, self.kept[1] * 1.01)
        return self.kept[0]


class KeepsNumpyScalar(Keeping):
    def __init__(self):
        self.kept = np.float32(0)

    def change(self):
        self.kept += np.float32(0.1)
        return float(self.kept)


class ReplacesObject(Keeping):
    def __init__(self):
        self.kept = Frozen(0)

    def change(self):
        self.kept = Frozen(self.kept.count + 1)
        return 0.1 * self.kept.count


class Lazy(Keeping):
    def change(self):
        self.kept = 0.1 if "kept" not in vars(self) else self.kept + 0.1
        return self.kept


class Deletes(Keeping):
    def __init__(self):
        self.kept = None

    def change(self):
        vars(self).pop("kept", None)
        return 0.1 * ("kept" not in vars(self))


class KeepsSlots(Keeping):
    def __init__(self):
        self.kept, self.other = Slotted(), Private()

    def change(self):
        self.kept.count += 1
        if not hasattr(self.kept, "late"):
            self.kept.late = 0.0
        self.kept.late += 0.1
        return self.kept.late + 0.01 * self.other.up()


class KeepsArrays(Keeping):
    def __init__(self):
        self.kept = [np.zeros(2) for _ in range(3)]
        self.named = {"first": np.zeros(2)}

    def change(self):
        self.kept[0] += 0.1
        self.named["first"] += 0.1
        return float(self.kept[0][0] + self.named["first"][0])


class KeepsSparse(Keeping):
    def __init__(self):
        self.kept = torch.eye(3).to_sparse()

    def change(self):
        self.kept.mul_(1.1)
        return self.kept.sum().item()


KINDS = [
    KeepsTuple,
    KeepsNumpyScalar,
    ReplacesObject,
    Lazy,
    Deletes,
    KeepsSlots,
    KeepsArrays,
    KeepsSparse,
]


def in_loss(keeping):
    class Loss:
        def __init__(self):
            self.state = keeping

        def __call__(self, output, target):
            return cross_entropy(output, target) * (1 + keeping.change())

    return training_with(loss_fn=Loss())


def in_dataset(keeping):
    data = Samples(transform=lambda row: row + keeping.change())
    data.state = keeping
    return training_with(data)


def in_layer(keeping):
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()
            self.state = keeping

        def forward(self, inputs):
            return self.body(inputs + self.state.change())

    return training_with(model=Layer())


@pytest.mark.parametrize("before", [0, 7], ids=["never trained", "trained before"])
@pytest.mark.parametrize("where", [in_loss, in_dataset, in_layer])
@pytest.mark.parametrize("kind", KINDS)
def test_what_an_object_keeps_is_put_back(kind, where, before):
    built = []

    def build():
        keeping = kind()
        built.append(keeping)
        return where(keeping)

    assert_leaves_no_trace(build, before=before)
    # The training that was swept, and the one that was not, went on to the same number.
    expected, swept = built
    assert swept.change() == expected.change()


def test_what_is_too_large_to_be_copied_is_still_the_former_object(monkeypatch):
    monkeypatch.setattr("lrfinder_widget.training.object_snapshot._LARGEST_BYTES", 100)

    class Replaces:
        def __init__(self):
            self.large = torch.zeros(1000)

        def __call__(self, output, target):
            self.large = self.large + 1
            return cross_entropy(output, target)

    assert_sweep_changes_nothing(training_with(loss_fn=Replaces()))


def counting_by_attribute():
    def loss(output, target):
        loss.calls += 1
        loss.seen.append(loss.calls)
        loss.latest = loss.calls
        return cross_entropy(output, target) * (1 + 0.01 * loss.calls)

    loss.calls, loss.seen = 0, []
    return loss


def counting_nonlocal():
    calls = 0

    def loss(output, target):
        nonlocal calls
        calls += 1
        return cross_entropy(output, target) * (1 + 0.01 * calls)

    return loss


def counting_in_a_function_inside():
    calls = 0

    def loss(output, target):
        def count():
            nonlocal calls
            calls += 1
            return calls

        return cross_entropy(output, target) * (1 + 0.01 * count())

    return loss


def centring(output, target, center):
    center.mul_(0.9).add_(output.detach().mean(0), alpha=0.1)
    return cross_entropy(output - center, target)


def closing_over_a_tensor():
    center = torch.zeros(CLASSES)
    return lambda output, target: centring(output, target, center)


def closing_over_an_array():
    center = np.zeros(CLASSES, dtype=np.float32)
    return lambda output, target: centring(output, target, torch.from_numpy(center))


def with_a_default():
    def loss(output, target, center=torch.zeros(CLASSES)):  # noqa: B008 - it lasts, as people know
        return centring(output, target, center)

    return loss


def partial():
    return functools.partial(centring, center=torch.zeros(CLASSES))


def averaging_in_a_deque():
    latest = deque(maxlen=3)

    def loss(output, target):
        value = cross_entropy(output, target)
        latest.append(value.item())
        return value * (1 + 0.1 * sum(latest))

    return loss


@pytest.mark.parametrize(
    "build_loss",
    [
        counting_by_attribute,
        counting_nonlocal,
        counting_in_a_function_inside,
        closing_over_a_tensor,
        closing_over_an_array,
        with_a_default,
        partial,
        averaging_in_a_deque,
    ],
)
def test_what_a_function_keeps_is_put_back(build_loss):
    def losses(*, swept):
        seeded()
        training = training_with(loss_fn=build_loss())
        told = []
        training.train(3)
        if swept:
            assert_sweep_changes_nothing(training)
        original = training.loss_fn

        def telling(output, target):
            loss = original(output, target)
            told.append(loss.item())
            return loss

        training.loss_fn = telling
        training.train(4)
        return told

    assert losses(swept=True) == losses(swept=False)


def test_a_variable_that_a_loss_only_reads_is_its_owners_to_change():
    weight = 1.0
    training = training_with(loss_fn=lambda output, target: weight * cross_entropy(output, target))
    with training.sweep() as sweep:
        next(sweep)
        weight = 2.0
        next(sweep)
    assert weight == 2.0


def test_a_widget_or_result_that_is_kept_on_an_object_meanwhile_stays():
    result = LRFinderResult.__new__(LRFinderResult)

    class Experiment:
        result = None

        def __init__(self):
            self.finder = None

        def loss(self, output, target):
            return cross_entropy(output, target)

    experiment = Experiment()
    kept = None

    def loss_fn(output, target):
        nonlocal kept
        kept = kept or None
        return experiment.loss(output, target)

    training = training_with(loss_fn=loss_fn)
    with training.sweep() as sweep:
        next(sweep)
        experiment.finder = experiment.result = kept = result
        experiment.lock = lock = threading.Lock()
    assert vars(experiment) == {"finder": result, "result": result, "lock": lock}
    assert kept is result
