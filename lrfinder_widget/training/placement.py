"""Where batches go: the device of the model's first parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    from torch import nn


def input_device(model: nn.Module, wanted: Any = None) -> torch.device:
    """Return the device that batches are moved to.

    A model may be spread over several devices: its inputs then go to its first parameter's, and it
    moves what its later parts need itself, as accelerate's hooks do for an ``hf_device_map``.
    Parameters on ``meta`` are loaded when they are needed, and say nothing.

    Raises
    ------
    SettingsError
        If `wanted` is no device, or not the one that the model is on.
    """
    own = next(model.parameters()).device
    held = dict.fromkeys(
        parameter.device for parameter in model.parameters() if not parameter.is_meta
    )
    own = next(iter(held), own)
    if wanted is None:
        return own
    try:
        device = torch.device(wanted)
    except (RuntimeError, TypeError) as error:
        raise SettingsError(f"device {wanted!r} is not one torch knows: {error}") from None
    if len(held) > 1:
        raise SettingsError(
            f"device is {str(device)!r}, but the model is spread over "
            f"{', '.join(map(str, held))}; leave device out: inputs go to the first of them, "
            "targets to the output's"
        )
    if device.type != own.type:
        raise SettingsError(
            f"device is {str(device)!r}, but the model is on {own}; move it first "
            f"(model.to({str(device)!r})), then build the optimizer"
        )
    names_one = ":" in str(device)  # "cuda" alone means the one that the model is on
    return device if names_one else own
