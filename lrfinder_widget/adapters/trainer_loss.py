"""The loss as a ``transformers.Trainer`` computes it."""

from __future__ import annotations

import copy
import inspect
import sys
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lrfinder_widget.training.own_generators import GENERATORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch.optim import Optimizer

# Steps only read them, and they may be long lists.
_DATA = {"train_dataset", "eval_dataset"}
# Where a model of Transformers keeps the hooks that it needs for checkpointing.
_HOOKS = ("_require_grads_hook", "_require_grads_hooks")


class TrainerLoss:
    """Calls ``trainer.compute_loss`` as ``trainer.training_step`` does.

    It is called on a stand-in: what a subclass counts, collects or logs there does not reach the
    trainer. Each sweep has a stand-in of its own, made from the trainer as it then is.

    Parameters
    ----------
    trainer
        The ``transformers.Trainer``.
    optimizer
        The one that is swept.

    Attributes
    ----------
    also : tuple
        What a sweep puts back for the next one; see `lrfinder_widget.training.training.Training`.
    """

    def __init__(self, trainer: Any, optimizer: Optimizer) -> None:
        self.__name__ = f"{type(trainer).__name__}.compute_loss"
        self._trainer = trainer
        self._optimizer: Any = optimizer
        self._stand_ins: list[Any] = []  # at most one; emptied when it is put back
        self._items: Any = None
        self._parts = 1
        self.also = (self._stand_ins, *_state_of(trainer))

    def begin_step(self, batches: Sequence[Any]) -> None:
        """Count what the losses of a step are normalised over, and switch to train mode."""
        if not self._stand_ins:
            self._stand_ins.append(_stand_in_for(self._trainer))
        trainer = self._stand_ins[0]
        trainer.model_wrapped.train()
        if callable(getattr(self._optimizer, "train", None)):  # without a schedule
            self._optimizer.train()
        self._parts = trainer.current_gradient_accumulation_steps = len(batches)
        parameters = inspect.signature(trainer.get_batch_samples).parameters
        # Before Transformers 4.50 it takes no device.
        where = {"device": trainer.args.device} if "device" in parameters else {}
        _, self._items = trainer.get_batch_samples(iter(batches), len(batches), **where)

    def __call__(self, model: nn.Module, batch: Any) -> Tensor:
        """Return the loss on one of the step's batches."""
        trainer, items = self._stand_ins[0], self._items
        inputs = trainer._prepare_inputs(batch)  # noqa: SLF001 - what training_step calls
        with _checkpointing(trainer), _mixed_forward(model), trainer.compute_loss_context_manager():
            loss: Tensor = trainer.compute_loss(model, inputs, num_items_in_batch=items)
        if loss.ndim:  # one of each device
            loss = loss.mean()
        # The trainer adds such losses up, the sweep takes their mean.
        return loss * self._parts if _is_share(trainer, items) else loss


def _is_share(trainer: Any, items: Any) -> bool:
    """Return whether the loss on a batch is its share of the step's loss, not a mean of its own."""
    stated = getattr(trainer, "loss_is_scaled_for_ga", None)
    if stated is not None:
        return bool(stated)
    normalised = trainer.model_accepts_loss_kwargs and items is not None
    return normalised or trainer.compute_loss_func is not None


def _stand_in_for(trainer: Any) -> Any:
    """Return a copy of a trainer with the same model and data, and containers of its own."""
    stand_in = copy.copy(trainer)
    own = vars(stand_in)
    own |= {name: _own(value) for name, value in own.items() if name not in _DATA}
    own["state"] = copy.deepcopy(trainer.state)
    own["control"] = copy.copy(trainer.control)
    own["log"] = lambda *_, **__: None
    return stand_in


def _own(value: Any) -> Any:
    """Return containers, nested ones too, with the same content."""
    if isinstance(value, dict):
        own = copy.copy(value)
        own.update({key: _own(each) for key, each in value.items()})
        return own
    if isinstance(value, list):
        return [_own(each) for each in value]
    return copy.copy(value) if isinstance(value, (set, deque)) else value


def _state_of(trainer: Any) -> list[Any]:
    """Return what a trainer of the user's may hold beside the model: a teacher, a running mean."""
    kinds = (nn.Module, Tensor, *GENERATORS)
    held = [each for each in vars(trainer).values() if isinstance(each, kinds)]
    return held if trainer.compute_loss_func is None else [*held, trainer.compute_loss_func]


@contextmanager
def _mixed_forward(model: nn.Module) -> Iterator[None]:
    """Under autocast, confine it to the model's forward pass, whose outputs become float32.

    That is what accelerate does to a model; a loss on the outputs is computed in full precision.
    """
    device = next(model.parameters()).device.type
    if not torch.is_autocast_enabled(device):
        yield
        return
    held = vars(model)
    before = held.get("forward")
    if not hasattr(model, "_original_forward"):  # accelerate's mark: it is done
        mixed = torch.autocast(device, dtype=torch.get_autocast_dtype(device))(model.forward)
        held["forward"] = sys.modules["accelerate"].utils.convert_outputs_to_fp32(mixed)
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        if before is None:
            held.pop("forward", None)
        else:
            held["forward"] = before


@contextmanager
def _checkpointing(trainer: Any) -> Iterator[None]:
    """Switch activation checkpointing on if ``train`` would do so.

    The flags stay, and are put back with all attributes of modules; hooks have to be removed here.
    """
    args, model = trainer.args, trainer.model
    # The name until Transformers 5.
    kind = "activation" if hasattr(args, "activation_checkpointing") else "gradient"
    if not getattr(args, f"{kind}_checkpointing"):
        yield
        return
    enable = getattr(model, f"{kind}_checkpointing_enable")
    options = dict(getattr(args, f"{kind}_checkpointing_kwargs") or {})
    own = {name: options.pop(name) for name in ("every_n_layers", "offload") if name in options}
    held = vars(enable.__self__)  # the model in a wrapper such as PEFT's
    before = {name: held[name] for name in _HOOKS if name in held}
    enable(**{f"{kind}_checkpointing_kwargs": options or None}, **own)
    try:
        yield
    finally:
        for name in _HOOKS:
            added = held.pop(name, None)
            if added is not None and added is not before.get(name):
                for hook in added if isinstance(added, list) else [added]:
                    hook.remove()
        held |= before
