"""One call seeds Python, NumPy and torch."""

import random

import numpy as np
import pytest
import torch

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.seeding import seed_everything


@pytest.fixture(autouse=True)
def _generators_put_back():
    python, numpy, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(torch_state)


def draws():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_the_same_seed_gives_the_same_draws_from_all_three():
    seed_everything(5)
    first = draws()
    draws()
    seed_everything(5)
    assert draws() == first


def test_another_seed_gives_other_draws_from_each():
    seed_everything(5)
    first = draws()
    seed_everything(6)
    assert all(a != b for a, b in zip(first, draws(), strict=True))


@pytest.mark.parametrize("seed", [0, 2**32 - 1, np.int64(3)])
def test_the_seed_is_returned_as_an_int(seed):
    returned = seed_everything(seed)
    assert returned == seed
    assert type(returned) is int


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (-1, r"between 0 and 2\*\*32 - 1 \(got -1\)"),
        (2**32, r"between 0 and 2\*\*32 - 1 \(got 4294967296\)"),
        (True, r"seed must be a whole number \(got True, of type bool\)"),
        (np.bool_(1), "whole number"),
        (1.0, r"seed must be a whole number \(got 1.0, of type float\)"),
        ("7", r"seed must be a whole number \(got '7', of type str\)"),
        (None, "seed must be a whole number"),
    ],
)
def test_a_bad_seed_is_refused_in_words_and_seeds_nothing(seed, words):
    seed_everything(5)
    expected = draws()
    seed_everything(5)
    with pytest.raises(SettingsError, match=words):
        seed_everything(seed)
    assert draws() == expected
