"""A learning rate is read, written and undone; schedulers follow the new rate."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch.optim import SGD, Adam
from torch.optim import lr_scheduler as sched

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.optimizer_lr import change_lr, get_lr, set_lr
from lrfinder_widget.parameter_groups import describe, group_ratios
from lrfinder_widget.rate_writing import RateWriter

NEW = 0.03

# torch's SequentialLR steps one that is nested in it while it is built.
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler:UserWarning")


def parameter():
    return torch.nn.Parameter(torch.zeros(2))


def optimizer_at(*rates, **options):
    groups = [{"params": [parameter()], "lr": rate} for rate in rates]
    return SGD(groups, lr=1.0, **options)


def rates(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


def everything(optimizer, *schedulers):
    """Each group's and scheduler's content, tensors as numbers."""

    def plain(value):
        if isinstance(value, torch.Tensor):
            return ("tensor", value.tolist())
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(each) for each in value]
        return value if isinstance(value, (int, float, str, bool, type(None))) else id(value)

    groups = [
        {key: plain(value) for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
    ]
    return groups, [plain(vars(each)) for each in schedulers]


def test_the_rate_read_is_the_first_groups():
    assert get_lr(optimizer_at(0.1, 0.5)) == 0.1
    assert get_lr(SGD([parameter()], lr=torch.tensor(0.25))) == 0.25


@pytest.mark.parametrize("lr", [NEW, 1e-7, 3, np.float32(0.5), np.float64(0.1), torch.tensor(0.5)])
def test_the_rate_written_is_the_rate_read(lr):
    optimizer = optimizer_at(0.1)
    set_lr(optimizer, lr)
    assert get_lr(optimizer) == float(lr)
    assert type(optimizer.param_groups[0]["lr"]) is float


def test_groups_keep_their_ratio_to_the_first():
    optimizer = optimizer_at(0.1, 0.01, 0.2, 0.0)
    set_lr(optimizer, 1.0)
    assert rates(optimizer) == pytest.approx([1.0, 0.1, 2.0, 0.0])


def test_ratios_come_from_initial_rates_while_a_warm_up_stands_at_0():
    optimizer = optimizer_at(0.1, 0.4)
    sched.LambdaLR(optimizer, lambda epoch: epoch / 10)
    assert rates(optimizer) == [0, 0]
    set_lr(optimizer, 1.0)
    assert rates(optimizer) == [1.0, 4.0]


def test_ratios_come_from_current_rates_where_a_group_has_no_initial_one():
    optimizer = optimizer_at(0.1)
    sched.StepLR(optimizer, 1)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.05})
    set_lr(optimizer, 1.0)
    assert rates(optimizer) == [1.0, 0.5]


def test_where_every_rate_is_0_all_groups_get_the_rate():
    optimizer = optimizer_at(0.0, 0.0)
    set_lr(optimizer, NEW)
    assert rates(optimizer) == [NEW, NEW]


def test_a_first_group_at_0_beside_others_is_refused_and_nothing_changes():
    optimizer = optimizer_at(0.0, 0.1)
    with pytest.raises(SettingsError, match=r"first parameter group's .* is 0.*got rates 0, 0\.1"):
        set_lr(optimizer, NEW)
    assert rates(optimizer) == [0.0, 0.1]


def test_a_tensor_rate_is_written_in_place():
    rate, other = torch.tensor(0.1), torch.tensor(0.2)
    optimizer = Adam(
        [{"params": [parameter()], "lr": rate}, {"params": [parameter()], "lr": other}]
    )
    set_lr(optimizer, 0.5)
    assert optimizer.param_groups[0]["lr"] is rate
    assert optimizer.param_groups[1]["lr"] is other
    assert (rate.item(), other.item()) == pytest.approx((0.5, 1.0))


def test_a_tensor_rate_that_requires_a_gradient_is_written_too():
    rate = torch.tensor(0.1, requires_grad=True)
    optimizer = Adam([parameter()], lr=rate, differentiable=True)
    change = change_lr(optimizer, 0.5)
    assert rate.item() == 0.5
    change.undo()
    assert rate.item() == pytest.approx(0.1)
    assert rate.is_leaf
    assert rate.requires_grad


@pytest.mark.parametrize(
    ("lr", "words"),
    [
        (math.nan, r"lr must be positive and finite \(got nan\)"),
        (math.inf, r"lr must be positive and finite \(got inf\)"),
        (-0.1, r"lr must be positive and finite \(got -0.1\)"),
        (0, r"lr must be positive and finite \(got 0\)"),
        (10**400, "lr must be positive and finite"),
        (True, r"lr must be a number \(got True, of type bool\)"),
        (np.bool_(1), "lr must be a number"),
        ("0.1", r"lr must be a number \(got '0.1', of type str\)"),
        (None, "lr must be a number"),
        (1j, "lr must be a number"),
        (torch.tensor([0.1]), "lr must be a number"),
        (torch.tensor(math.nan), "lr must be positive and finite"),
    ],
)
@pytest.mark.parametrize("change", [set_lr, change_lr])
def test_a_bad_rate_is_refused_in_words_and_nothing_changes(lr, words, change):
    optimizer = optimizer_at(0.1, 0.2)
    scheduler = sched.StepLR(optimizer, 2)
    before = everything(optimizer, scheduler)
    with pytest.raises(SettingsError, match=words):
        change(optimizer, lr, scheduler=scheduler)
    assert everything(optimizer, scheduler) == before


def test_a_scheduler_of_another_optimizer_is_refused_and_nothing_changes():
    optimizer, other = optimizer_at(0.1), optimizer_at(0.1)
    scheduler = sched.StepLR(other, 2)
    before = everything(optimizer), everything(other, scheduler)
    with pytest.raises(SettingsError, match="StepLR belongs to another optimizer"):
        set_lr(optimizer, NEW, scheduler=scheduler)
    assert (everything(optimizer), everything(other, scheduler)) == before


def sequential(optimizer):
    warm_up = sched.LinearLR(optimizer, start_factor=0.1, total_iters=4)
    return sched.SequentialLR(optimizer, [warm_up, sched.StepLR(optimizer, 3, 0.5)], [4])


def nested(optimizer):
    after = sched.ExponentialLR(optimizer, 0.8)
    return sched.SequentialLR(optimizer, [sequential(optimizer), after], [8])


def chained(optimizer):
    warm_up = sched.ConstantLR(optimizer, factor=0.25, total_iters=3)
    return sched.ChainedScheduler([warm_up, sched.ExponentialLR(optimizer, 0.9)], optimizer)


# By what each is built with; OneCycleLR's and CyclicLR's limits follow the rate they start at.
BUILDERS = {
    "StepLR": lambda opt, _: sched.StepLR(opt, 3, 0.5),
    "MultiStepLR": lambda opt, _: sched.MultiStepLR(opt, [2, 5], 0.5),
    "ExponentialLR": lambda opt, _: sched.ExponentialLR(opt, 0.9),
    "CosineAnnealingLR": lambda opt, _: sched.CosineAnnealingLR(opt, 5),
    "CosineAnnealingLR to a floor": lambda opt, _: sched.CosineAnnealingLR(opt, 5, eta_min=1e-4),
    "CosineAnnealingWarmRestarts": lambda opt, _: sched.CosineAnnealingWarmRestarts(opt, 4),
    "PolynomialLR": lambda opt, _: sched.PolynomialLR(opt, 6, 2.0),
    "MultiplicativeLR": lambda opt, _: sched.MultiplicativeLR(opt, lambda _: 0.9),
    "OneCycleLR": lambda opt, starts: sched.OneCycleLR(
        opt, [25 * start for start in starts], total_steps=20, cycle_momentum=False
    ),
    "CyclicLR": lambda opt, starts: sched.CyclicLR(
        opt, list(starts), [10 * start for start in starts], 3, cycle_momentum=False
    ),
    "SequentialLR": lambda opt, _: sequential(opt),
    "SequentialLR in SequentialLR": lambda opt, _: nested(opt),
    "ChainedScheduler": lambda opt, _: chained(opt),
    "LinearLR": lambda opt, _: sched.LinearLR(opt, 0.2, total_iters=4),
    "ConstantLR": lambda opt, _: sched.ConstantLR(opt, 0.2, total_iters=4),
    "ReduceLROnPlateau": lambda opt, _: sched.ReduceLROnPlateau(opt, factor=0.5, patience=1),
    "warm-up LambdaLR from 0": lambda opt, _: sched.LambdaLR(opt, lambda e: min(1.0, e / 4)),
    "warm-up LambdaLR from 0.1": lambda opt, _: sched.LambdaLR(
        opt, lambda e: min(1.0, (e + 1) / 10)
    ),
}
WARM_UPS_THAT_MULTIPLY = {
    "SequentialLR",
    "SequentialLR in SequentialLR",
    "ChainedScheduler",
    "LinearLR",
    "ConstantLR",
}


def trajectory(optimizer, scheduler, steps=14):
    """The rates of each group from the scheduler's next step on."""
    found = []
    for _ in range(steps):
        optimizer.step()
        if isinstance(scheduler, sched.ReduceLROnPlateau):
            scheduler.step(1.0)
        else:
            scheduler.step()
        found.append(rates(optimizer))
    return found


def built(name, starts, *, tensors=False):
    optimizer = optimizer_at(
        *(torch.tensor(s, dtype=torch.float64) if tensors else s for s in starts)
    )
    return optimizer, BUILDERS[name](optimizer, starts)


@pytest.mark.parametrize("tensors", [False, True], ids=["floats", "tensors"])
@pytest.mark.parametrize("name", BUILDERS)
def test_the_schedule_that_follows_is_that_of_a_scheduler_built_with_the_new_rate(name, tensors):
    starts = (0.1, 0.1) if tensors and name == "CyclicLR" else (0.1, 0.02)
    optimizer, scheduler = built(name, starts, tensors=tensors)
    set_lr(optimizer, NEW, scheduler=scheduler)
    fresh = built(name, [NEW * start / starts[0] for start in starts], tensors=tensors)
    expected = trajectory(*fresh)
    np.testing.assert_allclose(trajectory(optimizer, scheduler), expected, rtol=1e-9, atol=1e-18)
    assert len({tuple(each) for each in expected}) > 1


@pytest.mark.parametrize("name", sorted(BUILDERS.keys() - WARM_UPS_THAT_MULTIPLY))
def test_with_a_scheduler_too_the_rate_written_is_the_rate_read(name):
    optimizer, scheduler = built(name, (0.1, 0.02))
    set_lr(optimizer, NEW, scheduler=scheduler)
    assert get_lr(optimizer) == NEW
    assert scheduler.get_last_lr() == rates(optimizer)


@pytest.mark.parametrize("name", sorted(WARM_UPS_THAT_MULTIPLY))
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_warm_up_that_multiplies_keeps_its_place(name, steps):
    optimizer, scheduler = built(name, (0.1, 0.02))
    fresh = built(name, (NEW, 0.2 * NEW))
    if steps:
        trajectory(optimizer, scheduler, steps)
        trajectory(*fresh, steps)
    set_lr(optimizer, NEW, scheduler=scheduler)
    assert rates(optimizer) == pytest.approx(rates(fresh[0]), rel=1e-12)
    assert scheduler.get_last_lr() == rates(optimizer)
    np.testing.assert_allclose(trajectory(optimizer, scheduler), trajectory(*fresh), rtol=1e-9)


@pytest.mark.parametrize("name", ["SequentialLR", "LinearLR", "ConstantLR"])
def test_after_its_warm_up_the_rate_written_is_the_rate_read(name):
    optimizer, scheduler = built(name, (0.1,))
    trajectory(optimizer, scheduler, 5)
    set_lr(optimizer, NEW, scheduler=scheduler)
    assert get_lr(optimizer) == NEW


def test_a_rate_written_after_a_decay_decays_from_there():
    optimizer, scheduler = built("StepLR", (0.1,))
    trajectory(optimizer, scheduler, 3)
    assert get_lr(optimizer) == 0.05
    set_lr(optimizer, NEW, scheduler=scheduler)
    assert trajectory(optimizer, scheduler, 3) == [[NEW], [NEW], [NEW / 2]]


def test_writing_the_same_rate_twice_in_a_warm_up_changes_nothing_more():
    optimizer, scheduler = built("SequentialLR", (0.1, 0.02))
    set_lr(optimizer, NEW, scheduler=scheduler)
    once = rates(optimizer)
    set_lr(optimizer, NEW, scheduler=scheduler)
    assert rates(optimizer) == pytest.approx(once, rel=1e-12)


def test_a_floor_that_the_user_chose_is_left_alone():
    optimizer, scheduler = built("CosineAnnealingLR to a floor", (0.1,))
    set_lr(optimizer, NEW, scheduler=scheduler)
    assert scheduler.eta_min == 1e-4


def test_a_one_cycle_starts_at_the_rate_and_peaks_as_many_times_higher_as_before():
    optimizer = optimizer_at(0.1, momentum=0.9)
    scheduler = sched.OneCycleLR(optimizer, 0.5, total_steps=10, div_factor=5)
    set_lr(optimizer, NEW, scheduler=scheduler)
    assert max(trajectory(optimizer, scheduler, 9)) == pytest.approx([5 * NEW])


def test_several_schedulers_are_brought_along_together():
    optimizer = optimizer_at(0.1)
    schedulers = [sched.StepLR(optimizer, 2), sched.ReduceLROnPlateau(optimizer)]
    set_lr(optimizer, NEW, scheduler=schedulers)
    assert schedulers[0].base_lrs == [NEW]
    assert [each.get_last_lr() for each in schedulers] == [[NEW], [NEW]]


def test_without_its_scheduler_only_the_rate_is_written():
    optimizer = optimizer_at(0.1)
    scheduler = sched.StepLR(optimizer, 2)
    set_lr(optimizer, NEW)
    assert get_lr(optimizer) == NEW
    assert (optimizer.param_groups[0]["initial_lr"], scheduler.base_lrs) == (0.1, [0.1])


class OwnSchedule:
    """A scheduler that keeps its rates where nobody knows."""

    def __init__(self, optimizer):
        self.optimizer = optimizer


def test_a_scheduler_of_an_unknown_kind_is_named_in_a_warning():
    optimizer = optimizer_at(0.1)
    with pytest.warns(UserWarning, match="OwnSchedule could not be scaled") as caught:
        set_lr(optimizer, NEW, scheduler=OwnSchedule(optimizer))
    assert get_lr(optimizer) == NEW
    assert caught[0].filename == __file__


def test_a_known_scheduler_gives_no_warning():
    optimizer, scheduler = built("SequentialLR", (0.1,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_lr(optimizer, NEW, scheduler=scheduler)


def test_a_group_added_after_the_scheduler_was_built_gets_its_share():
    optimizer = optimizer_at(0.1)
    scheduler = sched.StepLR(optimizer, 2)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.05})
    set_lr(optimizer, 1.0, scheduler=scheduler)
    assert rates(optimizer) == [1.0, 0.5]
    assert scheduler.base_lrs == [1.0]


@pytest.mark.parametrize("tensors", [False, True], ids=["floats", "tensors"])
@pytest.mark.parametrize("name", sorted(BUILDERS.keys() - {"CyclicLR"}))
def test_undo_puts_back_exactly_what_stood_there(name, tensors):
    optimizer, scheduler = built(name, (0.1, 0.03), tensors=tensors)
    trajectory(optimizer, scheduler, 2)
    inner = getattr(scheduler, "_schedulers", [])
    before = everything(optimizer, scheduler, *inner)
    change = change_lr(optimizer, 0.7, scheduler)
    assert everything(optimizer, scheduler, *inner) != before
    change.undo()
    assert everything(optimizer, scheduler, *inner) == before


def test_undo_writes_a_tensor_rate_in_place():
    rate = torch.tensor(0.1)
    optimizer = SGD([parameter()], lr=rate)
    change_lr(optimizer, 0.7).undo()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == torch.tensor(0.1).item()


def test_undo_holds_where_rate_and_base_share_one_tensor():
    rate = torch.tensor(0.1)
    optimizer = optimizer_at(rate)
    scheduler = sched.StepLR(optimizer, 2)
    optimizer.param_groups[0]["initial_lr"] = scheduler.base_lrs[0] = rate
    change = change_lr(optimizer, 0.7, scheduler)
    assert rate.item() == pytest.approx(0.7)
    change.undo()
    assert rate.item() == pytest.approx(0.1)


def test_undo_stands_whatever_was_written_meanwhile():
    optimizer = optimizer_at(0.1)
    change = change_lr(optimizer, NEW)
    optimizer.param_groups[0]["lr"] = 5.0
    optimizer.param_groups[0]["added"] = "stays"
    change.undo()
    change.undo()
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["added"] == "stays"


def test_a_change_tells_each_groups_rate_before_and_after():
    optimizer = SGD(
        [{"params": [parameter()], "lr": 0.1}, {"params": [parameter()], "lr": 0.2, "name": "head"}]
    )
    change = change_lr(optimizer, 0.5)
    told = [(group.label, group.before, group.after) for group in change.groups]
    assert change.lr == 0.5
    assert told == [("group 0", 0.1, 0.5), ("head", 0.2, 1.0)]


def test_a_writer_gives_every_group_its_ratio():
    optimizer = optimizer_at(0.1, torch.tensor(0.4, dtype=torch.float64), 0.05)
    tensor = optimizer.param_groups[1]["lr"]
    assert group_ratios(optimizer) == [1.0, 4.0, 0.5]
    writer = RateWriter(optimizer)
    for lr in (1e-7, 0.3, 10.0):
        assert writer.write(lr) == lr
        assert rates(optimizer) == [lr, lr * 4, lr * 0.5]
    assert optimizer.param_groups[1]["lr"] is tensor


def test_a_writer_returns_the_rate_that_a_tensor_holds():
    optimizer = SGD([parameter()], lr=torch.tensor(0.1))
    held = RateWriter(optimizer).write(0.3)
    assert held == get_lr(optimizer) != 0.3


def test_an_optimizer_is_described_by_its_name_and_what_distinguishes_it():
    assert describe(SGD([parameter()], lr=0.1)) == ("SGD", "")
    assert describe(SGD([parameter()], lr=0.1, momentum=0.9)) == ("SGD", "momentum 0.9")
    assert describe(torch.optim.AdamW([parameter()])) == (
        "AdamW",
        "betas 0.9, 0.999 · weight decay 0.01",
    )


# Where the rate is kept elsewhere too


class Attributes:
    """A training module that keeps its learning rate in an attribute."""

    def __init__(self, lr):
        self.lr = lr


def test_places_beside_the_optimizer_are_written_told_and_undone():
    module, hparams = Attributes(0.1), {"learning_rate": torch.tensor(0.1), "other": 3}
    optimizer, held = optimizer_at(0.1, 0.2), hparams["learning_rate"]
    places = [(vars(module), "lr"), (hparams, "learning_rate")]
    change = change_lr(optimizer, 0.5, places=places)
    assert module.lr == 0.5
    assert hparams == {"learning_rate": held, "other": 3}
    assert held.item() == 0.5
    assert change.notes == [
        "The lr kept beside the optimizer was set too.",
        "The learning_rate kept beside the optimizer was set too.",
    ]
    change.undo()
    assert module.lr == 0.1
    assert held.item() == torch.tensor(0.1).item()
    assert rates(optimizer) == [0.1, 0.2]


def test_a_place_that_holds_nothing_yet_is_written_and_undone():
    module = Attributes(None)
    change = change_lr(optimizer_at(0.1), 0.5, places=[(vars(module), "lr")])
    assert module.lr == 0.5
    change.undo()
    assert module.lr is None


def test_a_place_that_refuses_leaves_everything_as_it_was():
    class ReadOnly(dict):
        def __setitem__(self, key, value):
            if value != self[key]:
                raise TypeError("these hyperparameters are frozen")

    optimizer, module, hparams = optimizer_at(0.1, 0.2), Attributes(0.1), ReadOnly(lr=0.1)
    scheduler = sched.StepLR(optimizer, 2)
    before = everything(optimizer, scheduler)
    with pytest.raises(TypeError, match="frozen"):
        change_lr(optimizer, 0.5, scheduler, places=[(vars(module), "lr"), (hparams, "lr")])
    assert everything(optimizer, scheduler) == before
    assert (module.lr, hparams["lr"]) == (0.1, 0.1)


# What is said of a change

NOTES = {
    "StepLR": ["StepLR's initial_lr and base_lrs were set too."],
    "OneCycleLR": [
        "OneCycleLR's initial_lr, max_lr, min_lr and base_lrs were set too.",
        (
            "OneCycleLR's cycle starts at 0.03 and peaks at 0.75, 25 times higher as before; "
            "to peak at 0.03, build it anew."
        ),
    ],
    "CyclicLR": [
        "CyclicLR's initial_lr, base_lrs and max_lrs were set too.",
        (
            "CyclicLR's cycle starts at 0.03 and peaks at 0.3, 10 times higher as before; "
            "to peak at 0.03, build it anew."
        ),
    ],
    "SequentialLR": [
        "LinearLR's initial_lr and base_lrs were set too.",
        "StepLR's initial_lr and base_lrs were set too.",
        "The warm-up goes on: the learning rate is 0.003 now and ends at 0.03.",
    ],
    "ReduceLROnPlateau": [],
}


@pytest.mark.parametrize("name", NOTES)
def test_what_was_brought_along_is_said_in_plain_sentences(name):
    optimizer, scheduler = built(name, (0.1, 0.02))
    change = change_lr(optimizer, NEW, scheduler)
    assert change.notes == NOTES[name]
    assert change.warnings == []


def test_a_cycle_is_described_for_the_group_that_has_the_learning_rate():
    optimizer, scheduler = built("OneCycleLR", (0.1, 0.02))
    scheduler_peaks = [group["max_lr"] for group in optimizer.param_groups]
    change = change_lr(optimizer, NEW, scheduler, groups=["group 1"])
    assert any("starts at 0.03 and peaks at 0.75" in note for note in change.notes)
    assert optimizer.param_groups[0]["max_lr"] == scheduler_peaks[0]


def test_without_a_scheduler_nothing_is_said():
    change = change_lr(optimizer_at(0.1), NEW)
    assert (change.notes, change.warnings) == ([], [])


def test_what_could_not_be_brought_along_is_a_warning_and_no_note():
    optimizer = optimizer_at(0.1)
    change = change_lr(optimizer, NEW, OwnSchedule(optimizer))
    assert change.notes == []
    assert [warning.split(" could")[0] for warning in change.warnings] == [
        "the schedule of OwnSchedule"
    ]
