"""From a LightningModule, its data and its Trainer to a `Training`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfinder_widget.adapters.lightning_data import (
    changed_beside,
    draws_put_back,
    training_loader,
)
from lrfinder_widget.adapters.lightning_rate import NO_PLACE, LiveRates, doubt_about, places_of
from lrfinder_widget.adapters.lightning_step import AutomaticStep, ManualStep
from lrfinder_widget.adapters.lightning_trainer import StandIn
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.optimizer_lr import get_lr
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.training.training import Training

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch.optim import Optimizer

    from lrfinder_widget.adapters.lightning_rate import Place

_AMP = {"32-true": None, "bf16-mixed": "bf16", "16-mixed": "fp16"}
_CLIPPING = ("clip_grad_norm", "clip_grad_value")


def from_lightning(
    module: Any,
    data: Any = None,
    trainer: Any = None,
    *,
    optimizer: int | None = None,
    lr_attribute: str | None = None,
    val_loader: Iterable[Any] | None = None,
    **settings: Any,
) -> tuple[Training, dict[str, Any]]:
    """Return what a sweep trains, and its settings: the trainer's where the user has none.

    For the parameters see `lrfinder_widget.LRFinderWidget.from_lightning`. The module, the
    datamodule and the trainer are left as they are: ``prepare_data``, ``setup("fit")`` and
    ``train_dataloader`` are called on a copy, and ``configure_optimizers`` once more than by fit.

    Raises
    ------
    SettingsError
        If an argument cannot be used.
    """
    SweepSettings.from_keywords(**settings)  # before anything of the user's is called
    module = getattr(module, "_orig_mod", module)  # torch.compile's wrapper; fit looks through it
    stand_in = StandIn(module, trainer)
    if next(module.parameters(), None) is None:
        raise SettingsError(
            "the module has no parameters yet; if its setup or configure_model makes its layers, "
            "call that first"
        )
    if trainer is not None:
        _check_device(module, trainer, settings)
        settings = _with_trainers(settings, trainer, automatic=module.automatic_optimization)
    with stand_in.attached(), draws_put_back():
        loader = training_loader(stand_in, data)
        stand_in.connect(loader)
    strategy = stand_in.trainer.strategy
    swept = _chosen(strategy.optimizers, optimizer)
    schedulers = [config.scheduler for config in strategy.lr_scheduler_configs]
    own = [each for each in schedulers if getattr(each, "optimizer", None) is swept]
    others = [each for each in strategy.optimizers if each is not swept]
    automatic = module.automatic_optimization
    step: Any = AutomaticStep(stand_in) if automatic else ManualStep(stand_in)
    places = places_of(module, lr_attribute)
    training = Training(
        model=module,
        optimizer=swept,
        loader=loader,
        val_loader=val_loader,
        compute_loss=step.training_step if automatic else None,
        train_step=None if automatic else step.training_step,
        scheduler=own[0] if len(own) == 1 else own or None,
        also=(
            step,
            *others,
            *(each for each in schedulers if each not in own),
            *changed_beside(stand_in, loader),
        ),
        rate_places=(*places, *_live_rates(module, trainer)),
        notes=_notes(places, swept),
    )
    return training, settings


def _with_trainers(settings: dict[str, Any], trainer: Any, *, automatic: bool) -> dict[str, Any]:
    """Return the settings, completed by the trainer's."""
    if trainer.precision not in _AMP:
        raise SettingsError(
            f"the trainer's precision is {trainer.precision!r}: fit converts the whole module, "
            "which a sweep does not; pass the sweep a trainer with '32-true', '16-mixed' or "
            "'bf16-mixed'"
        )
    if not automatic:  # the module's own step sees to all of this
        return settings
    from_trainer: dict[str, Any] = {"accumulation_steps": trainer.accumulate_grad_batches}
    from_trainer["amp"] = _AMP[trainer.precision]
    if trainer.gradient_clip_val and not any(name in settings for name in _CLIPPING):
        by_value = trainer.gradient_clip_algorithm == "value"
        from_trainer[_CLIPPING[by_value]] = trainer.gradient_clip_val
    return {**from_trainer, **settings}


def _check_device(module: Any, trainer: Any, settings: dict[str, Any]) -> None:
    wanted = trainer.strategy.root_device
    if settings.get("device") is None and wanted.type != module.device.type:
        raise SettingsError(
            f"the trainer trains on {wanted.type}, but the module is on {module.device}; move it "
            f"first (module.to({wanted.type!r})), or sweep it where it is with "
            f"device={str(module.device)!r}"
        )


def _chosen(optimizers: list[Any], index: Any) -> Optimizer:
    found = [each for each in optimizers if type(each).__name__ != "_MockOptimizer"]
    if not found:
        raise SettingsError(
            "configure_optimizers returns no optimizer; return the one whose learning rate is "
            "sought"
        )
    listed = ", ".join(
        f"{number}: {type(each).__name__} (lr {get_lr(each):g})"
        for number, each in enumerate(found)
    )
    if index is None and len(found) > 1:
        raise SettingsError(
            f"configure_optimizers returns {len(found)} optimizers; choose one with optimizer=, "
            f"the others keep their rates ({listed})"
        )
    if index is None:
        index = 0
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(found):
        raise SettingsError(
            f"optimizer must be the number of one that configure_optimizers returns ({listed}); "
            f"got {index!r}"
        )
    return found[index]  # type: ignore[no-any-return]


def _live_rates(module: Any, trainer: Any) -> list[Place]:
    """Return the rates of the optimizers that the trainer has made of this module before."""
    if trainer is None or trainer.lightning_module is not module:
        return []
    return [(LiveRates(each), LiveRates.KEY) for each in trainer.optimizers]


def _notes(places: list[Place], optimizer: Optimizer) -> tuple[str, ...]:
    if not places:
        return (NO_PLACE,)
    doubt = doubt_about(places, optimizer)
    return () if doubt is None else (doubt,)
