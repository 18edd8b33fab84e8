"""One training step on one batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from lrfinder_widget.points import NONE
from lrfinder_widget.training.batch_layout import Parts, layout_of, samples_in
from lrfinder_widget.training.batches import to_device
from lrfinder_widget.training.loss import Loss, check_loss, infer_loss, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from lrfinder_widget.settings import SweepSettings
    from lrfinder_widget.training.training import Training


class Outcome(NamedTuple):
    """What a step tells; see `lrfinder_widget.points.Point`."""

    loss: float
    val_loss: float = math.nan
    grad_norm: float = math.nan
    metrics: Mapping[str, float] = NONE


class TrainStep:
    """Forward, loss, backward, optimizer step; returns the loss.

    The first batch decides how batches are taken apart and, with no `loss_fn`, which loss fits.

    Parameters
    ----------
    training
        What is trained.
    settings
        Those of the sweep.
    device
        Where batches are moved to.
    """

    def __init__(self, training: Training, settings: SweepSettings, device: torch.device) -> None:
        self._model = training.model
        self._optimizer = training.optimizer
        loss_fn = self._loss_fn = training.loss_fn
        self._device = device
        self._layout: Callable[[Any], Parts] | None = None
        self._loss: Loss | None = None
        # How many samples the first batch has; 0 if that cannot be told.
        self.batch_size = 0
        self.loss_name = "" if loss_fn is None else name_of(loss_fn)

    def __call__(self, batches: Sequence[Any]) -> Outcome | None:
        """Take one optimizer step on `batches`; None if it was skipped."""
        (batch,) = batches
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
        return Outcome(loss.item())

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
