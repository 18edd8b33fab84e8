"""Which optimizers evaluate the loss themselves, through a closure that `step` is given."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer


def needs_closure(optimizer: Optimizer) -> bool:
    """Return whether the optimizer cannot step by itself, as LBFGS, as far as can be told."""
    # Torch and schedulers wrap `step` on class and instance; signature looks through both.
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    required = closure is not None and closure.default is inspect.Parameter.empty
    return required or takes_two_passes(optimizer)


def takes_two_passes(optimizer: Optimizer) -> bool:
    """Return whether the gradients have to be there when the closure is given, as for SAM.

    Those optimizers climb along the gradients of a first pass and let the closure make others
    there; what all of them have in common is how these two halves of a step are called. In the
    signature of `step` the closure is often optional, though it is not.
    """
    return all(callable(getattr(optimizer, half, None)) for half in ("first_step", "second_step"))


def asks_for_closure(error: Exception, optimizer: Optimizer) -> bool:
    """Return whether `error` says that a closure is needed which `step` calls optional."""
    optional = "closure" in inspect.signature(optimizer.step).parameters
    return optional and "closure" in f"{type(error).__name__} {error}".lower()
