"""Promise 1 for containers: those of Python's beside list and dict, and how much is looked at."""

from array import array
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import MutableMapping

import numpy as np
import pytest
import torch
from torch import nn

from evidence import training_with
from lrfinder_widget.training.memory import Memory
from lrfinder_widget.training.object_snapshot import ObjectSnapshot
from specimens import mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


class OwnMapping(MutableMapping):
    """Keeps its items where it likes."""

    def __init__(self, **items):
        self.inner, self.writes = dict(items), 0

    def __getitem__(self, key):
        return self.inner[key]

    def __setitem__(self, key, value):
        self.inner[key] = value
        self.writes += 1

    def __delitem__(self, key):
        del self.inner[key]

    def __iter__(self):
        return iter(self.inner)

    def __len__(self):
        return len(self.inner)


class Keeps(nn.Module):
    """A layer that changes what it keeps."""

    def __init__(self, kept, change):
        super().__init__()
        self.body, self.kept, self.change = mlp(), kept, change

    def forward(self, inputs):
        self.change(self.kept)
        return self.body(inputs)


def add_to_state(kept):
    kept["state"] = kept["state"] + 1


def append(kept):
    kept.append(1)


def write(kept):
    kept[0] += 1


def count_inside(kept):
    kept[0].count += 1


class Counter:
    count = 0

    def __init__(self):
        self.count = 0


@pytest.mark.parametrize(
    ("make", "change", "told"),
    [
        (lambda: UserDict(state=torch.zeros(2)), add_to_state, lambda kept: kept["state"].sum()),
        (lambda: ChainMap({"state": 0}, {}), add_to_state, lambda kept: kept["state"]),
        (lambda: OwnMapping(state=0), add_to_state, lambda kept: (kept["state"], kept.writes)),
        (UserList, append, len),
        (lambda: array("d", [0.0]), append, len),
        (lambda: array("d", [0.0]), write, lambda kept: kept[0]),
        (lambda: bytearray(2), append, len),
        (lambda: bytearray(2), write, lambda kept: kept[0]),
        (lambda: deque([Counter()]), count_inside, lambda kept: kept[0].count),
    ],
    ids=[
        "UserDict",
        "ChainMap",
        "a mapping of one's own",
        "UserList",
        "array that grows",
        "array that is written to",
        "bytearray that grows",
        "bytearray that is written to",
        "object in a deque",
    ],
)
def test_what_a_layer_keeps_in_a_container_is_put_back(make, change, told):
    kept = make()
    before = told(kept)
    list(training_with(model=Keeps(kept, change)).sweep())
    assert told(kept) == before
    change(kept)
    assert told(kept) != before


class Counts(Memory):
    """A memory that tells how many tensors and arrays it is given."""

    remembered = 0

    def remember(self, value):
        self.remembered += isinstance(value, (torch.Tensor, np.ndarray))


@pytest.mark.parametrize("kind", [list, tuple, deque, lambda items: dict(enumerate(items))])
@pytest.mark.parametrize("item", [torch.zeros(2), np.zeros(2)], ids=["tensors", "arrays"])
def test_as_many_tensors_as_a_data_set_has_samples_are_not_copied(kind, item, monkeypatch):
    monkeypatch.setattr("lrfinder_widget.training.object_snapshot._MOST_ITEMS", 5)
    shapes = {torch.Size([2])}  # nor if a parameter happens to have the shape of a sample
    for count, copied in [(5, 5), (6, 0)]:
        memory = Counts()
        ObjectSnapshot(kind([item] * count), memory, shapes)
        assert memory.remembered == copied
