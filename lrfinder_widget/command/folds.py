"""`lr-finder folds`: a sweep of every fold, and whether the folds differ."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lrfinder_widget.analysis.layout import short
from lrfinder_widget.analysis.repeats import geometric_mean, times
from lrfinder_widget.command.agreement import Agreement, agreement
from lrfinder_widget.command.assembly import assemble, prepared
from lrfinder_widget.command.config import Config
from lrfinder_widget.command.exits import FOUND, NOT_FOUND
from lrfinder_widget.command.output import Output
from lrfinder_widget.command.own_folder import own_folder
from lrfinder_widget.command.pictures import draw_together
from lrfinder_widget.command.plan import Plan, make_plan
from lrfinder_widget.command.report import report_change, report_early_end, rounded, usable
from lrfinder_widget.command.run_folder import RunFolder
from lrfinder_widget.command.sweeping import sweep
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.training.distributed import leads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lrfinder_widget.result import LRFinderResult

FEWEST = 2
# How many sweeps of each fold, where nothing is said: with fewer, chance cannot be told.
REPEATS = 3
# Three of each of two folds can be dealt out in 10 ways only, four in 35: it takes 20 to tell.
REPEATS_OF_TWO = 4


def folds(path: Path, flags: Mapping[str, Any], count: int) -> int:
    """Sweep each of `count` folds, and return the exit code."""
    plan = _plan(path, flags, count)
    output = Output(quiet=not leads())
    place = own_folder(plan.output, "lr_finder_folds") if leads() else nullcontext()
    results = {}
    with place as main, prepared(plan):
        for fold in range(count):
            output.headline(f"Fold {fold} of {count}")
            own = _plan_of(plan, fold)
            folder = None if main is None else RunFolder(main / f"fold_{fold}")
            result = sweep(own, assemble(own), folder, output)
            report_early_end(output, result)
            if result.suggestions:
                output.say(f"  suggested learning rate: {short(result.suggestion.lr)}")
            results[f"fold {fold}"] = result
    if main is not None:
        draw_together(results, main)
        output.say(f"Written: {main}")
    if not all(map(usable, results.values())):
        output.warn("not every fold has a usable suggestion, so folds cannot be compared.")
        return NOT_FOUND
    _report(output, [*results.values()])
    rate = geometric_mean([result.suggestion.lr for result in results.values()])
    report_change(output, plan.config, rounded(rate))
    return FOUND


def _plan(path: Path, flags: Mapping[str, Any], count: int) -> Plan:
    if count < FEWEST:
        raise SettingsError(f"--folds must be at least {FEWEST} (got {count})")
    config = Config.read(path)
    enough = REPEATS_OF_TWO if count == FEWEST else REPEATS
    repeats = flags.get("repeats", config.sweep.get("repeats", enough))
    plan = make_plan(config, {**flags, "repeats": repeats})
    if plan.settings.repeats < FEWEST:
        raise SettingsError(
            f"folds are compared with repeats, so that repeats must be at least {FEWEST} "
            f"(got {plan.settings.repeats})"
        )
    return replace(plan, folds=count)


def _plan_of(plan: Plan, fold: int) -> Plan:
    # Seeds of its own, or the folds' sweeps would share the luck of their draws.
    seed = (plan.settings.seed or 0) + fold * plan.settings.repeats
    return replace(plan, fold=fold, settings=plan.settings.replace(seed=seed))


def _report(output: Output, results: Sequence[LRFinderResult]) -> None:
    found = agreement([[run.suggestion.lr for run in result.runs] for result in results])
    together = geometric_mean([result.suggestion.lr for result in results])
    output.headline(f"Suggested learning rate over all folds: {short(together)}")
    output.say(verdict(found))


def verdict(found: Agreement) -> str:
    """Say whether folds differ more than repeats do."""
    sizes = (
        f"folds lie within {times(found.between)}, repeats of one fold within {times(found.within)}"
    )
    if not found.enough:
        return f"Too few sweeps to tell whether the folds differ ({sizes}); raise --repeats."
    if found.differ:
        return (
            f"The folds differ more than repeats do ({sizes}; by chance in {found.chance:.1%} of "
            "cases): find a rate for each fold, or look at what sets them apart."
        )
    return (
        f"The folds differ no more than repeats do ({sizes}; by chance in {found.chance:.0%} of "
        "cases): one rate serves them all."
    )
