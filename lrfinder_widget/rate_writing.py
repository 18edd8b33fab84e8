"""Writing learning rates where they are held: in place where that is a tensor."""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lrfinder_widget.parameter_groups import group_factors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer


class RateWriter:
    """Writes one learning rate after another, as a sweep does at each step.

    The ratios of the parameter groups are those at its construction.
    """

    def __init__(self, optimizer: Optimizer, groups: str | Sequence[str] = "ratios") -> None:
        self._optimizer = optimizer
        self._factors = group_factors(optimizer, groups)
        self._groups: list[dict[str, Any]] = []
        self._swept: list[tuple[dict[str, Any], float]] = []
        self._find_groups()

    def write(self, lr: float) -> float:
        """Give every swept group its rate, and return the first one's as it is held there."""
        groups = self._optimizer.param_groups
        if len(groups) != len(self._groups) or not all(map(is_, groups, self._groups)):
            self._find_groups()
        for group, ratio in self._swept:
            held = group["lr"]
            if isinstance(held, Tensor):
                _fill(held, lr * ratio)
            else:
                group["lr"] = lr * ratio
        first = self._swept[0][0]["lr"]
        if not isinstance(first, Tensor):
            return lr
        # Rounded on the CPU: reading the group's own tensor back would wait for an accelerator.
        return torch.tensor(lr, dtype=first.dtype, device="cpu").item()

    def _find_groups(self) -> None:
        """Look up the groups: an optimizer that loads a state into itself has new ones."""
        self._groups = list(self._optimizer.param_groups)
        self._swept = [
            (group, factor)
            for group, factor in zip(self._groups, self._factors, strict=False)
            if factor is not None
        ]


class Writes:
    """Every value written, and what stood there before."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, Any, Any, Tensor | None]] = []

    def put(self, place: Any, key: Any, value: Any) -> None:
        """Write a value under a key that there is, into its tensor if it holds one."""
        before = place[key]
        if isinstance(before, Tensor):
            self._done.append((place, key, before, before.detach().clone()))
            _fill(before, value)
        else:
            self._done.append((place, key, before, None))
            place[key] = value

    def undo(self) -> None:
        """Put back every value that was written."""
        for place, key, before, content in reversed(self._done):
            place[key] = before
            if content is not None:
                with torch.no_grad():
                    before.copy_(content)


def _fill(tensor: Tensor, value: float) -> None:
    with torch.no_grad():
        tensor.fill_(value)
