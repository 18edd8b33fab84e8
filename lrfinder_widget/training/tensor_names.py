"""What a user calls a tensor of a training: to name it in an error."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfinder_widget.training.training import Training


def name_of_tensor(tensor: Tensor, training: Training) -> str:
    """Return where a training holds a tensor, as far as that is easily told."""
    return next((name for name, each in _named(training) if each is tensor), "a tensor")


def _named(training: Training) -> Iterator[tuple[str, Any]]:
    model = training.model
    if isinstance(model, nn.Module):
        own = chain(
            model.named_parameters(remove_duplicate=False),
            model.named_buffers(remove_duplicate=False),
        )
        yield from ((f"the model's {name!r}", each) for name, each in own)
        for path, module in model.named_modules():
            for name, each in list(vars(module).items()):
                yield f"the model's {f'{path}.{name}'.lstrip('.')!r}", each
    for state in list(training.optimizer.state.values()):
        if isinstance(state, dict):
            yield from ((f"{key!r} in the optimizer's state", each) for key, each in state.items())
    holders = {"loss_fn": training.loss_fn, "dataset": getattr(training.loader, "dataset", None)}
    for holder, thing in holders.items():
        for name, each in list(getattr(thing, "__dict__", {}).items()):
            yield f"the {holder}'s {name!r}", each
