"""What the ranks do in tests of ranks that fail; each function runs on all ranks."""

import contextlib
import os
import signal
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.optim import SGD

from lrfinder_widget import lr_find
from trained import (
    SETTINGS,
    Fuse,
    Lit,
    Trained,
    batches_of,
    changed,
    curve,
    group_works,
    meet,
    network,
)


def failure_of(act):
    """Return what `act` raises, in words."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - it is the answer
        notes = getattr(error, "__notes__", ())
        return {"error": type(error).__name__, "message": "\n".join([str(error), *notes])}
    raise AssertionError("no error")


def failed_in(rank, kind, where, at=5):
    """Rank 1 raises in the user's code at a step."""
    trained = Trained(rank, kind)
    before = trained.state()
    fuse = Fuse(at if rank == 1 else None)
    loss_fn = nn.CrossEntropyLoss()
    if where == "forward":
        trained.model.get_submodule("module" if kind == "DDP" else "")[0].register_forward_hook(
            fuse
        )
    elif where == "loss":

        def loss_fn(output, target):
            fuse()
            return nn.functional.cross_entropy(output, target)

    elif where == "backward":

        def loss_fn(output, target):
            output.register_hook(fuse)
            return nn.functional.cross_entropy(output, target)

    elif where == "loader":
        trained.batches = Lit(trained.batches, fuse)
    elif where == "step":
        trained.optimizer.register_step_pre_hook(fuse)
    failure = failure_of(lambda: trained.find(loss_fn))
    meet("failed")  # until then no process lets go of the group, which would release the other
    return {**failure, "changed": changed(before, trained.state())}


def failed_before_it_began(rank):
    trained = Trained(rank)
    failure = failure_of(lambda: trained.find(num_iter=0 if rank == 1 else 12))
    return {**failure, "group works": group_works()}


def asked_for_different_things(rank):
    trained = Trained(rank)
    failure = failure_of(lambda: trained.find(num_iter=20 + rank))
    return {**failure, "group works": group_works()}


def seeded_apart(rank):
    """Seeds and devices are each rank's own affair."""
    return curve(Trained(rank).find(seed=rank, device="cpu" if rank else None))


def never_came(rank):
    """Rank 1 does not sweep at all."""
    if rank == 0:
        model = network()
        lr_find(
            model,
            SGD(model.parameters(), lr=0.1),
            batches_of(rank),
            nn.CrossEntropyLoss(),
            progress=False,
            **SETTINGS,
        )


def killed(rank, kind, victim, journal):
    """One rank is killed from outside."""
    trained = Trained(rank, kind)
    before = trained.state()
    calls = iter(range(1000))

    def loss_fn(output, target):
        if rank == victim and next(calls) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return nn.functional.cross_entropy(output, target)

    return {
        **failure_of(lambda: trained.find(loss_fn, journal=journal)),
        "changed": changed(before, trained.state()),
    }


def stuck(rank):
    """Rank 1 is late by more than the group's timeout."""
    trained = Trained(rank)
    before = trained.state()
    calls = iter(range(1000))

    def loss_fn(output, target):
        if rank == 1 and next(calls) == 5:
            deadline = time.monotonic() + 60
            # Until rank 0 has given up, as its closing of the connections tells.
            with contextlib.suppress(RuntimeError):
                while time.monotonic() < deadline:
                    dist.recv(torch.ones(1), 0, tag=99)
        return nn.functional.cross_entropy(output, target)

    return {
        **failure_of(lambda: trained.find(loss_fn)),
        "changed": changed(before, trained.state()),
    }
