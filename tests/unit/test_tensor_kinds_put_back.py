"""Promise 1 for tensors of every kind: quantized, nested, made of others, on memory to be read."""

import subprocess
import sys
import warnings

import pytest
import torch
from torch import Tensor, nn

from evidence import differences, training_with
from lrfinder_widget import SettingsError
from lrfinder_widget.training.memory import Memory
from lrfinder_widget.training.same_bits import same_bits
from specimens import mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(params=[None, "cpu", "a folder"])
def place(request, tmp_path):
    return str(tmp_path) if request.param == "a folder" else request.param


class Held(nn.Module):
    """Holds a tensor before its layers, and changes it in each forward pass."""

    def __init__(self, tensor, change):
        super().__init__()
        self.register_buffer("table", tensor)
        self.body = mlp()
        self.change = change

    def forward(self, inputs):
        with torch.no_grad():
            self.change(self.table)
        return self.body(inputs)


def quantized(scale=0.05):
    values = torch.arange(12.0).reshape(3, 4) / 20
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(values, scale, 0, torch.qint8)


def quantized_by_channel(value=1.0):
    scales, zeros = torch.tensor([0.05, 0.1, 0.2]), torch.zeros(3, dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_channel(torch.full((3, 4), value), scales, zeros, 0, torch.qint8)


def nested(layout):
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=layout)


def replace_quantized(table):
    table.data = quantized(scale=0.3)


def in_inference_mode(function, *arguments):
    with torch.inference_mode():
        return function(*arguments)


def quantized_content(table):
    return [table.int_repr(), torch.tensor(table.q_scale())]


def channels_content(table):
    return [table.int_repr(), table.q_per_channel_scales()]


def address_of(table):
    return table.data_ptr() if table.layout is torch.strided else None


def dense_content(table):
    return [table.to_dense()]


KINDS = {
    "quantized": (quantized, lambda table: table.copy_(quantized(0.3)), quantized_content),
    "quantized, memory replaced": (quantized, replace_quantized, quantized_content),
    "a part of a quantized one": (
        lambda: quantized()[:, :2],
        lambda table: table.copy_(quantized(0.3)[:, :2]),
        quantized_content,
    ),
    "quantized by channel": (
        quantized_by_channel,
        lambda table: table.copy_(quantized_by_channel(2.0)),
        channels_content,
    ),
    "nested": (
        lambda: nested(torch.strided),
        lambda table: table.mul_(2),
        lambda table: list(table.unbind()),
    ),
    "nested, jagged": (
        lambda: nested(torch.jagged),
        lambda table: table.values().mul_(2),
        lambda table: list(table.unbind()),
    ),
    "COO": (lambda: torch.eye(3).to_sparse(), lambda table: table.mul_(2), dense_content),
    "COO, grown": (
        lambda: torch.eye(3).to_sparse(),
        lambda table: table.copy_(torch.ones(3, 3).to_sparse()),
        dense_content,
    ),
    "CSR": (
        lambda: torch.eye(3).to_sparse_csr(),
        lambda table: table.values().mul_(2),
        dense_content,
    ),
    "complex": (
        lambda: torch.ones(3, dtype=torch.complex128),
        lambda table: table.mul_(1j),
        lambda table: [table],
    ),
    "conjugated": (
        lambda: torch.ones(3, dtype=torch.complex64).conj(),
        lambda table: table.add_(1j),
        lambda table: [table],
    ),
    "made in inference mode": (
        lambda: in_inference_mode(torch.ones, 3),
        lambda table: in_inference_mode(table.add_, 1),
        lambda table: [table],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tensor_of_any_kind_is_put_back_with_all_that_comes_after_it(kind, place):
    build, change, content = KINDS[kind]
    training = training_with(model=Held(build(), change))
    training.train(2)
    table = training.model.table
    before = [part.clone() for part in content(table)]
    weights = [parameter.clone() for parameter in training.model.parameters()]
    states = [each["momentum_buffer"].clone() for each in training.optimizer.state.values()]
    address = address_of(table)
    list(training.sweep(snapshot=place))
    assert training.model.table is table
    assert address_of(table) == address
    assert all(map(torch.equal, content(table), before))
    assert all(map(torch.equal, training.model.parameters(), weights))
    now = [each["momentum_buffer"] for each in training.optimizer.state.values()]
    assert all(map(torch.equal, now, states))


class Coded(Tensor):
    """A number of codes and a scale, as quantization libraries make them; has no ``clone``."""

    @staticmethod
    def __new__(cls, codes, scale):
        return Tensor._make_wrapper_subclass(cls, codes.shape, dtype=torch.float32)

    def __init__(self, codes, scale):
        self.codes, self.scale = codes, scale

    def __tensor_flatten__(self):
        return ["codes", "scale"], None

    @classmethod
    def __tensor_unflatten__(cls, parts, *_):
        return cls(**parts)

    def dequantize(self):
        return self.codes * self.scale

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.detach.default:
            return cls(args[0].codes, args[0].scale)
        raise NotImplementedError(f"{function} is not there")


def recode(table):
    table.codes.add_(1)
    table.scale = table.scale * 2


def test_a_tensor_that_is_made_of_others_is_put_back_by_its_parts(place):
    table = Coded(torch.arange(4.0), torch.tensor(0.5))
    codes, scale = table.codes, table.scale
    model = mlp()
    model.table = table
    model.register_forward_hook(lambda *_: recode(table))
    training = training_with(model=model)
    weights = [parameter.clone() for parameter in model.parameters()]
    list(training.sweep(snapshot=place))
    assert table.codes is codes
    assert table.scale is scale
    assert torch.equal(table.dequantize(), torch.arange(4.0) / 2)
    assert all(map(torch.equal, model.parameters(), weights))


class Unique(Tensor):
    """Cannot be copied."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is Tensor.clone:
            raise NotImplementedError("there is only one")
        return super().__torch_function__(function, types, args, kwargs or {})


@pytest.mark.parametrize("where", ["model", "submodule", "attribute", "optimizer", "dataset"])
def test_a_tensor_that_cannot_be_kept_is_refused_by_its_name_before_anything_changes(where):
    training = training_with()
    training.train(2)
    tensor = torch.zeros(3).as_subclass(Unique)
    first = training.model[0].weight
    if where == "optimizer":
        training.optimizer.state[first]["codes"] = tensor
    elif where == "dataset":
        training.loader.dataset.codes = tensor
    elif where == "attribute":
        training.model[0].codes = tensor
    else:
        holder = training.model if where == "model" else training.model[0]
        holder.register_buffer("codes", tensor)
    name = {
        "model": "the model's 'codes'",
        "submodule": "the model's '0.codes'",
        "attribute": "the model's '0.codes'",
        "optimizer": "'codes' in the optimizer's state",
        "dataset": "the dataset's 'codes'",
    }[where]
    before = training.trace()
    with pytest.raises(SettingsError, match=f"^{name} is a Unique .* there is only one"):
        next(training.sweep())
    assert differences(before, training.trace()) == []


class Sulking(Tensor):
    """Can be copied until it sulks."""

    sulks = False

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is Tensor.copy_ and cls.sulks:
            raise RuntimeError("it does not want to")
        return super().__torch_function__(function, types, args, kwargs or {})


def test_what_goes_wrong_with_one_tensor_is_raised_when_all_others_are_back(monkeypatch):
    memory = Memory()
    tensors = [torch.zeros(3), torch.zeros(3).as_subclass(Sulking), torch.zeros(3)]
    numbers = [0]
    memory.remember_all([*tensors, numbers])
    memory.copy_tensors()
    for tensor in tensors:
        tensor.add_(1)
    numbers[0] = 1
    monkeypatch.setattr(Sulking, "sulks", True)
    with pytest.raises(RuntimeError, match="it does not want to"):
        memory.restore()
    assert [tensor.sum().item() for tensor in tensors] == [0, 3, 0]
    assert numbers == [0]


def test_a_tensor_that_got_a_history_is_a_leaf_again():
    class Gathering(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()
            self.total = torch.zeros(())

        def forward(self, inputs):
            output = self.body(inputs)
            self.total += output.sum() * 1e-3
            return output

    model = Gathering()
    training = training_with(model=model)
    before = training.trace()
    with training.sweep() as sweep:
        next(sweep)
        assert not model.total.is_leaf
    assert differences(before, training.trace()) == []
    assert not model.total.requires_grad


READ_ONLY = """
import sys, warnings
import numpy as np, torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from lrfinder_widget import lr_find

warnings.simplefilter("ignore")
torch.set_num_threads(1)
path = sys.argv[1]
np.save(path, np.where(np.arange(64) == 5, np.nan, np.arange(64)).astype(np.float32))

def mapped():
    return torch.from_numpy(np.load(path, mmap_mode="r"))

class Rows(Dataset):
    def __init__(self):
        self.inputs, self.extra = mapped()[8:].reshape(-1, 4), [mapped()]
    def __len__(self):
        return len(self.inputs)
    def __getitem__(self, index):
        return self.inputs[index], torch.tensor(index % 2)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 2)
        self.look_up = nn.Embedding.from_pretrained(mapped().reshape(16, 4))
        self.register_buffer("row", mapped())
        self.register_buffer("turned", mapped().reshape(8, 8).t())
        self.register_buffer("spread", mapped()[:1].expand(3))
        self.register_buffer("low", mapped().view(torch.bfloat16))
        self.register_buffer("large", mapped().view(torch.complex128))
        self.register_buffer("part", mapped().reshape(8, 8)[:, 2:5])
        index = torch.arange(64)
        self.register_buffer("coo", torch.sparse_coo_tensor(index[None], mapped(), (64,)))
        self.register_buffer(
            "csr", torch.sparse_csr_tensor(torch.arange(65), index * 0, mapped(), (64, 1))
        )
    def forward(self, inputs):
        return self.body(inputs / 64)

model = Net()
loader = DataLoader(Rows(), batch_size=4)
optimizer = torch.optim.SGD(model.body.parameters(), lr=0.1)
result = lr_find(
    model, optimizer, loader, functional.cross_entropy, num_iter=5, end_lr=0.1, progress=False
)
print(len(result.lrs))
"""


def test_memory_that_is_only_to_be_read_is_not_written(tmp_path):
    command = [sys.executable, "-c", READ_ONLY, str(tmp_path / "numbers.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["5"], "")


def test_what_no_step_changed_is_not_written():
    training = training_with(model=Held(torch.full((3,), float("nan")), lambda table: None))
    version = training.model.table._version
    list(training.sweep())
    assert training.model.table._version == version


def test_a_parameter_that_the_step_changed_behind_autograds_back_is_put_back():
    training = training_with(model=Held(torch.zeros(3), lambda table: table.data.add_(1)))
    version = training.model.table._version
    points = training.sweep()
    next(points)
    assert training.model.table._version == version
    assert training.model.table.sum() == 3
    points.close()
    assert training.model.table.sum() == 0


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float32,
        torch.bfloat16,
        torch.float8_e4m3fn,
        torch.uint16,
        torch.bool,
        torch.complex64,
        torch.complex128,
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 5), (300, 1000)])
def test_bits_are_told_apart(dtype, shape):
    one = torch.ones(shape).to(dtype)
    other = one.clone()
    assert same_bits(one, other)
    assert same_bits(one.T if one.ndim == 2 else one, other.T if one.ndim == 2 else other)
    if other.numel():
        other.view(-1)[-1] = 0
        assert not same_bits(one, other)


def test_a_buffer_can_grow_after_a_sweep_as_before():
    training = training_with(model=Held(torch.zeros(3), lambda table: table.add_(1)))
    list(training.sweep())
    storages = [tensor.untyped_storage() for tensor in training.model.state_dict().values()]
    assert all(storage.resizable() for storage in storages)
    training.model.table.resize_(9)


def test_nan_is_the_same_as_itself_and_zero_is_not_minus_zero():
    nan = torch.tensor([float("nan")])
    assert same_bits(nan, nan.clone())
    assert not same_bits(torch.tensor([0.0]), torch.tensor([-0.0]))


def test_sparse_tensors_are_told_apart_by_where_their_numbers_are():
    one, other = torch.tensor([1.0, 0, 0]).to_sparse(), torch.tensor([0, 1.0, 0]).to_sparse()
    assert same_bits(one, one.clone())
    assert not same_bits(one, other)
    assert not same_bits(one, torch.ones(3).to_sparse())
