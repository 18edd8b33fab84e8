"""How good and how steady suggested learning rates are, beside those of the peers.

Run ``.venv/bin/python benchmarks/suggestions.py``. The first run trains every pair on a grid of
rates and builds an environment for each peer, which takes an hour on two cores; what has not
changed is read from then on, and a second run takes minutes.

Regret is what following a suggestion costs: (validation loss after training at it - best loss on
the grid) / (untrained loss - best loss). 0 is perfect, 1 as bad as no training.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from benchmarks.regret.grid import GOOD, WORST, measured, regret
from benchmarks.regret.ours import Suggested, suggested
from benchmarks.regret.page import write_page
from benchmarks.regret.peers.run import suggestions
from benchmarks.regret.tasks import PAIRS
from benchmarks.report import Row, publish

if TYPE_CHECKING:
    from collections.abc import Sequence

SEEDS = (0, 1, 2, 3)
OURS = {1: "lrfinder-widget, auto", 3: "lrfinder-widget, auto, repeats=3"}
# The goals: mean regret, worst pair, spread between seeds.
GOALS = {OURS[1]: (0.03, 0.10, 1.5), OURS[3]: (0.025, 0.08, 1.2)}
NONE_COSTS = 1.0  # who gets no suggestion has not trained


@dataclass(frozen=True)
class Finder:
    """How well a finder did.

    Attributes
    ----------
    regrets
        By pair, the mean over the seeds.
    spread
        The largest suggestion of the seeds over the smallest, on the median pair.
    none
        How many sweeps ended without a suggestion.
    """

    name: str
    regrets: dict[str, float]
    spread: float
    none: int

    @property
    def mean(self) -> float:
        """Return the mean regret over the pairs."""
        return statistics.fmean(self.regrets.values())

    @property
    def worst(self) -> float:
        """Return the regret of the worst pair."""
        return max(self.regrets.values())


def main() -> None:
    """Compare all finders, print the table, write it with a page of pictures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ours-only", action="store_true", help="leave the peers out")
    alone = arguments.parse_args().ours_only
    torch.set_num_threads(1)  # steps are too small to share
    ours = [suggested(pair, seed, repeats) for repeats in OURS for pair in PAIRS for seed in SEEDS]
    rates: dict[str, dict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for each in ours:
        rates[OURS[each.repeats]][each.pair.name].append(each.suggestion)
    for record in [] if alone else suggestions(PAIRS, SEEDS):
        rates[record.peer][record.pair].append(record.suggestion)
    finders = [finder(name, by_pair) for name, by_pair in rates.items()]
    print(markdown(finders))
    publish("suggestions", rows(finders) + interval_rows(ours), details(finders, ours, rates))
    page = write_page([each.name for each in finders], rates)
    print(f"pictures in benchmarks/results/{page.name}")


def finder(name: str, rates: dict[str, list[float | None]]) -> Finder:
    """Judge a finder by its suggestions for each pair, one for each seed."""
    by_name = {pair.name: pair for pair in PAIRS}
    regrets = {
        pair: statistics.fmean(
            NONE_COSTS if rate is None else regret(by_name[pair], rate) for rate in found
        )
        for pair, found in rates.items()
    }
    given = [[rate for rate in found if rate is not None] for found in rates.values()]
    spreads = [max(found) / min(found) for found in given if len(found) > 1]
    none = sum(rate is None for found in rates.values() for rate in found)
    return Finder(name, regrets, statistics.median(spreads), none)


def markdown(finders: Sequence[Finder]) -> str:
    """Return the table of the README."""
    lines = [
        "| finder, 100 steps a sweep | mean regret | worst pair | spread between seeds | none |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each.name} | {each.mean:.3f} | {each.worst:.2f} | {each.spread:.1f}× | {each.none} |"  # noqa: RUF001 - a multiplication sign
        for each in finders
    ]
    return "\n".join(lines) + "\n"


def rows(finders: Sequence[Finder]) -> list[Row]:
    """Hold ours against the goals, and against the best peer."""
    found = []
    for each in finders:
        mean, worst, spread = GOALS.get(each.name, (None, None, None))
        for what, value, limit in (
            ("mean regret", each.mean, mean),
            ("regret of the worst pair", each.worst, worst),
            ("spread between seeds, median pair", each.spread, spread),
        ):
            goal = "" if limit is None else f"≤ {limit:g}"
            found.append(Row(f"{each.name}: {what}", f"{value:.3f}", value, goal, limit))
    peers = [each for each in finders if each.name not in GOALS]
    if peers:
        best = min(peers, key=lambda peer: peer.mean)
        ours = finders[0]
        for what, value in (
            ("mean", ours.mean / best.mean),
            ("worst", ours.worst / min(peer.worst for peer in peers)),
        ):
            row = Row(f"{what} regret against the best peer's", f"{value:.2f}", value, "≤ 0.5", 0.5)
            found.append(row)
    return found


def interval_rows(ours: Sequence[Suggested]) -> list[Row]:
    """Say how often the ends of our intervals are as good as they say, and how wide they are."""
    found = []
    for repeats in OURS:
        ends = [
            regret(one.pair, end) for one in ours if one.repeats == repeats for end in one.interval
        ]
        widths = [one.interval[1] / one.interval[0] for one in ours if one.repeats == repeats]
        true = statistics.fmean(end <= GOOD for end in ends)
        name = f"interval, repeats={repeats}"
        found += [
            Row(f"{name}: ends with regret ≤ {GOOD:g}", f"{true:.0%}", true),
            Row(f"{name}: width, median", f"{statistics.median(widths):.1f}x", 0.0),
        ]
    return found


def details(
    finders: Sequence[Finder],
    ours: Sequence[Suggested],
    rates: dict[str, dict[str, list[float | None]]],
) -> dict[str, Any]:
    """Return what the table rests on."""
    return {
        "seeds": SEEDS,
        "worst possible": WORST,
        "best": {pair.name: measured(pair).rates[measured(pair).best] for pair in PAIRS},
        "regrets": {each.name: each.regrets for each in finders},
        "suggestions": json.loads(json.dumps(rates)),
        "findings": {
            f"{one.pair.name}, seed {one.seed}": one.findings
            for one in ours
            if one.repeats == 1 and one.findings
        },
    }


if __name__ == "__main__":
    main()
