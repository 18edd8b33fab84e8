"""Loaders that keep an iterator and read on from it: the user's stands where it stood."""

import itertools

import pytest
import torch
from torch.utils.data import DataLoader

from loader_user import User
from lrfinder_widget import SettingsError
from lrfinder_widget.training.batches import BatchStream
from lrfinder_widget.training.validation import validation_batches
from specimens import Samples, batches_of_4

pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Endless:
    def __init__(self, sampler):
        self.sampler = sampler

    def __iter__(self):
        while True:
            yield from self.sampler


class KeepsItsIterator(DataLoader):
    """Starts its workers once, as the loaders of some detection libraries do."""

    def __init__(self, *given, **options):
        super().__init__(*given, **options)
        object.__setattr__(self, "batch_sampler", Endless(self.batch_sampler))
        self.iterator = super().__iter__()

    def __len__(self):
        return len(self.batch_sampler.sampler)

    def __iter__(self):
        for _ in range(len(self)):
            inputs, targets = next(self.iterator)
            yield inputs + 100, targets

    def __del__(self):
        for worker in getattr(self.iterator, "_workers", ()):
            worker.terminate()


class Cycles:
    """Is its own iterator, and goes on where it was left."""

    def __init__(self, loader):
        self.loader = loader
        self.iterator = iter(loader)

    def __len__(self):
        return 1_000

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self.iterator)
        except StopIteration:
            self.iterator = iter(self.loader)
            return next(self.iterator)


class Prefetches:
    """Is its own iterator, and starts afresh when it is asked for one."""

    def __init__(self, loader):
        self.loader = loader

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        self.iterator = iter(self.loader)
        self.following = next(self.iterator, None)
        return self

    def __next__(self):
        if self.following is None:
            raise StopIteration
        batch, self.following = self.following, next(self.iterator, None)
        return batch


class Around:
    """Reads from another loader."""

    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        yield from self.loader


class Tidy(Cycles):
    """Ends what it reads from when it is let go."""

    def __del__(self):
        ENDED.append(True)


# Told apart from what a sweep puts back.
ENDED = []


class OverAList(Cycles):
    """Walks through a list, batch by batch."""

    def __init__(self, loader):
        super().__init__(list(loader))


def shuffled(**options):
    return batches_of_4(Samples(), shuffle=True, **options)


LOADERS = {
    "keeps its iterator": lambda: KeepsItsIterator(Samples(), batch_size=4, shuffle=True),
    "keeps its workers": lambda: KeepsItsIterator(
        Samples(), batch_size=4, shuffle=True, num_workers=1
    ),
    "cycles": lambda: Cycles(shuffled()),
    "cycles, tidy": lambda: Tidy(shuffled()),
    "cycles over a list": lambda: OverAList(shuffled()),
    "prefetches": lambda: Prefetches(shuffled()),
    "around one that cycles": lambda: Around(Cycles(shuffled())),
    "around persistent workers": lambda: Around(shuffled(num_workers=1, persistent_workers=True)),
}


@pytest.mark.parametrize("before", [0, 3, 5], ids=["first epoch", "mid-epoch", "between epochs"])
@pytest.mark.parametrize("loader", LOADERS)
def test_the_batches_after_a_sweep_are_those_that_would_have_come(loader, before):
    expected = User(LOADERS[loader])
    expected.train(before + 8)
    user = User(LOADERS[loader])
    user.train(before)
    held = dict(vars(user.loader))
    assert len(user.sweep().losses) == 8
    assert vars(user.loader) == held
    user.train(8)
    assert user.seen == expected.seen


def test_what_the_loaders_own_class_makes_of_a_batch_is_what_is_trained_on():
    stream = BatchStream(LOADERS["keeps its iterator"]())
    inputs, _ = next(iter(stream))
    assert inputs.mean() > 90


def test_worker_processes_of_a_sweep_end_with_it_and_those_of_the_user_go_on():
    loader = LOADERS["keeps its workers"]()
    stream = BatchStream(loader)
    next(iter(stream))
    started = stream._source.iterator._iterator._workers
    assert all(worker.is_alive() for worker in started)
    stream.close()
    stream.end_workers()
    assert not any(worker.is_alive() for worker in started)
    assert all(worker.is_alive() for worker in loader.iterator._workers)


def test_a_copy_of_a_loader_does_not_end_what_it_shares_with_it():
    ENDED.clear()
    loader = Tidy(shuffled())
    stream = BatchStream(loader)
    next(iter(stream))
    del stream
    assert ENDED == []


def test_validation_leaves_an_iterator_that_is_kept():
    loader = LOADERS["cycles"]()
    assert len(validation_batches(loader, 3)) == 3
    assert len(list(loader.iterator)) == 5


class KeepsAGenerator(Cycles):
    def __init__(self):
        self.iterator = (batch for batch in list(batches_of_4(Samples(400))))
        self.loader = ()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_kept_generator_is_refused_unread_and_replay_gives_its_batches_back(wrapped):
    def build():
        return Around(KeepsAGenerator()) if wrapped else KeepsAGenerator()

    user = User(build)
    with pytest.raises(SettingsError, match=r"\(KeepsAGenerator\) keeps a generator .*replay=True"):
        user.sweep()
    expected = [inputs for inputs, _ in itertools.islice(build(), 20)]
    result = user.sweep(replay=True)
    assert len(result.losses) == 8
    given = [inputs for inputs, _ in itertools.islice(result.loader, 20)]
    assert all(map(torch.equal, given, expected))
