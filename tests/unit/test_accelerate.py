"""What accelerator.prepare returns: swept as it is, and accelerate's shared state left alone."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from evidence import differences, flat, seeded
from lrfinder_widget import LRFinderWidget, SettingsError, lr_find, set_lr
from specimens import Samples, batch_norm_and_dropout, batches_of_4, mlp

pytest.importorskip("accelerate")

from accelerate import Accelerator, skip_first_batches
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState, GradientState, PartialState
from accelerate.utils import DataLoaderConfiguration

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SHORT = {"start_lr": 1e-3, "end_lr": 0.5, "num_iter": 8, "diverge_threshold": None}


# What a test watches: a list of its own would be put back with everything else.
SEEN = []


@pytest.fixture(autouse=True)
def _forgotten():
    SEEN.clear()
    forget_accelerators()  # those of other tests
    yield
    forget_accelerators()


def forget_accelerators():
    for shared in (AcceleratorState, GradientState, PartialState):
        shared._reset_state()


class Prepared:
    """A training loop as accelerate's users write it, which goes on in mid-epoch."""

    def __init__(self, model=batch_norm_and_dropout, loader=None, *, schedule=False, **options):
        self.accelerator = Accelerator(cpu=True, **options)
        seeded()
        net = model()
        optimizer = SGD(net.parameters(), lr=0.05, momentum=0.9)
        data = DataLoader(Samples(), batch_size=4, shuffle=True, **(loader or {}))
        parts = [net, optimizer, data]
        if schedule:
            parts.append(LambdaLR(optimizer, lambda step: 0.9**step))
        self.model, self.optimizer, self.loader, *rest = self.accelerator.prepare(*parts)
        self.scheduler = rest[0] if rest else None
        self.losses = []
        self._iterator = iter(())

    def train(self, batches):
        for _ in range(batches):
            inputs, targets = self._next()
            with self.accelerator.accumulate(self.model):
                loss = functional.cross_entropy(self.model(inputs), targets)
                self.accelerator.backward(loss)
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
                if self.scheduler is not None:
                    self.scheduler.step()
                self.optimizer.zero_grad()
            self.losses.append(loss.item())

    def _next(self):
        for batch in self._iterator:
            return batch
        self._iterator = iter(self.loader)
        return next(self._iterator)

    def trace(self):
        shared = GradientState()
        gradients = [parameter.grad for parameter in self.model.parameters()]
        return flat(
            {
                "model": self.model.state_dict(),
                "gradients": gradients,
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict() if self.scheduler else None,
                "losses": self.losses,
                "steps": self.accelerator.step,
                "synchronised": shared.sync_gradients,
                "read": [each is self.loader for each in shared.dataloader_references],
                "end": [shared.end_of_dataloader, shared.remainder, self.loader.iteration],
                "torch's generator": torch.get_rng_state(),
            }
        )


LOOPS = {
    "plain": {},
    "accumulation": {"gradient_accumulation_steps": 3},
    "bfloat16": {"mixed_precision": "bf16"},
    "schedule": {"schedule": True, "gradient_accumulation_steps": 2},
    "workers": {"loader": {"num_workers": 1, "persistent_workers": True}},
    "seedable sampler": {
        "dataloader_config": DataLoaderConfiguration(use_seedable_sampler=True),
    },
    "stateful loader": {
        "dataloader_config": DataLoaderConfiguration(use_stateful_dataloader=True),
    },
}


@pytest.mark.parametrize("options", LOOPS.values(), ids=LOOPS)
def test_training_goes_on_in_mid_epoch_as_if_no_sweep_had_run(options):
    expected = Prepared(**options)
    expected.train(14)
    trace = expected.trace()
    forget_accelerators()
    training = Prepared(**options)
    training.train(7)  # in the second epoch, and in the middle of an accumulation
    told = training.trace()
    lr_find(training.model, training.optimizer, training.loader, progress=False, **SHORT)
    assert differences(told, training.trace()) == []
    training.train(7)
    assert differences(trace, training.trace()) == []


@pytest.mark.parametrize("options", LOOPS.values(), ids=LOOPS)
def test_a_sweep_of_prepared_parts_is_the_sweep_of_the_parts(options):
    steps = options.get("gradient_accumulation_steps", 1)
    training = Prepared(model=mlp, **options)
    prepared = lr_find(
        training.model, training.optimizer, training.loader, progress=False, seed=1, **SHORT
    )
    seeded()
    net = mlp()
    plain = lr_find(
        net,
        SGD(net.parameters(), lr=0.05, momentum=0.9),
        training.loader.base_dataloader,
        progress=False,
        seed=1,
        accumulation_steps=steps,
        amp="bf16" if "mixed_precision" in options else None,
        **SHORT,
    )
    assert prepared.losses == pytest.approx(plain.losses, rel=1e-2 if plain.settings.amp else 0)


def test_the_accelerators_accumulation_is_the_sweeps_unless_the_user_passes_it():
    training = Prepared(gradient_accumulation_steps=3)
    parts = training.model, training.optimizer, training.loader
    assert lr_find(*parts, progress=False, **SHORT).settings.accumulation_steps == 3
    chosen = lr_find(*parts, progress=False, accumulation_steps=1, **SHORT)
    assert chosen.settings.accumulation_steps == 1


def test_a_sweep_in_the_middle_of_an_accumulation_takes_every_step():
    training = Prepared(gradient_accumulation_steps=2, model=mlp)
    training.train(1)
    assert not training.accelerator.sync_gradients
    result = lr_find(training.model, training.optimizer, training.loader, progress=False, **SHORT)
    assert len(set(result.losses)) == SHORT["num_iter"]


def test_nobody_sees_the_sweep_read_the_loader():
    class Watching(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def forward(self, inputs):
            SEEN.append([*GradientState().dataloader_references])
            return self.body(inputs)

    training = Prepared(model=Watching)
    lr_find(training.model, training.optimizer, training.loader, progress=False, **SHORT)
    assert [[None]] * SHORT["num_iter"] == SEEN


def test_a_loader_that_skips_its_first_batches_can_be_swept():
    training = Prepared(model=mlp)
    rest = skip_first_batches(training.loader, 2)
    order = [batch[0] for batch in rest]
    state = torch.get_rng_state()
    result = lr_find(training.model, training.optimizer, rest, progress=False, **SHORT)
    assert len(result.losses) == SHORT["num_iter"]
    assert torch.equal(state, torch.get_rng_state())
    assert len([*rest]) == len(order) == 3


def test_repeats_see_the_data_in_different_orders():
    training = Prepared(
        model=mlp, dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True)
    )
    parts = training.model, training.optimizer, training.loader
    result = lr_find(*parts, progress=False, repeats=2, **SHORT)
    first, second = result.runs
    assert first.losses.tolist() != second.losses.tolist()


def test_apply_sets_the_prepared_optimizer_and_its_scheduler():
    training = Prepared(schedule=True)
    widget = LRFinderWidget(
        training.model, training.optimizer, training.loader, scheduler=training.scheduler, **SHORT
    )
    widget.run()
    widget.wait(60)
    widget.apply(0.2)
    assert training.optimizer.param_groups[0]["lr"] == 0.2
    assert training.scheduler.scheduler.base_lrs == [0.2]
    widget.undo()
    assert training.optimizer.param_groups[0]["lr"] == 0.05
    widget.close()


def test_set_lr_takes_a_prepared_optimizer_and_scheduler():
    training = Prepared(schedule=True)
    set_lr(training.optimizer, 0.2, scheduler=training.scheduler)
    training.train(1)
    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(0.2 * 0.9)


def test_a_scheduler_built_on_the_prepared_optimizer_belongs_to_it():
    training = Prepared()
    scheduler = LambdaLR(training.optimizer, lambda _: 1.0)
    set_lr(training.optimizer.optimizer, 0.2, scheduler=scheduler)
    assert scheduler.base_lrs == [0.2]


class Scaler(torch.amp.GradScaler):
    """Stands for the gradient scaler of float16, which accelerate makes on accelerators only."""

    steps = 0

    def step(self, optimizer, *args, **kwargs):
        type(self).steps += 1
        return super().step(optimizer, *args, **kwargs)


def test_the_accelerators_gradient_scaler_scales_the_sweep():
    training = Prepared(model=mlp)
    scaler = Scaler("cpu", init_scale=4.0)
    optimizer = AcceleratedOptimizer(training.optimizer.optimizer, scaler=scaler)
    Scaler.steps = 0
    before = flat(scaler.state_dict())
    lr_find(training.model, optimizer, training.loader, progress=False, **SHORT)
    assert Scaler.steps == SHORT["num_iter"]
    assert differences(before, flat(scaler.state_dict())) == []


def test_an_optimizer_that_only_its_engine_steps_is_refused():
    class EngineOptimizer(AcceleratedOptimizer):
        pass

    training = Prepared(model=mlp)
    optimizer = EngineOptimizer(training.optimizer.optimizer)
    with pytest.raises(SettingsError, match="EngineOptimizer can only be stepped by its own"):
        lr_find(training.model, optimizer, training.loader, progress=False)


def test_accelerate_is_not_loaded_for_those_who_do_not_use_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "accelerate")
    net = mlp()
    lr_find(net, SGD(net.parameters(), lr=0.05), batches_of_4(Samples()), progress=False, **SHORT)
    assert "accelerate" not in sys.modules
