"""The lag-free smoothing shifts nothing and is not fooled; the classic one is the classic one."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.analysis.smoothing import smooth

seeds = st.integers(0, 2**32 - 1)


def rates(n, decades=8):
    return 10.0 ** np.linspace(-7, decades - 7, n)


def noisy(seed, n):
    x = np.linspace(-1, 1, n)
    return 2 - np.exp(-8 * x**2) + np.random.default_rng(seed).normal(0, 0.1, n)


@settings(deadline=None)
@given(n=st.integers(1, 2000), level=st.floats(-1e6, 1e6))
def test_a_constant_stays_as_it_is(n, level):
    smoothed = smooth(rates(n), np.full(n, level))
    assert np.allclose(smoothed, level, rtol=1e-12, atol=1e-12)


@settings(deadline=None)
@given(n=st.integers(2, 2000), start=st.floats(-100, 100), slope=st.floats(-10, 10))
def test_a_straight_line_stays_as_it_is_up_to_both_ends(n, start, slope):
    line = start + slope * np.arange(n)
    assert np.allclose(smooth(rates(n), line), line, rtol=1e-9, atol=1e-6)


def test_a_straight_line_with_gaps_stays_as_it_is():
    line = 3.0 - 0.02 * np.arange(100)
    gaps = line.copy()
    gaps[[3, 40, 41, 42, 99]] = np.nan
    smoothed = smooth(rates(100), gaps)
    assert np.isnan(smoothed).tolist() == np.isnan(gaps).tolist()
    assert np.allclose(smoothed[~np.isnan(gaps)], line[~np.isnan(gaps)])


@settings(deadline=None)
@given(seed=seeds, n=st.integers(5, 800), factor=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_scaling_and_shifting_the_loss_scales_and_shifts_the_line(seed, n, factor, shift):
    losses = noisy(seed, n)
    expected = factor * smooth(rates(n), losses) + shift
    assert np.allclose(smooth(rates(n), factor * losses + shift), expected, atol=1e-7 * factor)


@pytest.mark.parametrize("n", [21, 101, 1001, 10_001])
def test_the_minimum_of_a_symmetric_valley_stays_at_its_place(n):
    losses = 1 + np.linspace(-1, 1, n) ** 2
    off = abs(int(np.argmin(smooth(rates(n), losses))) - n // 2)
    assert off <= n // 500
    assert int(np.argmin(smooth(rates(n), losses, beta=0.9))) > n // 2


def test_noise_shrinks_and_the_curve_keeps_its_shape():
    x = np.linspace(-1, 1, 300)
    clean = 2 - np.exp(-8 * x**2)
    losses = noisy(0, 300)
    smoothed = smooth(rates(300), losses)
    assert np.std(smoothed - clean) < 0.45 * np.std(losses - clean)


@pytest.mark.parametrize("last", [[30.0], [4.0, 1e6], [4.0, 60.0, 1e30]], ids=str)
def test_a_blow_up_at_the_end_does_not_leak_into_the_valley(last):
    valley = 2.3 - 1.7 / (1 + np.exp(-np.linspace(-6, 6, 90)))
    alone = smooth(rates(90), valley)
    with_end = smooth(rates(90 + len(last)), [*valley, *last])
    assert np.abs(with_end[:90] - alone).max() < 0.05
    assert with_end[-1] > 1.5


@pytest.mark.parametrize("spike", [50.0, -50.0])
def test_a_single_outlier_is_ignored(spike):
    losses = noisy(1, 200)
    alone = smooth(rates(200), losses)
    losses[80] = spike
    assert np.abs(smooth(rates(200), losses) - alone).max() < 0.1


@pytest.mark.parametrize("step", [0.7, -0.7])
def test_an_odd_batch_within_the_range_of_losses_is_ignored_too(step):
    x = np.linspace(-1, 1, 200)
    losses = 2 - np.exp(-8 * x**2) + np.random.default_rng(4).normal(0, 0.01, 200)
    alone = smooth(rates(200), losses)
    losses[30] += step
    assert np.abs(smooth(rates(200), losses) - alone).max() < 0.01


def test_what_is_not_finite_is_missing_and_moves_no_other_point_much():
    losses = noisy(2, 100)
    alone = smooth(rates(100), losses)[:98]
    losses[98:] = [math.nan, math.inf]
    smoothed = smooth(rates(100), losses)
    assert np.isnan(smoothed[98:]).all()
    assert np.abs(smoothed[:98] - alone).max() < 0.2
    assert np.isnan(smooth(rates(3), [math.nan] * 3)).all()


def test_no_points_give_an_empty_line():
    assert smooth([], []).shape == (0,)


def test_the_classic_average_is_debiased():
    losses = [4.0, 2.0, 3.0]
    averages = [
        4.0,
        (0.9 * 0.1 * 4 + 0.1 * 2) / (1 - 0.9**2),
        (0.9**2 * 0.1 * 4 + 0.9 * 0.1 * 2 + 0.1 * 3) / (1 - 0.9**3),
    ]
    assert np.allclose(smooth(rates(3), losses, beta=0.9), averages)
    assert smooth(rates(3), losses, beta=0.0).tolist() == losses


def test_the_classic_average_goes_on_after_a_gap():
    smoothed = smooth(rates(4), [4.0, math.nan, 2.0, math.inf], beta=0.5)
    assert np.isnan(smoothed).tolist() == [False, True, False, True]
    assert smoothed[2] == pytest.approx((0.25 * 4 + 0.5 * 2) / 0.75)


def test_ten_thousand_points_take_less_than_fifty_milliseconds():
    losses = noisy(3, 10_000)
    assert min(seconds_for(losses) for _ in range(7)) < 0.05


def seconds_for(losses):
    start = time.perf_counter()
    smooth(rates(len(losses)), losses)
    return time.perf_counter() - start
