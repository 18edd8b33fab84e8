"""When a growing curve shows enough for a suggestion."""

import numpy as np
import pytest

from lrfinder_widget.analysis.smoothing import smooth
from lrfinder_widget.analysis.turning import has_fallen, has_turned

EXPONENTS = np.linspace(-7, 1, 100)
DESCENT = 2.3 - 1.75 / (1 + np.exp(-2.2 * (EXPONENTS + 2.6)))
VALLEY = DESCENT + 0.35 * np.exp(3.4 * (EXPONENTS + 0.35))


def turned(losses):
    lrs = 10 ** EXPONENTS[: len(losses)]
    return has_turned(losses, smooth(lrs, losses))


def noisy(losses, seed):
    return losses + 0.1 * np.random.default_rng(seed).normal(size=len(losses))


def test_a_plateau_has_not_turned_however_its_noise_wavers():
    wavers = [turned(noisy(np.full(60, 2.3), seed)) for seed in range(50)]
    assert sum(wavers) <= 2


@pytest.mark.parametrize("seed", range(5))
def test_a_descent_has_not_turned(seed):
    assert not turned(noisy(DESCENT[:70], seed))


@pytest.mark.parametrize("seed", range(5))
def test_a_curve_that_comes_back_up_has_turned(seed):
    back = int(np.flatnonzero(VALLEY[70:] > 1.5)[0]) + 70
    assert turned(noisy(VALLEY[:back], seed))


def test_a_curve_that_only_rises_has_not_turned():
    assert not turned(np.linspace(1, 5, 80))


def test_a_few_points_or_losses_that_are_not_finite_have_not_turned():
    assert not turned(np.array([3.0, 1.0, 2.0]))
    assert not turned(np.full(50, np.nan))


def fallen(losses):
    return has_fallen(losses, smooth(10 ** EXPONENTS[: len(losses)], losses))


@pytest.mark.parametrize("seed", range(5))
def test_a_descent_has_fallen_and_a_plateau_has_not(seed):
    assert fallen(noisy(DESCENT[:70], seed))
    assert not fallen(noisy(np.full(60, 2.3), seed))
