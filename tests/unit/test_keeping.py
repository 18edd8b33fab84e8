"""Where the state to put back is kept meanwhile: beside it, on the processor, in a file."""

import gc
import os
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from endings import ENDINGS
from evidence import differences, new_training, training_with
from lrfinder_widget import SettingsError, lr_find
from lrfinder_widget.training import keeping
from lrfinder_widget.training.keeping import Copies, free_bytes
from specimens import FEATURES, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(params=["same", "cpu", "a folder", None])
def place(request, tmp_path):
    return str(tmp_path) if request.param == "a folder" else request.param


@pytest.mark.parametrize("model", ["restless buffers", "tied weights", "batch norm and dropout"])
def test_training_goes_on_as_if_the_sweep_had_never_run_wherever_copies_are_kept(place, model):
    expected = new_training(model, "Adam")
    expected.train(12)
    training = new_training(model, "Adam")
    training.train(5)
    held = training.objects()
    list(training.sweep(snapshot=place))
    assert [name for name, thing in training.objects().items() if thing is not held[name]] == []
    training.train(7)
    assert differences(expected.trace(), training.trace()) == []


class Rarities(nn.Module):
    """Buffers of unusual kinds, all of them changed by each forward pass."""

    def __init__(self):
        super().__init__()
        self.body = mlp()
        shared = torch.zeros(8)
        self.register_buffer("part", shared[:3])
        self.register_buffer("other_part", shared[3:])
        self.register_buffer("row_of_larger", torch.zeros(50, FEATURES)[7])
        self.register_buffer("transposed", torch.zeros(3, 4).t())
        self.register_buffer("none_at_all", torch.zeros(0))
        self.register_buffer("low", torch.zeros(4, dtype=torch.bfloat16))
        self.register_buffer("flag", torch.zeros(2, dtype=torch.bool))
        self.register_buffer("waves", torch.zeros(2, dtype=torch.complex64))
        self.register_buffer(
            "sparse",
            torch.zeros(3, 3)
            .index_put_((torch.tensor([1]), torch.tensor([2])), torch.tensor(1.0))
            .to_sparse(),
        )

    def forward(self, inputs):
        for name in ("part", "other_part", "row_of_larger", "transposed", "low", "waves"):
            getattr(self, name).add_(1)
        self.flag.logical_not_()
        self.sparse.mul_(2)
        return self.body(inputs + self.row_of_larger) + self.sparse.sum() * 0.001


def test_tensors_of_every_kind_come_back_wherever_they_were_kept(place):
    training = training_with(model=Rarities())
    before = {name: each.clone() for name, each in training.model.named_buffers()}
    assert len(list(training.sweep(snapshot=place, num_iter=5))) == 5
    for name, buffer in training.model.named_buffers():
        assert torch.equal(buffer.to_dense(), before[name].to_dense()), name


FILES = []


class Looking:
    """A step that looks at what is in a folder."""

    def __init__(self, step, folder):
        self.step = step
        self.folder = folder

    def __getattr__(self, name):
        return getattr(self.step, name)

    def way(self, _, *arguments):
        FILES.append(list(self.folder.iterdir()))
        return self.step.way(self.step, *arguments)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_folder_holds_one_file_during_the_sweep_and_none_after_it(tmp_path, ending):
    training = new_training()
    swept = training.sweep
    FILES.clear()

    def sweep_in_folder(loss_fn=None, **settings):
        sweep = swept(loss_fn, snapshot=str(tmp_path), **settings)
        sweep._step = Looking(sweep._step, tmp_path)
        return sweep

    training.sweep = sweep_in_folder
    before = training.trace()
    ENDINGS[ending](training)
    gc.collect()
    assert {len(found) for found in FILES} == {1}
    assert list(tmp_path.iterdir()) == []
    assert differences(before, training.trace()) == []


def test_a_file_holds_no_more_than_the_tensors_that_are_kept(tmp_path):
    whole = torch.zeros(1_000_000)
    copies = Copies([whole[:10], torch.ones(1000)], str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size < 100_000
    first, second = copies
    assert torch.equal(first, whole[:10])
    assert torch.equal(second, torch.ones(1000))
    copies.close()


def test_a_sweep_that_is_never_begun_writes_nothing(tmp_path):
    new_training().sweep(snapshot=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["missing", "a file", "on a full device"])
def test_a_folder_that_cannot_be_used_is_refused_before_anything_is_touched(tmp_path, kind):
    (tmp_path / "file").write_text("")
    if kind == "on a full device" and not os.access("/proc/self", os.R_OK):
        pytest.skip("no folder here that nobody can write to")
    # Nobody, not even root, makes files under /proc.
    folder = {"missing": tmp_path / "none", "a file": tmp_path / "file"}.get(kind, "/proc/self")
    training = new_training()
    training.train(1)
    before = training.trace()
    with pytest.raises(SettingsError, match=r"snapshot must be .* a folder that can be written"):
        lr_find(training.model, training.optimizer, training.loader, snapshot=folder)
    assert differences(before, training.trace()) == []


def test_a_disk_that_is_full_is_an_error_that_leaves_no_file(tmp_path, monkeypatch):
    def write_some(things, path):
        path.write_bytes(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", write_some)
    training = new_training()
    before = training.trace()
    with pytest.raises(SettingsError, match=r"cannot write .* No space left"):
        next(training.sweep(snapshot=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
    assert differences(before, training.trace()) == []


def test_no_room_for_a_copy_is_an_error_that_says_where_to_keep_it(monkeypatch):
    def full(_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    training = new_training()
    before = training.trace()
    monkeypatch.setattr(torch.Tensor, "clone", full)
    sweep = training.sweep(snapshot="same")
    with pytest.raises(SettingsError, match=r"no room .* pass snapshot='cpu'"):
        next(sweep)
    monkeypatch.undo()
    assert differences(before, training.trace()) == []


class OnAccelerator:
    """Stands for a tensor on an accelerator; tells where its copy is made."""

    device = torch.device("cuda", 0)
    layout = torch.strided
    nbytes = 800

    def clone(self):
        return "beside it"

    def to(self, device):
        return f"on {device}"


@pytest.mark.parametrize(
    ("place", "free", "kept"),
    [
        (None, 1000, "beside it"),
        (None, 999, "on cpu"),
        ("same", 0, "beside it"),
        ("cpu", 10**9, "on cpu"),
    ],
)
def test_a_copy_stays_on_an_accelerator_if_a_quarter_more_than_its_size_is_free(
    place, free, kept, monkeypatch
):
    monkeypatch.setattr(keeping, "free_bytes", lambda device: free)
    assert list(Copies([OnAccelerator()], place)) == [kept]


def test_free_memory_is_what_the_devices_own_module_tells(monkeypatch):
    modules = {"cuda": SimpleNamespace(mem_get_info=lambda device: (5, 9)), "mps": torch.mps}
    monkeypatch.setattr(torch, "get_device_module", lambda device: modules[device.type])
    assert free_bytes(torch.device("cuda", 0)) == 5
    assert free_bytes(torch.device("mps")) == float("inf")
    assert free_bytes(torch.device("cpu")) == float("inf")
