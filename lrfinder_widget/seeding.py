"""Seed every random generator that training draws from."""

from __future__ import annotations

import random
from numbers import Integral
from typing import Any

import numpy as np
import torch

from lrfinder_widget.errors import SettingsError

_MAX_SEED = 2**32 - 1  # NumPy's global generator takes no larger one


def seed_everything(seed: int) -> int:
    """Seed Python, NumPy and torch, on the CPU and on every accelerator.

    Parameters
    ----------
    seed
        A whole number from 0 to 2**32 - 1.

    Returns
    -------
    int
        The seed.

    Raises
    ------
    SettingsError
        If `seed` is not such a number; then nothing is seeded.

    Examples
    --------
    >>> seed_everything(7)
    7
    """
    number = _checked(seed)
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - the global generator is what user code draws from
    torch.manual_seed(number)  # seeds CUDA and MPS as well
    return number


def _checked(seed: Any) -> int:
    # bool is a number to Python, but True as a seed is a slip.
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise SettingsError(
            f"seed must be a whole number (got {seed!r}, of type {type(seed).__name__})"
        )
    number = int(seed)
    if not 0 <= number <= _MAX_SEED:
        raise SettingsError(f"seed must lie between 0 and 2**32 - 1 (got {number})")
    return number
