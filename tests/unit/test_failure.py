"""What went wrong, told with the line of the user's own code."""

import functools
import linecache

import pytest
import torch

from lrfinder_widget.failure import Failure


def failure_of(function):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - any
        function()
    return Failure.of(raised.value)


def cell(code, name="/tmp/ipykernel_17/2894.py"):
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    names = {"torch": torch}
    exec(compile(code, name, "exec"), names)
    return names


def test_a_cell_is_called_a_cell():
    step = cell("def step():\n    return 1 / 0\n")["step"]
    failure = failure_of(step)
    assert (failure.type, failure.message) == ("ZeroDivisionError", "division by zero")
    assert failure.where == "cell, line 2: return 1 / 0"


def test_the_last_line_of_the_users_is_told_not_torchs():
    step = cell("def step():\n    layer = torch.nn.Linear(3, 2)\n    layer(torch.ones(4))\n")[
        "step"
    ]
    assert failure_of(step).where == "cell, line 3: layer(torch.ones(4))"


def test_a_file_is_called_by_its_name():
    failure = failure_of(lambda: torch.ones(2)[3])
    assert failure.where.startswith("test_failure.py, line ")


def test_where_no_line_is_the_users_none_is_told():
    failure = Failure.of(ValueError("  from nowhere\n"))
    assert (failure.message, failure.where) == ("from nowhere", "")


def test_the_exception_itself_is_kept():
    error = KeyError("a")
    assert Failure.of(error).error is error
    assert failure_of(functools.partial(int, "x")).type == "ValueError"
