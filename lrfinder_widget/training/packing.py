"""A training as bytes, for another process: model, optimizer, loader and loss in one piece."""

from __future__ import annotations

import copyreg
import io
import pickle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.own_loader import own_copy
from lrfinder_widget.training.training import Training

if TYPE_CHECKING:
    from collections.abc import Mapping


# What goes to another process; schedulers and what an adapter adds stay here.
_PARTS = ("model", "optimizer", "loader", "loss_fn", "compute_loss", "val_loader", "scaler")


def pack(training: Training) -> bytes:
    """Return `training` as bytes; what its parts share, the copy's parts share.

    Uses cloudpickle where that is installed, which takes along what a notebook defines.

    Raises
    ------
    SettingsError
        If a part cannot be pickled; the message names it.
    """
    parts = {name: getattr(training, name) for name in _PARTS}
    parts["loader"] = own_copy(training.loader)
    if training.val_loader is not None:
        parts["val_loader"] = own_copy(training.val_loader)
    try:
        return _dump(parts)
    except Exception as error:
        raise SettingsError(_unpicklable(parts, error)) from error


def unpack(packed: bytes) -> Training:
    """Return a training that `pack` packed.

    Raises
    ------
    SettingsError
        If this process does not have what it is made of.
    """
    try:
        parts = torch.load(io.BytesIO(packed), weights_only=False)
    except Exception as error:
        raise SettingsError(
            f"the executor's process cannot unpickle the model, optimizer, loader or loss_fn "
            f"({type(error).__name__}: {error}); {_REMEDY}"
        ) from error
    return Training(**parts)


_REMEDY = (
    "define classes and functions in a module that the executor's processes can import (in a "
    "notebook, installing cloudpickle helps as well), or leave executor out"
)


def _dump(thing: Any) -> bytes:
    file = io.BytesIO()
    # torch.save keeps tensors that share memory together, as pickling them one by one does not.
    torch.save(thing, file, pickle_module=_pickling())
    return file.getvalue()


def _unpicklable(parts: Mapping[str, Any], error: Exception) -> str:
    for name, part in parts.items():
        try:
            _dump(part)
        except Exception as own_error:  # noqa: BLE001 - as in `pack`
            return (
                f"the {name} cannot be pickled, and an executor trains a copy of it "
                f"({type(own_error).__name__}: {own_error}); {_REMEDY}"
            )
    return (
        f"model, optimizer, loader and loss_fn cannot be pickled together "
        f"({type(error).__name__}: {error}); {_REMEDY}"
    )


def _pickling() -> Any:
    """Return what stands for the pickle module: a pickler that takes optimizers along whole."""
    try:
        import cloudpickle as base
    except ImportError:
        base = pickle

    class Pickler(base.Pickler):  # type: ignore[misc]  # whichever there is
        def reducer_override(self, thing: Any) -> Any:
            if isinstance(thing, Optimizer) and _pickles_as_torch_does(thing):
                new = copyreg.__newobj__  # type: ignore[attr-defined]
                return new, (type(thing),), _attributes(thing)
            inherited = getattr(super(), "reducer_override", None)
            return NotImplemented if inherited is None else inherited(thing)

    return SimpleNamespace(Pickler=Pickler, __name__=base.__name__)


def _pickles_as_torch_does(optimizer: Optimizer) -> bool:
    kind = type(optimizer)
    return (
        kind.__getstate__ is Optimizer.__getstate__
        and kind.__reduce__ is object.__reduce__
        and kind.__reduce_ex__ is object.__reduce_ex__
    )


def _attributes(optimizer: Optimizer) -> dict[str, Any]:
    """Return all that an optimizer holds; torch's own way forgets what subclasses add (LBFGS's)."""
    attributes = dict(vars(optimizer))
    # A scheduler puts a counting function there.
    if hasattr(attributes.get("step"), "_wrapped_by_lr_sched"):
        del attributes["step"]
    return attributes
