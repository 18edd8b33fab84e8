"""Several sweeps from the same state: what differs between them, and what they leave behind."""

import gc
import itertools
import queue
import random
import weakref

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.optim import SGD
from torch.utils.data import (
    BatchSampler,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from evidence import Training, differences, new_training, seeded
from lrfinder_widget import SettingsError, SweepInProgressError, lr_find, range_test
from lrfinder_widget.series import ONE_ORDER, Series
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.sweep import Sweep
from lrfinder_widget.training.loader_facts import has_one_order
from specimens import CLASSES, LOADERS, LOADERS_WITH_WORKERS, Samples, batches_of_4, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SHORT = {"num_iter": 7, "diverge_threshold": None, "end_lr": 0.1}


def series_of(training, loss_fn=None, **settings):
    return Series(training.for_sweep(loss_fn), SweepSettings(**{**SHORT, **settings}))


def runs_of(series):
    """Return the losses of each of the series' sweeps."""
    losses = [point.loss for point in series]
    ends = [*series.starts[1:], len(losses)]
    return [losses[start:end] for start, end in zip(series.starts, ends, strict=True)]


def over(loader_of):
    """Return a training of a model on what `loader_of` makes of samples."""
    seeded()
    model = mlp()
    return Training(model, SGD(model.parameters(), lr=0.05), loader_of(Samples()))


def generator():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("seed", [None, 5])
def test_the_first_of_several_is_the_single_sweep(repeats, seed):
    training = new_training("batch norm and dropout")
    settings = SweepSettings(**SHORT, seed=seed)
    alone = [tuple(point) for point in Sweep(training.for_sweep(), settings)]
    points = [tuple(point) for point in series_of(training, repeats=repeats, seed=seed)]
    assert points[:7] == alone
    assert len(points) == 7 * repeats


def _parts(training):
    return training.model, training.optimizer, training.loader, training.loss_fn


def test_several_are_the_same_again_under_a_seed():
    seeded(1)
    first = runs_of(series_of(new_training("batch norm and dropout"), repeats=3, seed=8))
    training = new_training("batch norm and dropout")
    seeded(2)
    assert runs_of(series_of(training, repeats=3, seed=8)) == first


def test_each_has_the_seed_after_the_one_before():
    training = new_training("batch norm and dropout")
    several = runs_of(series_of(training, repeats=3, seed=2**32 - 2))
    alone = [runs_of(series_of(training, seed=seed))[0] for seed in (2**32 - 2, 2**32 - 1, 0)]
    assert several == alone


SHUFFLING = {
    **{name: LOADERS[name] for name in ("shuffled", "shuffled by its own generator")},
    "own iterable": LOADERS["own iterable"],
    "persistent workers, own generator": LOADERS_WITH_WORKERS["persistent workers, own generator"],
    "random sampler with a generator": lambda data: batches_of_4(
        data, sampler=RandomSampler(data, generator=generator())
    ),
    "weighted sampler with a generator": lambda data: batches_of_4(
        data, sampler=WeightedRandomSampler([1.0] * 20, 20, generator=generator())
    ),
    "subset sampler with a generator": lambda data: batches_of_4(
        data, sampler=SubsetRandomSampler(range(20), generator=generator())
    ),
    "distributed sampler": lambda data: batches_of_4(
        data, sampler=DistributedSampler(data, num_replicas=1, rank=0)
    ),
    "batch sampler": lambda data: torch.utils.data.DataLoader(
        data, batch_sampler=BatchSampler(RandomSampler(data), 4, drop_last=False)
    ),
}


@pytest.mark.parametrize("loader_of", SHUFFLING.values(), ids=SHUFFLING)
def test_each_has_another_order_of_the_data_and_leaves_no_trace(loader_of):
    training = over(loader_of)
    told, held = training.trace(), training.objects()
    series = series_of(training, repeats=3)
    runs = runs_of(series)
    assert len({tuple(run) for run in runs}) == 3
    assert series.notes == []
    assert differences(told, training.trace()) == []
    now = training.objects()
    assert [name for name in held if now.get(name) is not held[name]] == []
    again = runs_of(series_of(training, repeats=3))
    assert again == runs


NOISES = {
    "NumPy's new kind": lambda: np.random.default_rng(3).normal,
    "NumPy's old kind": lambda: np.random.RandomState(3).normal,
    "NumPy's new kind on another engine": lambda: np.random.Generator(np.random.MT19937(3)).normal,
    "NumPy's old kind on another engine": lambda: np.random.RandomState(np.random.PCG64(3)).normal,
    "Python's": lambda: random.Random(3).gauss,
    "torch's": lambda: _torch_noise(generator()),
}


def _torch_noise(own):
    return lambda: torch.rand((), generator=own).item()


def assert_draws_anew(draw, **options):
    data = Samples(transform=lambda row: row + draw())
    training = over(lambda _: batches_of_4(data, **options))
    told = training.trace()
    runs = runs_of(series_of(training, repeats=2))
    assert runs[0] != runs[1]
    assert differences(told, training.trace()) == []
    assert runs_of(series_of(training, repeats=2)) == runs


@pytest.mark.parametrize("noise_of", NOISES.values(), ids=NOISES)
def test_a_dataset_with_a_generator_of_its_own_draws_anew_in_each(noise_of):
    assert_draws_anew(noise_of())


def test_so_do_the_copies_of_it_that_worker_processes_have():
    assert_draws_anew(NOISES["NumPy's new kind"](), num_workers=2)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(Samples())


def test_a_loader_with_one_order_is_named_in_a_note():
    batches = [(torch.randn(4, 6), torch.randint(CLASSES, (4,)))] * 3
    training = over(lambda _: batches)
    several = series_of(training, repeats=2)
    runs = runs_of(several)
    assert runs[0] == runs[1]
    assert several.notes == [ONE_ORDER]
    alone = series_of(training)
    list(alone)
    assert alone.notes == []


def test_whether_a_loader_has_one_order_is_told_by_what_decides_it():
    data = Samples()
    one_order = [[1], (1, 2), batches_of_4(data), batches_of_4(data, num_workers=2)]
    one_order.append(
        torch.utils.data.DataLoader(data, batch_size=None, sampler=SequentialSampler(data))
    )
    assert all(map(has_one_order, one_order))

    class Bucketing(BatchSampler):
        pass

    own = torch.utils.data.DataLoader(
        data, batch_sampler=Bucketing(SequentialSampler(data), 4, drop_last=False)
    )
    unknown = [batches_of_4(data, shuffle=True), own, batches_of_4(Stream()), Stream(), {1: 2}]
    assert not any(map(has_one_order, unknown))


@pytest.mark.parametrize("model", ["remembering", "restless buffers", "batch norm and dropout"])
def test_each_begins_where_the_first_one_began(model):
    training = new_training(model, loader="in order")
    states = queue.SimpleQueue()  # a list would be put back as the loss function's own

    def remember(output, target):
        states.put([parameter.detach().clone() for parameter in training.model.parameters()])
        return functional.cross_entropy(output, target)

    training.model.train()
    series = series_of(training, loss_fn=remember, repeats=2, seed=1)
    runs = runs_of(series)
    first, *_, second = [states.get_nowait() for _ in range(8)]
    assert all(map(torch.equal, first, second))
    if model != "batch norm and dropout":  # it draws
        assert runs[0] == runs[1]


def test_nothing_is_touched_when_it_is_closed_in_the_middle_of_any_of_them():
    for count in (0, 3, 7, 10):
        training = new_training()
        told = training.trace()
        with series_of(training, repeats=2) as series:
            list(itertools.islice(series, count))
        assert differences(told, training.trace()) == []
        assert (
            series.stop_reasons
            == [[], ["stopped"], ["stopped"], ["completed", "stopped"]][(0, 3, 7, 10).index(count)]
        )
        assert series.stop_reason == "stopped"


def test_what_the_second_one_raises_is_raised_with_everything_restored():
    training = new_training()
    told = training.trace()
    steps = itertools.count()

    def fails(output, target):
        if next(steps) == 9:
            raise ZeroDivisionError("in my loss")
        return functional.cross_entropy(output, target)

    series = series_of(training, loss_fn=fails, repeats=3)
    with pytest.raises(ZeroDivisionError):
        list(series)
    assert differences(told, training.trace()) == []
    assert (series.starts, series.stop_reasons) == ([0, 7], ["completed", "stopped"])


def test_nobody_else_takes_the_model_between_two_of_them():
    training = new_training()
    series = series_of(training, repeats=2)
    list(itertools.islice(series, 7))
    other = series_of(training)
    with pytest.raises(SweepInProgressError):
        next(series_of(training))
    next(series)
    with pytest.raises(SweepInProgressError):
        other.check_free()
    series.close()
    assert len(list(other)) == 7


def test_it_ends_for_the_reason_that_most_of_them_ended_for():
    training = new_training(loader="in order")
    steps = itertools.count()

    def explodes(output, target):
        loss = functional.cross_entropy(output, target)
        return loss * float("inf") if next(steps) in (2, 12) else loss

    series = series_of(training, loss_fn=explodes, repeats=3)
    assert [len(run) for run in runs_of(series)] == [3, 7, 3]
    assert series.stop_reasons == ["non-finite loss", "completed", "non-finite loss"]
    assert series.stop_reason == "non-finite loss"
    assert (series.starts, series.total) == ([0, 3, 10], 17)


def test_a_note_is_made_once_for_all_of_them():
    training = new_training()
    training.model.eval()
    series = series_of(training, repeats=3)
    list(series)
    assert len(series.notes) == 1
    assert "eval mode" in series.notes[0]


def test_it_tells_what_was_trained():
    series = series_of(new_training(optimizer="AdamW"))
    next(series)
    told = (series.optimizer, series.network, series.batch_size, series.loss_name)
    series.close()
    assert told == ("AdamW", "perceptron", 4, "CrossEntropyLoss")


def test_the_batch_size_of_a_plain_iterable_is_that_of_its_first_batch():
    training = over(LOADERS["own iterable"])
    series = series_of(training)
    assert series.batch_size == 0
    next(series)
    assert series.batch_size == 4
    series.close()


@pytest.mark.parametrize("repeats", [0, -1, 101, 1.5, "two", None, True])
def test_a_number_of_repeats_that_makes_no_sense_is_refused(repeats):
    with pytest.raises(SettingsError, match="repeats must be"):
        SweepSettings(repeats=repeats)


def test_lr_find_makes_one_result_of_all_of_them(capsys):
    training = new_training(optimizer="AdamW")
    result = lr_find(*_parts(training), repeats=3, seed=2, **SHORT)
    assert [len(run.lrs) for run in result.runs] == [7, 7, 7]
    alone = lr_find(*_parts(training), seed=3, progress=False, **SHORT)
    assert result.runs[1].losses.tolist() == alone.losses.tolist()
    for one in (result, *result.runs, alone):
        assert (one.optimizer, one.network, one.batch_size) == ("AdamW", "perceptron", 4)
    assert "21/21" in capsys.readouterr().err


def test_the_progress_bar_counts_what_an_early_end_left(capsys):
    training = new_training()
    steps = itertools.count()

    def explodes_once(output, target):
        loss = functional.cross_entropy(output, target)
        return loss * float("inf") if next(steps) == 2 else loss

    model, optimizer, loader, _ = _parts(training)
    result = lr_find(model, optimizer, loader, explodes_once, repeats=2, **SHORT)
    assert [run.stop_reason for run in result.runs] == ["non-finite loss", "completed"]
    assert "10/10" in capsys.readouterr().err


def test_a_function_that_nobody_can_put_back_is_not_repeated():
    with pytest.raises(SettingsError, match=r"range_test cannot put back.*repeats=2"):
        range_test(lambda lr: lr, repeats=2)


def test_what_was_swept_is_freed_at_once_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        training = new_training()
        model = weakref.ref(training.model)
        prepared = Series(training.for_sweep())  # one that never begins
        swept = Series(training.for_sweep(), SweepSettings(num_iter=5, repeats=2))
        assert len([*swept]) == 10
        del training, prepared, swept
        assert model() is None
    finally:
        gc.enable()
