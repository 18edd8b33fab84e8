"""How fast a sweep goes, and when it counts as slowed."""

import pytest

from lrfinder_widget.pace import Pace


def paced(*steps):
    pace = Pace()
    for seconds in steps:
        pace.step(seconds)
    return pace


def test_nothing_is_known_before_the_second_step():
    assert paced().seconds_a_step is None
    assert paced(9.0).seconds_a_step is None


def test_the_first_step_prepares_and_does_not_count():
    assert paced(9.0, 0.1, 0.3).seconds_a_step == pytest.approx(0.2)


def test_only_the_last_steps_count():
    assert paced(9.0, *[1.0] * 8, *[0.5] * 8).seconds_a_step == pytest.approx(0.5)


def test_steps_that_take_several_times_as_long_are_slowed():
    fast = [0.001] * 10
    assert not paced(*fast, *[0.003] * 8).slowed
    assert paced(*fast, *[0.02] * 8).slowed
    assert not paced(*fast, *[0.02] * 8, *fast).slowed


def test_what_nobody_notices_is_not_slowed():
    assert not paced(*[1e-5] * 10, *[1e-3] * 8).slowed


def test_a_pause_is_not_taken_for_slowness():
    pace = paced(*[0.001] * 10, *[0.02] * 8)
    pace.interrupted()
    assert (pace.slowed, pace.seconds_a_step) == (False, None)
