"""Whether an optimizer trains a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import Optimizer

from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    from lrfinder_widget.training.training import Training


def check_trainable(training: Training) -> None:
    """Raise `SettingsError` unless the optimizer trains the model."""
    model: Any = training.model
    optimizer: Any = training.optimizer
    loss_fn: Any = training.loss_fn
    if not isinstance(model, nn.Module):
        raise SettingsError(f"model must be a torch.nn.Module (got {type(model).__name__})")
    if not isinstance(optimizer, Optimizer):
        raise SettingsError(
            f"optimizer must be a torch.optim.Optimizer (got {type(optimizer).__name__})"
        )
    if loss_fn is not None and not callable(loss_fn):
        raise SettingsError(
            f"loss_fn must be a function of (output, target) (got {type(loss_fn).__name__})"
        )
    parameters = list(model.parameters())
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in parameters):
        raise SettingsError(
            "the model has lazy parameters that no batch has shaped yet; run one batch through it "
            "and build the optimizer after that"
        )
    if not any(parameter.requires_grad for parameter in parameters):
        raise SettingsError(
            "the model has no trainable parameter: every requires_grad is False, or it has none"
        )
    swept = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if swept.isdisjoint(id(parameter) for parameter in parameters):
        raise SettingsError(
            "the optimizer holds none of the model's parameters; build it from "
            "model.parameters() of this very model (after moving or wrapping it)"
        )
