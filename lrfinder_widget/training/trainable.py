"""Whether an optimizer trains a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import Optimizer

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.loss import name_of
from lrfinder_widget.training.signatures import cannot_take, names_of_arguments

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
    without = [group for group in optimizer.param_groups if "lr" not in group]
    if without:
        keys = ", ".join(str(key) for key in without[0] if key != "params")
        raise SettingsError(
            f"{type(optimizer).__name__} has no learning rate to sweep: a parameter group has no "
            f"'lr' (it has {keys or 'nothing else'}); sweep with an optimizer that takes an lr"
        )
    if loss_fn is not None:
        _check_loss_fn(loss_fn)
    parameters = list(model.parameters())
    if any(map(nn.parameter.is_lazy, (*parameters, *model.buffers()))):
        raise SettingsError(
            "the model has lazy parameters or buffers that no batch has shaped yet; run one batch "
            "through it and build the optimizer after that"
        )
    if parameters and all(parameter.is_meta for parameter in parameters) and not _is_loaded(model):
        raise SettingsError(
            "the model is on the meta device, where parameters have no values; build it on a real "
            "one, or call model.to_empty(device=…), initialise it, and build the optimizer after "
            "that"
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


def _check_loss_fn(loss_fn: Any) -> None:
    if not callable(loss_fn):
        raise SettingsError(
            f"loss_fn must be a function of (output, target) (got {type(loss_fn).__name__})"
        )
    if isinstance(loss_fn, type):
        raise SettingsError(
            f"loss_fn is the class {loss_fn.__name__} itself; pass an instance of it: "
            f"loss_fn={loss_fn.__name__}()"
        )
    if cannot_take(loss_fn, ("output", "target")):
        raise SettingsError(
            f"{name_of(loss_fn)} cannot be called as loss_fn(output, target): it takes "
            f"{names_of_arguments(loss_fn)}; pass compute_loss=lambda model, batch: … in its "
            "place, which calls model and loss as your training does and returns the loss"
        )


def _is_loaded(model: nn.Module) -> bool:
    """Return whether accelerate loads the parameters when they are needed."""
    return any(hasattr(module, "_hf_hook") for module in model.modules())
