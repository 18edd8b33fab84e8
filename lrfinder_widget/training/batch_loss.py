"""The loss on a batch: forward pass and loss, or the user's own function for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lrfinder_widget.errors import LossInferenceError
from lrfinder_widget.training.batch_layout import Parts, layout_of, pair, samples_in
from lrfinder_widget.training.loss import NUMPY, Loss, check_loss, infer_loss, name_of
from lrfinder_widget.training.moving import to_device
from lrfinder_widget.training.signatures import cannot_take, names_of_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from lrfinder_widget.training.training import Training


class BatchLoss:
    """Computes the loss on a batch.

    The first batch decides how batches are taken apart and, with no ``loss_fn``, which loss fits.

    Parameters
    ----------
    training
        What is trained.
    device
        Where batches are moved to.

    Attributes
    ----------
    name : str
        The loss, in words; known from the first batch on.
    function : callable or None
        The loss as a function of output and target; known from the first batch on.
    is_pair : bool
        Whether the first batch was a pair of an input and a target on the CPU, which nothing has
        to be done to.
    batch_size : int
        How many samples the first batch has; 0 if that cannot be told.
    scalars : dict
        What else ``compute_loss`` returned for the last batch, by name.
    """

    def __init__(self, training: Training, device: torch.device) -> None:
        self._model = training.model
        self._loss_fn = training.loss_fn
        self._compute = training.compute_loss
        self._device = device
        self._layout: Callable[[Any], Parts] | None = None
        self.is_pair = False
        self.function: Loss | None = None
        self._checked = False
        self.batch_size = 0
        given = training.compute_loss or training.loss_fn
        self.name = "" if given is None else name_of(given)
        self.scalars: dict[str, Any] = {}

    def __call__(self, batch: Any) -> Tensor:
        """Return the loss on `batch`, a scalar."""
        if self._compute is not None:
            return self._computed(to_device(batch, self._device))
        return self._of_parts(batch) if self.function is not None else self._of_first(batch)

    def _of_first(self, batch: Any) -> Tensor:
        try:
            return self._of_parts(batch)
        except TypeError as error:
            if "numpy.ndarray" in str(error) and _holds_arrays(batch):
                raise LossInferenceError(NUMPY) from error
            raise

    def _of_parts(self, batch: Any) -> Tensor:
        """Return the loss on a batch that is taken apart into what model and loss get."""
        device = self._device
        args, kwargs, target = (self._layout or self._learn_layout(batch))(batch)
        # The common batch, one tensor in and one target, takes the short way.
        if len(args) == 1 and not kwargs:
            inputs = args[0]
            if type(inputs) is not Tensor or inputs.device != device:
                inputs = to_device(inputs, device)
            output = self._model(inputs)
        else:
            output = self._model(*to_device(args, device), **to_device(kwargs, device))
        if isinstance(output, Tensor):  # of a model that is spread over several devices, the last
            device = output.device
        if type(target) is not Tensor or target.device != device:
            target = to_device(target, device)
        function = self.function
        return function(output, target) if function else self._first_loss(output, target)

    def _learn_layout(self, batch: Any) -> Callable[[Any], Parts]:
        self._layout = layout_of(batch, self._model)
        args, kwargs, target = parts = self._layout(batch)
        if cannot_take(self._model, args, kwargs):
            given = ", ".join([*("…" for _ in args), *(f"{name}=…" for name in kwargs)])
            raise LossInferenceError(
                f"the model cannot be called as model({given}), which is what the batches give: "
                f"its forward takes {names_of_arguments(self._model)}; pass "
                "compute_loss=lambda model, batch: …, which calls it as your training does and "
                "returns the loss (model(*batch), if that is the loss)"
            )
        self.batch_size = samples_in(parts)
        self.is_pair = (
            self._layout is pair
            and self._device.type == "cpu"
            and all(
                type(each) is Tensor and each.device == self._device for each in (*args, target)
            )
        )
        return self._layout

    def _first_loss(self, output: Any, target: Any) -> Tensor:
        if self._loss_fn is None:
            found, self.name = infer_loss(output, target)
        else:
            found = self._loss_fn
        loss = found(output, target)
        check_loss(loss, self.name)
        if isinstance(output, Tensor) and output.device != self._device:
            self.is_pair = False  # the target has to follow it
        self.function = found
        return loss

    def _computed(self, batch: Any) -> Tensor:
        returned = self._compute(self._model, batch)  # type: ignore[misc]  # it is there
        loss = returned
        if isinstance(returned, Mapping):
            if "loss" not in returned:
                raise LossInferenceError(
                    f"{self.name} returned a dict without 'loss' (it has "
                    f"{', '.join(map(str, returned)) or 'nothing'}); return the loss under that key"
                )
            loss = returned["loss"]
            self.scalars = {
                str(name): value
                for name, value in returned.items()
                if name != "loss" and is_scalar(value)
            }
        if not self._checked:
            check_loss(loss, self.name)
            self._checked = True
        return loss  # type: ignore[no-any-return]  # checked


def _holds_arrays(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return any(map(_holds_arrays, value))
    return isinstance(value, np.ndarray)


def is_scalar(value: Any) -> bool:
    """Return whether `value` is one number."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_complex()
    return isinstance(value, (int, float)) and not isinstance(value, bool)
