"""One training step on one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from lrfinder_widget.training.batch_layout import Parts, layout_of, samples_in
from lrfinder_widget.training.batches import to_device
from lrfinder_widget.training.loss import Loss, check_loss, infer_loss, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import nn
    from torch.optim import Optimizer


class TrainStep:
    """Forward, loss, backward, optimizer step; returns the loss.

    The first batch decides how batches are taken apart and, with no `loss_fn`, which loss fits.

    Parameters
    ----------
    model, optimizer
        What is trained.
    loss_fn
        A function of ``(output, target)`` that returns a scalar, or None to infer one.
    device
        Where batches are moved to.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss_fn: Callable[..., Tensor] | None,
        device: torch.device,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._loss_fn = loss_fn
        self._device = device
        self._layout: Callable[[Any], Parts] | None = None
        self._loss: Loss | None = None
        # How many samples the first batch has; 0 if that cannot be told.
        self.batch_size = 0
        self.loss_name = "" if loss_fn is None else name_of(loss_fn)

    def __call__(self, batch: Any) -> float:
        """Train on `batch`, and return the loss before the step."""
        args, kwargs, target = (self._layout or self._learn_layout(batch))(batch)
        device = self._device
        self._optimizer.zero_grad()
        # The common batch, one tensor in and one target, takes the short way.
        if len(args) == 1 and not kwargs:
            inputs = args[0]
            if type(inputs) is not Tensor or inputs.device != device:
                inputs = to_device(inputs, device)
            output = self._model(inputs)
        else:
            output = self._model(*to_device(args, device), **to_device(kwargs, device))
        if type(target) is not Tensor or target.device != device:
            target = to_device(target, device)
        loss = self._loss(output, target) if self._loss else self._first_loss(output, target)
        loss.backward()
        self._optimizer.step()
        return loss.item()

    def _learn_layout(self, batch: Any) -> Callable[[Any], Parts]:
        self._layout = layout_of(batch, self._model)
        self.batch_size = samples_in(self._layout(batch))
        return self._layout

    def _first_loss(self, output: Any, target: Any) -> Tensor:
        if self._loss_fn is None:
            found, self.loss_name = infer_loss(output, target)
        else:
            found = self._loss_fn
        loss = found(output, target)
        check_loss(loss, self.loss_name)
        self._loss = found
        return loss
