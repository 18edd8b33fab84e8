"""What the ranks do in tests of what a sweep finds; each function runs on all ranks."""

import contextlib
import io
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from lrfinder_widget import lr_find
from trained import (
    BATCH,
    INPUTS,
    SETTINGS,
    TARGETS,
    Trained,
    batches_of,
    changed,
    curve,
    group_works,
)


def found(rank, kind, settings, *, validated=False):
    """Sweep together, with the rank's half of each batch."""
    more = {"val_loader": batches_of(rank)} if validated else {}
    return curve(Trained(rank, kind).find(**settings, **more))


def noted(rank, kind):
    """Return what the result notes."""
    return Trained(rank, kind).find(num_iter=4).notes


def found_with_metrics(rank):
    """Record what compute_loss returns beside the loss, some of it on one rank or at times only."""
    trained = Trained(rank)
    calls = iter(range(1000))

    def compute_loss(model, batch):
        inputs, targets = batch
        told = {"loss": nn.functional.cross_entropy(model(inputs), targets), "rank": rank}
        if rank == 1 and next(calls) >= 2:
            told["late"] = 5.0
        return told

    return curve(
        lr_find(
            trained.model,
            trained.optimizer,
            trained.batches,
            compute_loss=compute_loss,
            progress=False,
            **SETTINGS,
        )
    )


def found_with_distributed_sampler(rank):
    """Sweep over epochs that a DistributedSampler shuffles, twice."""
    trained = Trained(rank)
    data = TensorDataset(INPUTS, TARGETS)
    sampler = DistributedSampler(data, seed=1)
    sampler.set_epoch(2)
    trained.batches = DataLoader(data, batch_size=BATCH, sampler=sampler)
    epoch_before = [inputs.tolist() for inputs, _ in trained.batches]
    result = trained.find(num_iter=30, repeats=2)
    return {
        **curve(result),
        "epoch": sampler.epoch,
        "order kept": epoch_before == [inputs.tolist() for inputs, _ in trained.batches],
        "spread": len(result.runs),
    }


def diverged_on_one(rank):
    """The loss blows up on rank 1 only."""
    calls = iter(range(1000))

    def loss_fn(output, target):
        loss = nn.functional.cross_entropy(output, target)
        return loss * 1e4 if rank == 1 and next(calls) >= 5 else loss

    trained = Trained(rank)
    before = trained.state()
    result = trained.find(loss_fn, diverge_threshold=4.0)
    return {
        **curve(result),
        "changed": changed(before, trained.state()),
        "group works": group_works(),
    }


def not_finite_on_one(rank):
    calls = iter(range(1000))

    def loss_fn(output, target):
        loss = nn.functional.cross_entropy(output, target)
        return loss * float("nan") if rank == 0 and next(calls) == 5 else loss

    result = Trained(rank).find(loss_fn)
    return [len(result.losses), result.stop_reason, group_works()]


def skipped_by_scaler(rank, kind):
    """Some gradients overflow on rank 1 at some steps, and so their mean over ranks does.

    With FSDP2 they lie in the shard of rank 0 only.
    """
    calls = iter(range(1000))

    def loss_fn(output, target):
        loss = nn.functional.cross_entropy(output, target)
        overflows = next(calls) in (2, 3)
        if overflows and rank == 1:
            hidden[-1].register_hook(first_infinite)
        return loss

    def first_infinite(gradient):
        gradient = gradient.clone()
        gradient[:, 0] = float("inf")
        return gradient

    hidden = []
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    trained = Trained(rank, kind)
    first = trained.model.get_submodule("module" if kind == "DDP" else "")[0]
    first.register_forward_hook(lambda *now: hidden.append(now[-1]))
    before = trained.state()
    result = trained.find(loss_fn, scaler=scaler)
    return {
        **curve(result),
        "steps": next(calls),
        "changed": changed(before, trained.state()),
        "scale": scaler.get_scale(),
    }


def reported(rank, folder):
    """Return what the rank writes to standard error, and the journals."""
    written = io.StringIO()
    with contextlib.redirect_stderr(written):
        Trained(rank).find(journal=f"{folder}/{rank}.jsonl", progress=True)
    dist.barrier()
    return {
        "bar": "100%" in written.getvalue(),
        "journals": sorted(each.name for each in Path(folder).iterdir()),
    }
