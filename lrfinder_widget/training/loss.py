"""The loss of a step: the user's function, or what the first batch makes plain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lrfinder_widget.errors import LossInferenceError

Loss = Callable[[Any, Any], Tensor]

# Not converted here: whether NumPy's float64 becomes the model's float32 is up to the training.
NUMPY = (
    "the batches hold NumPy arrays, which the model or the loss does not take: let the loader give "
    "tensors as your training does (in a DataLoader's collate_fn, say: torch.as_tensor(inputs, "
    "dtype=torch.float32), torch.as_tensor(targets))"
)
_HOW_TO_SAY = "pass loss_fn, a function of (output, target) that returns a scalar"


def name_of(loss_fn: Callable[..., Any]) -> str:
    """Return what people call a loss: its class's or function's name."""
    if isinstance(loss_fn, nn.Module):
        return type(loss_fn).__name__
    return getattr(loss_fn, "__name__", type(loss_fn).__name__)


def infer_loss(output: Any, target: Any) -> tuple[Loss, str]:
    """Return the loss that fits the first batch's output and target, and its name.

    An output that carries ``loss`` (or is a scalar) is the loss; integer targets against
    ``(N, C, …)`` scores mean cross-entropy; float targets of the output's shape mean
    mean-squared error.

    Raises
    ------
    LossInferenceError
        If that leaves more than one reading, or none; the message says what to pass.
    """
    carried = _carried_loss(output)
    if carried is not None:
        return carried
    if not isinstance(output, Tensor):
        hint = ""
        if isinstance(output, (tuple, list)):
            hint = (
                ", or compute_loss=lambda model, batch: … if the model takes the target, too, and "
                "returns the loss among others"
            )
        raise LossInferenceError(
            f"the model returns a {type(output).__name__} without a loss: {_HOW_TO_SAY}{hint}"
        )
    if target is None:
        raise LossInferenceError(
            f"the batches hold no target and the model returns no loss: {_HOW_TO_SAY}, or let the "
            "loader yield (input, target)"
        )
    if isinstance(target, np.ndarray):
        raise LossInferenceError(NUMPY)
    if not isinstance(target, Tensor):
        raise LossInferenceError(
            f"the target is a {type(target).__name__}, not a tensor: {_HOW_TO_SAY}"
        )
    if target.is_floating_point():
        return _regression(output, target)
    return _classification(output, target)


def _carried_loss(output: Any) -> tuple[Loss, str] | None:
    if isinstance(output, Tensor):
        return (lambda out, _: out, "the model's own loss") if output.ndim == 0 else None
    if isinstance(output, Mapping):
        if isinstance(output.get("loss"), Tensor):
            return lambda out, _: out["loss"], "the model's own loss"
    elif isinstance(getattr(output, "loss", None), Tensor):
        return lambda out, _: out.loss, "the model's own loss"
    return None


def _classification(output: Tensor, target: Tensor) -> tuple[Loss, str]:
    shapes = f"output {tuple(output.shape)}, target {tuple(target.shape)} of {target.dtype}"
    if target.dtype == torch.bool:
        raise LossInferenceError(
            f"boolean targets ({shapes}): for yes/no labels pass "
            "loss_fn=lambda out, y: F.binary_cross_entropy_with_logits(out, y.float())"
        )
    fits = output.ndim == target.ndim + 1 and _without(output.shape, 1) == tuple(target.shape)
    if not fits or not output.is_floating_point():
        hint = ""
        if output.ndim > target.ndim and tuple(output.shape[:-1]) == tuple(target.shape):
            hint = (
                "; the scores seem to lie in the last dimension: pass "
                "loss_fn=lambda out, y: F.cross_entropy(out.flatten(0, -2), y.flatten())"
            )
        raise LossInferenceError(
            f"no loss fits integer targets here ({shapes}; cross-entropy needs scores "
            f"(N, C, …) against (N, …)): {_HOW_TO_SAY}{hint}"
        )
    if output.shape[1] == 1:
        raise LossInferenceError(
            f"one score a sample against integer targets ({shapes}) is ambiguous: for yes/no "
            "labels pass loss_fn=lambda out, y: "
            "F.binary_cross_entropy_with_logits(out.squeeze(1), y.float())"
        )
    if target.numel() and int(target.max()) >= output.shape[1]:
        raise LossInferenceError(
            f"targets reach {int(target.max())}, but the model gives {output.shape[1]} scores "
            f"({shapes}): widen the last layer or number the classes from 0"
        )
    if target.dtype == torch.int64:
        return functional.cross_entropy, "cross-entropy (inferred)"
    return lambda out, y: functional.cross_entropy(out, y.long()), "cross-entropy (inferred)"


def _regression(output: Tensor, target: Tensor) -> tuple[Loss, str]:
    shapes = f"output {tuple(output.shape)}, target {tuple(target.shape)}"
    if output.shape != target.shape:
        hint = ""
        if output.numel() == target.numel():
            hint = " (reshape the target to the output's shape: they would broadcast wrongly)"
        raise LossInferenceError(
            f"no loss fits float targets of another shape ({shapes}){hint}: {_HOW_TO_SAY}"
        )
    if bool(((target == 0) | (target == 1)).all()):
        raise LossInferenceError(
            f"float targets that are all 0 or 1 ({shapes}) may mean labels or values: pass "
            "loss_fn=nn.BCEWithLogitsLoss() for labels, nn.MSELoss() for values"
        )
    return functional.mse_loss, "mean-squared error (inferred)"


def _without(shape: torch.Size, dimension: int) -> tuple[int, ...]:
    return tuple(size for index, size in enumerate(shape) if index != dimension)


def check_loss(loss: Any, name: str) -> None:
    """Raise `LossInferenceError` unless `loss` is one number that gradients can come from."""
    if not isinstance(loss, Tensor):
        raise LossInferenceError(
            f"{name} returned a {type(loss).__name__}; it must return a scalar tensor"
        )
    if loss.numel() != 1:
        raise LossInferenceError(
            f"{name} returned a tensor of shape {tuple(loss.shape)}; it must return one number "
            "(reduction='mean', or .mean())"
        )
    if not loss.requires_grad:
        raise LossInferenceError(
            f"{name} does not depend on any trainable parameter (it carries no gradient): is the "
            "model frozen, its output detached, or its forward under torch.no_grad()?"
        )
