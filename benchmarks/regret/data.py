"""Data sets that ship inside installed packages, or that a fixed seed generates.

Every function returns a training and a validation set, is deterministic, and works once a process.
"""

from __future__ import annotations

import re
import sysconfig
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor
from torch.utils.data import TensorDataset

Sets = tuple[TensorDataset, TensorDataset]

MODULES = ("argparse", "difflib", "tarfile", "turtle", "typing", "zipfile", "_pydecimal", "ast")
CHARACTERS = 97  # printable ASCII, the newline, and one for all others
WORDS = 2048  # buckets that words are hashed into


def split(inputs: Tensor, targets: Tensor, validation: int) -> Sets:
    """Shuffle the rows and set the last of them aside for validation."""
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(inputs)))
    inputs, targets = inputs[order], targets[order]
    return (
        TensorDataset(inputs[:-validation], targets[:-validation]),
        TensorDataset(inputs[-validation:], targets[-validation:]),
    )


def numbers(values: object) -> Tensor:
    """Return an array as 32-bit numbers."""
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def classes(values: object) -> Tensor:
    """Return an array as class numbers."""
    return torch.from_numpy(np.asarray(values, dtype=np.int64))


def standardized(values: object) -> Tensor:
    """Return columns of mean 0 and deviation 1."""
    columns = np.asarray(values, dtype=np.float64)
    return numbers((columns - columns.mean(axis=0)) / columns.std(axis=0))


@cache
def digits() -> Sets:
    """Return handwritten digits, 1x8x8, and which digit each is."""
    bunch = datasets.load_digits()
    return split(numbers(bunch.images)[:, None] / 16, classes(bunch.target), 397)


@cache
def digit_rows() -> Sets:
    """Return digits as sequences of eight rows of eight pixels."""
    bunch = datasets.load_digits()
    return split(numbers(bunch.images) / 16, classes(bunch.target), 397)


@cache
def digits_to_rebuild() -> Sets:
    """Return flat digits as input and as target."""
    pixels = numbers(datasets.load_digits().data) / 16
    return split(pixels, pixels, 397)


def patches(count: int, size: int) -> tuple[Tensor, np.ndarray]:
    """Cut square patches out of the two sample photographs in turn; say how far down each was.

    Values are from 0 to 1.
    """
    photographs = [numbers(image) / 255 for image in datasets.load_sample_images().images]
    generator = np.random.default_rng(1)
    cut, tops = [], []
    for number in range(count):
        photograph = photographs[number % 2]
        top = generator.integers(photograph.shape[0] - size)
        left = generator.integers(photograph.shape[1] - size)
        cut.append(photograph[top : top + size, left : left + size].permute(2, 0, 1))
        tops.append(top)
    return torch.stack(cut), np.array(tops)


@cache
def photograph_patches() -> Sets:
    """Return patches 3x8x8 and which of the two photographs each comes from."""
    pieces, _ = patches(4096, 8)
    return split(pieces, torch.arange(len(pieces)) % 2, 512)


@cache
def patches_to_rebuild() -> Sets:
    """Return patches 3x8x8, standardized, as input and as target."""
    pieces, _ = patches(4096, 8)
    pieces = (pieces - pieces.mean()) / pieces.std()
    return split(pieces, pieces, 512)


@cache
def patches_to_denoise() -> Sets:
    """Return noisy patches 3x8x8 and the clean ones."""
    pieces, _ = patches(3072, 8)
    noise = numbers(np.random.default_rng(2).normal(0, 0.2, pieces.shape))
    return split(pieces + noise, pieces, 256)


@cache
def placed_patches() -> Sets:
    """Return patches 3x10x10 and which third of which photograph each comes from: six classes."""
    pieces, tops = patches(4096, 10)
    photograph = np.arange(len(pieces)) % 2
    return split(pieces - 0.5, classes(3 * photograph + 3 * tops // 427), 512)


@cache
def diabetes() -> Sets:
    """Return measurements of patients and the progression of the disease, as it was counted."""
    measured, progression = datasets.load_diabetes(return_X_y=True)
    return split(standardized(measured), numbers(progression)[:, None], 142)


@cache
def breast_cancer() -> Sets:
    """Return measurements of tumours and whether each is benign, as 0.0 or 1.0."""
    measured, benign = datasets.load_breast_cancer(return_X_y=True)
    return split(standardized(measured), numbers(benign)[:, None], 169)


@cache
def friedman_first() -> Sets:
    """Return Friedman's first problem, its target centred but not scaled."""
    inputs, target = datasets.make_friedman1(4096, noise=0.5, random_state=0)
    return split(numbers(inputs) - 0.5, numbers(target - target.mean())[:, None], 512)


@cache
def friedman_second() -> Sets:
    """Return Friedman's second problem, all standardized."""
    inputs, target = datasets.make_friedman2(4096, random_state=0)
    return split(standardized(inputs), standardized(target)[:, None], 512)


@cache
def clusters() -> Sets:
    """Return points of ten classes, three clusters each, in twenty dimensions."""
    points, labels = datasets.make_classification(
        8192,
        n_features=20,
        n_informative=10,
        n_classes=10,
        n_clusters_per_class=3,
        class_sep=1.5,
        random_state=0,
    )
    return split(standardized(points), classes(labels), 1024)


@cache
def labelled_counts() -> Sets:
    """Return counts of words and which of eight labels apply, as 0.0 or 1.0."""
    counts, labels = datasets.make_multilabel_classification(
        6144, n_features=40, n_classes=8, n_labels=3, random_state=0
    )
    return split(standardized(counts), numbers(labels), 1024)


def source(module: str) -> str:
    """Return the source of a module of Python's standard library."""
    library = Path(sysconfig.get_path("stdlib"))
    file = library / f"{module}.py"
    if not file.exists():  # some modules became packages
        file = library / module / "__init__.py"
    return file.read_text(encoding="utf-8")


def encoded(text: str) -> np.ndarray:
    """Return the characters of a text as class numbers."""
    codes = np.frombuffer(text.encode("ascii", "replace"), dtype=np.uint8).astype(np.int64)
    printable = (codes >= 32) & (codes < 127)
    return np.where(printable, codes - 32, np.where(codes == 10, 95, 96))


def snippets(length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut snippets of characters at random, and say which module each comes from."""
    generator = np.random.default_rng(4)
    texts = [encoded(source(module)) for module in MODULES]
    labels = np.arange(count) % len(MODULES)
    starts = [generator.integers(len(texts[label]) - length) for label in labels]
    cut = [texts[label][at : at + length] for label, at in zip(labels, starts, strict=True)]
    return np.stack(cut), labels


@cache
def next_character() -> Sets:
    """Return eight characters and the one that follows them."""
    cut, _ = snippets(9, 32768)
    return split(classes(cut[:, :-1]), classes(cut[:, -1]), 2048)


@cache
def next_characters() -> Sets:
    """Return 16 characters and, for each, the one that follows it."""
    cut, _ = snippets(17, 16384)
    return split(classes(cut[:, :-1]), classes(cut[:, 1:]), 256)


@cache
def module_of_snippet() -> Sets:
    """Return 64 characters and which module they come from."""
    cut, labels = snippets(64, 16384)
    return split(classes(cut), classes(labels), 512)


@cache
def module_of_words() -> Sets:
    """Return 16 hashed words in a row and which module they come from."""
    generator = np.random.default_rng(5)
    texts = [
        [zlib.crc32(word.encode()) % WORDS for word in re.findall(r"\w+|[^\w\s]", source(module))]
        for module in MODULES
    ]
    labels = np.arange(16384) % len(MODULES)
    starts = [generator.integers(len(texts[label]) - 16) for label in labels]
    cut = [texts[label][at : at + 16] for label, at in zip(labels, starts, strict=True)]
    return split(classes(cut), classes(labels), 1024)


@cache
def marked_sums() -> Sets:
    """Return eight steps of a number and a mark, and the sum of the two marked numbers."""
    generator = np.random.default_rng(6)
    values = generator.uniform(-1, 1, (8192, 8))
    marks = np.argsort(generator.random(values.shape), axis=1) < 2
    sums = (values * marks).sum(axis=1)
    return split(numbers(np.stack([values, marks], axis=2)), numbers(sums)[:, None], 512)


@cache
def sines() -> Sets:
    """Return 24 points of two sines and noise, and the next eight points without noise."""
    generator = np.random.default_rng(7)
    count = 8192
    times = np.arange(32)
    waves = np.zeros((count, 32))
    for _ in range(2):
        speed = generator.uniform(0.1, 0.9, (count, 1))
        phase = generator.uniform(0, 2 * np.pi, (count, 1))
        waves += generator.uniform(0.5, 1.5, (count, 1)) * np.sin(speed * times + phase)
    noisy = waves + generator.normal(0, 0.1, waves.shape)
    return split(numbers(noisy[:, :24, None]), numbers(waves[:, 24:]), 512)
