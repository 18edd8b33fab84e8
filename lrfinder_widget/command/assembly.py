"""The training that a plan describes, built from its parts."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset, IterableDataset

from lrfinder_widget.command.building import Maker
from lrfinder_widget.command.importing import importable
from lrfinder_widget.command.processes import shared_out
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.seeding import seed_everything
from lrfinder_widget.training.training import Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lrfinder_widget.command.config import Config
    from lrfinder_widget.command.plan import Plan

BATCH_SIZE = 32
# What the command gives to an optimizer.
GIVEN = ("params", "model")
# Without it, cuBLAS refuses to be deterministic.
WORKSPACE = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


@contextmanager
def prepared(plan: Plan) -> Iterator[None]:
    """Make the modules beside the config importable and torch deterministic, for the block."""
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        dict(os.environ),
    )
    if plan.deterministic:
        os.environ.update({**WORKSPACE, **os.environ})
        torch.use_deterministic_algorithms(mode=True)
    try:
        with importable(plan.config):
            yield
    finally:
        torch.use_deterministic_algorithms(mode=before[0], warn_only=before[1])
        for name in WORKSPACE:
            if name not in before[2]:
                os.environ.pop(name, None)


def assemble(plan: Plan) -> Training:
    """Build model, data, loss and optimizer, seeded; within `prepared`.

    Raises
    ------
    SettingsError
        If a part cannot be built, or is not what it should be.
    """
    config = plan.config
    makers = {name: _maker(config, name) for name in ("data", "loss", "model", "optimizer")}
    seed_everything(plan.settings.seed or 0)
    loader, val_loader = _data(plan, makers["data"])
    loss_fn = None if makers["loss"] is None else _loss(makers["loss"])
    model = _model(plan, makers["model"])
    return shared_out(
        Training(
            model=model,
            optimizer=_optimizer(makers["optimizer"], model),
            loader=loader,
            val_loader=val_loader,
            loss_fn=loss_fn,
        )
    )


def _maker(config: Config, name: str) -> Any:
    part = config.part(name)
    reserved = GIVEN if name == "optimizer" else ()
    return None if part is None else Maker(config, part, reserved)


def _model(plan: Plan, maker: Maker) -> nn.Module:
    model = maker.make({})
    if not isinstance(model, nn.Module):
        raise maker.refused(f"{maker.name} must return a torch.nn.Module (got {_kind(model)})")
    if plan.settings.device is None:
        return model
    try:
        return model.to(plan.settings.device)
    except TypeError:  # a flag is text, so that this comes from the file
        raise plan.config.refused(
            f"it must name a device, such as cuda or cpu (got {plan.settings.device!r})",
            "sweep",
            "device",
        ) from None
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise SettingsError(f"device {plan.settings.device!r} cannot be used: {error}") from error


def _optimizer(maker: Maker, model: nn.Module) -> Optimizer:
    offered = {"model": model, "params": model.parameters()}
    if not any(map(maker.takes, offered)):
        raise maker.refused(f"{maker.name} must take an argument 'params' or 'model'")
    optimizer = maker.make(offered)
    if not isinstance(optimizer, Optimizer):
        raise maker.refused(
            f"{maker.name} must return a torch.optim.Optimizer (got {_kind(optimizer)})"
        )
    return optimizer


def _loss(maker: Maker) -> Callable[..., Any]:
    """Return the loss: an instance of a class, or a function as it is."""
    loss: Callable[..., Any] = maker.make({}) if maker.is_class else maker.bound()
    return loss


def _data(plan: Plan, maker: Maker) -> tuple[Any, Any]:
    """Return the loader, and that of the validation data if there is any."""
    asked = {"batch_size": plan.batch_size, "fold": plan.fold, "folds": plan.folds}
    offered = {name: value for name, value in asked.items() if value is not None}
    made = maker.make({**offered, "seed": plan.settings.seed})
    loader, val_loader = made if _is_pair(made) else (made, None)
    taken = [name for name in offered if maker.takes(name)]
    if _is_dataset(loader):
        taken.append("batch_size")
        batch_size = plan.batch_size or BATCH_SIZE
        loader = DataLoader(loader, batch_size, shuffle=not isinstance(loader, IterableDataset))
        if val_loader is not None and _is_dataset(val_loader):
            val_loader = DataLoader(val_loader, batch_size)
    for name in ("batch_size", "fold"):
        if name in offered and name not in taken:
            raise maker.refused(
                f"{maker.name} takes no {name!r}, so that {name} = {offered[name]} would change "
                "nothing; give it such an argument, or leave it out"
            )
    if not hasattr(loader, "__iter__"):
        raise maker.refused(
            f"{maker.name} must return a DataLoader or a Dataset, or a pair of them for training "
            f"and validation (got {_kind(loader)})"
        )
    return loader, val_loader


def _is_pair(made: Any) -> bool:
    return isinstance(made, tuple) and len(made) == 2  # noqa: PLR2004 - training, validation


def _is_dataset(data: Any) -> bool:
    return isinstance(data, Dataset)


def _kind(value: Any) -> str:
    return type(value).__name__
