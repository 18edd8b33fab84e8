"""How fast a sweep goes, and when it counts as slowed."""

import pytest

from lrfinder_widget.pace import Pace


def paced(*durations, steps=1):
    """Look after every so many steps, which took as long as `durations` say."""
    pace = Pace()
    pace.begin(100.0, 1)
    now = 100.0
    for number, seconds in enumerate(durations):
        now += seconds
        pace.look(now, 1 + steps * (number + 1))
    return pace


def test_nothing_is_known_before_a_step():
    assert Pace().seconds_a_step is None
    assert paced().seconds_a_step is None


def test_the_steps_are_averaged():
    assert paced(0.1, 0.3).seconds_a_step == pytest.approx(0.2)
    assert paced(0.1, 0.3, steps=10).seconds_a_step == pytest.approx(0.02)


def test_only_the_last_steps_count():
    assert paced(9.0, *[1.0] * 8, *[0.5] * 8).seconds_a_step == pytest.approx(0.5)


def test_steps_that_take_several_times_as_long_are_slowed():
    fast = [0.001] * 10
    assert not paced(*fast, *[0.003] * 8).slowed
    assert paced(*fast, *[0.02] * 8).slowed
    assert not paced(*fast, *[0.02] * 8, *fast).slowed


def test_what_nobody_notices_is_not_slowed():
    assert not paced(*[1e-5] * 10, *[1e-3] * 8).slowed


def test_a_cell_that_begins_to_spin_with_the_sweep_slows_it():
    pace = Pace()
    pace.begin(100.0, 1)
    pace.look(100.12, 22)  # twenty steps of half a millisecond, and one beside the cell
    pace.look(100.23, 23)
    pace.look(100.34, 24)
    assert pace.slowed


def test_a_pause_is_not_taken_for_slowness():
    pace = paced(*[0.001] * 18)
    pace.begin(200.0, 19)
    assert (pace.slowed, pace.seconds_a_step) == (False, pytest.approx(0.001))
    pace.look(200.008, 23)
    assert pace.seconds_a_step == pytest.approx(0.002)


def test_the_first_step_of_another_sweep_says_little_of_those_to_come():
    pace = paced(*[0.01] * 18)
    pace.begin(200.0, 20)
    pace.look(200.9, 21)
    assert pace.seconds_a_step == pytest.approx(0.01)
