"""A blow-up ends a sweep at once, noise does not, and negative losses are judged fairly."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.divergence import Divergence, recent_average

seeds = st.integers(0, 2**32 - 1)


def stopped_at(losses, threshold=4.0):
    divergence = Divergence(threshold)
    for index, loss in enumerate(losses):
        if divergence.update(float(loss)):
            return index
    return None


def falling(n=80, start=2.3, end=0.5):
    return end + (start - end) / (1 + np.exp(np.linspace(-5, 5, n)))


def test_the_recent_average_is_the_median_of_three():
    for a, b, c in [(1, 2, 3), (3, 1, 2), (2, 3, 1), (1, 3, 2), (2, 2, 1), (5, 5, 5)]:
        assert recent_average(a, b, c) == sorted((a, b, c))[1]


def test_a_loss_stops_the_sweep_one_point_after_it_has_passed_the_multiple_of_the_best():
    losses = [1.0, 0.5, 0.5, 0.5, 1.9, 1.99, 2.01, 2.02]
    assert stopped_at(losses, threshold=4.0) == 7
    assert stopped_at(losses, threshold=3.0) == 5


def test_one_noisy_batch_does_not_stop_the_sweep():
    losses = falling()
    losses[40] = 10 * losses[40]
    losses[60] = 20 * losses[60]
    assert stopped_at(losses) is None


def test_a_jump_of_orders_of_magnitude_stops_at_once():
    losses = [*falling(), 1e4]
    assert stopped_at(losses) == 80
    assert stopped_at([2.3, 1e6]) == 1
    assert stopped_at([-2.3, -2.4, 1e6]) == 2


def test_a_steady_blow_up_stops_within_three_points_of_the_limit():
    losses = np.concatenate([falling(), 0.5 * 1.5 ** np.arange(30)])
    passed = next(i for i in range(80, len(losses)) if losses[i] > 4 * losses.min())
    assert passed <= stopped_at(losses) <= passed + 3


def test_one_lucky_batch_at_the_start_sets_no_mark():
    assert stopped_at([0.2, *[2.3] * 50]) is None


def test_none_switches_the_test_off():
    assert stopped_at([1.0, 1e9, math.inf, math.nan], threshold=None) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_has_diverged(loss):
    assert stopped_at([1.0, loss]) == 1


def test_a_loss_close_to_zero_may_wiggle():
    wiggle = 1e-6 * (1 + 50 * (np.arange(60) % 7 > 3))
    assert stopped_at([*falling(end=1e-6), *wiggle]) is None


def test_losses_of_exactly_zero_do_not_stop_the_sweep():
    assert stopped_at([*falling(end=0.0), *[0.0] * 20, *[0.02] * 3]) is None
    assert stopped_at([0.0] * 20) is None


@pytest.mark.parametrize("shift", [-1.5, -100.0, -10_000.0])
def test_negative_losses_do_not_stop_a_sweep_but_their_blow_up_does(shift):
    noise = np.random.default_rng(0).normal(0, 0.1, 80)
    healthy = falling() + shift + noise
    assert stopped_at(healthy) is None
    rise = (abs(shift) + 10) * 2.0 ** np.arange(8)
    at = stopped_at([*healthy, *(healthy[-1] + rise)])
    assert at is not None
    assert at >= 80


def test_a_loss_that_passes_through_zero_does_not_stop_the_sweep():
    noise = np.random.default_rng(1).normal(0, 0.3, 200)
    assert stopped_at(np.linspace(20, -30, 200) + noise) is None


@settings(deadline=None)
@given(seed=seeds, spread=st.floats(0, 0.3), n=st.integers(5, 300), end=st.floats(0.0, 2.0))
def test_healthy_noisy_curves_do_not_stop(seed, spread, n, end):
    noise = np.exp(np.random.default_rng(seed).normal(0, spread, n))
    assert stopped_at(falling(n, end=end) * noise) is None


@settings(deadline=None)
@given(
    seed=seeds, spread=st.floats(0, 1), n=st.integers(5, 300), shift=st.floats(-1e3, -3, width=32)
)
def test_healthy_negative_curves_do_not_stop(seed, spread, n, shift):
    noise = np.random.default_rng(seed).normal(0, spread, n)
    assert stopped_at(falling(n) + shift + noise) is None


@settings(deadline=None)
@given(seed=seeds, exponent=st.integers(-40, 40), growth=st.floats(1.02, 10))
def test_scaling_positive_losses_does_not_matter(seed, exponent, growth):
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.3, 160))
    losses = np.concatenate([falling(), 0.5 * growth ** np.arange(80)]) * noise
    # A power of two scales without rounding.
    assert stopped_at(losses) == stopped_at(losses * 2.0**exponent)


def test_an_update_costs_next_to_nothing():
    losses = falling(10_000).tolist()
    fastest = min(seconds_for(losses) for _ in range(5))
    assert fastest / len(losses) < 5e-6


def seconds_for(losses):
    update = Divergence(4.0).update
    start = time.perf_counter()
    for loss in losses:
        update(loss)
    return time.perf_counter() - start


def test_losses_that_could_not_diverge_still_lower_the_mark():
    lucky_batch_then_plateau = [1.8] * 4 + [1.0] + [1.8] * 6
    descent_then_rise = [1.1] * 5 + [2.5] * 3
    assert stopped_at(lucky_batch_then_plateau + [2.5] * 3, 2.0) is None
    assert stopped_at(lucky_batch_then_plateau + descent_then_rise, 2.0) == 17
