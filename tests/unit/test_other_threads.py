"""Whether the main thread ran beside a sweep, judged from another thread."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lrfinder_widget.training.other_threads import OtherThreads, waiting_for_sweeps

pytestmark = pytest.mark.skipif(
    not hasattr(time, "pthread_getcpuclockid"), reason="no thread's processor time can be read"
)


@pytest.fixture
def others():
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(OtherThreads).result()


def compute():
    assert sum(range(100_000)) > 0


def test_what_it_computes_after_the_mark_is_seen(others):
    others.mark()
    compute()
    assert others.ran()


def test_what_it_spends_in_a_wait_for_a_sweep_is_not_counted(others):
    with waiting_for_sweeps():
        others.mark()
        compute()
        assert not others.ran()


def test_what_it_computed_before_the_wait_is_seen_in_it(others):
    others.mark()
    compute()
    with waiting_for_sweeps():
        assert others.ran()


def test_that_it_goes_on_after_the_wait_is_seen(others):
    with waiting_for_sweeps():
        others.mark()
    compute()
    assert others.ran()


def test_a_wait_of_another_thread_hides_nothing(others):
    def wait_elsewhere():
        with waiting_for_sweeps():
            others.mark()
            yield
            yield

    with ThreadPoolExecutor(1) as pool:
        waiting = wait_elsewhere()
        pool.submit(next, waiting).result()
        compute()
        assert others.ran()
        pool.submit(next, waiting).result()
