"""What batches may be made of, and where their tensors go."""

from collections import UserDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence
from torch.optim import SGD
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader

from lrfinder_widget import SettingsError, lr_find
from lrfinder_widget.training.moving import to_device
from lrfinder_widget.training.placement import input_device
from specimens import CLASSES, FEATURES, Samples, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")

META = torch.device("meta")
Pair = namedtuple("Pair", "inputs name")  # noqa: PYI024 - as people write it


@dataclass(frozen=True)
class Item:
    inputs: Tensor
    words: list


class Encoding(UserDict):
    """As tokenizers return it: a mapping with attributes of its own."""

    encodings = "kept"

    def __getattr__(self, name):
        return self.data[name]


class Graph:
    """Moves itself in place, as graphs do."""

    def __init__(self):
        self.nodes = torch.ones(2)

    def to(self, device):
        self.nodes = self.nodes.to(device)
        return self


def test_tensors_are_moved_out_of_nested_containers_and_the_rest_is_left():
    tokens = [["a", "b"], ["c"]]
    batch = {"x": [torch.ones(1), (torch.ones(1), 3)], "tokens": tokens, "none": None}
    moved = to_device(batch, META)
    assert moved["x"][0].is_meta
    assert moved["x"][1][0].is_meta
    assert moved["x"][1][1] == 3
    assert (moved["tokens"], moved["none"]) == (tokens, None)
    assert not batch["x"][0].is_meta


@pytest.mark.parametrize(
    ("batch", "tensor"),
    [
        (Pair(torch.ones(1), "a"), lambda moved: moved.inputs),
        (Item(torch.ones(1), ["a"]), lambda moved: moved.inputs),
        (Encoding(inputs=torch.ones(1), words=["a"]), lambda moved: moved.inputs),
        (MappingProxyType({"inputs": torch.ones(1)}), lambda moved: moved["inputs"]),
        (Graph(), lambda moved: moved.nodes),
    ],
    ids=["named tuple", "dataclass", "mapping with attributes", "read-only mapping", "graph"],
)
def test_a_container_of_the_users_is_moved_as_its_own_kind_and_not_changed(batch, tensor):
    moved = to_device(batch, META)
    assert tensor(moved).is_meta
    assert not tensor(batch).is_meta
    assert isinstance(moved, dict if isinstance(batch, MappingProxyType) else type(batch))
    assert getattr(moved, "encodings", "kept") == "kept"


class Moves(TorchFunctionMode):
    """Notes how tensors are moved."""

    def __init__(self):
        super().__init__()
        self.blocking = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is Tensor.to:
            self.blocking.append(not (kwargs or {}).get("non_blocking", False))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "batch", [torch.ones(2), [torch.ones(2)], pack_sequence([torch.ones(2)])], ids=["x", "y", "z"]
)
def test_copies_to_a_device_do_not_block(batch):
    with Moves() as moves:
        to_device(batch, META)
    assert moves.blocking
    assert not any(moves.blocking)


def test_what_is_there_already_is_the_same_tensor():
    tensor = torch.ones(2)
    assert to_device([tensor], torch.device("cpu"))[0] is tensor


def batches_of(collate, **options):
    return DataLoader(Samples(), batch_size=4, collate_fn=collate, **options)


def stacked(rows):
    inputs, targets = zip(*rows, strict=True)
    return torch.stack(inputs), torch.stack(targets)


class ByName(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp()

    def forward(self, left, right, scale=1.0):
        return self.body(torch.cat([left, right], 1)) * scale


class OverPacked(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.GRU(FEATURES, 5)
        self.head = nn.Linear(5, CLASSES)

    def forward(self, packed):
        output, _ = self.recurrent(packed)
        return self.head(pad_packed_sequence(output)[0][0])


class OfTokens(nn.Module):
    """Looks words up by itself."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(4, FEATURES)
        self.body = mlp()

    def forward(self, tokens):
        assert isinstance(tokens[0][0], str)
        means = [self.words(torch.tensor([ord(w) % 4 for w in row])).mean(0) for row in tokens]
        return self.body(torch.stack(means))


def as_dict(rows):
    inputs, targets = stacked(rows)
    return {"left": inputs[:, :2], "right": inputs[:, 2:]}, targets


def as_tuple(rows):
    inputs, targets = stacked(rows)
    return (inputs[:, :2], inputs[:, 2:], 2.0), targets


def as_item(rows):
    inputs, targets = stacked(rows)
    return Batch(inputs, targets, ["ignored"])


@dataclass
class Batch:
    inputs: Tensor
    labels: Tensor
    names: list


def as_packed(rows):
    inputs, targets = stacked(rows)
    return pack_sequence([row.expand(2, -1) for row in inputs]), targets


def as_tokens(rows):
    return [["a", "b"], ["c"], ["b"], ["d", "a"]], stacked(rows)[1]


@pytest.mark.parametrize(
    ("collate", "model"),
    [
        (as_dict, ByName),
        (as_tuple, ByName),
        (as_item, mlp),
        (as_packed, OverPacked),
        (as_tokens, OfTokens),
    ],
    ids=["dict into **", "tuple into *", "dataclass", "packed sequence", "lists of tokens"],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_collate_fn_may_return_any_of_these(collate, model, workers):
    built = model()
    optimizer = SGD(built.parameters(), lr=0.1)
    loader = batches_of(collate, num_workers=workers)
    result = lr_find(built, optimizer, loader, num_iter=6, end_lr=0.1, progress=False)
    assert len(result.losses) == 6
    assert result.loss_name == "cross-entropy (inferred)"


class Spread(nn.Module):
    """Its second half is on another device."""

    def __init__(self, *devices):
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(2, 2, device=device) for device in devices)

    def forward(self, inputs):
        for part in self.parts:
            inputs = part(inputs.to(part.weight.device))
        return inputs


def test_inputs_go_to_the_first_parameters_device_and_targets_to_the_outputs():
    model = Spread("cpu", "meta")
    inputs = torch.ones(3, 2)
    output = model(to_device(inputs, input_device(model)))
    assert (input_device(model).type, output.device.type) == ("cpu", "meta")


def test_parameters_that_are_loaded_when_needed_say_nothing_of_where_inputs_go():
    assert input_device(Spread("meta", "cpu")).type == "cpu"
    assert input_device(Spread("meta")).type == "meta"
    assert input_device(Spread("meta", "cpu"), "cpu").type == "cpu"


def on(*devices):
    """Stand for a model with a parameter on each of these devices."""
    held = [SimpleNamespace(device=torch.device(d), is_meta=d == "meta") for d in devices]
    return SimpleNamespace(parameters=lambda: iter(held))


@pytest.mark.parametrize("devices", [("cuda:1", "cuda:0", "cpu"), ("cuda:1", "meta", "cuda:0")])
def test_a_model_over_several_devices_takes_no_device_of_its_own(devices):
    assert input_device(on(*devices)) == torch.device("cuda:1")
    with pytest.raises(SettingsError, match=r"spread over cuda:1, cuda:0.*leave device out"):
        input_device(on(*devices), "cuda:1")


def test_a_device_without_a_number_means_that_of_the_model():
    assert input_device(on("cuda:1"), "cuda") == torch.device("cuda:1")
    assert input_device(on("cuda:1"), "cuda:1") == torch.device("cuda:1")
    with pytest.raises(SettingsError, match="the model is on cpu; move it first"):
        input_device(on("cpu"), "cuda")


MOVED = []


def test_a_target_is_moved_to_the_device_of_the_output(monkeypatch):
    MOVED.clear()
    real = to_device

    def note(value, device):
        MOVED.append(device.type)
        return real(value, device)

    monkeypatch.setattr("lrfinder_widget.training.batch_loss.to_device", note)
    model = Spread("cpu", "meta")

    def loss_fn(output, target):
        assert target.is_meta
        return functional.mse_loss(model.parts[0].weight, torch.zeros(2, 2))

    optimizer = SGD(model.parameters(), lr=0.1)
    loader = [(torch.ones(3, 2), torch.zeros(3, 2))]
    result = lr_find(model, optimizer, loader, loss_fn, num_iter=3, progress=False)
    assert len(result.losses) == 3
    assert set(MOVED) == {"meta"}  # the inputs are where they belong
