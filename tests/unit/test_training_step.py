"""The training steps people take: mixed precision, accumulation, own losses, validation."""

import itertools
import math

import pytest
import torch
from torch.nn import functional
from torch.optim import Adam

from evidence import assert_leaves_no_trace, training_with
from lrfinder_widget import LossInferenceError, SettingsError, lr_find
from lrfinder_widget.settings import SweepSettings, learning_rates
from lrfinder_widget.sweep import MOST_SKIPPED, OVERFLOWS
from specimens import Samples, batch_norm_and_dropout, batches_of_4, mlp
from steps import SEEN, SHORT, batches, counting, parts, point_of, step_of, sweep_of, swept, weights

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()


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
