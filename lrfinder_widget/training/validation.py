"""The batches on which a sweep evaluates its validation loss."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.batches import refuse_one_shot
from lrfinder_widget.training.own_loader import end_own_iterators, kept_iterators, own_copy
from lrfinder_widget.training.worker_interrupts import interrupts_held_back

if TYPE_CHECKING:
    from collections.abc import Iterable


def check_validation(val_loader: Iterable[Any] | None) -> None:
    """Raise `SettingsError` if no validation batches can be read; reads none."""
    if val_loader is not None:
        refuse_one_shot(val_loader, "val_loader")


def validation_batches(val_loader: Iterable[Any], count: int) -> list[Any]:
    """Return the first `count` batches of a loader, or all if it has fewer, and close it again.

    Raises
    ------
    SettingsError
        If it has none.
    """
    source = own_copy(val_loader)
    kept = kept_iterators(source)
    with interrupts_held_back():
        iterator = iter(source)
    try:
        batches = list(itertools.islice(iterator, count))
    finally:
        if not any(iterator is each for each in kept):  # else it is the user's
            _end(iterator)
        end_own_iterators(source)
    if not batches:
        raise SettingsError("val_loader is empty: it yields no batch; give it at least one")
    return batches


def _end(iterator: Any) -> None:
    """End its worker processes, or run a generator's ``finally``."""
    for name in ("_shutdown_workers", "close"):
        end = getattr(iterator, name, None)
        if callable(end):
            end()
            return
