"""Mixed precision: the autocast of a step, and the gradient scaler that float16 needs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from lrfinder_widget.settings import amp_name

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch.optim import Optimizer

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast_for(
    amp: str | torch.autocast | None, device: torch.device
) -> AbstractContextManager[Any]:
    """Return what forward pass and loss run under; it can be entered again and again."""
    if amp is None:
        return nullcontext()
    return torch.autocast(device.type, dtype=_TYPES[amp]) if isinstance(amp, str) else amp


def scaler_for(
    amp: str | torch.autocast | None, given: Any, device: torch.device
) -> torch.amp.GradScaler | None:
    """Return the user's gradient scaler, a new one where float16 needs it, or None."""
    if given is not None:
        return given  # type: ignore[no-any-return]  # the user's
    if amp is not None and amp_name(amp) == "fp16":
        return torch.amp.GradScaler(device.type)
    return None


def scaled_step(scaler: torch.amp.GradScaler, optimizer: Optimizer) -> bool:
    """Let `scaler` take the optimizer's step; return False if it skipped it."""
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    # Fused optimizers skip inside their kernels: the scale tells for all of them.
    return scaler.get_scale() >= before
