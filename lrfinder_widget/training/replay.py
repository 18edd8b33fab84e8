"""A loader that can be read only once, made one that can be read again."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import TYPE_CHECKING, Any

from lrfinder_widget.training.batches import is_one_shot
from lrfinder_widget.training.own_loader import reads_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfinder_widget.settings import SweepSettings
    from lrfinder_widget.training.training import Training


class Replay:
    """Reads an iterator and keeps what it reads: each iteration begins with the first batch.

    Attributes
    ----------
    remaining : iterator
        The batches that were read, and then those that were not: what the iterator would have
        given, had nobody read it. What is taken from here is not kept.
    """

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator
        self._kept: deque[Any] = deque()
        self.remaining = self._hand_back()

    def __iter__(self) -> Iterator[Any]:
        position = 0
        while True:
            if position == len(self._kept):
                try:
                    batch = next(self._iterator)
                except StopIteration:
                    return
                self._kept.append(batch)
            yield self._kept[position]
            position += 1

    def _hand_back(self) -> Iterator[Any]:
        while True:
            while self._kept:
                yield self._kept.popleft()
            try:
                batch = next(self._iterator)
            except StopIteration:
                return
            yield batch


def with_replay(training: Training, settings: SweepSettings) -> Training:
    """Return a training whose loader can be read again, if the settings ask for that."""
    loader = training.loader
    if not settings.replay or not (is_one_shot(loader) or reads_on(loader)):
        return training
    return dataclasses.replace(training, loader=Replay(iter(loader)))


def remaining(training: Training, settings: SweepSettings) -> Any:
    """Return the loader to train with after a sweep; None unless the settings ask for that."""
    if not settings.replay:
        return None
    loader = training.loader
    return loader.remaining if isinstance(loader, Replay) else loader
