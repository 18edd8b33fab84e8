"""Choose the constants of `auto` with each task left out in turn, and judge them on that task.

Run ``.venv/bin/python benchmarks/leave_out.py``, after ``benchmarks/suggestions.py`` has filled the
cache. Constants that were fitted to the tasks they are judged on would do worse here.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch

from benchmarks.regret.grid import regret
from benchmarks.regret.tasks import OPTIMIZERS, PAIRS, Pair
from benchmarks.report import Row, publish
from lrfinder_widget import lr_find
from lrfinder_widget.analysis import rules
from lrfinder_widget.analysis.landmarks import Landmarks, landmarks

SEEDS = (0, 1, 2, 3)
CHOICES = tuple(
    itertools.product(
        np.round(np.arange(-0.2, 0.71, 0.1), 2),  # PAST_DESCENT
        np.round(np.arange(0.5, 1.51, 0.1), 2),  # BEFORE_TAKE_OFF
        (0.15, 0.3, 0.6),  # SOFTNESS
    )
)
# Not the mean alone: a rule that fails one task wholly is not to be trusted.
WEIGHT_OF_LARGE = 0.3


def main() -> None:
    """Choose, leave out, judge, print."""
    torch.set_num_threads(1)
    found = {pair: [marks(pair, seed) for seed in SEEDS] for pair in PAIRS}
    table = np.array(
        [[mean_regret(pair, found[pair], choice) for pair in PAIRS] for choice in CHOICES]
    )
    tasks = sorted({pair.task.name for pair in PAIRS})
    left_out = np.zeros(len(PAIRS))
    chosen = []
    for task in tasks:
        inside = [number for number, pair in enumerate(PAIRS) if pair.task.name != task]
        outside = [number for number, pair in enumerate(PAIRS) if pair.task.name == task]
        best = cheapest(table[:, inside])
        chosen.append(CHOICES[best])
        left_out[outside] = table[best, outside]
    best = cheapest(table)
    shipped = (rules.PAST_DESCENT, rules.BEFORE_TAKE_OFF, rules.SOFTNESS)
    as_shipped = np.array([mean_regret(pair, found[pair], shipped) for pair in PAIRS])
    rows = [
        *judged(f"as shipped {shipped}", as_shipped),
        *judged(f"best on all {tuple(map(float, CHOICES[best]))}", table[best]),
        *judged("chosen without the task", left_out),
    ]
    publish("leave_out", rows, {"chosen": sorted({tuple(map(float, each)) for each in chosen})})


def marks(pair: Pair, seed: int) -> Landmarks:
    """Sweep a fresh model with the defaults and return the landmarks of its curve."""
    model, loader = pair.task.start(seed)
    optimizer = OPTIMIZERS[pair.optimizer](model.parameters(), 1e-3)
    result = lr_find(model, optimizer, loader, pair.task.loss_fn, progress=False, seed=seed)
    finite = np.isfinite(result.losses)
    return landmarks(result.lrs[finite], result.losses[finite])


def mean_regret(pair: Pair, found: list[Landmarks], choice: tuple[float, float, float]) -> float:
    """Return the regret of a choice of constants, the mean over the seeds."""
    return statistics.fmean(regret(pair, 10 ** rules.between(each, *choice)) for each in found)


def cheapest(table: np.ndarray) -> int:
    """Return the row that costs least."""
    large = np.sqrt((table**2).mean(axis=1))
    return int(np.argmin(table.mean(axis=1) + WEIGHT_OF_LARGE * large))


def judged(name: str, regrets: np.ndarray) -> list[Row]:
    """Return the two figures of a choice."""
    worst = PAIRS[int(np.argmax(regrets))].name
    return [
        Row(f"{name}: mean regret", f"{regrets.mean():.3f}", float(regrets.mean())),
        Row(f"{name}: worst pair", f"{regrets.max():.3f} ({worst})", float(regrets.max())),
    ]


if __name__ == "__main__":
    main()
