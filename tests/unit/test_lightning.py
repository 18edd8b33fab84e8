"""A LightningModule is swept by its own training_step, and fit goes on as if that had not been."""

import logging
import random
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.nn import functional
from torch.optim import SGD
from torchmetrics import MeanMetric

from evidence import differences, flat, seeded
from lightning_modules import (
    Adversaries,
    Classifier,
    Data,
    Rates,
    Restless,
    linear_head,
    trainer,
)
from lrfinder_widget import LossInferenceError, LRFinderWidget, SettingsError
from lrfinder_widget.adapters.lightning import from_lightning
from lrfinder_widget.points import Points
from lrfinder_widget.series import Series
from lrfinder_widget.settings import SweepSettings
from specimens import Samples, batches_of_4, mlp

QUICK = {"start_lr": 1e-3, "end_lr": 0.5, "num_iter": 8, "diverge_threshold": None}

pytestmark = [
    pytest.mark.usefixtures("one_torch_thread"),
    # Lightning's own, on the newest torch and on short loaders.
    pytest.mark.filterwarnings("ignore:.*treespec", "ignore:.*does not have many workers"),
]


def series(*arguments, **settings):
    training, settings = from_lightning(*arguments, **{**QUICK, **settings})
    return Series(training, SweepSettings(**settings))


def swept(*arguments, **settings):
    points = Points()
    for point in series(*arguments, **settings):
        points.append(point)
    return points


def in_order():
    return batches_of_4(Samples())


def shuffled():
    return batches_of_4(Samples(), shuffle=True)


def trace(module, *more):
    """Return what can be told of a module and of others, and of the random generators."""
    attributes = {name: value for name, value in vars(module).items() if name != "_trainer"}
    generators = [random.getstate(), np.random.get_state(), torch.get_rng_state()]
    return flat({"module": attributes, "more": more, "generators": generators})


def held(user):
    """Return the objects that a trainer is made of, by name."""
    parts = (user, user.strategy, user.fit_loop, user.fit_loop.epoch_loop, user.strategy.model)
    return {
        (index, name): id(value)
        for index, part in enumerate(parts)
        for name, value in vars(part or SimpleNamespace()).items()
    }


def fitted(user):
    """Return what a trainer tells of what it has done."""
    return {
        "metrics": [dict(user.callback_metrics), dict(user.logged_metrics)],
        "progress": user.fit_loop.state_dict(),
        "optimizers": [each.state_dict() for each in user.optimizers],
        "position": (user.global_step, user.current_epoch),
    }


# ---- what a step is


def test_the_losses_are_those_of_the_same_training_by_hand():
    seeded()
    module = Classifier()
    by_hand = Classifier()
    by_hand.load_state_dict(module.state_dict())
    points = swept(module, in_order())
    optimizer = SGD(by_hand.parameters(), lr=0.05, momentum=0.9)
    batches = [*in_order(), *in_order()]
    for lr, loss, batch in zip(points.lrs, points.losses, batches, strict=False):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        expected = by_hand.loss_on(batch)
        expected.backward()
        optimizer.step()
        assert loss == expected.item()
    assert len(points) == QUICK["num_iter"]


class OnlyBatch(Classifier):
    def training_step(self, batch):
        return self.loss_on(batch)


class WithLoaderIndex(Classifier):
    def training_step(self, batch, batch_idx, dataloader_idx):
        assert dataloader_idx == 0
        return {"loss": self.loss_on(batch)}


class Anything(Classifier):
    def training_step(self, *arguments):
        batch, batch_idx = arguments
        return self.loss_on(batch) + 0 * batch_idx


@pytest.mark.parametrize("kind", [OnlyBatch, WithLoaderIndex, Anything])
def test_training_step_is_called_with_what_it_takes(kind):
    seeded()
    expected = swept(Classifier(), in_order()).losses
    seeded()
    assert swept(kind(), in_order()).losses == expected


def test_what_the_module_logs_and_returns_become_metrics():
    points = swept(Restless(), shuffled())
    assert set(points.metrics) == {"train_loss", "double", "index", "weight"}
    assert points.metrics["train_loss"] == points.losses
    assert points.metrics["index"] == list(range(8))


class LogsOnce(Classifier):
    def training_step(self, batch, batch_idx):
        if batch_idx == 1:
            self.log("once", 3)
        return self.loss_on(batch)


def test_a_metric_is_of_the_step_that_logged_it():
    once = swept(LogsOnce(), in_order()).metrics["once"]
    assert once[1] == 3
    assert np.isnan(once[:1] + once[2:]).all()


def test_every_repeat_begins_at_the_first_batch_index():
    points = swept(Restless(), shuffled(), repeats=2)
    assert points.metrics["index"] == [*range(8), *range(8)]


def test_neither_a_warning_nor_a_line_is_printed(capfd, caplog):
    caplog.set_level(logging.INFO)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*treespec")
        swept(Restless(), shuffled())
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_the_module_sees_the_step_the_epoch_and_the_limits_of_the_users_trainer():
    seeded()
    module, user = Restless(), trainer(max_epochs=2)
    user.fit(module, shuffled())
    module.told.clear()
    told = [module.told[-1] for _ in series(module, shuffled(), user)]
    assert told == [(10, 2, 2, index) for index in range(8)]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, 10),
        ({"limit_train_batches": 0.6}, 6),
        ({"limit_train_batches": 2, "accumulate_grad_batches": 2}, 2),
        ({"max_steps": 7}, 7),
        ({"max_epochs": None, "max_steps": 7}, 7),
    ],
)
def test_a_schedule_is_as_long_as_that_of_the_fit_to_come(options, steps):
    user = trainer(**{"max_epochs": 2, **options})
    training, _ = from_lightning(Restless(), shuffled(), user)
    assert training.scheduler.total_steps == steps


def test_without_a_trainer_it_sees_one_that_has_not_begun():
    module = Restless()
    told = [module.told[-1] for _ in series(module, shuffled())]
    assert told == [(0, 0, 1000, index) for index in range(8)]


def test_the_loss_on_validation_batches_is_that_of_training_step():
    module = Classifier()
    points = swept(module, in_order(), val_loader=in_order())
    assert np.isfinite(points.val_losses).all()


class Silent(Classifier):
    def training_step(self, batch, batch_idx):
        return None if batch_idx == 3 else self.loss_on(batch)


def test_a_step_that_returns_no_loss_is_an_error_that_says_which_and_restores():
    seeded()
    module = Silent()
    before = trace(module)
    with pytest.raises(LossInferenceError, match="no loss for batch 3"):
        swept(module, in_order())
    assert differences(before, trace(module)) == []


# ---- as if it had never run


def built(with_logger=None):
    seeded()
    module = Restless()
    loader = batches_of_4(Samples(), shuffle=True, generator=torch.Generator().manual_seed(3))
    return module, loader, trainer(max_epochs=2, log_every_n_steps=1, logger=with_logger or False)


def after_fit(sweep, tmp_path, fit_before):
    module, loader, user = built(CSVLogger(tmp_path))
    rates = Rates()
    user.callbacks.append(rates)
    if fit_before:
        user.fit(module, loader)
        user.fit_loop.max_epochs = 4
    if sweep:
        swept(module, loader, user)
        swept(module, loader)
    user.fit(module, loader)
    logged = (tmp_path / "lightning_logs" / "version_0" / "metrics.csv").read_text()
    seen = [rates.rates, rates.batches, loader.generator, logged]
    return trace(module, fitted(user), seen), len(rates.rates)


@pytest.mark.parametrize("fit_before", [False, True], ids=["fit", "fit again"])
def test_fit_after_a_sweep_is_bit_identical_to_fit_without(tmp_path, fit_before):
    expected, steps = after_fit(sweep=False, tmp_path=tmp_path / "a", fit_before=fit_before)
    now, steps_now = after_fit(sweep=True, tmp_path=tmp_path / "b", fit_before=fit_before)
    assert steps == steps_now == (20 if fit_before else 10)
    assert differences(expected, now) == []


@pytest.mark.parametrize("fit_before", [False, True], ids=["new", "fitted"])
def test_module_and_trainer_hold_the_same_objects_as_before(fit_before):
    module, loader, user = built()
    if fit_before:
        user.fit(module, loader)
    told, objects = trace(module, fitted(user)), held(user)
    names = {name: id(value) for name, value in vars(module).items()}
    swept(module, loader, user)
    assert differences(told, trace(module, fitted(user))) == []
    assert held(user) == objects
    assert {name: id(value) for name, value in vars(module).items()} == names


def test_between_two_steps_the_module_is_not_attached():
    module = Restless()
    for _ in series(module, shuffled()):
        assert module._trainer is None
        assert "log" not in vars(module)


class Measuring(Classifier):
    """Logs a metric object, and has a part that logs by itself."""

    def __init__(self):
        super().__init__()
        self.mean = MeanMetric()
        self.part = Restless()

    def training_step(self, batch, batch_idx):
        loss = self.loss_on(batch)
        self.mean(loss)
        self.log("mean", self.mean)
        self.part.training_step(batch, batch_idx)
        return loss


def test_metric_objects_and_modules_in_the_module_are_put_back():
    seeded()
    module = Measuring()
    module.mean.update(3.0)
    before = trace(module, vars(module.part), vars(module.mean))
    points = swept(module, shuffled())
    assert set(points.metrics) == {"train_loss", "double", "index"}
    assert differences(before, trace(module, vars(module.part), vars(module.mean))) == []
    assert module.part._trainer is None


class Drawing(Classifier):
    def training_step(self, batch, batch_idx):
        self.logger.experiment.add_image("batch", batch[0])
        self.logger.log_metrics({"seen": 1.0})
        return self.loss_on(batch)


def test_a_logger_that_the_module_uses_itself_gets_nothing(tmp_path):
    swept(Drawing(), shuffled(), trainer(logger=CSVLogger(tmp_path)))
    assert [*tmp_path.iterdir()] == []


def test_what_is_changed_at_the_trainer_during_a_sweep_stays():
    module, loader, user = built()
    user.fit(module, loader)
    assert module._trainer is user
    points = series(module, loader, user)
    next(points)
    user.fit_loop.max_epochs = 9
    user.should_stop = True
    points.close()
    assert (user.max_epochs, user.should_stop) == (9, True)


class Failing(Restless):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if batch_idx == 5:
            raise ZeroDivisionError
        return loss


def test_an_error_in_training_step_leaves_everything_as_it_was():
    seeded()
    module, loader, user = Failing(), shuffled(), trainer()
    told, objects = trace(module, fitted(user)), held(user)
    with pytest.raises(ZeroDivisionError):
        swept(module, loader, user)
    assert differences(told, trace(module, fitted(user))) == []
    assert held(user) == objects
    assert module._trainer is None


# ---- data


def test_a_datamodule_is_asked_as_fit_does_and_left_as_it_was():
    seeded()
    module, data, user = Classifier(), Data(), trainer()
    draws = torch.get_rng_state()
    asked = series(module, data, user)
    # Plain lists are shared with the copy that was asked.
    assert data.calls == ["prepare_data", "setup fit", "train_dataloader"]
    data.calls.clear()
    assert torch.equal(torch.get_rng_state(), draws)
    assert len(list(asked)) == QUICK["num_iter"]
    assert data.trainer is None
    assert not hasattr(data, "train")


def test_fit_on_a_datamodule_after_a_sweep_is_bit_identical(monkeypatch):
    def run(*, sweep):
        seeded()
        module, data, user = Classifier(), Data(), trainer()
        if sweep:
            swept(module, data, user)
        user.fit(module, data)
        return trace(module, fitted(user), data.noise)

    assert differences(run(sweep=False), run(sweep=True)) == []


class Hooked(Data):
    def on_before_batch_transfer(self, batch, dataloader_idx):
        self.calls.append("before")
        return batch

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        self.calls.append(f"to {device}")
        return batch

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return 0 * batch[0], 0 * batch[1]


def test_the_hooks_of_the_datamodule_see_to_each_batch():
    seeded()
    module, data = Classifier(), Hooked()
    expected = module.loss_on((torch.zeros(4, 6), torch.zeros(4, dtype=torch.long))).item()
    points = iter(series(module, data))
    data.calls.clear()
    assert next(points).loss == expected
    assert data.calls == ["before", "to cpu"]
    points.close()


class WithLoader(Classifier):
    def train_dataloader(self):
        return shuffled()


def test_the_modules_own_loader_is_used_if_none_is_given():
    assert len(swept(WithLoader())) == QUICK["num_iter"]


class SetUpByItself(Classifier):
    def setup(self, stage):
        self.data = Samples()
        self.net = mlp()

    def train_dataloader(self):
        return batches_of_4(self.data, shuffle=True)


def test_a_module_that_sets_its_data_up_does_so_in_a_copy():
    seeded()
    module, user = SetUpByItself(), trainer()
    told, net = trace(module), module.net
    assert len(swept(module)) == QUICK["num_iter"]
    assert differences(told, trace(module)) == []
    assert module.net is net
    user.fit(module)
    assert user.global_step == 5


def test_a_module_without_data_is_refused():
    with pytest.raises(SettingsError, match="pass a DataLoader or a LightningDataModule"):
        from_lightning(Classifier())


class OfTwo(Classifier):
    def training_step(self, batch, batch_idx):
        return self.loss_on(batch["plain"]) + self.loss_on(batch["noisy"])


def test_several_loaders_are_combined_as_lightning_does():
    def run(*, sweep):
        seeded()
        generator = torch.Generator().manual_seed(4)
        loaders = {
            "plain": shuffled(),
            "noisy": batches_of_4(Samples(), shuffle=True, generator=generator),
        }
        module, user = OfTwo(), trainer()
        if sweep:
            assert len(swept(module, loaders, user)) == QUICK["num_iter"]
        user.fit(module, loaders)
        return trace(module, fitted(user), generator)

    assert differences(run(sweep=False), run(sweep=True)) == []


def test_combined_loaders_are_left_in_the_middle_of_the_users_epoch():
    loader = batches_of_4(Samples(), num_workers=1, persistent_workers=True)
    expected = [*loader]
    users = iter(loader)
    seen = [next(users)]
    assert len(swept(OfTwo(), {"plain": loader, "noisy": in_order()}, num_iter=2)) == 2
    seen += users
    assert differences(flat(expected), flat(seen)) == []


# ---- manual optimization


def test_a_module_that_steps_its_optimizers_itself_is_swept_by_its_own_step():
    seeded()
    module = Adversaries()
    training, settings = from_lightning(module, in_order(), optimizer=1, **QUICK)
    first, second = training.also[1], training.optimizer
    assert (type(first).__name__, type(second).__name__) == ("Adam", "SGD")
    schedulers = [training.scheduler, training.also[2]]
    assert [each.optimizer for each in schedulers] == [second, first]
    told = trace(module, first, second, list(map(vars, schedulers)))
    rates = []
    for point in Series(training, SweepSettings(**settings)):
        rates.append(first.param_groups[0]["lr"])
        assert point.loss > 0
    assert rates[:4] == [0.01] * 4  # its schedule goes on by itself
    now = trace(module, first, second, list(map(vars, schedulers)))
    assert differences(told, now) == []


def test_the_losses_of_a_manual_step_are_those_of_training_by_hand():
    seeded()
    module = Adversaries()
    net = nn.Sequential(*module.second)
    weights = [parameter.detach().clone() for parameter in net.parameters()]
    points = swept(module, in_order(), optimizer=1)
    assert all(map(torch.equal, weights, net.parameters()))
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9)
    for lr, loss, (inputs, targets) in zip(points.lrs, points.losses, in_order(), strict=False):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        expected = functional.cross_entropy(net(inputs), targets)
        expected.backward()
        optimizer.step()
        assert loss == expected.item()


def test_fit_after_a_sweep_of_a_manual_module_is_bit_identical():
    def run(*, sweep):
        seeded()
        module, loader, user = Adversaries(), shuffled(), trainer()
        if sweep:
            swept(module, loader, user, optimizer=0)
        user.fit(module, loader)
        return trace(module, fitted(user))

    assert differences(run(sweep=False), run(sweep=True)) == []


def test_of_several_optimizers_one_has_to_be_chosen():
    with pytest.raises(SettingsError, match=r"0: Adam \(lr 0\.01\), 1: SGD \(lr 0\.1\)"):
        from_lightning(Adversaries(), in_order())


@pytest.mark.parametrize("index", [2, -1, True, "SGD"])
def test_an_optimizer_that_there_is_not_is_refused(index):
    with pytest.raises(SettingsError, match="optimizer must be the number of one"):
        from_lightning(Adversaries(), in_order(), optimizer=index)


class Mute(Adversaries):
    def training_step(self, batch, batch_idx):
        super().training_step(batch, batch_idx)


def test_a_manual_step_that_tells_no_loss_is_an_error_that_restores():
    seeded()
    module = Mute()
    before = trace(module)
    with pytest.raises(LossInferenceError, match="return it"):
        swept(module, in_order(), optimizer=0)
    assert differences(before, trace(module)) == []


# ---- the trainer's settings


def test_clipping_accumulation_and_precision_are_the_trainers():
    user = trainer(gradient_clip_val=0.5, accumulate_grad_batches=2, precision="bf16-mixed")
    _, settings = from_lightning(Classifier(), in_order(), user)
    assert settings == {"clip_grad_norm": 0.5, "accumulation_steps": 2, "amp": "bf16"}
    user = trainer(gradient_clip_val=0.5, gradient_clip_algorithm="value")
    _, settings = from_lightning(Classifier(), in_order(), user)
    assert settings == {"clip_grad_value": 0.5, "accumulation_steps": 1, "amp": None}


def test_settings_of_the_users_come_before_the_trainers():
    user = trainer(gradient_clip_val=0.5, accumulate_grad_batches=2, precision="bf16-mixed")
    own = {"clip_grad_value": 2.0, "accumulation_steps": 1, "amp": None}
    assert from_lightning(Classifier(), in_order(), user, **own)[1] == own


def test_a_sweep_with_the_trainers_settings_runs():
    user = trainer(gradient_clip_val=0.5, accumulate_grad_batches=2, precision="bf16-mixed")
    assert len(swept(Classifier(), in_order(), user)) == QUICK["num_iter"]


def test_a_manual_step_runs_in_the_trainers_precision():
    seeded()
    full = swept(Adversaries(), in_order(), trainer(), optimizer=1).losses
    seeded()
    mixed = trainer(precision="bf16-mixed")
    assert swept(Adversaries(), in_order(), mixed, optimizer=1).losses != full


def test_a_precision_that_converts_the_module_is_refused():
    with pytest.raises(SettingsError, match="'64-true': fit converts the whole module"):
        from_lightning(Classifier(), in_order(), trainer(precision="64-true"))


def test_a_module_elsewhere_than_its_trainer_has_to_be_moved_first(monkeypatch):
    user = trainer()
    monkeypatch.setattr(user.strategy, "_root_device", torch.device("cuda:0"))
    with pytest.raises(SettingsError, match=r"move it first \(module\.to\('cuda'\)\)"):
        from_lightning(Classifier(), in_order(), user)
    assert len(swept(Classifier(), in_order(), user, device="cpu")) == QUICK["num_iter"]


# ---- Apply


class Renamed(Classifier):
    def __init__(self):
        super().__init__()
        del self.lr
        self.hparams.clear()
        self.learning_rate = 0.05

    def configure_optimizers(self):
        return SGD(self.parameters(), lr=self.learning_rate)


class InHyperparameters(Classifier):
    def __init__(self, lr=0.05):
        super().__init__(lr)
        del self.lr

    def configure_optimizers(self):
        return SGD(self.parameters(), lr=self.hparams.lr)


class Nested(Renamed):
    def __init__(self):
        super().__init__()
        del self.learning_rate
        self.options = {"optimizer": SimpleNamespace(rate=0.05)}

    def configure_optimizers(self):
        return SGD(self.parameters(), lr=self.options["optimizer"].rate)


@pytest.mark.parametrize(
    ("module", "more"),
    [
        (Classifier(), {}),
        (Renamed(), {}),
        (InHyperparameters(), {}),
        (Nested(), {"lr_attribute": "options.optimizer.rate"}),
    ],
    ids=["lr", "learning_rate", "hyperparameter", "nested"],
)
def test_fit_trains_at_the_rate_that_was_applied_and_undo_takes_it_back(module, more):
    widget = LRFinderWidget.from_lightning(module, shuffled(), trainer(), **QUICK, **more)
    widget.run()
    assert len(widget.wait().lrs) == QUICK["num_iter"]
    widget.apply(0.0123)
    rates = Rates()
    trainer(callbacks=[rates]).fit(module, shuffled())
    assert rates.rates == [[0.0123]] * 5
    widget.undo()
    rates = Rates()
    trainer(callbacks=[rates]).fit(module, shuffled())
    assert rates.rates == [[0.05]] * 5
    widget.close()


class TwoGroups(Classifier):
    def configure_optimizers(self):
        head, *rest = self.net.children()
        groups = [{"params": head.parameters()}, {"params": rest[-1].parameters(), "lr": 0.005}]
        return SGD(groups, lr=self.lr)


def test_apply_reaches_the_optimizers_that_the_trainer_has_made():
    module, user = TwoGroups(), trainer()
    user.fit(module, shuffled())
    groups = user.optimizers[0].param_groups
    widget = LRFinderWidget.from_lightning(module, shuffled(), user, **QUICK)
    widget.apply(0.2)
    assert [group["lr"] for group in groups] == pytest.approx([0.2, 0.02])
    widget.undo()
    assert [group["lr"] for group in groups] == [0.05, 0.005]
    widget.close()


class Fixed(Classifier):
    def configure_optimizers(self):
        return SGD(self.parameters(), lr=0.3)


def test_a_module_without_a_rate_of_its_own_gets_a_note_that_says_what_to_change():
    module = Fixed()
    del module.lr
    module.hparams.clear()
    sweep = series(module, shuffled())
    assert any("lr_attribute" in note for note in sweep.notes)


def test_a_rate_that_configure_optimizers_does_not_use_is_told():
    (note,) = series(Fixed(), shuffled()).notes
    assert "learning rate 0.3, while lr is 0.05" in note
    assert series(Classifier(), shuffled()).notes == []


@pytest.mark.parametrize("name", ["rate", "net.rate", "net"])
def test_an_attribute_that_holds_no_rate_is_refused(name):
    with pytest.raises(SettingsError, match=f"lr_attribute.*{name}"):
        from_lightning(Classifier(), shuffled(), lr_attribute=name)


# ---- what is refused


def test_what_is_no_lightning_module_is_refused():
    with pytest.raises(SettingsError, match="module must be a LightningModule"):
        from_lightning(linear_head(), shuffled())


def test_a_setting_that_there_is_not_is_refused_before_anything_is_called():
    data = Data()
    with pytest.raises(SettingsError, match="unknown setting 'num_iters'"):
        from_lightning(Classifier(), data, num_iters=5)
    assert data.calls == []


class Without(Classifier):
    def configure_optimizers(self):
        return None


def test_a_module_without_an_optimizer_is_refused():
    with pytest.raises(SettingsError, match="configure_optimizers returns no optimizer"):
        from_lightning(Without(), shuffled())


class Late(Classifier):
    def __init__(self):
        super().__init__(body=lambda: None)

    def configure_model(self):
        self.net = mlp()


def test_a_module_whose_layers_are_made_later_has_to_be_configured_first():
    module = Late()
    with pytest.raises(SettingsError, match="no parameters yet"):
        from_lightning(module, shuffled())
    module.configure_model()
    assert len(swept(module, shuffled())) == QUICK["num_iter"]


def test_a_compiled_module_is_looked_through_as_fit_does():
    module = Classifier()
    training, _ = from_lightning(torch.compile(module), shuffled())
    assert training.model is module


def test_a_module_of_the_other_package_is_swept_too():
    other = pytest.importorskip("pytorch_lightning")

    class Other(other.LightningModule):
        def __init__(self):
            super().__init__()
            self.lr = 0.05
            self.net = linear_head()

        def training_step(self, batch, batch_idx):
            loss = functional.cross_entropy(self.net(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self):
            return SGD(self.parameters(), lr=self.lr)

    points = swept(Other(), shuffled(), other.Trainer(accelerator="cpu", logger=False))
    assert points.metrics["train_loss"] == points.losses
    with pytest.raises(SettingsError, match="trainer must be a Trainer of pytorch_lightning"):
        from_lightning(Other(), shuffled(), trainer())
