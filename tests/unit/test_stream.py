"""The stream of points: each once and in order, whatever a page asks."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrfinder_widget.widget import stream as module
from lrfinder_widget.widget.stream import Points, PointStream


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


class Page:
    """Keeps what it is sent, as a page does."""

    def __init__(self):
        self.messages = []
        self.losses = []
        self.line = []

    def send(self, content, buffers):
        self.messages.append(content)
        if content["kind"] == "points":
            numbers = struct.unpack(f"<{2 * content['count']}d", buffers[0])
            assert content["offset"] <= len(self.losses)
            self.losses[content["offset"] :] = numbers[1::2]
        elif content["kind"] == "smoothed":
            assert content["offset"] <= len(self.line)
            self.line[content["offset"] :] = struct.unpack(f"<{content['count']}d", buffers[0])

    def kinds(self):
        return [content["kind"] for content in self.messages]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def stream_to(page):
    stream = PointStream(page.send, lambda _lrs, losses, _starts: losses)
    stream.begin(1)
    return stream


def test_points_go_at_most_twenty_times_a_second_each_time_all_since_the_last(clock):
    page = Page()
    stream = stream_to(page)
    lrs, losses = [], []
    for index in range(1000):  # a second, a point in each millisecond
        lrs.append(1.0)
        losses.append(float(index))
        stream.push_if_due(Points(lrs, losses), None)
        clock.now += 0.001
    assert 15 <= page.kinds().count("points") <= 21
    assert 3 <= page.kinds().count("smoothed") <= 5
    stream.flush(Points(lrs, losses))
    assert page.losses == losses
    assert page.kinds()[-1] == "smoothed"


def test_a_flush_sends_no_point_twice(clock):
    page = Page()
    stream = stream_to(page)
    stream.flush(Points([1.0], [2.0]))
    stream.flush(Points([1.0], [2.0]))
    assert page.kinds().count("points") == 1


@given(have=st.integers(0, 12), run=st.integers(0, 2), count=st.integers(0, 10))
def test_an_answer_makes_a_page_whole(have, run, count):
    page = Page()
    stream = stream_to(page)
    losses = [float(index) for index in range(count)]
    page.losses = losses[:have] if run == 1 else []
    fields = {"run": run, "have": have, "smoothed": False}
    stream.answer(fields, Points([1.0] * count, losses), None)
    assert page.losses == losses
    assert len(page.messages) == (count > (have if run == 1 else 0))


def test_lists_that_grow_meanwhile_are_cut_to_whole_points():
    page = Page()
    stream = stream_to(page)
    points = Points([1.0, 1.0], [5.0])
    stream.answer({"run": 1, "have": 0, "smoothed": True}, points, None)
    stream.push_smoothed(points)
    assert page.losses == [5.0]
    assert [content["count"] for content in page.messages] == [1, 1, 1]


def test_of_the_smoothed_line_only_what_changed_is_sent(clock):
    page = Page()
    line = [float(index) for index in range(50)]
    stream = PointStream(page.send, lambda _lrs, losses, _starts: line[: len(losses)])
    stream.begin(1)
    stream.flush(Points([1.0] * 50, [0.0] * 50))
    line = [*line[:45], *[value + 1 for value in line[45:]], *range(50, 60)]
    stream.flush(Points([1.0] * 60, [0.0] * 60))
    assert (page.messages[-1]["offset"], page.messages[-1]["count"]) == (45, 15)
    assert page.line == line


def test_small_changes_of_the_smoothed_line_do_not_add_up(clock):
    page = Page()
    line = [float(index) for index in range(100)]
    stream = PointStream(page.send, lambda *_: line)
    stream.begin(1)
    for _ in range(50):
        stream.flush(Points([1.0] * 100, [0.0] * 100))
        line = [value + 0.01 for value in line]
    assert max(abs(a - b) for a, b in zip(page.line, line, strict=True)) < 0.2


def test_each_sweep_is_smoothed_by_itself_and_only_until_it_has_ended(clock):
    page = Page()
    asked = []

    def smooth(_lrs, losses, starts):
        asked.append((len(losses), list(starts)))
        return [value + 0.5 for value in losses]

    stream = PointStream(page.send, smooth)
    stream.begin(1)
    losses = [float(index) for index in range(30)]
    lrs = [1.0] * 30
    stream.flush(Points(lrs[:8], losses[:8]))
    stream.flush(Points(lrs[:13], losses[:13], [0, 10]))
    stream.flush(Points(lrs[:21], losses[:21], [0, 10, 20]))
    stream.flush(Points(lrs, losses, [0, 10, 20]))
    assert asked == [(8, [0]), (13, [0, 10]), (11, [0, 10]), (10, [0])]
    assert page.line == [value + 0.5 for value in losses]
    stream.push_smoothed(Points(lrs, losses, [0, 10, 20]))
    assert asked[-1] == (30, [0, 10, 20])


def test_points_say_where_the_sweeps_that_have_begun_begin():
    page = Page()
    stream = stream_to(page)
    fields = {"run": 1, "have": 0, "smoothed": False}
    stream.answer(fields, Points([1.0] * 6, [2.0] * 5, [0, 3, 5]), None)
    assert page.messages[-1]["starts"] == [0, 3]
