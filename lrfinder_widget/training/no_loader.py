"""What is passed in place of a loader: a data set, its tensors, several loaders by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from lrfinder_widget.errors import SettingsError


def refuse_data(loader: Any, name: str) -> None:
    """Raise `SettingsError` if `loader` holds the data, or loaders, but gives no batches."""
    if isinstance(loader, Dataset) and not hasattr(type(loader), "__iter__"):
        raise SettingsError(
            f"{name} is a Dataset ({type(loader).__name__}), which gives single samples: pass "
            "DataLoader(dataset, batch_size=…, shuffle=True), or batch_size=None if each item is "
            "a batch"
        )
    if isinstance(loader, Mapping) and loader:
        raise SettingsError(
            f"{name} is a {type(loader).__name__}, which gives its keys "
            f"({', '.join(map(str, list(loader)[:5]))}): pass the loader under one of them"
        )
    if _is_data(loader):
        kind = type(loader).__name__
        raise SettingsError(
            f"{name} is a {kind} of inputs and targets, whole: each of them would be read as a "
            f"batch; pass DataLoader(TensorDataset(*{name}), batch_size=…, shuffle=True), or "
            "[(inputs, targets)] for one batch"
        )


def _is_data(loader: Any) -> bool:
    """Return whether a list or tuple is ``(X, y)``: tensors of one length, but not of one kind.

    Batches in a list are alike, except that sequences of tokens may differ in how long they are.
    """
    if type(loader) not in {list, tuple} or len(loader) < 2:  # noqa: PLR2004 - a pair
        return False
    if not all(isinstance(each, (Tensor, np.ndarray)) and each.ndim for each in loader):
        return False
    # Nobody keeps batches in a tuple; targets of a regression may be floats of as many dimensions.
    told_by_shape = isinstance(loader, tuple)
    kinds = {
        (str(each.dtype), each.ndim, each.shape[1:] if told_by_shape else None) for each in loader
    }
    return len({len(each) for each in loader}) == 1 and len(kinds) > 1
