"""Promise 1 for torchdata's loaders, which tell and set their position in mid-epoch."""

import itertools

import pytest
import torch
from torch.utils.data import IterableDataset, RandomSampler
from torchdata.nodes import (
    Batcher,
    IterableWrapper,
    Loader,
    ParallelMapper,
    Prefetcher,
    SamplerWrapper,
)
from torchdata.stateful_dataloader import StatefulDataLoader
from torchdata.stateful_dataloader.sampler import RandomSampler as StatefulRandomSampler

from loader_user import User
from specimens import Samples

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def collate(rows):
    inputs, targets = zip(*rows, strict=True)
    return torch.stack(inputs), torch.stack(targets)


class Counting(IterableDataset):
    """Tells and sets its position."""

    def __init__(self):
        self.samples = Samples()
        self.position = 0

    def __iter__(self):
        while self.position < len(self.samples):
            self.position += 1
            yield self.samples[self.position - 1]
        self.position = 0

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]


def stateful(dataset=None, **options):
    return StatefulDataLoader(dataset or Samples(), batch_size=4, **options)


def nodes(source=None, *, threads=0, prefetch=0):
    data = Samples()
    generator = torch.Generator().manual_seed(2)
    source = source or SamplerWrapper(StatefulRandomSampler(data, generator=generator))

    def load(indices):
        return collate([data[index] for index in indices])

    node = ParallelMapper(Batcher(source, 4), load, threads)
    return Loader(Prefetcher(node, prefetch) if prefetch else node)


LOADERS = {
    "in order": stateful,
    "shuffled": lambda: stateful(shuffle=True),
    "shuffled by its own generator": lambda: stateful(
        shuffle=True, generator=torch.Generator().manual_seed(3)
    ),
    "stateful dataset": lambda: stateful(Counting()),
    "workers": lambda: stateful(shuffle=True, num_workers=2),
    "persistent workers": lambda: stateful(shuffle=True, num_workers=2, persistent_workers=True),
    "nodes": nodes,
    "nodes, torch's sampler": lambda: nodes(SamplerWrapper(RandomSampler(Samples()))),
    "nodes with threads": lambda: nodes(threads=2, prefetch=2),
    "nodes around an iterable": lambda: nodes(IterableWrapper(range(20))),
}


USERS = []


@pytest.fixture(autouse=True)
def _workers_end():
    yield
    # Left to the garbage collector, torchdata waits five seconds for each.
    for user in USERS:
        if hasattr(user.iterator, "_shutdown_workers"):
            user.iterator._shutdown_workers()
    USERS.clear()


class Kept(User):
    """One whose workers are ended after the test."""

    def __init__(self, build):
        super().__init__(build)
        USERS.append(self)


@pytest.mark.parametrize("before", [0, 5, 7], ids=["first epoch", "between epochs", "mid-epoch"])
@pytest.mark.parametrize("loader", LOADERS)
def test_the_batches_after_a_sweep_are_those_that_would_have_come(loader, before):
    expected = Kept(LOADERS[loader])
    expected.train(before + 8)
    user = Kept(LOADERS[loader])
    user.train(before)
    assert len(user.sweep().losses) == 8
    user.train(8)
    assert user.seen == expected.seen


@pytest.mark.parametrize("loader", ["shuffled", "workers", "nodes", "nodes with threads"])
def test_a_loader_that_was_set_to_a_position_goes_on_from_there_after_a_sweep(loader):
    first = Kept(LOADERS[loader])
    first.train(2)
    state = first.loader.state_dict()
    first.train(2)

    def resumed():
        user = Kept(LOADERS[loader])
        user.loader.load_state_dict(state)
        return user

    plain, swept = resumed(), resumed()
    plain.train(5)
    swept.sweep()
    swept.train(5)
    assert plain.seen[:2] == first.seen[2:]
    assert swept.seen == plain.seen


@pytest.mark.parametrize("loader", ["shuffled", "workers", "nodes"])
def test_the_position_that_a_loader_tells_is_the_same_after_a_sweep(loader):
    user = Kept(LOADERS[loader])
    user.train(2)
    before = repr(user.loader.state_dict())
    user.sweep()
    assert repr(user.loader.state_dict()) == before


def test_a_loader_that_was_only_asked_for_its_state_can_be_swept():
    user = Kept(LOADERS["in order"])
    user.loader.state_dict()
    user.sweep()
    user.train(5)
    expected = [inputs.tolist() for inputs, _ in itertools.islice(stateful(), 5)]
    assert user.seen == expected
