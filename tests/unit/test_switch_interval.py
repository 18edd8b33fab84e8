"""The interpreter's switch interval is the process's: lowered for a while, put back."""

import sys

import pytest

from lrfinder_widget.switch_interval import quick_thread_switching


@pytest.fixture(autouse=True)
def _interval():
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_it_is_lowered_inside_and_put_back_after():
    sys.setswitchinterval(0.005)
    with quick_thread_switching():
        assert sys.getswitchinterval() == pytest.approx(2e-4)
    assert sys.getswitchinterval() == pytest.approx(0.005)


def test_the_last_of_several_blocks_puts_it_back():
    sys.setswitchinterval(0.004)
    first, second = quick_thread_switching(), quick_thread_switching()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(2e-4)
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(0.004)


def test_it_is_put_back_after_an_error():
    sys.setswitchinterval(0.005)
    with pytest.raises(KeyError), quick_thread_switching():
        raise KeyError
    assert sys.getswitchinterval() == pytest.approx(0.005)


def test_a_lower_one_stays():
    sys.setswitchinterval(1e-5)
    with quick_thread_switching():
        assert sys.getswitchinterval() == pytest.approx(1e-5)
    assert sys.getswitchinterval() == pytest.approx(1e-5)


def test_whoever_sets_it_meanwhile_keeps_what_they_set():
    with quick_thread_switching():
        sys.setswitchinterval(0.01)
    assert sys.getswitchinterval() == pytest.approx(0.01)
