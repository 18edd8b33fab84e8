"""What the ranks do in tests of what a sweep leaves behind; each function runs on all ranks."""

from concurrent.futures import ThreadPoolExecutor

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.optim import SGD

from lrfinder_widget import lr_find
from trained import INPUTS, SETTINGS, Trained, batches_of, changed, meet

# Not in a closure, where a sweep would put it back.
SEEN = []


def left_behind(rank, kind, optimizer, steps, *, gathered=False, **settings):
    """Train, sweep, train; return how that differs from training alone."""
    expected = Trained(rank, kind, optimizer, normalized=True)
    expected.train(steps)
    trained = Trained(rank, kind, optimizer, normalized=True)
    trained.train(steps)
    if gathered:  # a forward pass with no backward pass leaves the root's parameters gathered
        for each in (expected, trained):
            with torch.no_grad():
                each.model(INPUTS[:4])
    before = {} if gathered else trained.state()
    result = trained.find(grad_norms=True, **settings)
    after = {} if gathered else trained.state()
    trained.train(3)
    expected.train(3)
    return {
        "points": len(result.losses),
        "changed": changed(before, after),
        "later": changed(expected.state(), trained.state()),
    }


def reducers(rank, steps):
    """Return whether DDP's reducer, which settles in two steps, is the user's in a sweep and after.

    With three ranks and more it decides about the last digits of what is trained later.
    """
    trained = Trained(rank)
    trained.train(steps)
    own = trained.model.reducer
    SEEN.clear()

    def loss_fn(output, target):
        SEEN.append(trained.model.reducer is own)
        return nn.functional.cross_entropy(output, target)

    trained.find(loss_fn)
    return [*set(SEEN), trained.model.reducer is own]


def swept_before_wrapping_is_done(rank):
    """Sweep a part first: its first forward pass must not settle that it is the root."""
    inner = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    fully_shard(inner)
    outer = fully_shard(nn.Sequential(inner, nn.Linear(3, 3)))
    lr_find(
        inner,
        SGD(inner.parameters(), lr=0.01),
        batches_of(rank),
        nn.CrossEntropyLoss(),
        progress=False,
        **SETTINGS,
    )
    hooks = len(inner[0]._state_dict_pre_hooks)
    outer(INPUTS[:4]).sum().backward()
    return hooks


def accumulated(rank):
    """Count the gradients that DDP sends, with several micro-batches a step."""
    trained = Trained(rank)
    sent = []

    def hook(_, bucket):
        sent.append(1)
        work = dist.all_reduce(bucket.buffer().div_(2), async_op=True)
        return work.get_future().then(lambda future: future.value()[0])

    trained.model.register_comm_hook(None, hook)
    result = trained.find(accumulation_steps=4, num_iter=6)
    return [len(result.losses), len(sent)]


def guarded(rank, kind):
    """Try to use the model from another thread in the middle of a sweep, on rank 1 only."""
    trained = Trained(rank, kind)
    series = trained.series()
    next(series)
    names = []
    uses = [lambda: trained.model(INPUTS[:4]), trained.model.state_dict, trained.optimizer.step]
    for use in uses if rank == 1 else ():
        with ThreadPoolExecutor() as pool:
            error = pool.submit(use).exception()
        names.append(type(error).__name__)
    meet("tried")
    series.close()
    return names
