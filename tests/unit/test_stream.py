"""The stream of points: each once and in order, whatever a page asks."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrfinder_widget.points import Point, Points
from lrfinder_widget.widget import stream as module
from lrfinder_widget.widget.stream import PointStream, Shown


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


class Page:
    """Keeps what it is sent, as a page does."""

    def __init__(self):
        self.messages = []
        self.numbers = 0
        self.columns = {"losses": []}
        self.line = []

    @property
    def losses(self):
        return self.columns["losses"]

    def send(self, content, buffers):
        self.messages.append(content)
        names = content.get("columns", ["line"])
        count, offset = content["count"], content["offset"]
        block = struct.unpack(f"<{count * len(names)}f", buffers[0])
        self.numbers += len(block)
        if content["kind"] == "smoothed":
            assert offset <= len(self.line)
            self.line[offset:] = block
            return
        have = len(self.losses)
        assert offset <= have
        for at, name in enumerate(names):
            held = self.columns.setdefault(name, [math.nan] * have)
            held[offset:] = block[at * count : (at + 1) * count]

    def kinds(self):
        return [content["kind"] for content in self.messages]


def points_of(losses, starts=(0,), **measured):
    points = Points()
    for index, loss in enumerate(losses):
        others = {name: values[index] for name, values in measured.items()}
        points.append(Point(index, 1.0, loss, **others))
    return Shown(points, starts)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def stream_to(page):
    stream = PointStream(page.send, lambda _lrs, losses, _starts: losses)
    stream.begin(1)
    return stream


def push(stream, shown):
    stream.push_points(shown)
    stream.push_line(shown)


def test_each_message_brings_all_points_since_the_last_and_few_a_smoothed_line(clock):
    page = Page()
    stream = stream_to(page)
    shown = points_of([])
    for index in range(1000):  # a second, a point in each millisecond
        shown.points.append(Point(index, 1.0, float(index)))
        if index % 50 == 0:
            stream.push_new(shown, None)
        clock.now += 0.001
    assert page.kinds().count("points") == 20
    assert page.losses == shown.points.losses[:951]
    assert 3 <= page.kinds().count("smoothed") <= 5
    push(stream, shown)
    assert page.losses == shown.points.losses
    assert page.kinds()[-1] == "smoothed"


@pytest.mark.parametrize("window", [3, 20, 70, 400])
def test_a_line_that_rewrites_its_past_is_sent_twice_at_most(clock, window):
    page = Page()

    def smooth(_lrs, losses, _starts):
        end = len(losses)
        return [loss if end - at > window else loss + end for at, loss in enumerate(losses)]

    stream = PointStream(page.send, smooth)
    stream.page_seen = True
    stream.begin(1)
    shown = points_of([])
    for index in range(3000):
        shown.points.append(Point(index, 1.0, float(index % 7)))
        if index % 5 == 0:
            stream.push_new(shown, None)
        clock.now += 0.01
    assert page.numbers <= 4 * 3000
    assert len(page.line) >= 3000 - window - 25


def test_a_page_that_missed_the_beginning_and_cannot_ask_is_whole_when_the_points_have_doubled(
    clock,
):
    shown = points_of([])
    everything, late = Page(), Page()

    def send(content, buffers):
        everything.send(content, buffers)
        held = late.line if content["kind"] == "smoothed" else late.losses
        if len(shown.points) > 50 and content["offset"] <= len(held):
            late.send(content, buffers)

    stream = PointStream(send, lambda _lrs, losses, _starts: losses)
    stream.begin(1)
    for index in range(101):
        shown.points.append(Point(index, 1.0, float(index)))
        stream.push_new(shown, None)
        clock.now += 0.05
    assert late.losses == shown.points.losses
    assert len(late.line) > 90
    assert everything.numbers <= 3 * 3 * 101  # three numbers a point, each three times at most


def test_what_is_sent_at_last_holds_no_point_twice(clock):
    page = Page()
    stream = stream_to(page)
    push(stream, points_of([2.0]))
    push(stream, points_of([2.0]))
    assert page.kinds() == ["points", "smoothed"]


@given(have=st.integers(0, 12), run=st.integers(0, 2), count=st.integers(0, 10))
def test_an_answer_makes_a_page_whole(have, run, count):
    page = Page()
    stream = stream_to(page)
    losses = [float(index) for index in range(count)]
    page.columns["losses"] = losses[:have] if run == 1 else []
    fields = {"run": run, "have": have, "smoothed": False}
    stream.answer(fields, points_of(losses), None)
    assert page.losses == losses
    assert len(page.messages) == (count > (have if run == 1 else 0))


def test_of_the_smoothed_line_only_what_changed_is_sent(clock):
    page = Page()
    line = [float(index) for index in range(50)]
    stream = PointStream(page.send, lambda _lrs, losses, _starts: line[: len(losses)])
    stream.begin(1)
    push(stream, points_of([0.0] * 50))
    line = [*line[:45], *[value + 1 for value in line[45:]], *range(50, 60)]
    push(stream, points_of([0.0] * 60))
    assert (page.messages[-1]["offset"], page.messages[-1]["count"]) == (45, 15)
    assert page.line == line


def test_small_changes_of_the_smoothed_line_do_not_add_up(clock):
    page = Page()
    line = [float(index) for index in range(100)]
    stream = PointStream(page.send, lambda *_: line)
    stream.begin(1)
    for _ in range(50):
        push(stream, points_of([0.0] * 100))
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
    push(stream, points_of(losses[:8]))
    push(stream, points_of(losses[:13], [0, 10]))
    push(stream, points_of(losses[:21], [0, 10, 20]))
    push(stream, points_of(losses, [0, 10, 20]))
    assert asked == [(8, [0]), (13, [0, 10]), (11, [0, 10]), (10, [0])]
    assert page.line == [value + 0.5 for value in losses]
    stream.push_smoothed(points_of(losses, [0, 10, 20]))
    assert asked[-1] == (30, [0, 10, 20])


def test_points_say_where_the_sweeps_that_have_begun_begin():
    page = Page()
    stream = stream_to(page)
    fields = {"run": 1, "have": 0, "smoothed": False}
    stream.answer(fields, points_of([2.0] * 5, [0, 3, 5]), None)
    assert page.messages[-1]["starts"] == [0, 3]


def test_what_was_measured_besides_the_loss_is_sent_from_its_first_finite_value_on(clock):
    page = Page()
    stream = stream_to(page)
    nan = math.nan
    norms, validation = [nan, nan, 0.5, nan], [nan, nan, nan, 2.0]
    shown = points_of([1.0] * 4, grad_norm=norms, val_loss=validation)
    stream.push_points(Shown(shown.points.part(0, 2)))
    stream.push_points(Shown(shown.points.part(0, 3)))
    stream.push_points(shown)
    assert [content["columns"] for content in page.messages] == [
        ["lrs", "losses"],
        ["lrs", "losses", "grad_norms"],
        ["lrs", "losses", "val_losses", "grad_norms"],
    ]
    assert page.columns["grad_norms"] == pytest.approx(norms, nan_ok=True)
    assert page.columns["val_losses"] == pytest.approx(validation, nan_ok=True)
    stream.begin(2)
    stream.push_points(points_of([1.0]))
    assert page.messages[-1]["columns"] == ["lrs", "losses"]


def test_a_page_that_comes_late_gets_every_column(clock):
    stream = stream_to(Page())
    shown = points_of([1.0] * 3, grad_norm=[0.5, math.nan, math.nan])
    stream.push_points(shown)
    late = Page()
    stream._send = late.send
    stream.answer({"run": 0, "have": 0, "smoothed": False}, shown, None)
    assert late.messages[-1]["columns"] == ["lrs", "losses", "grad_norms"]
