"""Some parameter groups get the learning rate, at their ratios; the others keep theirs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD
from torch.optim import lr_scheduler as sched

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.optimizer_lr import change_lr, get_lr, set_lr
from lrfinder_widget.parameter_groups import group_factors, group_label
from lrfinder_widget.rate_writing import RateWriter

NEW = 0.03

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler:UserWarning")


def optimizer_of(*groups):
    """An optimizer with groups of these rates, or of (name, rate)."""
    made = []
    for group in groups:
        name, rate = group if isinstance(group, tuple) else (None, group)
        named = {} if name is None else {"name": name}
        made.append({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate, **named})
    return SGD(made, lr=1.0)


def tensor(rate):
    return torch.tensor(rate, dtype=torch.float64)


def rates(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


def content(optimizer, scheduler=None):
    """Everything that holds a rate, with the identity of tensors."""

    def plain(value):
        if isinstance(value, torch.Tensor):
            return id(value), value.item()
        return [plain(each) for each in value] if isinstance(value, list) else value

    groups = [
        {key: plain(value) for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
    ]
    several = [scheduler, *getattr(scheduler, "_schedulers", ())]
    names = ("base_lrs", "max_lrs")
    held = [[plain(getattr(each, name, None)) for name in names] for each in several]
    return groups, held


def test_equal_gives_every_group_the_same_rate():
    optimizer = optimizer_of(0.1, tensor(0.01), 0.0)
    set_lr(optimizer, NEW, groups="equal")
    assert rates(optimizer) == [NEW] * 3


def test_named_groups_keep_their_ratio_and_the_others_their_rates():
    optimizer = optimizer_of(0.1, ("head", 0.2), ("neck", tensor(0.05)), 0.7)
    kept = optimizer.param_groups[2]["lr"]
    set_lr(optimizer, 1.0, groups=["neck", "head"])
    assert rates(optimizer) == [0.1, 1.0, 0.25, 0.7]
    assert optimizer.param_groups[2]["lr"] is kept
    assert get_lr(optimizer) == 0.1


def test_a_group_is_named_by_its_own_name_or_by_its_number():
    optimizer = optimizer_of(("backbone", 0.1), ("head", 0.2), 0.3)
    assert group_factors(optimizer, ["head"]) == group_factors(optimizer, ["group 1"])
    assert group_factors(optimizer, ["group 2", "group 0"]) == [1.0, None, pytest.approx(3.0)]
    labels = [group_label(group, index) for index, group in enumerate(optimizer.param_groups)]
    assert labels == ["backbone", "head", "group 2"]


def test_an_own_name_that_looks_like_a_number_means_the_group_that_bears_it():
    optimizer = optimizer_of(("group 1", 0.1), 0.2)
    assert group_factors(optimizer, ["group 1"]) == [1.0, None]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["haed"], r"no parameter group 'haed'; did you mean 'head'\? \(it has group 0, head, "),
        (["group 7"], r"no parameter group 'group 7'; did you mean 'group \d'\?"),
        (["zzz"], r"no parameter group 'zzz' \(it has group 0, head, twin, twin\)"),
        (["head", "head"], "names the same parameter group twice .'head' and 'head'"),
        (["group 1", "head"], "names the same parameter group twice .'group 1' and 'head'"),
        (["twin"], r"several parameter groups are called 'twin'; .* \(group 2, group 3\)"),
        ("head", r"must be 'ratios', 'equal' or a list .* \(got 'head'\)"),
        ([], "must be 'ratios', 'equal' or a list"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "use",
    [
        lambda optimizer, groups: set_lr(optimizer, NEW, groups=groups),
        lambda optimizer, groups: RateWriter(optimizer, groups).write(NEW),
    ],
    ids=["set_lr", "RateWriter"],
)
def test_groups_that_cannot_be_told_are_refused_and_nothing_changes(groups, words, use):
    optimizer = optimizer_of(0.1, ("head", 0.2), ("twin", 0.3), ("twin", 0.4))
    before = content(optimizer)
    with pytest.raises(SettingsError, match=words):
        use(optimizer, groups)
    assert content(optimizer) == before


def test_groups_of_the_same_name_can_be_told_by_number():
    optimizer = optimizer_of(0.1, ("twin", 0.3), ("twin", 0.4))
    assert group_factors(optimizer, ["group 2"]) == [None, None, 1.0]


def test_groups_that_hold_one_tensor_are_not_given_different_rates():
    shared = tensor(0.1)
    optimizer = optimizer_of(shared, ("head", shared))
    before = content(optimizer)
    with pytest.raises(SettingsError, match=r"group 0 and head hold .* in the same tensor"):
        set_lr(optimizer, NEW, groups=["head"])
    assert content(optimizer) == before
    set_lr(optimizer, NEW)
    assert shared.item() == NEW


def test_the_first_of_the_named_groups_must_have_a_rate_if_another_has():
    optimizer = optimizer_of(0.1, ("frozen", 0.0), ("head", 0.2))
    with pytest.raises(SettingsError, match=r"first parameter group's .* is 0.*got rates 0, 0\.2"):
        set_lr(optimizer, NEW, groups=["frozen", "head"])
    set_lr(optimizer, NEW, groups=["frozen"])
    assert rates(optimizer) == [0.1, NEW, 0.2]


def test_a_change_tells_that_groups_which_are_not_swept_kept_their_rates():
    optimizer = optimizer_of(0.1, ("head", 0.2), tensor(0.3))
    change = change_lr(optimizer, NEW, groups=["head"])
    told = [(group.label, group.before, group.after) for group in change.groups]
    assert told == [("group 0", 0.1, 0.1), ("head", 0.2, NEW), ("group 2", 0.3, 0.3)]


# Property: whatever the groups, the scheduler and the choice.

SCHEDULERS = {
    "none": lambda optimizer: None,
    "StepLR": lambda optimizer: sched.StepLR(optimizer, 2, 0.5),
    "CosineAnnealingLR": lambda optimizer: sched.CosineAnnealingLR(optimizer, 5),
    "OneCycleLR": lambda optimizer: sched.OneCycleLR(
        optimizer, [5 * rate for rate in rates(optimizer)], total_steps=9, cycle_momentum=False
    ),
    "SequentialLR": lambda optimizer: sched.SequentialLR(
        optimizer, [sched.StepLR(optimizer, 2), sched.ExponentialLR(optimizer, 0.9)], [3]
    ),
}
positive = st.floats(1e-6, 10)


@st.composite
def cases(draw):
    held = draw(st.lists(st.tuples(positive, st.booleans()), min_size=1, max_size=4))
    optimizer = optimizer_of(
        *(
            (f"own {index}" if draw(st.booleans()) else None, tensor(rate) if in_tensor else rate)
            for index, (rate, in_tensor) in enumerate(held)
        )
    )
    labels = [group_label(group, index) for index, group in enumerate(optimizer.param_groups)]
    names = st.lists(st.sampled_from(labels), min_size=1, unique=True)
    groups = draw(st.sampled_from(["ratios", "equal"]) | names)
    scheduler = SCHEDULERS[draw(st.sampled_from(sorted(SCHEDULERS)))](optimizer)
    for _ in range(draw(st.integers(0, 3)) if scheduler else 0):
        optimizer.step()
        scheduler.step()
    return optimizer, groups, scheduler


def trajectory(optimizer, scheduler):
    found = []
    for _ in range(5):
        optimizer.step()
        if scheduler:
            scheduler.step()
        found.append(rates(optimizer))
    return found


@settings(max_examples=150, deadline=None)
@given(cases(), positive)
def test_swept_groups_get_the_rate_times_their_factor_and_the_rest_is_untouched(case, lr):
    optimizer, groups, scheduler = case
    factors = group_factors(optimizer, groups)
    before = content(optimizer, scheduler)
    change = change_lr(optimizer, lr, scheduler, groups=groups)
    after = content(optimizer, scheduler)
    first = True
    for index, factor in enumerate(factors):
        told = change.groups[index]
        if factor is None:
            assert after[0][index] == before[0][index]
            assert told.before == told.after
            continue
        assert rates(optimizer)[index] == pytest.approx(lr * factor)
        assert told.after == rates(optimizer)[index]
        if first:
            assert told.after == lr
            first = False
    change.undo()
    assert content(optimizer, scheduler) == before


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_schedule_of_groups_that_are_not_swept_goes_on_as_it_would_have(data):
    rates_held = data.draw(st.lists(positive, min_size=2, max_size=4))
    kind = data.draw(st.sampled_from(sorted(SCHEDULERS)))
    swept = data.draw(st.integers(0, len(rates_held) - 1))
    optimizer, other = optimizer_of(*rates_held), optimizer_of(*rates_held)
    scheduler, others = SCHEDULERS[kind](optimizer), SCHEDULERS[kind](other)
    set_lr(optimizer, NEW, scheduler=scheduler, groups=[f"group {swept}"])
    walked, expected = trajectory(optimizer, scheduler), trajectory(other, others)
    for now, without in zip(walked, expected, strict=True):
        assert now[:swept] + now[swept + 1 :] == without[:swept] + without[swept + 1 :]


@settings(max_examples=60, deadline=None)
@given(cases(), st.lists(positive, min_size=1, max_size=4))
def test_a_writer_writes_what_a_change_would(case, lrs):
    optimizer, groups, _ = case
    factors = group_factors(optimizer, groups)
    before = rates(optimizer)
    held = [group["lr"] for group in optimizer.param_groups]
    writer = RateWriter(optimizer, groups)
    for lr in lrs:
        assert writer.write(lr) == lr
        for now, was, factor in zip(rates(optimizer), before, factors, strict=True):
            assert now == (was if factor is None else lr * factor)
    for group, rate in zip(optimizer.param_groups, held, strict=True):
        assert not isinstance(rate, torch.Tensor) or group["lr"] is rate
