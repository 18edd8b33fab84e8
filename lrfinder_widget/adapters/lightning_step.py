"""A LightningModule's own ``training_step`` as the step of a sweep."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from lrfinder_widget.errors import LossInferenceError, SettingsError
from lrfinder_widget.training.batch_loss import is_scalar

if TYPE_CHECKING:
    from lrfinder_widget.adapters.lightning_trainer import StandIn

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class LightningStep:
    """Calls ``training_step`` as Trainer.fit does.

    Parameters
    ----------
    stand_in
        The trainer that the module sees meanwhile.

    Attributes
    ----------
    batch_idx : int
        The number of the next batch; a sweep begins at 0.
    """

    def __init__(self, stand_in: StandIn) -> None:
        self.batch_idx = 0
        self._stand_in = stand_in
        self._count = _argument_count(stand_in.module)

    def _returned(self, batch: Any) -> Any:
        """Return what ``training_step`` returns on a batch, moved by the module's hooks."""
        module = self._stand_in.module
        with self._stand_in.attached():
            # Lightning's own way to the hooks of module and datamodule.
            batch = module._on_before_batch_transfer(batch, dataloader_idx=0)  # noqa: SLF001
            batch = module._apply_batch_transfer_handler(  # noqa: SLF001
                batch, device=module.device, dataloader_idx=0
            )
            # Through the strategy: a module that steps by itself runs in the trainer's precision.
            arguments = (batch, self.batch_idx, 0)[: self._count]
            returned = self._stand_in.trainer.strategy.training_step(*arguments)
        loss = returned.get("loss") if isinstance(returned, Mapping) else returned
        if loss is None:
            raise LossInferenceError(
                f"training_step returned no loss for batch {self.batch_idx}: a sweep needs one at "
                "each step; return it (a tensor, or a dict with 'loss'), and leave batches that "
                "have none out of the loader"
            )
        if torch.is_grad_enabled():  # not a batch of validation
            self.batch_idx += 1
        return returned


class AutomaticStep(LightningStep):
    """The loss of a module that leaves the optimizer to the trainer."""

    def training_step(self, _model: Any, batch: Any) -> Any:
        """Return the loss, and the scalars that were returned or logged beside it."""
        returned = self._returned(batch)
        if not isinstance(returned, Mapping):
            returned = {"loss": returned}
        scalars = {name: value for name, value in returned.items() if is_scalar(value)}
        return {**self._stand_in.logged, **scalars, "loss": returned["loss"]}


class ManualStep(LightningStep):
    """The step of a module that steps its optimizers itself."""

    def training_step(self, batch: Any) -> Any:
        """Let the module take its step, and return the loss that it tells."""
        return self._returned(batch)


def _argument_count(module: Any) -> int:
    """Return how many of (batch, batch_idx, dataloader_idx) ``training_step`` takes."""
    parameters = inspect.signature(module.training_step).parameters.values()
    if "dataloader_iter" in (parameter.name for parameter in parameters):
        raise SettingsError(
            "a training_step that takes dataloader_iter reads its batches itself, which a sweep "
            "cannot put back; sweep your own step with range_test(train_fn)"
        )
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        return 2
    return sum(parameter.kind in _POSITIONAL for parameter in parameters)
