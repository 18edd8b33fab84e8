"""The truth that suggestions are held against: the loss after training at each rate of a grid.

Fill the cache with ``.venv/bin/python -m benchmarks.regret.grid``. A pair whose task, data, model
or library has not changed is read, not trained.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.regret.fingerprint import fingerprint
from benchmarks.regret.tasks import PAIRS, Pair
from benchmarks.regret.training import train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CACHE = Path(__file__).parents[1] / "results/regret/grid"
RATES = tuple(10 ** (quarter / 4) for quarter in range(-20, 5))  # 1e-5 to 10
SEEDS = (0, 1)
WORST = 1.5  # what a training that diverges costs, or a suggestion that is none
GOOD = 0.05  # a regret that nobody would mind


@dataclass(frozen=True)
class Measured:
    """The trainings of a pair: for each rate the losses by seed."""

    pair: str
    rates: tuple[float, ...]
    untrained: tuple[float, ...]
    final: tuple[tuple[float, ...], ...]
    lowest: tuple[tuple[float, ...], ...]  # along training: far below the final one if it overfits
    milliseconds_a_step: float

    @property
    def losses(self) -> tuple[float, ...]:
        """Return the mean validation loss at each rate; it is inf if one training diverged."""
        return tuple(map(fmean, self.final))

    @property
    def best(self) -> int:
        """Return where on the grid the loss is best."""
        return self.losses.index(min(self.losses))

    @property
    def width(self) -> float:
        """Return over how many decades the regret is 0.05 at most."""
        fine = np.linspace(math.log10(self.rates[0]), math.log10(self.rates[-1]), 6001)
        good = np.interp(fine, np.log10(self.rates), self.regrets()) <= GOOD
        return float(good.mean() * (fine[-1] - fine[0]))

    def regrets(self) -> np.ndarray:
        """Return the regret at each rate, from 0 to the worst."""
        best, untrained = min(self.losses), fmean(self.untrained)
        shares = (np.array(self.losses) - best) / (untrained - best)
        return np.minimum(shares, WORST)


def regret(pair: Pair, lr: float) -> float:
    """Return what training at a rate costs: 0 is the best of the grid, 1 is as bad as untrained.

    Between the rates of the grid it is interpolated over the logarithm; beyond them it is that of
    the nearest.
    """
    if not (math.isfinite(lr) and lr > 0):
        return WORST
    # Losses are capped first: beside one that diverged, a line to infinity would say nothing.
    return float(np.interp(math.log10(lr), np.log10(RATES), measured(pair).regrets()))


@cache
def measured(pair: Pair) -> Measured:
    """Return the trainings of a pair, from the cache if they are there."""
    file = cache_file(pair)
    if file.exists():
        return read(file)
    found = measure(pair)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    unfinished.replace(file)
    return found


@cache
def cache_file(pair: Pair) -> Path:
    """Name the file by the content of all that decides the trainings."""
    return CACHE / f"{fingerprint(pair, RATES, SEEDS)}.json"


def read(file: Path) -> Measured:
    """Read what has been measured; lists become tuples, as they were."""
    held = json.loads(file.read_text(encoding="utf-8"))
    return Measured(
        held["pair"],
        tuple(held["rates"]),
        tuple(held["untrained"]),
        tuple(map(tuple, held["final"])),
        tuple(map(tuple, held["lowest"])),
        held["milliseconds_a_step"],
    )


def measure(pair: Pair, rates: Sequence[float] = RATES, seeds: Sequence[int] = SEEDS) -> Measured:
    """Train a pair at every rate, from every seed."""
    untrained = tuple(pair.task.validation_loss(pair.task.start(seed)[0]) for seed in seeds)
    trainings = [[train(pair, rate, seed) for seed in seeds] for rate in rates]
    return Measured(
        pair.name,
        tuple(rates),
        untrained,
        tuple(tuple(one.losses[-1] for one in row) for row in trainings),
        tuple(tuple(min(one.losses) for one in row) for row in trainings),
        min(one.milliseconds_a_step for row in trainings for one in row if one.finished),
    )


HEADINGS = ("pair", "ms a step", "best rate", "best loss", "untrained", "decades within 0.05")


def main() -> None:
    """Fill the cache and print what it holds."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", default="", help="pairs with this in their name (all)")
    only = arguments.parse_args().only
    torch.set_num_threads(1)  # steps are too small to share
    pairs = [pair for pair in PAIRS if only in pair.name]
    for pair in pairs:
        cache_file(pair)  # now, lest a source that is edited meanwhile be hashed
    rows = [HEADINGS]
    for number, pair in enumerate(pairs, start=1):
        began = time.perf_counter()
        rows.append(row(measured(pair)))
        seconds = time.perf_counter() - began
        print(f"{number} of {len(pairs)}, {seconds:.0f} s: {' | '.join(rows[-1])}", flush=True)
    print()
    print("\n".join(lines(rows)))


def row(found: Measured) -> tuple[str, ...]:
    """Say the essence of a pair."""
    return (
        found.pair,
        f"{found.milliseconds_a_step:.1f}",
        f"{found.rates[found.best]:.1e}",
        f"{min(found.losses):.4g}",
        f"{fmean(found.untrained):.4g}",
        f"{found.width:.2f}",
    )


def lines(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows of a table in Markdown, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, cells in enumerate(rows):
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield f"| {' | '.join(padded)} |"
        if number == 0:
            yield f"| {' | '.join('-' * width for width in widths)} |"


if __name__ == "__main__":
    main()
