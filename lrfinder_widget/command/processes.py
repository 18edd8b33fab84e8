"""Several processes, as torchrun starts them: their group, and what each of them trains with."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler
from torch.utils.data.distributed import DistributedSampler

from lrfinder_widget.training.distributed import in_process_group
from lrfinder_widget.training.sharding import is_sharded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from lrfinder_widget.training.training import Training

NOT_SHARED_OUT = (
    "The data function's loader is of a kind that cannot be shared out among processes: each reads "
    "what the function returns to it (torch.distributed.get_rank() tells which one it is)."
)
_KEPT = (
    "num_workers", "collate_fn", "pin_memory", "drop_last", "timeout", "worker_init_fn",
    "multiprocessing_context", "prefetch_factor", "persistent_workers",
)  # fmt: skip


@contextmanager
def process_group() -> Iterator[None]:
    """Join the other processes that torchrun started, for the block; alone, do nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group()
    try:
        yield
    finally:
        dist.destroy_process_group()


def shared_out(training: Training) -> Training:
    """Return `training` as one of several processes does it: with its share of the data.

    The model is wrapped in ``DistributedDataParallel``, unless it comes wrapped or sharded.
    """
    if not in_process_group():
        return training
    loader = _share(training.loader)
    return replace(
        training,
        model=_wrapped(training.model),
        loader=training.loader if loader is None else loader,
        val_loader=_share(training.val_loader) or training.val_loader,
        notes=training.notes if loader is not None else (*training.notes, NOT_SHARED_OUT),
    )


def _wrapped(model: nn.Module) -> nn.Module:
    if any(
        isinstance(each, DistributedDataParallel) or is_sharded(each) for each in model.modules()
    ):
        return model
    return DistributedDataParallel(model)


def _share(loader: Any) -> DataLoader[Any] | None:
    """Return a loader of this process's share; None if that cannot be made."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    if isinstance(loader.sampler, DistributedSampler):
        return loader
    shuffles = isinstance(loader.sampler, RandomSampler)
    if loader.batch_size is None or not (shuffles or type(loader.sampler) is SequentialSampler):
        return None
    seed = 0 if loader.generator is None else loader.generator.initial_seed()
    sampler: DistributedSampler[Any] = DistributedSampler(
        loader.dataset, shuffle=shuffles, seed=seed, drop_last=loader.drop_last
    )
    kept = {name: getattr(loader, name) for name in _KEPT}
    return DataLoader(loader.dataset, loader.batch_size, sampler=sampler, **kept)
