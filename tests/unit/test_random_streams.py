"""The process's generators, exchanged beneath a thread that draws from them."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from lrfinder_widget.switch_interval import quick_thread_switching
from lrfinder_widget.training.other_threads import OtherThreads
from lrfinder_widget.training.random_streams import RandomStreams

pytestmark = pytest.mark.usefixtures("one_torch_thread")

DRAWS = {
    "torch": lambda: torch.rand(1, dtype=torch.float64).item(),
    "NumPy": np.random.rand,
    "NumPy, many at once": lambda: np.random.rand(20_000)[-1],
    "random": random.random,
    "random, in pairs": lambda: random.gauss(0, 1),
}


def states():
    return torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate()


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_thread_that_draws_all_the_time_never_draws_a_number_twice(draw):
    drawn, end = [], threading.Event()

    def keep_drawing():
        while not end.is_set():
            drawn.append(draw())

    streams = RandomStreams(OtherThreads())
    drawing = threading.Thread(target=keep_drawing)
    with quick_thread_switching():
        drawing.start()
        rounds = 0
        while rounds < 300 or len(drawn) < 200:
            streams.enter()
            sum(range(1000))
            streams.leave()
            rounds += 1
        end.set()
        drawing.join()
    drawn += [draw() for _ in range(2000)]
    # A draw of torch's that lost the processor just before its lock cannot be waited for.
    assert len(drawn) - len(set(drawn)) <= (3 if draw is DRAWS["torch"] else 0)
    assert len(streams.moved_by_others()) == 1


def test_a_pending_half_of_a_pair_belongs_to_its_own_stream():
    random.seed(3)
    expected = [random.gauss(0, 1) for _ in range(4)]
    random.seed(3)
    streams = RandomStreams(OtherThreads())
    drawn = []
    for _ in range(4):
        drawn.append(random.gauss(0, 1))
        streams.enter()
        random.gauss(0, 1)
        streams.leave()
    assert drawn == expected


def test_what_is_drawn_inside_leaves_the_generators_where_they_stood():
    random.gauss(0, 1)
    np.random.randn()
    before = states()
    streams = RandomStreams(OtherThreads())
    for _ in range(5):
        streams.enter()
        for draw in DRAWS.values():
            draw()
        streams.leave()
    assert states() == before
    assert streams.moved_by_others() == []


def test_the_sweeps_own_stream_goes_on_from_slice_to_slice():
    def inside(slices):
        streams = RandomStreams(OtherThreads(), seed=4)
        drawn = []
        for size in slices:
            streams.enter()
            drawn += [draw() for _ in range(size) for draw in DRAWS.values()]
            streams.leave()
        return drawn

    assert inside([6]) == inside([1, 2, 3])
    assert len(set(inside([20]))) == 100


def test_a_draw_after_the_last_slice_is_noticed():
    streams = RandomStreams(OtherThreads())
    streams.enter()
    streams.leave()
    torch.rand(1)
    assert streams.moved_by_others() == ["torch (cpu)"]


def lengths_of_slices(streams):
    found = []
    for _ in range(7):
        found.append(streams.seconds)
        streams.enter()
        streams.leave()
    return found


def test_each_slice_is_twice_as_long_as_the_one_before_up_to_a_second():
    streams = RandomStreams(OtherThreads())
    assert lengths_of_slices(streams) == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_slices_stay_short_where_it_cannot_be_seen_that_a_cell_runs():
    others = OtherThreads()
    others.unseen = True
    assert max(lengths_of_slices(RandomStreams(others))) == pytest.approx(0.2)


def test_whether_a_cell_runs_is_unseen_beside_the_main_thread_alone_without_its_clock(monkeypatch):
    monkeypatch.delattr(time, "pthread_getcpuclockid", raising=False)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(OtherThreads).result().unseen
    assert not OtherThreads().unseen
