"""Promise 1 for a loader: generators of the dataset's own, positions, a bad end."""

import io
import random
import zipfile
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.optim import SGD
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from evidence import (
    Training,
    assert_leaves_no_trace,
    differences,
    flat,
    training_with,
)
from specimens import (
    FEATURES,
    Samples,
    batches_of_4,
    mlp,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Noise:
    def __init__(self, generator):
        self.generator = generator

    def __call__(self, row):
        return row + torch.from_numpy(self.generator.normal(size=FEATURES)).float()


@dataclass(slots=True)
class SlottedNoise:
    generator: np.random.Generator

    def __call__(self, row):
        return row + self.generator.normal()


class InTurn:
    def __init__(self, *transforms):
        self.transforms = list(transforms)

    def __call__(self, row):
        for transform in self.transforms:
            row = transform(row)
        return row


class NoisySamples(Samples):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(5)

    def __getitem__(self, index):
        row, target = super().__getitem__(index)
        return row + self.rng.normal(), target


class ClassNoiseSamples(Samples):
    rng = np.random.default_rng(5)

    def __getitem__(self, index):
        row, target = super().__getitem__(index)
        return row + self.rng.normal(), target


NOTEBOOK_RNG = np.random.default_rng(5)


class NotebookNoiseSamples(Samples):
    def __getitem__(self, index):
        row, target = super().__getitem__(index)
        return row + NOTEBOOK_RNG.normal(), target


def rng():
    return np.random.default_rng(5)


def noise_in_a_closure():
    generator = rng()
    return lambda row: row + generator.normal()


def scaled_noise(row, generator, scale=0.1):
    return row + scale * generator.normal()


def noise_of_python(generator):
    return lambda row: row + generator.random()


def noise_of_torch(generator):
    return lambda row: row + torch.randn(FEATURES, generator=generator)


OWN_GENERATORS = {
    "on the dataset": NoisySamples,
    "on a transform": lambda: Samples(transform=Noise(rng())),
    "deep in a list of transforms": lambda: Samples(
        transform=InTurn(torch.tanh, InTurn(torch.sin, Noise(rng())))
    ),
    "under a Subset": lambda: Subset(NoisySamples(), range(16)),
    "under a ConcatDataset": lambda: ConcatDataset([Samples(8), NoisySamples()]),
    "in a closure": lambda: Samples(transform=noise_in_a_closure()),
    "in a partial": lambda: Samples(transform=partial(scaled_noise, generator=rng())),
    "in a bound method": lambda: Samples(transform=Noise(rng()).__call__),
    "in a slot": lambda: Samples(transform=SlottedNoise(rng())),
    "NumPy's older kind": lambda: Samples(transform=Noise(np.random.RandomState(5))),
    "Python's": lambda: Samples(transform=noise_of_python(random.Random(5))),
    "torch's": lambda: Samples(transform=noise_of_torch(torch.Generator().manual_seed(5))),
}


@pytest.mark.parametrize("place", OWN_GENERATORS)
def test_a_generator_of_the_datasets_own_is_put_back(place):
    assert_leaves_no_trace(lambda: training_with(OWN_GENERATORS[place]()))


@pytest.mark.parametrize(
    ("dataset", "generator"),
    [(ClassNoiseSamples, ClassNoiseSamples.rng), (NotebookNoiseSamples, NOTEBOOK_RNG)],
    ids=["on the dataset's class", "a notebook's variable that the dataset reads"],
)
def test_a_generator_outside_the_dataset_is_put_back(dataset, generator):
    training = training_with(dataset())
    before = flat(generator)
    list(training.sweep())
    assert differences(before, flat(generator)) == []


def test_a_generator_of_the_models_own_is_put_back():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()
            self.generator = torch.Generator().manual_seed(3)

        def forward(self, inputs):
            return self.body(inputs + torch.randn(inputs.shape, generator=self.generator))

    assert_leaves_no_trace(lambda: training_with(model=Noisy()))


def test_a_generator_that_the_forward_pass_reads_from_the_notebook_is_put_back():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def forward(self, inputs):
            return self.body(inputs + NOTEBOOK_RNG.normal())

    before = flat(NOTEBOOK_RNG)
    list(training_with(model=Noisy()).sweep())
    assert differences(before, flat(NOTEBOOK_RNG)) == []


class ShufflesItsOwnOrder:
    """Keeps one list of indices and shuffles it anew, in place, for each epoch."""

    def __init__(self, order):
        self.dataset = Samples()
        self.order = order
        self.rng = np.random.default_rng(1)
        self.epoch = 0

    def __iter__(self):
        self.epoch += 1
        self.rng.shuffle(self.order)
        for start in range(0, len(self.order), 4):
            rows, targets = zip(
                *(self.dataset[int(i)] for i in self.order[start : start + 4]), strict=True
            )
            yield torch.stack(rows), torch.stack(targets)


@pytest.mark.parametrize("kind", [list, np.array])
def test_an_order_that_a_loader_shuffles_in_place_is_put_back(kind):
    def build():
        training = training_with()
        training.loader = ShufflesItsOwnOrder(kind(range(20)))
        return training

    assert_leaves_no_trace(build, before=5, after=7)


class Resumable:
    """A loader that tells and sets its position."""

    def __init__(self):
        self.dataset = Samples()
        self.position = {"next": 0}

    def state_dict(self):
        return self.position

    def load_state_dict(self, state):
        self.position = dict(state)

    def __iter__(self):
        while True:
            start = self.position["next"]
            self.position["next"] = (start + 4) % 20
            rows, targets = zip(*(self.dataset[i] for i in range(start, start + 4)), strict=True)
            yield torch.stack(rows), torch.stack(targets)


def test_a_loader_that_tells_its_position_is_set_back_to_it():
    training = training_with()
    training.loader = Resumable()
    training.loader.position["next"] = 8
    list(training.sweep())
    assert training.loader.position == {"next": 8}


class EndsBadly:
    def __init__(self):
        self.batch = next(iter(batches_of_4(Samples())))

    def __iter__(self):
        try:
            while True:
                yield self.batch
        finally:
            raise OSError("the file was gone when it was to be closed")


def test_a_loader_that_fails_while_it_is_closed_does_not_keep_the_model_from_being_restored():
    training = training_with()
    training.loader = EndsBadly()
    before = training.trace()
    sweep = training.sweep()
    next(sweep)
    with pytest.raises(OSError, match="the file was gone"):
        sweep.close()
    assert differences(before, training.trace()) == []


class Pictures(Dataset):
    """Opens its pictures first and reads them when they are asked for, as Pillow does."""

    def __init__(self, folder, kind, opened):
        self.pictures = []
        for index in range(20):
            path = folder / f"{index}.{kind}"
            Image.new("L", (4, 2), index).save(path, lossless=True)
            self.pictures.append(Image.open(opened(path)))

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        picture = np.asarray(self.pictures[index].convert("L"), dtype="float32")
        return picture.flatten(), index % 3


@pytest.mark.parametrize(
    "opened",
    [lambda path: path, lambda path: io.BytesIO(path.read_bytes())],
    ids=["by path", "from memory"],
)
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_pictures_that_a_sweep_is_the_first_to_read_can_be_read_after_it(tmp_path, kind, opened):
    loader = DataLoader(Pictures(tmp_path, kind, opened), batch_size=5)
    model = nn.Linear(8, 3)
    training = Training(model, SGD(model.parameters(), lr=0.1), loader)
    list(training.sweep())
    assert torch.cat([inputs for inputs, _ in loader])[:, 0].tolist() == list(range(20))


class ReadsOnce:
    """Keeps a file until it has read it, and what it read from then on."""

    def __init__(self, path):
        self.file, self.text = path.open(), None

    def read(self):
        if self.text is None:
            self.text = self.file.read()
            self.file.close()
        return self.text


def test_an_object_whose_file_the_sweep_closed_is_left_with_what_it_read(tmp_path):
    path = tmp_path / "offset"
    path.write_text("0.5")
    once = ReadsOnce(path)
    data = Samples(transform=lambda row: row + float(once.read()))
    list(training_with(data).sweep())
    assert once.read() == "0.5"


def test_what_a_file_has_unpacked_is_left_with_its_position(tmp_path):
    numbers = np.random.default_rng(0).bytes(200_000)
    with zipfile.ZipFile(tmp_path / "numbers.zip", "w") as packed:
        packed.writestr("numbers", numbers)
    with zipfile.ZipFile(tmp_path / "numbers.zip") as packed, packed.open("numbers") as file:
        list(training_with(Samples(transform=lambda row: row + file.read(1000)[0])).sweep())
        position = file.tell()
        assert position > 0
        assert file.read() == numbers[position:]
