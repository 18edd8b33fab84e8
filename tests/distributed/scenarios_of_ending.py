"""What the ranks do in tests of ends that are agreed on; each function runs on all ranks."""

import gc
import os
import signal

from torch import nn

from trained import Fuse, Trained, changed, group_works


def closed_on_one(rank, kind, at, repeats=1):
    """Rank 1 closes its sweep after a point; the other goes on."""
    trained = Trained(rank, kind)
    before = trained.state()
    count = 0
    with trained.series(repeats=repeats) as series:
        for _ in series:
            count += 1
            if rank == 1 and count == at:
                break
    return {
        "points": count,
        "stop_reason": series.stop_reason,
        "changed": changed(before, trained.state()),
        "group works": group_works(),
    }


def dropped_on_one(rank):
    """Rank 1 lets go of its sweep."""
    trained = Trained(rank)
    before = trained.state()
    series = trained.series()
    count = 0
    for _ in series:
        count += 1
        if rank == 1 and count == 4:
            break
    del series
    gc.collect()
    return {"points": count, "changed": changed(before, trained.state()), "works": group_works()}


def interrupted_on_one(rank):
    """Ctrl-C reaches rank 1 in a forward pass."""
    trained = Trained(rank)
    before = trained.state()
    calls = iter(range(1000))

    def loss_fn(output, target):
        if rank == 1 and next(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return nn.functional.cross_entropy(output, target)

    handler = signal.getsignal(signal.SIGINT)
    count = 0
    try:
        with trained.series(loss_fn) as series:
            for _ in series:
                count += 1
    except KeyboardInterrupt as error:
        return {
            "points": count,
            "message": str(error),
            "changed": changed(before, trained.state()),
            "group works": group_works(),
            "handler back": signal.getsignal(signal.SIGINT) is handler,
        }
    raise AssertionError("no interrupt")


def failed_around_the_points(rank):
    """The code that takes rank 0's points raises."""
    trained = Trained(rank)
    before = trained.state()
    fuse = Fuse(3)
    count = 0
    try:
        with trained.series() as series:
            for _ in series:
                count += 1
                if rank == 0:
                    fuse()
    except Exception as error:  # noqa: BLE001 - it is the answer
        return {
            "points": count,
            "error": f"{type(error).__name__}: {error}",
            "changed": changed(before, trained.state()),
            "group works": group_works(),
        }
    raise AssertionError("no error")
