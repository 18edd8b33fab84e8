"""Writing learning rates where they are held: in place where that is a tensor."""

from __future__ import annotations

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
        factors = group_factors(optimizer, groups)
        pairs = [
            (group, factor)
            for group, factor in zip(optimizer.param_groups, factors, strict=True)
            if factor is not None
        ]
        self._numbers = [(g, ratio) for g, ratio in pairs if not isinstance(g["lr"], Tensor)]
        self._tensors = [(g["lr"], ratio) for g, ratio in pairs if isinstance(g["lr"], Tensor)]
        first = pairs[0][0]["lr"]
        self._dtype = first.dtype if isinstance(first, Tensor) else None

    def write(self, lr: float) -> float:
        """Give every swept group its rate, and return the first one's as it is held there."""
        for group, ratio in self._numbers:
            group["lr"] = lr * ratio
        if not self._tensors:
            return lr
        for tensor, ratio in self._tensors:
            _fill(tensor, lr * ratio)
        if self._dtype is None:
            return lr
        # Rounded on the CPU: reading the group's own tensor back would wait for an accelerator.
        return torch.tensor(lr, dtype=self._dtype, device="cpu").item()


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
