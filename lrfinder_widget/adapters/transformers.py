"""Hugging Face Transformers: what a ``Trainer`` trains, and where its learning rate is kept."""

from __future__ import annotations

import copy
import sys
from typing import TYPE_CHECKING, Any

from lrfinder_widget.adapters.trainer_loss import TrainerLoss
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.optimizer_lr import change_lr
from lrfinder_widget.training.accelerated import accelerated
from lrfinder_widget.training.training import Training

if TYPE_CHECKING:
    from torch.optim import Optimizer

_RATE = "learning_rate"


def from_trainer(trainer: Any, **settings: Any) -> tuple[Training, dict[str, Any]]:
    """Return what a ``transformers.Trainer`` trains with, and the settings that follow from it.

    Its own methods make the dataloader and, if there is none yet, the optimizer, on a copy of the
    trainer: the trainer itself stays as it is. Callbacks and NEFTune's noise are left out.

    Parameters
    ----------
    trainer
        A ``Trainer``, before or between calls of ``train``.
    **settings
        See `SweepSettings`. Accumulation, clipping and mixed precision are by default those of the
        ``TrainingArguments``.

    Raises
    ------
    SettingsError
        If it is no ``Trainer``, or an engine of its own takes the steps.
    """
    _check(trainer)
    args = trainer.args
    scratch = copy.copy(trainer)
    loader = scratch.get_train_dataloader()
    optimizer = scratch.create_optimizer() if trainer.optimizer is None else trainer.optimizer
    loss = TrainerLoss(trainer, optimizer)
    training = Training(
        # Compiled or parallel, once ``train`` has made it so.
        model=trainer.model_wrapped,
        optimizer=optimizer,
        loader=loader,
        compute_loss=loss,
        begin_step=loss.begin_step,
        scheduler=trainer.lr_scheduler,
        scaler=trainer.accelerator.scaler,
        also=loss.also,
        rate_places=((_TrainerRate(trainer, optimizer), _RATE),),
    )
    defaults = {
        "accumulation_steps": args.gradient_accumulation_steps,
        "clip_grad_norm": args.max_grad_norm or None,
        "amp": "bf16" if args.bf16 else "fp16" if args.fp16 else None,
    }
    return accelerated(training, defaults | settings)


class _TrainerRate(dict[str, Any]):
    """The learning rate of a trainer's arguments, as a mapping that *Apply* writes to.

    ``train`` makes an optimizer and a scheduler from it; those that it has made since the widget
    was built are given the rate too.
    """

    def __init__(self, trainer: Any, optimizer: Optimizer) -> None:
        super().__init__()
        self._trainer = trainer
        self._groups = optimizer.param_groups
        self._scheduler = trainer.lr_scheduler

    def __getitem__(self, key: str) -> Any:
        return getattr(self._trainer.args, key)

    def __setitem__(self, key: str, lr: Any) -> None:
        trainer = self._trainer
        optimizer, scheduler = trainer.optimizer, trainer.lr_scheduler
        if optimizer is not None and not self._covers(optimizer, scheduler):
            change_lr(optimizer, lr, scheduler)
        setattr(trainer.args, key, lr)
        chosen = getattr(trainer, "optimizer_cls_and_kwargs", None)
        if chosen is not None and "lr" in chosen[1]:
            chosen[1]["lr"] = lr

    def _covers(self, optimizer: Optimizer, scheduler: Any) -> bool:
        """Return whether optimizer and scheduler are those of the sweep, which *Apply* writes."""
        return optimizer.param_groups is self._groups and scheduler is self._scheduler


def _check(trainer: Any) -> None:
    # Who has a Trainer has imported it.
    loaded = sys.modules.get("transformers.trainer")
    if loaded is None or not isinstance(trainer, loaded.Trainer):
        raise SettingsError(
            f"trainer must be a transformers.Trainer (got {type(trainer).__name__}); for a model "
            "without one, use LRFinderWidget(model, optimizer, loader)"
        )
    engines = {
        "DeepSpeed": trainer.is_deepspeed_enabled,
        "FSDP": trainer.is_fsdp_enabled,
        "LOMO": "lomo" in trainer.args.optim,
    }
    for name, used in engines.items():
        if used:
            raise SettingsError(
                f"a Trainer whose steps {name} takes cannot be swept; build one without it, on a "
                "smaller model of the same kind if need be"
            )
