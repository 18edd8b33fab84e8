"""Datasets and samplers that keep an iterator and read on from it; and nobody's is closed."""

import itertools
import sys

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, Subset

from loader_user import User
from lrfinder_widget import SettingsError
from lrfinder_widget.training.batches import BatchStream
from lrfinder_widget.training.validation import validation_batches
from specimens import Samples, batches_of_4

pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Streams(IterableDataset):
    """Goes on with the iterator that it keeps."""

    def __init__(self, iterator):
        self.iterator = iterator

    def __iter__(self):
        return self.iterator


class Draws(Dataset):
    """Gives what comes next, whichever sample is asked for."""

    def __init__(self, iterator):
        self.iterator = iterator

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return next(self.iterator)


class Orders(Sampler):
    """Goes on with the order that it keeps."""

    def __init__(self, iterator):
        self.iterator = iterator

    def __iter__(self):
        return itertools.islice(self.iterator, 8)

    def __len__(self):
        return 8


class ReadsStream:
    """Starts its dataset by itself."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        return iter(self.dataset)


SAMPLES = [Samples(200)[index] for index in range(200)]
READERS = {
    "streamed": lambda kept: DataLoader(Streams(kept(SAMPLES)), batch_size=2),
    "streamed to the loader's own class": lambda kept: ReadsStream(
        Streams(kept([*batches_of_4(SAMPLES)]))
    ),
    "drawn by a map-style dataset": lambda kept: DataLoader(Draws(kept(SAMPLES)), batch_size=2),
    "drawn within a dataset within": lambda kept: DataLoader(
        Subset(Draws(kept(SAMPLES)), range(8)), batch_size=2
    ),
    "ordered by a sampler": lambda kept: DataLoader(
        Samples(20), batch_size=2, sampler=Orders(kept([*range(20)] * 5))
    ),
    "ordered by a batch sampler": lambda kept: DataLoader(
        Samples(20), batch_sampler=Orders(kept([[each, 3] for each in range(20)] * 5))
    ),
}


def generated(items):
    return (item for item in items)


@pytest.mark.parametrize("loader", READERS)
def test_a_generator_that_data_keep_is_refused_unread_and_replay_gives_its_batches_back(loader):
    def build():
        return READERS[loader](generated)

    user = User(build)
    user.train(1)
    with pytest.raises(SettingsError, match=r"the (dataset|sampler) \(.* keeps a generator .*repl"):
        user.sweep()
    user.train(3)
    expected = User(build)
    expected.train(4)
    assert user.seen == expected.seen
    given = [inputs for inputs, _ in User(build).sweep(replay=True, num_iter=3).loader]
    assert all(map(torch.equal, given, [inputs for inputs, _ in build()]))


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("loader", READERS)
def test_a_walk_through_a_list_that_data_keep_goes_on_where_it_stood(loader, before):
    assert_goes_on(lambda: READERS[loader](iter), before)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="a cycle cannot be copied any more")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("before", [0, 3, 11])
@pytest.mark.parametrize("loader", READERS)
def test_a_cycle_that_data_keep_goes_on_where_it_stood(loader, before):
    assert_goes_on(lambda: READERS[loader](lambda items: itertools.cycle(items[:9])), before)


def assert_goes_on(build, before):
    expected = User(build)
    expected.train(before + 8)
    user = User(build)
    user.train(before)
    data = getattr(user.loader, "dataset", user.loader)
    held = dict(vars(data))
    assert len(user.sweep().losses) == 8
    assert vars(data) == held
    user.train(8)
    assert user.seen == expected.seen


class StartsAfresh(IterableDataset):
    """Keeps the generator of the epoch that it is in."""

    def __iter__(self):
        self.reading = generated([*batches_of_4(Samples())])
        return self

    def __next__(self):
        return next(self.reading)


def test_a_dataset_that_starts_its_generator_afresh_is_read():
    def build():
        return DataLoader(StartsAfresh(), batch_size=None)

    assert_goes_on(build, 5)
    user = User(build)
    user.train(2)
    reading = user.loader.dataset.reading
    assert len(user.sweep().losses) == 8
    assert user.loader.dataset.reading is reading
    assert len(list(reading)) == 3


def test_a_generator_that_only_workers_would_read_is_left_to_them():
    def build():
        return DataLoader(Draws(generated(SAMPLES)), batch_size=2, num_workers=1)

    user = User(build)
    assert len(user.sweep().losses) == 8
    assert len(list(user.loader.dataset.iterator)) == len(SAMPLES)


class Reader:
    """An iterator of the user's own class, over a file say."""

    def __init__(self, batches):
        self.batches, self.position, self.closed = batches, 0, []

    def __iter__(self):
        return self

    def __next__(self):
        self.position += 1
        return self.batches[self.position % len(self.batches)]

    def close(self):
        self.closed.append(True)


def test_an_iterator_that_a_loader_keeps_is_not_closed():
    reader = Reader([*batches_of_4(Samples())])
    user = User(lambda: ReadsStream(reader))
    assert len(user.sweep().losses) == 8
    assert len(validation_batches(user.loader, 3)) == 3
    assert (reader.position, reader.closed) == (0, [])


def test_a_generator_that_somebody_else_holds_is_not_closed():
    held = {"batches": generated([*batches_of_4(Samples(400))])}

    class Looks:
        def __iter__(self):
            return held["batches"]

    stream = BatchStream(Looks())
    next(iter(stream))
    stream.close()
    assert len(list(held["batches"])) == 99
