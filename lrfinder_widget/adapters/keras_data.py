"""Batches from what Keras users pass: arrays, a ``PyDataset``, any iterable of batches."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def loader_of(
    x_or_dataset: Any,
    y: Any,
    sample_weight: Any,
    batch_size: int,
    *,
    shuffle: bool = True,
) -> Iterable[Any]:
    """Return an iterable of batches in the forms that ``fit`` hands to ``train_step``.

    Raises
    ------
    SettingsError
        If arrays do not fit together, or targets come with a dataset.
    """
    if _is_arrays(x_or_dataset):
        data = keras.utils.pack_x_y_sample_weight(x_or_dataset, y, sample_weight)
        return DataLoader(
            _Arrays(data), batch_size=batch_size, shuffle=shuffle, collate_fn=_as_it_is
        )
    if y is not None or sample_weight is not None:
        raise SettingsError(
            f"a {type(x_or_dataset).__name__} yields its own targets and weights: leave out y and "
            "sample_weight"
        )
    if isinstance(x_or_dataset, keras.utils.PyDataset):
        return Epochs(x_or_dataset, shuffle=shuffle)
    return x_or_dataset  # type: ignore[no-any-return]  # checked when it is swept


def _is_arrays(data: Any) -> bool:
    return isinstance(data, (list, tuple, dict, torch.Tensor)) or hasattr(data, "__array__")


def _as_it_is(batch: Any) -> Any:
    return batch


class _Arrays(Dataset[Any]):
    """Arrays in lists, tuples and dicts, of which a batch takes the same rows."""

    def __init__(self, data: Any) -> None:
        self._data = keras.tree.map_structure(_array, data)
        lengths = {len(array) for array in keras.tree.flatten(self._data)}
        if len(lengths) != 1:
            raise SettingsError(
                "x, y and sample_weight must have the same number of samples (got "
                f"{', '.join(map(str, sorted(lengths)))})"
            )
        (self._length,) = lengths

    def __len__(self) -> int:
        return self._length

    def __getitems__(self, rows: list[int]) -> Any:
        return keras.tree.map_structure(lambda array: array[rows], self._data)


def _array(values: Any) -> torch.Tensor:
    tensor = values if isinstance(values, torch.Tensor) else _from_numpy(np.asarray(values))
    if not tensor.ndim:
        raise SettingsError(f"x and y must be arrays with a row for each sample (got {values!r})")
    # As fit does: NumPy's numbers are float64 where nobody said otherwise.
    floats = getattr(torch, keras.config.floatx())
    return tensor.to(floats) if tensor.is_floating_point() else tensor


def _from_numpy(values: np.ndarray[Any, Any]) -> torch.Tensor:
    try:
        return torch.as_tensor(values)
    except TypeError:
        raise SettingsError(f"x and y must hold numbers (got an array of {values.dtype})") from None


class Epochs:
    """The batches of a ``PyDataset``, in another order each time, as ``fit`` reads them.

    Parameters
    ----------
    dataset
        The ``PyDataset``; its workers are not used.
    shuffle
        Whether the order changes, as far as the dataset has an end.
    """

    def __init__(self, dataset: Any, *, shuffle: bool) -> None:
        self.dataset = dataset
        self._shuffle = shuffle

    def __iter__(self) -> Iterator[Any]:
        count = self.dataset.num_batches
        self.dataset.on_epoch_begin()
        order: Iterable[int] = itertools.count() if count is None else range(count)
        if count is not None and self._shuffle:
            order = random.sample(range(count), count)
        for index in order:
            yield self.dataset[index]
        self.dataset.on_epoch_end()
