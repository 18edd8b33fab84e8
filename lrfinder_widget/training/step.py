"""One optimizer step: forward, backward, clipping, the step, and what it tells."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lrfinder_widget.errors import LossInferenceError, SettingsError
from lrfinder_widget.points import NONE, Point
from lrfinder_widget.training.batch_loss import BatchLoss, is_scalar
from lrfinder_widget.training.clearing import clearing
from lrfinder_widget.training.closures import asks_for_closure, needs_closure, takes_two_passes
from lrfinder_widget.training.gradients import Gradients
from lrfinder_widget.training.loss import name_of
from lrfinder_widget.training.precision import autocast_for, scaled_step, scaler_for

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from lrfinder_widget.settings import SweepSettings
    from lrfinder_widget.training.training import Training


class TrainStep:
    """Takes optimizer steps, in the shortest way in which what the user asked for can be done.

    Parameters
    ----------
    training
        What is trained.
    settings
        Those of the sweep.
    device
        Where batches are moved to.

    Attributes
    ----------
    way : callable
        How the next step is taken: ``step.way(step, batches, index, lr)`` takes it on the mean
        loss of `batches` (one, or the micro-batches whose gradients add up), and returns the point
        of that number and learning rate; None if the gradient scaler skipped the step.

    Raises
    ------
    SettingsError
        If the settings ask for what the optimizer, or a framework's own step, cannot do.
    """

    def __init__(self, training: Training, settings: SweepSettings, device: torch.device) -> None:
        check_step(training, settings)
        self._model = training.model
        self._optimizer = training.optimizer
        self._clear = clearing(training.optimizer)
        self._loss = BatchLoss(training, device)
        self._autocast = autocast_for(settings.amp, device)
        self._scaler = scaler_for(settings.amp, training.scaler, device)
        self._gradients = Gradients(training.optimizer, settings, training.norm_cost)
        if training.train_step is not None:  # nothing comes between its gradients and its step
            self._gradients.give_up()
        self._own_step = training.train_step
        self._begin_step = training.begin_step
        self._metrics: dict[str, list[Any]] = {}
        self._validation: Sequence[Any] = ()
        self._needs_closure = needs_closure(training.optimizer)
        self._gradients_first = takes_two_passes(training.optimizer)
        self._is_plain = (
            settings.accumulation_steps == 1
            and settings.amp is None
            and self._scaler is None
            and training.begin_step is None
            and training.compute_loss is None
        )
        self._is_first = True
        self.way = self._shortest_way()

    @property
    def loss_name(self) -> str:
        """The loss, in words; known from the first step on."""
        return self._loss.name if self._own_step is None else name_of(self._own_step)

    @property
    def batch_size(self) -> int:
        """How many samples the first batch had; 0 if that cannot be told."""
        return self._loss.batch_size

    @property
    def measures_norm(self) -> bool:
        """Whether a step tells the gradients' norm, or may yet do so."""
        return self._gradients.recorded

    def measure_no_norm(self) -> None:
        """Tell no norm from now on; it may be asked for in vain."""
        self._gradients.give_up()
        self.way = self._shortest_way()

    def validate_on(self, batches: Sequence[Any]) -> None:
        """Evaluate the loss on `batches` after each step from now on."""
        self._validation = batches
        self.way = self._shortest_way()

    # Ways are functions, not bound methods: a step that held one of its own would keep the model
    # alive until garbage is collected.

    def _shortest_way(self) -> Way:
        """Choose how steps are taken from now on."""
        if self._is_first:
            return TrainStep._at_first
        if self._gradients.on_trial:
            return TrainStep._on_trial
        return TrainStep._validated if self._validation else self._unvalidated()

    def _unvalidated(self) -> Way:
        if self._own_step is not None:
            return TrainStep._by_framework
        if self._needs_closure:
            return TrainStep._with_closure
        if not self._is_plain or self._gradients.needed:
            return TrainStep._fully
        return TrainStep._on_pair if self._loss.is_pair else TrainStep._plainly

    def _at_first(self, batches: Sequence[Any], index: int, lr: float) -> Point | None:
        """Take the first step, which finds out whether a closure is needed that looked optional."""
        self._is_first = False
        self.way = self._shortest_way()
        try:
            point = self.way(self, batches, index, lr)
        except Exception as error:
            if self._needs_closure or not asks_for_closure(error, self._optimizer):
                raise
            if self._scaler is not None:
                raise SettingsError(_not_scaled(self._optimizer)) from error
        else:
            self.way = self._shortest_way()  # what batches are is known now
            return point
        # The gradients were there, and so they are from now on: whether it needs them is not known.
        self._needs_closure = self._gradients_first = True
        self._metrics.clear()
        self.way = self._shortest_way()
        return self.way(self, batches, index, lr)

    def _on_trial(self, batches: Sequence[Any], index: int, lr: float) -> Point | None:
        """Take a step that finds out whether gradient norms cost too much."""
        self._gradients.begin_trial()
        point = self._unvalidated()(self, batches, index, lr)
        if not self._gradients.end_trial() and point is not None:
            point = point._replace(grad_norm=math.nan)
        self.way = self._shortest_way()
        return self._with_validation(point)

    def _validated(self, batches: Sequence[Any], index: int, lr: float) -> Point | None:
        return self._with_validation(self._unvalidated()(self, batches, index, lr))

    def _with_validation(self, point: Point | None) -> Point | None:
        if point is None or not self._validation:
            return point
        return point._replace(val_loss=self._validate())

    def _on_pair(self, batches: Sequence[Any], index: int, lr: float) -> Point:
        """Take the step that most trainings take, in as few calls as that needs."""
        batch = batches[0]
        inputs, target = batch[0], batch[1]
        is_pair = type(inputs) is type(target) is Tensor and inputs.is_cpu and target.is_cpu
        if not is_pair:
            return self._plainly(batches, index, lr)
        self._clear()
        loss = self._loss.function(self._model(inputs), target)  # type: ignore[misc]  # it is there
        loss.backward()
        self._optimizer.step()
        return Point(index, lr, loss.item())

    def _plainly(self, batches: Sequence[Any], index: int, lr: float) -> Point:
        self._clear()
        loss = self._loss(batches[0])
        loss.backward()
        self._optimizer.step()
        return Point(index, lr, loss.item())

    def _fully(self, batches: Sequence[Any], index: int, lr: float) -> Point | None:
        self._clear()
        loss = self._backward(batches)
        scaler = self._scaler
        norm = None
        if self._gradients.needed:
            if scaler is not None:
                scaler.unscale_(self._optimizer)
            norm = self._gradients.norm_and_clip()
        if scaler is None:
            self._optimizer.step()
        elif not scaled_step(scaler, self._optimizer) and math.isfinite(loss.item()):
            return None
        return self._point(index, lr, loss, norm)

    def _with_closure(self, batches: Sequence[Any], index: int, lr: float) -> Point:
        """Let an optimizer such as LBFGS or SAM evaluate the loss as often as it likes.

        What is told is of the first evaluation, which comes before any change.
        """
        evaluated: list[tuple[Tensor, Tensor | None]] = []

        def closure() -> Tensor:
            self._clear()
            loss = self._backward(batches)
            norm = self._gradients.norm_and_clip() if self._gradients.needed else None
            evaluated.append((loss, norm))
            return loss

        if self._gradients_first:
            closure()
        self._optimizer.step(closure)  # type: ignore[arg-type]  # it returns what float() takes
        return self._point(index, lr, *evaluated[0])

    def _by_framework(self, batches: Sequence[Any], index: int, lr: float) -> Point:
        """Let a framework's own code take the step."""
        (batch,) = batches
        returned = self._own_step(batch)  # type: ignore[misc]  # it is there
        loss: Any = returned.get("loss") if isinstance(returned, Mapping) else returned
        if not is_scalar(loss):
            raise LossInferenceError(
                f"{self.loss_name} returned no loss (got {type(loss).__name__}): return the loss "
                "of the step, as a number or a tensor"
            )
        return Point(index, lr, _number(loss))

    def _backward(self, batches: Sequence[Any]) -> Tensor:
        """Add up the gradients of the mean loss of `batches`, and return that loss, detached."""
        if self._begin_step is not None:
            self._begin_step(batches)
        if len(batches) == 1:
            return self._backward_on(batches[0], 1)
        *first, last = batches
        # DDP averages over ranks once, in the last backward pass.
        with getattr(self._model, "no_sync", nullcontext)():
            losses = [self._backward_on(batch, len(batches)) for batch in first]
        losses.append(self._backward_on(last, len(batches)))
        return torch.stack(losses).mean()

    def _backward_on(self, batch: Any, parts: int) -> Tensor:
        with self._autocast:
            loss = self._loss(batch)
        if self._loss.scalars:
            for name, value in self._loss.scalars.items():
                self._metrics.setdefault(name, []).append(value)
        share = loss if parts == 1 else loss / parts
        (share if self._scaler is None else self._scaler.scale(share)).backward()
        return loss.detach()

    def _point(self, index: int, lr: float, loss: Tensor, norm: Tensor | None) -> Point:
        metrics: Mapping[str, float] = NONE
        if self._metrics:
            metrics = {
                name: sum(map(_number, values)) / len(values)
                for name, values in self._metrics.items()
            }
            self._metrics.clear()
        grad_norm = math.nan if norm is None else norm.item()
        return Point(index, lr, loss.item(), grad_norm=grad_norm, metrics=metrics)

    def _validate(self) -> float:
        """Return the mean loss on the validation batches, in eval mode."""
        modes = [(module, module.training) for module in self._model.modules()]
        self._model.eval()
        try:
            with torch.no_grad(), self._autocast:
                losses = [self._loss(batch).item() for batch in self._validation]
        finally:
            for module, training in modes:
                module.training = training
        return sum(losses) / len(losses)


# A step takes batches, its number and its learning rate; None comes of one that was skipped.
Way = Callable[[TrainStep, Sequence[Any], int, float], Point | None]


def _number(value: Any) -> float:
    return value.item() if isinstance(value, Tensor) else float(value)


def check_step(training: Training, settings: SweepSettings) -> None:
    """Raise `SettingsError` if such a step cannot be taken."""
    scaled = scaler_for(settings.amp, training.scaler, torch.device("cpu")) is not None
    if scaled and needs_closure(training.optimizer):
        raise SettingsError(_not_scaled(training.optimizer))
    if training.loss_fn is not None and training.compute_loss is not None:
        raise SettingsError("pass loss_fn or compute_loss, not both: compute_loss is all of it")
    if training.train_step is None:
        return
    asked = {
        "accumulation_steps": settings.accumulation_steps != 1,
        "amp": settings.amp is not None,
        "clip_grad_norm": settings.clip_grad_norm is not None,
        "clip_grad_value": settings.clip_grad_value is not None,
        "grad_norms": settings.grad_norms is True,
        "val_loader": training.val_loader is not None,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise SettingsError(
                f"{name} cannot be used here: the framework's own code takes the whole step; set "
                "it there"
            )


def _not_scaled(optimizer: Optimizer) -> str:
    return (
        f"{type(optimizer).__name__} evaluates the loss several times a step, which a gradient "
        "scaler cannot follow; use amp='bf16' or none"
    )
