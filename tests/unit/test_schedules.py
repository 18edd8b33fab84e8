"""Torch's schedulers from a chosen learning rate, and lines to paste that do the same."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch.optim import SGD, Adagrad, AdamW, RMSprop
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR, SequentialLR

from lrfinder_widget import LRFinderResult, NotEnoughPointsError, get_lr, set_lr
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.schedule_code import code
from lrfinder_widget.schedules import KINDS, cyclic, one_cycle, warmup_cosine

PEAK = 0.0031
STEPS = 40
SCHEDULES = {"one_cycle": one_cycle, "warmup_cosine": warmup_cosine, "cyclic": cyclic}
LENGTHS = {"one_cycle": "total_steps", "warmup_cosine": "total_steps", "cyclic": "step_size_up"}


def sgd(rates=(0.1,), **options):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": rate} for rate in rates]
    return SGD(groups, **{"momentum": 0.9, **options})


def adamw(rates=(0.1,), **options):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": rate} for rate in rates]
    return AdamW(groups, **options)


def of_class(kind):
    return kind([torch.nn.Parameter(torch.zeros(2))], lr=0.1)


def momentum(group):
    return group["betas"][0] if "betas" in group else group["momentum"]


def walk(optimizer, scheduler, steps=STEPS):
    """The rates, and the momenta, that each step of the training is taken with."""
    rates, momenta = [], []
    for _ in range(steps):
        rates.append([float(group["lr"]) for group in optimizer.param_groups])
        momenta.append([float(momentum(group)) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return np.array(rates), np.array(momenta)


def pasted(text, optimizer, **names):
    """The scheduler that the lines make."""
    scope = {"optimizer": optimizer, **names}
    exec(text, scope)
    return scope.get("scheduler")


def content(optimizer):
    groups = [{**group, "params": None} for group in optimizer.param_groups]
    return copy.deepcopy(groups)


# The schedules


@pytest.mark.parametrize("make", [sgd, adamw])
def test_one_cycle_is_torchs_own_with_its_peak_at_the_rate(make):
    optimizer, other = make(), make()
    scheduler = one_cycle(optimizer, STEPS, PEAK)
    own = OneCycleLR(other, max_lr=PEAK, total_steps=STEPS)
    assert type(scheduler) is OneCycleLR
    for mine, theirs in zip(walk(optimizer, scheduler), walk(other, own), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("steps", [2, 3, 4, 10, 11, 40, 333])
def test_one_cycle_rises_from_a_25th_of_the_rate_and_never_above_it(steps):
    optimizer = sgd()
    rates, _ = walk(optimizer, one_cycle(optimizer, steps, PEAK), steps)
    assert rates.max() <= PEAK * (1 + 1e-12)
    assert rates[-1] == pytest.approx(PEAK / 25 / 1e4)
    if steps >= 10:
        assert rates[0] == pytest.approx(PEAK / 25)
        assert rates.max() > 0.95 * PEAK


def test_one_cycle_takes_the_options_of_torchs():
    options = {
        "pct_start": 0.5,
        "anneal_strategy": "linear",
        "div_factor": 10,
        "final_div_factor": 100,
        "three_phase": True,
        "base_momentum": 0.8,
        "max_momentum": 0.9,
    }
    optimizer, other = sgd(), sgd()
    scheduler = one_cycle(optimizer, STEPS, PEAK, **options)
    own = OneCycleLR(other, max_lr=PEAK, total_steps=STEPS, **options)
    for mine, theirs in zip(walk(optimizer, scheduler), walk(other, own), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("optimizer", "cycles"),
    [
        (sgd(), True),
        (adamw(), True),
        (sgd(momentum=0), False),
        (of_class(RMSprop), False),
        (of_class(Adagrad), False),
    ],
    ids=["SGD with momentum", "AdamW", "plain SGD", "RMSprop", "Adagrad"],
)
def test_momentum_is_cycled_only_where_there_is_some(optimizer, cycles):
    # The rate was found without it: with it, steps would be up to 20 times as large.
    assert one_cycle(optimizer, STEPS, PEAK).cycle_momentum is cycles


def test_momentum_is_cycled_where_that_is_asked_for():
    optimizer = sgd(momentum=0)
    scheduler = one_cycle(optimizer, STEPS, PEAK, cycle_momentum=True)
    _, momenta = walk(optimizer, scheduler)
    assert momenta[0] == 0.95
    optimizer = adamw()
    scheduler = one_cycle(optimizer, STEPS, PEAK, cycle_momentum=False)
    _, momenta = walk(optimizer, scheduler)
    assert set(momenta.ravel()) == {0.9}


@pytest.mark.parametrize("steps", [2, 3, 20, 40, 333])
@pytest.mark.parametrize("make", [sgd, adamw])
def test_warmup_cosine_rises_in_a_line_and_falls_in_half_a_cosine(make, steps):
    optimizer = make()
    scheduler = warmup_cosine(optimizer, steps, PEAK)
    assert type(scheduler) is SequentialLR
    warmup = max(1, steps // 20)
    rates, _ = walk(optimizer, scheduler, steps)
    expected = [
        (step + 1) / (warmup + 1)
        if step < warmup
        else (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
        for step in range(steps)
    ]
    np.testing.assert_allclose(rates[:, 0], PEAK * np.array(expected), rtol=1e-9)
    assert rates[warmup, 0] == pytest.approx(PEAK, rel=1e-12)
    assert get_lr(optimizer) == pytest.approx(0, abs=1e-12)


def test_warmup_cosine_takes_the_length_of_the_warmup_and_where_it_ends():
    optimizer = sgd()
    rates, _ = walk(optimizer, warmup_cosine(optimizer, STEPS, PEAK, warmup_steps=9, final=0.1))
    assert rates.argmax() == 9
    assert rates[4, 0] == pytest.approx(PEAK / 2)
    assert get_lr(optimizer) == pytest.approx(PEAK / 10)


def test_a_warmup_of_no_steps_begins_at_the_rate():
    optimizer = sgd()
    rates, _ = walk(optimizer, warmup_cosine(optimizer, STEPS, PEAK, warmup_steps=0))
    assert rates[0, 0] == PEAK
    assert np.all(np.diff(rates[:, 0]) < 0)


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_parameter_groups_keep_their_ratio_all_along(build):
    optimizer = sgd((0.1, 0.01, 0.2, 0.0))
    rates, _ = walk(optimizer, build(optimizer, STEPS, PEAK))
    np.testing.assert_allclose(rates, rates[:, :1] * [[1, 0.1, 2, 0]], rtol=1e-9)


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("earlier", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("steps_done", [0, 7, STEPS])
def test_what_an_earlier_scheduler_left_does_not_count(build, earlier, steps_done):
    used, fresh = sgd((0.1, 0.01)), sgd((0.1, 0.01))
    walk(used, earlier(used, STEPS, 5.0), steps_done)
    rates, _ = walk(used, build(used, STEPS, PEAK))
    expected, _ = walk(fresh, build(fresh, STEPS, PEAK))
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("make", [sgd, adamw])
def test_a_rate_held_in_a_tensor_stays_in_it(build, make):
    optimizer, other = make((torch.tensor(0.1), torch.tensor(0.01))), make((0.1, 0.01))
    held = [group["lr"] for group in optimizer.param_groups]
    rates, _ = walk(optimizer, build(optimizer, STEPS, PEAK))
    expected, _ = walk(other, build(other, STEPS, PEAK))
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-9)
    assert all(
        group["lr"] is tensor for group, tensor in zip(optimizer.param_groups, held, strict=True)
    )


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_goes_on_from_its_saved_state(build):
    optimizer = sgd((0.1, 0.01))
    scheduler = build(optimizer, STEPS, PEAK)
    walk(optimizer, scheduler, 9)
    saved = pickle.loads(pickle.dumps((optimizer.state_dict(), scheduler.state_dict())))
    expected, _ = walk(optimizer, scheduler, STEPS - 9)

    other = sgd((0.1, 0.01))
    resumed = build(other, STEPS, PEAK)
    other.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    np.testing.assert_array_equal(walk(other, resumed, STEPS - 9)[0], expected)


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_a_new_rate_reaches_the_schedule_through_set_lr(build):
    optimizer, other = sgd(), sgd()
    scheduler = build(optimizer, STEPS, PEAK)
    first = get_lr(optimizer)
    start = 2 * PEAK if build is warmup_cosine else 2 * first
    set_lr(optimizer, start, scheduler=scheduler)
    rates, _ = walk(optimizer, scheduler)
    expected, _ = walk(other, build(other, STEPS, 2 * PEAK))
    np.testing.assert_allclose(rates, expected, rtol=1e-9)


# Cycles

HALF = 10
TRIANGLE = [step / HALF for step in range(HALF)] + [1 - step / HALF for step in range(HALF)]


@pytest.mark.parametrize("make", [sgd, adamw])
def test_cyclic_is_torchs_own_between_the_bounds(make):
    optimizer, other = make(), make()
    options = {"mode": "triangular2", "step_size_down": 15}
    scheduler = cyclic(optimizer, HALF, PEAK, base_lr=PEAK / 10, **options)
    own = CyclicLR(other, PEAK / 10, PEAK, HALF, **options)
    assert type(scheduler) is CyclicLR
    for mine, theirs in zip(walk(optimizer, scheduler), walk(other, own), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("make", [sgd, adamw])
def test_a_cycle_rises_and_falls_in_a_line_and_begins_at_a_quarter_of_its_peak(make):
    optimizer = make()
    rates, momenta = walk(optimizer, cyclic(optimizer, HALF, PEAK), 2 * HALF)
    expected = PEAK / 4 + (PEAK - PEAK / 4) * np.array(TRIANGLE)
    np.testing.assert_allclose(rates[:, 0], expected, rtol=1e-9)
    assert momenta[0] == pytest.approx(0.9)
    assert momenta[HALF] == pytest.approx(0.8)


@pytest.mark.parametrize(
    "optimizer",
    [sgd(momentum=0), of_class(RMSprop), of_class(Adagrad)],
    ids=["plain SGD", "RMSprop", "Adagrad"],
)
def test_a_momentum_that_is_not_there_is_not_cycled(optimizer):
    assert cyclic(optimizer, HALF, PEAK).cycle_momentum is False


# What cannot be used

REFUSED = [
    ({"total_steps": 1}, "total_steps must be at least 2"),
    ({"total_steps": 10.0}, "total_steps must be a whole number"),
    ({"total_steps": True}, "total_steps must be a whole number"),
    ({"lr": 0}, "lr must be positive"),
    ({"lr": math.nan}, "lr must be positive and finite"),
    ({"lr": "0.1"}, "lr must be a number"),
    ({"max_lr": 1}, "has no option 'max_lr'; its options are"),
]
REFUSED_ONE_CYCLE = [
    ({"pct_start": 0.0}, "pct_start must be a number between 0 and 1"),
    ({"pct_start": 1}, "pct_start must be a number between 0 and 1"),
    ({"pct_start": 0.1, "total_steps": 10}, "pct_start must not give the rise just one of the 10"),
    ({"div_factor": 0}, "div_factor must be a number of at least 1"),
    ({"final_div_factor": math.nan}, "final_div_factor must be a number above 0"),
    ({"anneal_strategy": "sine"}, "OneCycleLR refuses .* anneal_strategy"),
    ({"max_momentum": [0.9]}, "OneCycleLR refuses"),
    ({"base_momentum": "low"}, "OneCycleLR refuses"),
]
REFUSED_WARMUP_COSINE = [
    ({"warmup_steps": STEPS}, "warmup_steps must leave some of the 40 total_steps"),
    ({"warmup_steps": 2.5}, "warmup_steps must be a whole number"),
    ({"warmup_steps": -1}, "warmup_steps must be at least 0"),
    ({"final": 1.0}, "final must be a number from 0 to below 1"),
    ({"final": 0.1}, "final must be 0 where parameter groups have different"),
]


REFUSED_CYCLIC = [
    ({"total_steps": 0}, "step_size_up must be at least 1"),
    ({"total_steps": 2.5}, "step_size_up must be a whole number"),
    ({"step_size_down": 0}, "step_size_down must be at least 1"),
    ({"mode": "sawtooth"}, "mode must be one of triangular, triangular2, exp_range .got 'sawtoot"),
    ({"gamma": 1.5}, "gamma must be a number above 0 and at most 1"),
    ({"base_lr": 0}, "base_lr must be a number above 0"),
    ({"base_lr": PEAK}, r"base_lr must be smaller than .* \(got 0.0031 for a peak of 0.0031\)"),
    ({"scale_fn": abs}, "cyclic has no option 'scale_fn'; its options are base_lr"),
    ({"max_momentum": [0.9]}, "CyclicLR refuses"),
]


@pytest.mark.parametrize(
    ("build", "given", "says"),
    [
        *((one_cycle, *case) for case in REFUSED + REFUSED_ONE_CYCLE),
        *((warmup_cosine, *case) for case in REFUSED + REFUSED_WARMUP_COSINE),
        *((cyclic, *case) for case in REFUSED[3:] + REFUSED_CYCLIC),
    ],
)
@pytest.mark.parametrize("make", [sgd, adamw])
def test_what_cannot_be_used_is_named_and_changes_nothing(make, build, given, says):
    optimizer = make((0.1, torch.tensor(0.01)))
    before = content(optimizer)
    arguments = {"total_steps": STEPS, "lr": PEAK, **given}
    if build is cyclic:
        arguments["step_size_up"] = arguments.pop("total_steps")
    with pytest.raises(SettingsError, match=says):
        build(optimizer, **arguments)
    assert content(optimizer) == before


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_an_optimizer_of_something_else_is_named(build):
    with pytest.raises(SettingsError, match=r"torch\.optim\.Optimizer \(got Linear\)"):
        build(torch.nn.Linear(1, 1), STEPS, PEAK)


def test_momentum_that_an_optimizer_does_not_have_is_not_cycled_by_force():
    optimizer = of_class(Adagrad)
    before = content(optimizer)
    with pytest.raises(SettingsError, match="must support momentum"):
        one_cycle(optimizer, STEPS, PEAK, cycle_momentum=True)
    assert content(optimizer) == before


# The lines to paste

MAKERS = {
    "SGD": sgd,
    "AdamW": adamw,
    "SGD, two groups": lambda: sgd((0.1, 0.03)),
    "AdamW, two groups": lambda: adamw((0.1, 0.03)),
    "SGD, two groups alike": lambda: sgd((0.1, 0.1)),
    "plain SGD": lambda: sgd(momentum=0),
}
GIVEN = [
    ("one_cycle", {}),
    ("one_cycle", {"pct_start": np.float64(0.25), "div_factor": 10, "three_phase": True}),
    ("one_cycle", {"cycle_momentum": False}),
    ("warmup_cosine", {}),
    ("warmup_cosine", {"warmup_steps": np.int64(7)}),
    ("warmup_cosine", {"warmup_steps": 0}),
    ("cyclic", {}),
    ("cyclic", {"base_lr": np.float64(1e-3), "mode": "exp_range", "gamma": 0.99}),
    ("cyclic", {"cycle_momentum": False, "step_size_down": np.int64(7)}),
]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("known", [True, False], ids=["optimizer known", "optimizer unknown"])
@pytest.mark.parametrize(("kind", "options"), GIVEN)
def test_pasted_lines_do_exactly_what_the_function_does(make, known, kind, options):
    lr = 1 / 300  # needs all its digits
    mine, theirs = make(), make()
    steps = 16 if kind == "cyclic" else STEPS  # a rise takes two epochs of eight batches
    expected = walk(mine, SCHEDULES[kind](mine, steps, lr, **options))
    lines = code(kind, lr, optimizer=theirs if known else None, **options)
    walked = walk(theirs, pasted(lines, theirs, loader=range(8), epochs=5))
    for got, want in zip(walked, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_pasted_lines_end_where_the_function_does():
    mine, theirs = sgd((0.1, 0.1)), sgd((0.1, 0.1))
    walk(mine, warmup_cosine(mine, STEPS, PEAK, final=0.1))
    lines = code("warmup_cosine", PEAK, optimizer=theirs, total_steps=STEPS, final=0.1)
    walk(theirs, pasted(lines, theirs))
    assert get_lr(theirs) == get_lr(mine) == pytest.approx(PEAK / 10)


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("known", [True, False])
def test_pasted_lines_do_the_same_after_an_earlier_scheduler_and_with_tensors(kind, known):
    def used():
        optimizer = sgd((torch.tensor(0.1), torch.tensor(0.03)))
        walk(optimizer, one_cycle(optimizer, STEPS, 5.0), 9)
        return optimizer

    mine, theirs = used(), used()
    held = [group["lr"] for group in theirs.param_groups]
    expected, _ = walk(mine, SCHEDULES[kind](mine, STEPS, PEAK))
    given = {LENGTHS[kind]: STEPS}
    lines = code(kind, PEAK, optimizer=theirs if known else None, **given)
    rates, _ = walk(theirs, pasted(lines, theirs))
    np.testing.assert_array_equal(rates, expected)
    assert all(
        group["lr"] is tensor for group, tensor in zip(theirs.param_groups, held, strict=True)
    )


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("known", [True, False])
def test_pasted_lines_for_a_constant_rate_do_what_set_lr_does(make, known):
    mine, theirs = make(), make()
    set_lr(mine, PEAK)
    assert pasted(code("constant", PEAK, optimizer=theirs if known else None), theirs) is None
    assert content(theirs) == content(mine)


@pytest.mark.parametrize("kind", KINDS)
def test_pasted_lines_need_no_more_than_torch(kind):
    assert "lrfinder" not in code(kind, PEAK)


def test_lines_for_a_known_optimizer_are_the_ones_that_people_write():
    assert code("one_cycle", PEAK, optimizer=sgd(), total_steps=300) == (
        "from torch.optim.lr_scheduler import OneCycleLR\n"
        "\n"
        "lr = 0.0031\n"
        "total_steps = 300\n"
        "scheduler = OneCycleLR(\n"
        "    optimizer,\n"
        "    max_lr=lr,\n"
        "    total_steps=total_steps,\n"
        ")\n"
        "\n"
        "# After each optimizer.step():\n"
        "# scheduler.step()\n"
    )
    assert code("constant", PEAK, optimizer=sgd()) == (
        'lr = 0.0031\nfor group in optimizer.param_groups:\n    group["lr"] = lr\n'
    )


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("cosine", {}, "must be one of one_cycle, warmup_cosine, cyclic, constant"),
        ("constant", {"warmup_steps": 3}, "constant has no option 'warmup_steps'; it takes none"),
        *(("one_cycle", *case) for case in REFUSED + REFUSED_ONE_CYCLE[:5]),
        *(("warmup_cosine", *case) for case in REFUSED + REFUSED_WARMUP_COSINE),
        *(("cyclic", *case) for case in REFUSED + REFUSED_CYCLIC[2:-1]),
    ],
)
def test_no_lines_are_given_that_cannot_run(kind, given, says):
    with pytest.raises(SettingsError, match=says):
        code(kind, **{"lr": PEAK, "optimizer": sgd((1, 2)), "total_steps": STEPS, **given})


# The result's methods

RATES = np.geomspace(1e-6, 10, 100)
RESULT = LRFinderResult(
    lrs=RATES, losses=2 - 1 / (1 + (3e-3 / RATES) ** 2) + 1 / (1 + (1 / RATES) ** 2)
)


@pytest.mark.parametrize("kind", ["one_cycle", "warmup_cosine"])
@pytest.mark.parametrize("lr", [None, PEAK])
def test_a_result_schedules_its_suggestion_or_what_was_chosen(kind, lr):
    mine, theirs, third = sgd((0.1, 0.03)), sgd((0.1, 0.03)), sgd((0.1, 0.03))
    chosen = RESULT.suggestion.lr if lr is None else lr
    expected, _ = walk(mine, SCHEDULES[kind](mine, STEPS, chosen))
    rates, _ = walk(theirs, getattr(RESULT, kind)(theirs, STEPS, lr=lr))
    np.testing.assert_array_equal(rates, expected)
    lines = RESULT.code(kind, lr=lr, total_steps=STEPS)
    rates, _ = walk(third, pasted(lines, third))
    np.testing.assert_array_equal(rates, expected)


def test_a_result_cycles_between_its_bounds_or_those_that_were_chosen():
    low, high = RESULT.cyclical_bounds()
    for bounds, expected in ((None, (low, high)), ((1e-3, 0.1), (1e-3, 0.1))):
        mine, theirs = sgd((0.1, 0.03)), sgd((0.1, 0.03))
        walked, _ = walk(mine, cyclic(mine, 8, expected[1], base_lr=expected[0]))
        rates, _ = walk(theirs, RESULT.cyclic(theirs, 8, bounds=bounds))
        np.testing.assert_array_equal(rates, walked)
    assert rates[:, 0].min() == 1e-3
    assert rates[:, 0].max() == 0.1


@pytest.mark.parametrize("known", [True, False])
def test_a_results_lines_for_cycles_are_those_of_its_bounds(known):
    mine, theirs = sgd((0.1, 0.03)), sgd((0.1, 0.03))
    expected = walk(mine, RESULT.cyclic(mine, 8))
    lines = RESULT.code("cyclic", optimizer=theirs if known else None)
    walked = walk(theirs, pasted(lines, theirs, loader=range(4)))
    np.testing.assert_array_equal(walked, expected)


def test_a_chosen_rate_is_where_cycles_peak():
    assert RESULT.code("cyclic", lr=PEAK) == code("cyclic", PEAK)
    assert f"base_lr, lr = {PEAK / 4!r}, {PEAK!r}" in code("cyclic", PEAK)


def test_a_results_lines_are_those_of_one_cycle_unless_others_are_asked_for():
    assert RESULT.code() == code("one_cycle", RESULT.suggestion.lr)


def test_a_result_without_a_suggestion_schedules_what_was_chosen():
    result = LRFinderResult(lrs=[1e-3], losses=[1.0])
    with pytest.raises(NotEnoughPointsError):
        result.one_cycle(sgd(), STEPS)
    assert result.one_cycle(sgd(), STEPS, lr=PEAK).total_steps == STEPS
