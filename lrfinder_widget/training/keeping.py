"""Where the copies of tensors are kept: beside them, in the processor's memory, or in a file."""

from __future__ import annotations

import math
import os
import tempfile
import weakref
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SAME, CPU = "same", "cpu"
# The part of a copy's size that must be free for it to stay on an accelerator: training needs
# some of what is left.
_ROOM = 1.25


def check_place(place: str | None) -> None:
    """Raise `SettingsError` unless copies can be kept at `place`; leaves nothing behind.

    Parameters
    ----------
    place
        ``"same"``, ``"cpu"``, a folder's path, or None; see `lrfinder_widget.SweepSettings`.
    """
    if place not in (SAME, CPU, None):
        os.close(_new_file(place, unnamed=True)[0])


class Copies:
    """The values of some tensors, kept until they are put back.

    Parameters
    ----------
    tensors
        What is copied; at most one copy of it is made.
    place
        See `check_place`. None keeps a copy on an accelerator if there is room for it, and in the
        processor's memory otherwise.

    Raises
    ------
    SettingsError
        If there is no room for them; then nothing is kept.
    """

    def __init__(self, tensors: Iterable[Tensor], place: str | None = None) -> None:
        originals = list(tensors)
        self._let_go: Callable[[], object] = lambda: None
        if place in (SAME, CPU, None):
            self._values = _in_memory(originals, place)
        else:
            self._values, path = _in_file(originals, place)
            # Also when an error, or the interpreter's end, comes before `close`.
            self._let_go = weakref.finalize(self, path.unlink, missing_ok=True)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._values)

    def close(self) -> None:
        """Let the copies go."""
        self._values = []
        self._let_go()


def _in_memory(tensors: Sequence[Tensor], place: str | None) -> list[Tensor]:
    needed: dict[torch.device, int] = defaultdict(int)
    for tensor in tensors:
        needed[tensor.device] += _bytes(tensor)
    stays = {
        device: place != CPU and (place == SAME or _ROOM * size <= free_bytes(device))
        for device, size in needed.items()
    }
    copies: list[Tensor] = []
    try:
        for tensor in tensors:
            own = stays[tensor.device] or tensor.device.type == CPU
            copies.append(tensor.clone() if own else tensor.to(CPU))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        copies.clear()
        raise SettingsError(
            f"there is no room for a copy of the training's {_size(sum(needed.values()))} "
            f"({error}); pass snapshot='cpu', or the path of a folder to write it to"
        ) from error
    return copies


def free_bytes(device: torch.device) -> float:
    """Return how much memory is free on a device; infinity where that is not to be learnt."""
    if device.type in (CPU, "meta"):
        return math.inf
    ask = getattr(torch.get_device_module(device), "mem_get_info", None)
    return math.inf if ask is None else float(ask(device)[0])


def _in_file(tensors: Sequence[Tensor], folder: str) -> tuple[list[Tensor], Path]:
    """Write tensors to a file, and return them as they are read from it on demand."""
    number, name = _new_file(folder)
    os.close(number)
    path = Path(name)
    plain = [index for index, tensor in enumerate(tensors) if _is_plain(tensor)]
    try:
        torch.save(_without_neighbours([tensors[index] for index in plain]), path)
        written = torch.load(path, map_location=CPU, mmap=True, weights_only=True)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if not isinstance(error, (OSError, RuntimeError)):
            raise
        size = _size(sum(map(_bytes, tensors)))
        raise SettingsError(
            f"cannot write the training's {size} to {folder!r} ({error}); pass another folder as "
            "snapshot, or 'cpu'"
        ) from error
    values = dict(zip(plain, written, strict=True))
    # Sparse tensors and subclasses are few and small: they are kept in memory.
    return [
        values[index] if index in values else tensor.clone() for index, tensor in enumerate(tensors)
    ], path


def _new_file(folder: str, *, unnamed: bool = False) -> tuple[int, str]:
    try:
        number, name = tempfile.mkstemp(prefix="lrfinder-widget-", suffix=".pt", dir=folder)
    except OSError as error:
        raise SettingsError(
            f"snapshot must be 'same', 'cpu' or the path of a folder that can be written to (got "
            f"{folder!r}: {error.strerror})"
        ) from error
    if unnamed:
        Path(name).unlink()
    return number, name


def _is_plain(tensor: Tensor) -> bool:
    return type(tensor) is Tensor and tensor.layout is torch.strided and not tensor.is_quantized


def _without_neighbours(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors as they can be saved without what else lies in the memory that they view."""
    viewed: dict[int, int] = defaultdict(int)
    for tensor in tensors:
        viewed[tensor.untyped_storage().data_ptr()] += tensor.nbytes
    return [
        tensor
        if viewed[tensor.untyped_storage().data_ptr()] >= tensor.untyped_storage().nbytes()
        else tensor.clone()
        for tensor in tensors
    ]


def _bytes(tensor: Tensor) -> int:
    # A sparse tensor does not tell; as a dense one it would be larger than it is.
    return tensor.nbytes if tensor.layout is torch.strided else 0


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"  # noqa: PLR2004
