"""A Keras optimizer on PyTorch, in the form that a sweep steps."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer


class KerasOptimizer(Optimizer):
    """A Keras optimizer, in the form of a torch one.

    Its one parameter group holds the trainable weights; its learning rate is the tensor of the
    Keras variable, so that what is written there in place is assigned to the variable.

    Parameters
    ----------
    optimizer
        A Keras optimizer that is built.
    model
        The model it was compiled with.
    """

    def __init__(self, optimizer: Any, model: Any) -> None:
        self._keras = optimizer
        self._trained = model.trainable_variables
        # An attribute, which a sweep puts back with all the tensors in it.
        self._kept = [
            variable.value
            for variable in (*optimizer.variables, *model.variables, *model.metrics_variables)
        ]
        group: dict[str, Any] = {"lr": optimizer.learning_rate.value}
        inner = inner_optimizer(optimizer)
        for name in ("momentum", "weight_decay"):
            if getattr(inner, name, None):
                group[name] = getattr(inner, name)
        if hasattr(inner, "beta_1"):
            group["betas"] = (inner.beta_1, inner.beta_2)
        super().__init__([variable.value for variable in self._trained], group)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # takes none
        """Let Keras apply the gradients, as often as it takes for one update of the weights."""
        del closure
        gradients = [variable.value.grad for variable in self._trained]
        for _ in range(accumulated_batches(self._keras)):
            self._keras.apply(gradients, self._trained)


def stands_in_for(optimizer: Any, model: Any) -> KerasOptimizer:
    """Return an optimizer of the name of Keras's, which findings and pictures tell."""
    name = type(inner_optimizer(optimizer)).__name__
    kind: type[KerasOptimizer] = type(name, (KerasOptimizer,), {})
    return kind(optimizer, model)


def accumulated_batches(optimizer: Any) -> int:
    """Return how many batches' gradients a Keras optimizer adds up before it takes a step."""
    return inner_optimizer(optimizer).gradient_accumulation_steps or 1


def inner_optimizer(optimizer: Any) -> Any:
    """Return the optimizer inside one that scales the loss, or the optimizer."""
    return getattr(optimizer, "inner_optimizer", optimizer)
