"""What accelerate's wrappers hold: the optimizer, the loader and the gradient scaler in them."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfinder_widget.training.training import Training


def accelerated(training: Training, settings: Mapping[str, Any]) -> tuple[Training, dict[str, Any]]:
    """Return a training without accelerate's wrappers, and the settings that follow from them.

    What ``accelerator.prepare`` returned acts on a state that is shared by the whole process: its
    optimizer steps only when gradients are synchronised, its loader registers itself as the one
    that is read. A sweep takes the optimizer and the ``DataLoader`` inside, so that this state
    stays as it is. The model stays wrapped: mixed precision is part of its forward pass.

    Parameters
    ----------
    training
        What the user passed; returned as it is if nothing of it is accelerate's.
    settings
        Those that the user passed; they win over what accelerate is configured for.

    Raises
    ------
    SettingsError
        If the optimizer is DeepSpeed's or Megatron's, which only they can step.
    """
    # Who has wrapped something has imported it.
    accelerate = sys.modules.get("accelerate")
    if accelerate is None:
        return training, dict(settings)
    training = dataclasses.replace(
        training, loader=_bare_loader(training.loader), val_loader=_bare_loader(training.val_loader)
    )
    optimizer: Any = training.optimizer
    if not isinstance(optimizer, accelerate.optimizer.AcceleratedOptimizer):
        return training, dict(settings)
    if type(optimizer) is not accelerate.optimizer.AcceleratedOptimizer:
        raise SettingsError(
            f"{type(optimizer).__name__} can only be stepped by its own engine; prepare model and "
            "optimizer with an Accelerator without it for the sweep"
        )
    training = dataclasses.replace(
        training,
        optimizer=optimizer.optimizer,
        scaler=optimizer.scaler if training.scaler is None else training.scaler,
    )
    return training, {"accumulation_steps": optimizer.gradient_state.num_steps, **settings}


def _bare_loader(loader: Any) -> Any:
    data_loader = sys.modules["accelerate"].data_loader
    # The type is asked, since the wrappers call themselves DataLoaders.
    if not issubclass(type(loader), data_loader.DataLoaderAdapter):
        return loader
    if isinstance(loader, data_loader.DataLoaderDispatcher) and loader.state.num_processes > 1:
        return loader  # only the first process reads
    return loader.base_dataloader
