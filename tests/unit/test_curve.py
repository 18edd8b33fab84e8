"""A curve is checked when it is made, and its numbers survive a file."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfinder_widget.analysis.curve import Curve, decode_numbers, encode_numbers
from lrfinder_widget.errors import LRFinderError


@pytest.mark.parametrize(
    ("lrs", "losses", "words"),
    [
        ([1e-3, 1e-2], [1.0], "got 2 learning rates, 1 losses"),
        ([[1e-3]], [[1.0]], r"lrs must be one-dimensional \(got shape \(1, 1\)\)"),
        ([0.0, 1.0], [1.0, 1.0], "finite and positive .got 0.0 at point 0"),
        ([1.0, math.nan], [1.0, 1.0], "finite and positive .got nan at point 1"),
        ([1.0, 0.5], [1.0, 1.0], "must rise .*got 1 and then 0.5 at point 1"),
    ],
    ids=str,
)
def test_a_curve_that_is_none_is_refused(lrs, losses, words):
    with pytest.raises(LRFinderError, match=words):
        Curve(lrs, losses)


def test_a_curve_keeps_read_only_copies():
    lrs = np.array([1e-3, 1e-2])
    curve = Curve(lrs, [1, 2])
    lrs[0] = 5.0
    assert curve.lrs.tolist() == [1e-3, 1e-2]
    assert curve.losses.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        curve.losses[0] = 3.0


def test_usable_points_are_the_finite_ones_less_those_skipped():
    curve = Curve(np.geomspace(1e-3, 1, 6), [1, 2, math.nan, 4, 5, math.inf])
    assert curve.usable().tolist() == [0, 1, 3, 4]
    assert curve.usable(skip_start=1, skip_end=1).tolist() == [1, 3]
    assert curve.usable(skip_start=3, skip_end=3).tolist() == []


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64)))
def test_numbers_survive_json_bit_for_bit(values):
    text = json.dumps(encode_numbers(values), allow_nan=False)
    back = decode_numbers("losses", json.loads(text))
    assert back.dtype == np.float64
    assert [repr(value) for value in back.tolist()] == [repr(float(value)) for value in values]


@pytest.mark.parametrize("items", [["nan"], [None], [True], [[1.0]], ["1.0"]], ids=str)
def test_what_is_no_number_is_named_with_its_place(items):
    with pytest.raises(LRFinderError, match=r"losses must hold numbers.*at 1"):
        decode_numbers("losses", [1.0, *items])


def test_what_is_no_list_is_refused():
    with pytest.raises(LRFinderError, match=r"losses must be a list of numbers .got str"):
        decode_numbers("losses", "1,2")
