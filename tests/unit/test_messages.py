"""Requests of a page: each is what it should be, or refused."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.schedules import KINDS as SCHEDULES
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.widget.messages import (
    PAGE_SETTINGS,
    BadMessageError,
    Request,
    exact_block,
    live_block,
    parse_request,
    parse_selection,
    request_id,
    with_columns,
)

KINDS = [
    "hello", "resync", "run", "pause", "resume", "stop", "configure", "apply", "undo", "picture",
    "code", "save_picture",
]  # fmt: skip
FIELDS = ["kind", "id", "run", "have", "smoothed", "settings", "lr", "binary", "schedule"]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([10**400, -(10**400), 2**53, 2**53 + 1, 5e-324])
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
settings_like = st.dictionaries(
    st.sampled_from([*PAGE_SETTINGS, "rule", "seed", "__class__"]), anything, max_size=4
)
requests_like = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS) | anything, "id": st.integers(0, 9) | anything},
    optional={
        name: anything | st.integers(0, 9) | st.booleans() | settings_like for name in FIELDS[2:]
    },
)


@given(anything | requests_like)
def test_anything_is_a_request_or_refused(content):
    try:
        request = parse_request(content)
    except BadMessageError as problem:
        told = str(problem)
    else:
        assert request.id == request_id(content)
        assert request.kind in KINDS
        assert 0 < request.fields.get("lr", 1.0) < math.inf
        return
    assert 0 < len(told) < 400


@given(settings_like)
def test_settings_of_a_page_are_used_or_refused(changes):
    content = {"kind": "configure", "id": 1, "settings": changes}
    try:
        settings = SweepSettings().replace(**parse_request(content).fields["settings"])
    except (BadMessageError, SettingsError):
        return
    assert 0 < settings.start_lr < settings.end_lr < math.inf


@given(anything)
def test_anything_is_a_selection_or_refused(value):
    try:
        selection = parse_selection(value, ["auto"])
    except BadMessageError:
        return
    assert selection == {"rule": "auto"} or 0 < selection["lr"] < math.inf


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({"kind": "hello"}, {"binary": None}),
        ({"kind": "hello", "binary": False}, {"binary": False}),
        (
            {"kind": "resync", "run": 0, "have": 3, "smoothed": True},
            {"run": 0, "have": 3, "smoothed": True},
        ),
        ({"kind": "run", "run": 1}, {"run": 1, "settings": {}}),
        (
            {"kind": "run", "run": 1, "settings": {"beta": None}},
            {"run": 1, "settings": {"beta": None}},
        ),
        ({"kind": "apply", "lr": 1}, {"lr": 1.0}),
        ({"kind": "undo"}, {}),
        (
            {"kind": "run", "run": 1, "settings": {"repeats": 3}},
            {"run": 1, "settings": {"repeats": 3}},
        ),
        (
            {"kind": "code", "schedule": "one_cycle", "lr": 1},
            {"schedule": "one_cycle", "lr": 1.0},
        ),
        (
            {"kind": "code", "schedule": "constant", "lr": 1e-3},
            {"schedule": "constant", "lr": 1e-3},
        ),
    ],
)
def test_a_request_carries_its_checked_fields(content, fields):
    assert parse_request({**content, "id": 4}) == Request(content["kind"], 4, fields)


def test_a_refusal_names_what_it_got():
    with pytest.raises(
        BadMessageError, match=r"^lr must be a positive, finite number \(got nan\)$"
    ):
        parse_request({"kind": "apply", "id": 1, "lr": math.nan})
    with pytest.raises(BadMessageError, match=r"^unknown request 'format the disk'$"):
        parse_request({"kind": "format the disk", "id": 1})


@pytest.mark.parametrize("schedule", [None, "", "One_cycle", "__class__", 1, ["one_cycle"], {}])
def test_code_is_only_for_a_schedule_there_is(schedule):
    refusal = rf"^schedule must be one of {', '.join(SCHEDULES)} \(got"
    with pytest.raises(BadMessageError, match=refusal):
        parse_request({"kind": "code", "id": 1, "schedule": schedule, "lr": 1e-3})


def test_a_long_text_is_cut_short_in_a_refusal():
    with pytest.raises(BadMessageError) as refusal:
        parse_request({"kind": "x" * 10_000, "id": 1})
    assert len(str(refusal.value)) < 100


def test_blocks_hold_column_after_column_in_little_endian():
    columns = ([1.0, 2.0], [3.0, math.inf])
    assert live_block(*columns) == struct.pack("<4f", 1, 2, 3, math.inf)
    assert exact_block(*columns) == struct.pack("<4d", 1, 2, 3, math.inf)


def test_a_live_block_makes_nothing_infinite_or_zero_that_is_not():
    numbers = [1e300, -1e300, 1e-300, -1e-300, 0.0, math.inf, -math.inf, math.nan]
    held = struct.unpack("<8f", live_block(numbers))
    assert held[:2] == pytest.approx([3.4028235e38, -3.4028235e38])
    assert 0 < held[2] < 2e-38
    assert -2e-38 < held[3] < 0
    assert held[4:7] == (0.0, math.inf, -math.inf)
    assert math.isnan(held[7])


def test_without_buffers_columns_travel_as_numbers_that_json_can_hold():
    columns = ([0.1, math.nan], [math.inf, -math.inf])
    content, buffers = with_columns({"kind": "points"}, *columns, binary=False)
    assert buffers is None
    assert json.loads(json.dumps(content, allow_nan=False)) == {
        "kind": "points",
        "data": [0.1, "NaN", "Infinity", "-Infinity"],
    }
    block = live_block(*columns)
    assert with_columns({"kind": "points"}, *columns, binary=True) == ({"kind": "points"}, [block])
