"""`lr-finder run` and `lr-finder check`."""

from __future__ import annotations

import math
from contextlib import nullcontext
from shlex import quote
from time import sleep
from typing import TYPE_CHECKING

from lrfinder_widget.choice import choice_path, read_choice
from lrfinder_widget.command.assembly import assemble, prepared
from lrfinder_widget.command.config import Config
from lrfinder_widget.command.exits import FOUND, NOT_FOUND
from lrfinder_widget.command.output import Output
from lrfinder_widget.command.own_folder import own_folder
from lrfinder_widget.command.plan import make_plan
from lrfinder_widget.command.report import report, report_change, rounded, usable
from lrfinder_widget.command.run_folder import RunFolder
from lrfinder_widget.command.sweeping import sweep
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.series import Series
from lrfinder_widget.training.distributed import leads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

# How often a choice is looked for.
SECONDS = 0.2


def run(path: Path, flags: Mapping[str, Any], *, wait_for_choice: bool = False) -> int:
    """Sweep what a config describes, and say what was found; return the exit code."""
    config = Config.read(path)
    plan = make_plan(config, flags)
    output = Output(quiet=not leads())
    with own_folder(plan.output) if leads() else nullcontext() as place, prepared(plan):
        folder = None if place is None else RunFolder(place)
        training = assemble(plan)
        if folder is not None:
            output.say(f"Sweeping with seed {plan.settings.seed}, writing to {folder.path}")
        result = sweep(plan, training, folder, output)
    report(output, result)
    if folder is None:
        return FOUND if usable(result) else NOT_FOUND
    output.say(f"Written: {folder.path}")
    chosen = _choice(folder, output) if wait_for_choice else None
    if chosen is None and not usable(result):
        return NOT_FOUND
    report_change(output, config, rounded(result.suggestion.lr) if chosen is None else chosen)
    to_apply = f"{quote(str(folder.path))} --config {quote(str(path))}"
    output.say(f"or let this do so: lr-finder apply {to_apply}")
    return FOUND


def check(path: Path, flags: Mapping[str, Any]) -> int:
    """Build everything and train one batch, without a sweep; return the exit code."""
    plan = make_plan(Config.read(path), flags)
    output = Output(quiet=not leads())
    # Refuses now what a run would refuse.
    with own_folder(plan.output) if leads() else nullcontext(), prepared(plan):
        training = assemble(plan)
        with Series(training, plan.settings) as series:
            point = next(series)
    count = sum(parameter.numel() for parameter in training.model.parameters())
    output.say(f"Model: {type(training.model).__name__}, {count:,} parameters")
    output.say(f"Optimizer: {series.optimizer}")
    output.say(f"Batch: {series.batch_size or 'an unknown number of'} samples")
    output.say(f"Loss: {series.loss_name}, {point.loss:.4f} on the first batch")
    for note in series.notes:
        output.say(f"Note: {note}")
    if not math.isfinite(point.loss):
        output.warn(
            "the loss of the first batch is not finite, so that a sweep would tell nothing."
        )
        return NOT_FOUND
    output.headline(f"All is well; next: lr-finder run --config {quote(str(path))}")
    return FOUND


def _choice(folder: RunFolder, output: Output) -> float:
    """Wait until somebody has chosen a rate, and return it."""
    output.say(f'Waiting for a choice: LRFinderWidget.watch("{folder.journal}") in a notebook')
    told = ""
    while True:
        try:
            chosen = read_choice(folder.journal)
        except LRFinderError as error:
            if str(error) != told:
                output.warn(f"{error}; still waiting.")
                told = str(error)
        else:
            if chosen is not None:
                output.headline(f"Chosen learning rate: {chosen:g}")
                output.say(f"  from {choice_path(folder.journal)}")
                return chosen
        sleep(SECONDS)
