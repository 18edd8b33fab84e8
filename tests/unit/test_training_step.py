"""The training steps people take: mixed precision, accumulation, closures, clipping, own losses."""

import copy
import itertools
import math
import sys
import time

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import LBFGS, SGD, Adam, Optimizer

from evidence import assert_leaves_no_trace, differences, seeded, training_with
from lrfinder_widget import LossInferenceError, SettingsError, lr_find
from lrfinder_widget.settings import SweepSettings, learning_rates
from lrfinder_widget.sweep import MOST_SKIPPED, OVERFLOWS, Sweep
from lrfinder_widget.training import gradients
from lrfinder_widget.training.step import TrainStep
from lrfinder_widget.training.training import Training as Swept
from specimens import CLASSES, Samples, batch_norm_and_dropout, batches_of_4, mlp

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SHORT = {"start_lr": 1e-3, "end_lr": 0.1, "num_iter": 6, "diverge_threshold": None}
CPU = torch.device("cpu")
# What a test watches: a list of its own would be put back with everything else.
SEEN = []


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()


def swept(model=None, optimizer=None, **parts):
    seeded()
    model = mlp() if model is None else model
    optimizer = optimizer or SGD(model.parameters(), lr=0.05, momentum=0.9)
    given = {"loader": batches_of_4(Samples()), "loss_fn": functional.cross_entropy}
    return Swept(model=model, optimizer=optimizer, **{**given, **parts})


def sweep_of(training, **settings):
    return Sweep(training, SweepSettings(**{**SHORT, **settings}))


def step_of(training, **settings):
    return TrainStep(training, SweepSettings(**settings), CPU)


def point_of(step, batches):
    return step.way(step, batches, 0, 0.1)


def weights(training):
    return [parameter.detach().clone() for parameter in training.model.parameters()]


def batches(count=4):
    return list(itertools.islice(batches_of_4(Samples()), count))


def counting(model):
    """Return an optimizer that lists the rate of each step that is really taken."""
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    optimizer.register_step_post_hook(lambda own, *_: SEEN.append(own.param_groups[0]["lr"]))
    return optimizer


# Mixed precision


@pytest.mark.parametrize(
    ("amp", "dtype"),
    [
        (None, torch.float32),
        ("bf16", torch.bfloat16),
        ("fp16", torch.float16),
        (torch.autocast("cpu", dtype=torch.bfloat16), torch.bfloat16),
    ],
)
def test_the_forward_pass_runs_in_the_precision_that_was_asked_for(amp, dtype):
    def loss_fn(output, target):
        SEEN.append(output.dtype)
        return functional.cross_entropy(output, target)

    training = swept(loss_fn=loss_fn)
    assert len(list(sweep_of(training, amp=amp))) == 6
    assert [dtype] * 6 == SEEN
    assert not torch.is_autocast_enabled("cpu")
    assert next(training.model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_a_sweep_in_mixed_precision_leaves_no_trace(amp):
    def build():
        training = training_with()
        whole = training.sweep
        training.sweep = lambda **settings: whole(amp=amp, **settings)
        return training

    assert_leaves_no_trace(build)


def test_a_step_that_the_scaler_skips_is_no_point_and_does_not_advance_the_rate():
    model = mlp()
    calls = itertools.count()

    def overflows_at_first(output, target):
        loss = functional.cross_entropy(output, target)
        return loss * (1e6 if next(calls) < 3 else 1)

    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120)
    training = swept(model, counting(model), scaler=scaler, loss_fn=overflows_at_first)
    points = list(sweep_of(training))
    rates = learning_rates(SweepSettings(**SHORT)).tolist()
    assert [point.index for point in points] == list(range(6))
    assert [point.lr for point in points] == rates == SEEN
    assert next(calls) == 6 + 3  # the skipped steps had batches of their own


class Reads:
    """Iterates over `source` again and again, and lists what is read."""

    def __init__(self, source):
        self.source = source

    def __iter__(self):
        for batch in self.source:
            SEEN.append(batch)
            yield batch


@pytest.mark.parametrize("used_before", [False, True])
def test_the_users_gradient_scaler_is_as_it_was(used_before):
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2)
    training = swept(scaler=scaler)
    if used_before:
        point_of(step_of(training), batches(1))
    before, held = scaler.state_dict(), scaler._scale
    list(sweep_of(training))
    assert scaler.state_dict() == before
    assert scaler._scale is held
    scaler.scale(torch.ones(()))
    assert scaler.get_scale() == before["scale"]


def test_gradients_that_no_scale_makes_finite_end_the_sweep_and_say_so():
    model = mlp()
    calls = itertools.count()

    def explodes_later(output, target):
        loss = functional.cross_entropy(output, target)
        if next(calls) < 3:
            return loss
        # The derivative of a square root at 0 is infinite, its value is not.
        return loss + torch.sqrt((output - output.detach()).abs().sum())

    training = swept(model, counting(model), loss_fn=explodes_later)
    before = weights(training)
    points = list(sweep := sweep_of(training, amp="fp16"))
    assert (len(points), len(SEEN)) == (3, 3)
    assert (sweep.stop_reason, sweep.notes) == ("non-finite loss", [OVERFLOWS])
    assert next(calls) == 3 + MOST_SKIPPED
    assert all(map(torch.equal, before, weights(training)))


def test_a_loss_that_is_not_finite_ends_the_sweep_under_a_scaler_too():
    calls = itertools.count(1)

    def loss_fn(output, target):
        return functional.cross_entropy(output, target) * (math.nan if next(calls) == 3 else 1)

    points = list(sweep := sweep_of(swept(loss_fn=loss_fn), amp="fp16"))
    assert [math.isfinite(point.loss) for point in points] == [True, True, False]
    assert sweep.stop_reason == "non-finite loss"


# Accumulation


def test_accumulation_is_one_step_on_the_mean_of_its_micro_batches():
    taken, expected = swept(), swept()
    four = batches(4)
    point = point_of(step_of(taken, accumulation_steps=4), four)
    expected.optimizer.zero_grad()
    losses = [functional.cross_entropy(expected.model(x), y) for x, y in four]
    for loss in losses:
        (loss / 4).backward()
    expected.optimizer.step()
    assert point.loss == pytest.approx(torch.stack(losses).mean().item())
    assert all(map(torch.equal, weights(taken), weights(expected)))


def test_accumulation_reads_so_many_batches_for_each_point():
    training = swept(loader=Reads(batches_of_4(Samples())))
    points = list(sweep_of(training, accumulation_steps=3))
    assert (len(points), len(SEEN)) == (6, 18)


@pytest.mark.parametrize("amp", [None, "fp16"])
def test_a_sweep_that_accumulates_leaves_no_trace(amp):
    def build():
        training = training_with(model=batch_norm_and_dropout())
        whole = training.sweep
        training.sweep = lambda **settings: whole(accumulation_steps=3, amp=amp, **settings)
        return training

    assert_leaves_no_trace(build)


# Closures


def test_an_optimizer_that_needs_a_closure_gets_one_and_the_first_loss_is_recorded():
    model = mlp()
    training = swept(model, LBFGS(model.parameters(), lr=0.1, max_iter=4))
    batch = batches(1)
    with torch.no_grad():
        before = functional.cross_entropy(model(batch[0][0]), batch[0][1]).item()
    assert point_of(step_of(training), batch).loss == before
    with torch.no_grad():
        after = functional.cross_entropy(model(batch[0][0]), batch[0][1]).item()
    assert after < before


def test_a_sweep_with_a_closure_leaves_no_trace():
    training = training_with()
    training.optimizer = LBFGS(training.model.parameters(), lr=0.1, max_iter=3, history_size=3)
    for _ in range(2):  # it has a state
        x, y = next(iter(training.loader))

        def closure(x=x, y=y):
            training.optimizer.zero_grad()
            loss = training.loss_fn(training.model(x), y)
            loss.backward()
            return loss

        training.optimizer.step(closure)
    told = training.trace()
    assert len(list(training.sweep(accumulation_steps=2))) == 12
    assert differences(told, training.trace()) == []


def test_a_closure_and_a_gradient_scaler_do_not_go_together():
    model = mlp()
    training = swept(model, LBFGS(model.parameters()))
    with pytest.raises(SettingsError, match=r"LBFGS evaluates .* use amp='bf16'"):
        sweep_of(training, amp="fp16")


# Clipping and norms


def norm_of(training, batch):
    twin = copy.deepcopy(training.model)
    functional.cross_entropy(twin(batch[0]), batch[1]).backward()
    return torch.cat([p.grad.flatten() for p in twin.parameters()]).norm().item()


def test_gradient_norms_are_those_before_clipping():
    training = swept()
    (batch,) = batches(1)
    expected = norm_of(training, batch)
    clipped = point_of(step_of(training, clip_grad_norm=expected / 10), [batch])
    assert clipped.grad_norm == pytest.approx(expected, rel=1e-5)
    grads = torch.cat([p.grad.flatten() for p in training.model.parameters()])
    assert grads.norm().item() == pytest.approx(expected / 10, rel=1e-4)


def test_under_a_scaler_the_norm_is_that_of_the_unscaled_gradients():
    training = swept(scaler=torch.amp.GradScaler("cpu", init_scale=1024.0))
    (batch,) = batches(1)
    expected = norm_of(training, batch)
    point = point_of(step_of(training, grad_norms=True), [batch])
    assert point.grad_norm == pytest.approx(expected, rel=1e-4)


def test_gradients_are_clipped_by_value():
    training = swept()
    point_of(step_of(training, clip_grad_value=1e-3), batches(1))
    largest = max(p.grad.abs().max().item() for p in training.model.parameters())
    assert largest == pytest.approx(1e-3)


def test_the_norm_of_a_sparse_gradient_is_known():
    model = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(8, CLASSES))
    training = swept(model, SGD(model.parameters(), lr=0.1))
    batch = (torch.tensor([[1, 1], [2, 3]]), torch.tensor([0, 1]))
    point = point_of(step_of(training, grad_norms=True), [batch])
    parts = [p.grad.to_dense().flatten() for p in model.parameters()]
    assert point.grad_norm == pytest.approx(torch.cat(parts).norm().item(), rel=1e-5)


@pytest.mark.parametrize(("share", "recorded"), [(math.inf, True), (0.0, False)])
def test_by_default_norms_are_recorded_where_they_cost_little(monkeypatch, share, recorded):
    monkeypatch.setattr(gradients, "SHARE", share)
    tried = gradients.TRIALS
    assert tells_norm(swept()) == [False] * (tried - 1) + [recorded] * (12 - tried + 1)


def tells_norm(training, **settings):
    """Whether each step of a sweep tells the gradients' norm."""
    points = sweep_of(training, num_iter=12, **settings)
    return [math.isfinite(point.grad_norm) for point in points]


@pytest.mark.parametrize(("share", "recorded"), [(math.inf, True), (0.0, False)])
def test_what_norms_cost_is_found_out_once_for_all_sweeps_of_a_training(
    monkeypatch, share, recorded
):
    monkeypatch.setattr(gradients, "SHARE", share)
    training = swept()
    tells_norm(training)
    monkeypatch.setattr(gradients, "SHARE", 0.0 if recorded else math.inf)
    assert tells_norm(training) == [recorded] * 12
    assert tells_norm(training, grad_norms=not recorded) == [not recorded] * 12


def test_slow_steps_settle_it_sooner(monkeypatch):
    monkeypatch.setattr(gradients, "SHARE", math.inf)
    monkeypatch.setattr(gradients, "PATIENCE_SECONDS", 0.0)
    assert tells_norm(swept())[:4] == [False, True, True, True]


@pytest.mark.skipif(sys.platform == "win32", reason="a thread's time is counted too coarsely")
def test_a_step_that_waits_does_not_make_norms_seem_cheap():
    class Waits(nn.Module):
        def forward(self, inputs):
            time.sleep(0.02)  # as on a machine that is busy with something else
            return inputs

    assert not any(tells_norm(swept(nn.Sequential(Waits(), *mlp()))))


def test_values_of_sparse_gradients_are_not_clipped_but_refused():
    model = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(8, CLASSES))
    batch = (torch.randint(9, (5, 2)), torch.randint(CLASSES, (5,)))
    sparse = swept(model, SGD(model.parameters(), lr=0.1), loader=[batch])
    with pytest.raises(SettingsError, match="use clip_grad_norm"):
        list(sweep_of(sparse, clip_grad_value=1.0))


def test_norms_can_be_asked_for_and_refused():
    asked = lr_find(*parts(swept()), progress=False, grad_norms=True, **SHORT)
    assert (asked.grad_norms > 0).all()
    refused = lr_find(*parts(swept()), progress=False, grad_norms=False, clip_grad_norm=1, **SHORT)
    assert all(map(math.isnan, refused.grad_norms))


def parts(training):
    return training.model, training.optimizer, training.loader, training.loss_fn


# The user's own computation


def test_an_own_computation_takes_model_and_batch_and_may_report_more():
    def compute_loss(model, batch):
        inputs, targets = batch
        scores = model(inputs)
        loss = functional.cross_entropy(scores, targets)
        accuracy = (scores.argmax(1) == targets).float().mean()
        return {"loss": loss, "accuracy": accuracy, "constant": 2, "scores": scores, "name": "x"}

    plain = lr_find(*parts(swept()), progress=False, **SHORT)
    model, optimizer, loader, _ = parts(swept())
    own = lr_find(model, optimizer, loader, compute_loss=compute_loss, progress=False, **SHORT)
    assert own.losses.tolist() == plain.losses.tolist()
    assert sorted(own.metrics) == ["accuracy", "constant"]
    assert own.metrics["constant"].tolist() == [2.0] * 6
    assert all(0 <= value <= 1 for value in own.metrics["accuracy"])
    assert own.loss_name == "compute_loss"


def test_of_several_micro_batches_the_mean_is_reported():
    values = itertools.count(1)

    def compute_loss(model, batch):
        loss = functional.cross_entropy(model(batch[0]), batch[1])
        return {"loss": loss, "value": next(values)}

    training = swept(loss_fn=None, compute_loss=compute_loss)
    step = step_of(training, accumulation_steps=2)
    assert [point_of(step, batches(2)).metrics["value"] for _ in range(2)] == [1.5, 3.5]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ({"accuracy": 1.0}, r"compute_loss returned a dict without 'loss' \(it has accuracy\)"),
        (3.0, "compute_loss returned a float; it must return a scalar tensor"),
        (torch.ones(()), "does not depend on any trainable parameter"),
        (torch.ones(2, requires_grad=True), r"tensor of shape \(2,\)"),
    ],
)
def test_what_is_no_loss_is_answered_with_what_to_return(returned, words):
    def compute_loss(model, batch):
        return returned

    with pytest.raises(LossInferenceError, match=words):
        list(sweep_of(swept(loss_fn=None, compute_loss=compute_loss)))


def test_loss_fn_and_an_own_computation_are_not_mixed():
    with pytest.raises(SettingsError, match="loss_fn or compute_loss, not both"):
        sweep_of(swept(compute_loss=lambda model, batch: model(batch[0]).sum()))


def test_a_frameworks_own_step_is_taken_as_it_is():
    training = swept(loss_fn=None)
    optimizer = training.optimizer

    def train_step(batch):
        SEEN.append(optimizer.param_groups[0]["lr"])
        optimizer.zero_grad()
        loss = functional.cross_entropy(training.model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    before = weights(training)
    own = swept(training.model, optimizer, loss_fn=None, train_step=train_step)
    points = list(sweep_of(own))
    assert [point.lr for point in points] == SEEN
    assert all(map(torch.equal, before, weights(training)))
    with pytest.raises(SettingsError, match="amp cannot be used here"):
        sweep_of(own, amp="bf16")
    none = swept(training.model, optimizer, loss_fn=None, train_step=lambda batch: None)
    with pytest.raises(LossInferenceError, match="returned no loss"):
        list(sweep_of(none))


# Optimizers of two passes


class TwoPasses(Optimizer):
    """SAM as it is usually written: it takes the closure as optional, and insists on it."""

    def __init__(self, parameters, base=SGD, rho=0.05, **options):
        super().__init__(parameters, {"rho": rho, **options})
        self.base = base(self.param_groups, **options)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def first_step(self, *, zero_grad=False):
        own = [each for group in self.param_groups for each in group["params"]]
        norm = torch.norm(torch.stack([each.grad.norm() for each in own if each.grad is not None]))
        for each in own:
            self.state[each]["before"] = each.data.clone()
            each.add_(each.grad * 0.05 / norm)
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, *, zero_grad=False):
        for group in self.param_groups:
            for each in group["params"]:
                each.copy_(self.state[each]["before"])
        self.base.step()

    @torch.no_grad()
    def step(self, closure=None):
        assert closure is not None, "requires closure, but it was not provided"
        self.first_step(zero_grad=True)
        torch.enable_grad()(closure)()
        self.second_step()


class InsistsOnIt(TwoPasses):
    def step(self, closure):
        return super().step(closure)


class NoClosureError(Exception):
    pass


class UnderAnotherName(Optimizer):
    """Tells only by what it raises that it needs a closure."""

    def __init__(self, parameters, **options):
        super().__init__(parameters, options)
        self.inner = TwoPasses(self.param_groups, **options)
        self.param_groups = self.inner.param_groups

    def step(self, closure=None):
        if closure is None:
            raise NoClosureError("UnderAnotherName requires it.")
        return self.inner.step(closure)


def trained_in_two_passes(kind, rates):
    """Return the losses of a loop as users of SAM write it."""
    seeded()
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for rate, (inputs, target) in zip(rates, itertools.cycle(batches(5)), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate

        def closure(inputs=inputs, target=target):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), target)
            loss.backward()
            return loss

        losses.append(closure().item())
        optimizer.step(closure)
    return losses


TWO_PASSES = [TwoPasses, InsistsOnIt]


@pytest.mark.parametrize("kind", TWO_PASSES)
def test_an_optimizer_of_two_passes_is_stepped_as_its_users_do(kind):
    rates = learning_rates(SweepSettings(**SHORT)).tolist()
    expected = trained_in_two_passes(kind, rates)
    seeded()
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.05, momentum=0.9)
    points = list(sweep_of(swept(model, optimizer, loader=batches(5))))
    assert [point.loss for point in points] == expected
    assert [point.lr for point in points] == rates


@pytest.mark.parametrize("kind", [*TWO_PASSES, UnderAnotherName])
@pytest.mark.parametrize("grad_norms", [None, False])
def test_a_sweep_in_two_passes_leaves_no_trace(kind, grad_norms):
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.05, momentum=0.9)
    training = swept(model, optimizer)
    before = weights(training)
    assert len(list(sweep_of(training, grad_norms=grad_norms))) == 6
    assert all(map(torch.equal, before, weights(training)))
    assert not optimizer.state
    assert [group["lr"] for group in optimizer.param_groups] == [0.05]


def test_what_asks_for_a_closure_at_its_first_step_gets_one_with_gradients_there():
    def losses(kind):
        seeded()
        model = mlp()
        optimizer = kind(model.parameters(), lr=0.05, momentum=0.9)
        return [point.loss for point in sweep_of(swept(model, optimizer))]

    assert losses(UnderAnotherName) == losses(TwoPasses)


@pytest.mark.parametrize("kind", [*TWO_PASSES, UnderAnotherName])
def test_two_passes_and_a_gradient_scaler_do_not_go_together(kind):
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.05)
    with pytest.raises(SettingsError, match="which a gradient scaler cannot follow"):
        list(sweep_of(swept(model, optimizer), amp="fp16"))


def test_an_error_of_an_optimizer_that_is_about_something_else_stays_as_it_is():
    class Broken(SGD):
        def step(self, closure=None):
            raise ValueError("out of order")

    model = mlp()
    with pytest.raises(ValueError, match=r"^out of order$"):
        list(sweep_of(swept(model, Broken(model.parameters(), lr=0.1))))


def test_an_optimizer_without_a_learning_rate_is_refused():
    class NoRate(SGD):
        def __init__(self, parameters):
            super().__init__(parameters, lr=0.1)
            for group in self.param_groups:
                del group["lr"]

    model = mlp()
    with pytest.raises(SettingsError, match=r"NoRate has no learning rate .*no 'lr' \(it has mom"):
        lr_find(model, NoRate(model.parameters()), batches(1), progress=False)


# Validation


def test_the_validation_loss_is_that_after_the_step_in_eval_mode():
    training = swept(batch_norm_and_dropout())
    training.model[1].eval()
    held = batches(3)
    step = step_of(training)
    step.validate_on(held)
    point = point_of(step, batches(1))
    assert [m.training for m in training.model] == [True, False, True, True, True]
    statistics = training.model[1].running_mean.clone()
    training.model.eval()
    with torch.no_grad():
        losses = [functional.cross_entropy(training.model(x), y).item() for x, y in held]
    assert point.val_loss == pytest.approx(sum(losses) / 3)
    assert torch.equal(statistics, training.model[1].running_mean)


def test_adam_on_two_groups_trains_at_equal_rates_or_only_where_it_is_told():
    model = mlp()

    def rates(groups):
        SEEN.clear()
        first, last = model[0].parameters(), model[2].parameters()
        optimizer = Adam(
            [{"params": first, "lr": 0.3, "name": "body"}, {"params": last, "lr": 0.1}], lr=1.0
        )
        optimizer.register_step_pre_hook(
            lambda own, *_: SEEN.append([group["lr"] for group in own.param_groups])
        )
        points = list(sweep_of(swept(model, optimizer), groups=groups, num_iter=3))
        assert [group["lr"] for group in optimizer.param_groups] == [0.3, 0.1]
        return [point.lr for point in points], list(SEEN)

    lrs, used = rates("equal")
    assert used == [[lr, lr] for lr in lrs]
    lrs, used = rates(["group 1"])
    assert used == [[0.3, lr] for lr in lrs]
    lrs, used = rates(["body"])
    assert used == [[lr, 0.1] for lr in lrs]
    with pytest.raises(SettingsError, match=r"no parameter group .head. .*body, group 1"):
        rates(["head"])
