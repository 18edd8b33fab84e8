"""What the runners share: they read what to sweep, sweep it, and write a line for each record.

A runner is a program of its own, run by the Python of its peer's environment. It reads pairs'
names, seeds and identities as JSON from its standard input, and writes to the file that is its
argument: what libraries print goes elsewhere.
"""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from benchmarks.regret.fingerprint import fingerprint
from benchmarks.regret.peers.record import Record
from benchmarks.regret.tasks import CONSTANT, OPTIMIZERS, PAIRS, Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch.nn import Parameter
    from torch.optim import Optimizer

STEPS = 100


class Sweep(Protocol):
    """A sweep of a fresh model by a peer."""

    def suggest(self) -> float | None:
        """Sweep, and return what the peer suggests."""

    def curve(self) -> tuple[Iterable[float], Iterable[float]]:
        """Return the rates and the losses, as far as the sweep came."""


def serve(peers: Mapping[str, Callable[[Pair, int], Sweep]]) -> None:
    """Sweep what is asked for in each of the ways that a library has."""
    torch.set_num_threads(1)
    pairs = {pair.name: pair for pair in PAIRS}
    with Path(sys.argv[1]).open("w", encoding="utf-8") as file:
        for name, seed, expected in json.load(sys.stdin):
            if name not in pairs or identity(pairs[name]) != expected:
                sys.exit(f"{name} is not what was asked for: edited meanwhile? Run it again.")
            found = [
                recorded(pairs[name], seed, peer, sweep(pairs[name], seed))
                for peer, sweep in peers.items()
            ]
            file.write("".join(record.line() for record in found))
            file.flush()  # whatever comes next, these are kept


@cache
def identity(pair: Pair) -> str:
    """Hash all that decides a sweep on this side; the schedule of a training does not."""
    return fingerprint(replace(pair, schedule=CONSTANT))


def recorded(pair: Pair, seed: int, peer: str, sweep: Sweep) -> Record:
    """Let a peer suggest; a peer that raises has suggested nothing."""
    began = time.perf_counter()
    try:
        suggestion = sweep.suggest()
        reason = "" if suggestion is not None else "it suggests None"
    except Exception as error:  # noqa: BLE001 - whatever a library raises
        suggestion, reason = None, f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - began
    if suggestion is not None and not math.isfinite(suggestion):
        suggestion, reason = None, f"it suggests {suggestion}"
    lrs, losses = ([float(number) for number in numbers] for numbers in sweep.curve())
    return Record(pair.name, seed, peer, suggestion, reason, lrs, losses, seconds)


def optimizer_of(pair: Pair, parameters: Iterable[Parameter], lr: float) -> Optimizer:
    """Return the optimizer that a pair is trained with."""
    return OPTIMIZERS[pair.optimizer](parameters, lr)
