"""`lr-finder apply`: the chosen rate goes into the config, which is otherwise left as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfinder_widget.choice import read_choice
from lrfinder_widget.command.assembly import GIVEN
from lrfinder_widget.command.building import Maker
from lrfinder_widget.command.config import RATE, Config
from lrfinder_widget.command.exits import FOUND
from lrfinder_widget.command.importing import importable
from lrfinder_widget.command.output import Output
from lrfinder_widget.command.report import rounded, why_unusable
from lrfinder_widget.command.rewriting import with_rate
from lrfinder_widget.command.run_folder import load_run
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError, SettingsError
from lrfinder_widget.optimizer_lr import checked_rate
from lrfinder_widget.result_files import JOURNAL, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from lrfinder_widget.command.config import Part


def apply(run: Path, path: Path, *, lr: float | None = None, rule: str | None = None) -> int:
    """Write a rate into a config: `lr`, a rule's, the one chosen in a notebook, or the suggested.

    Raises
    ------
    NotEnoughPointsError
        If none of them is there, or the one suggested is not to be used.
    SettingsError
        If the run, its choice or the config cannot be read, or the optimizer takes no rate.
    """
    rate = _rate(run, lr, rule)
    config = Config.read(path)
    before = config.line(*RATE)
    part = config.part("optimizer")
    if part is not None and "lr" not in part.arguments:
        _refuse_without_rate(config, part)
    # As it is, newlines and all.
    write_whole(path, with_rate(path.read_bytes().decode("utf-8"), rate))
    now = None if part is None else part.arguments.get("lr")
    line = Config.read(path).line(*RATE)
    was = f"lr: {now}" if before and now is not None else "no lr"
    Output().say(f"{path}:{line}: {was} is now lr: {rate:g}")
    return FOUND


def _rate(run: Path, lr: float | None, rule: str | None) -> float:
    if lr is not None:
        return checked_rate(lr)
    if rule is None and run.is_dir():
        chosen = _choice(run)
        if chosen is not None:
            return chosen
    result = load_run(run)
    suggestion = result.suggest(rule)
    against = why_unusable(result)
    if rule is None and against is not None:
        raise NotEnoughPointsError(f"{against} --rule or --lr writes a rate all the same.")
    return rounded(suggestion.lr)


def _choice(run: Path) -> float | None:
    try:
        return read_choice(run / JOURNAL)
    except LRFinderError as error:
        raise SettingsError(f"{error}; without it, --rule or --lr decides") from error


def _refuse_without_rate(config: Config, part: Part) -> None:
    """Raise if the optimizer's function could do nothing with a rate."""
    with importable(config):
        maker = Maker(config, part, GIVEN)
    if not maker.accepts("lr"):
        raise maker.refused(
            f"{maker.name} takes no 'lr', so that nothing is written; give it such an argument"
        )
