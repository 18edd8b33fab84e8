"""What a loader tells about itself: the size of its batches, whether it ever shuffles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, IterableDataset, SequentialSampler

from lrfinder_widget.training.replay import Replay


def stated_batch_size(loader: Any) -> int:
    """Return how many samples a batch has, if the loader says so; 0 otherwise."""
    sampler = getattr(loader, "batch_sampler", None)
    for owner in (loader, sampler):
        size = getattr(owner, "batch_size", None)
        if isinstance(size, int) and not isinstance(size, bool) and size > 0:
            return size
    return 0


def has_one_order(loader: Any) -> bool:
    """Return whether the loader is known to yield the same batches in the same order each time."""
    if isinstance(loader, DataLoader):
        if isinstance(loader.dataset, IterableDataset):
            return False
        batches = loader.batch_sampler
        # A batch sampler of another kind decides by itself; the sampler beside it is not used.
        if batches is not None and type(batches) is not BatchSampler:
            return False
        return isinstance(loader.sampler if batches is None else batches.sampler, SequentialSampler)
    return isinstance(loader, (Sequence, Replay))
