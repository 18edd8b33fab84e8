"""What this package suggests, run as its users run it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.regret.tasks import OPTIMIZERS, Pair
from lrfinder_widget import lr_find

# What an optimizer is built with; a sweep does not look at it.
AT_REST = 1e-3


@dataclass(frozen=True)
class Suggested:
    """A suggestion of ours.

    Attributes
    ----------
    pair, seed
        What was swept, from which weights and in which order.
    repeats
        How many sweeps it rests on.
    suggestion, interval
        The rate, and the lowest and highest that are called about as good.
    findings
        The names of what was said about the curve, apart from mere information.
    seconds
        How long it took.
    """

    pair: Pair
    seed: int
    repeats: int
    suggestion: float
    interval: tuple[float, float]
    findings: tuple[str, ...]
    seconds: float


def suggested(pair: Pair, seed: int, repeats: int = 1) -> Suggested:
    """Sweep a fresh model with the defaults."""
    model, loader = pair.task.start(seed)
    optimizer = OPTIMIZERS[pair.optimizer](model.parameters(), AT_REST)
    began = time.perf_counter()
    result = lr_find(
        model, optimizer, loader, pair.task.loss_fn, progress=False, repeats=repeats, seed=seed
    )
    return Suggested(
        pair,
        seed,
        repeats,
        result.suggestion.lr,
        result.interval,
        tuple(each.name for each in result.findings if each.severity != "info"),
        time.perf_counter() - began,
    )
