"""The `lr-finder` command."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from lrfinder_widget.command.exits import INTERRUPTED, NOT_FOUND, USAGE
from lrfinder_widget.errors import LossInferenceError, NotEnoughPointsError, SettingsError

if TYPE_CHECKING:
    from argparse import Namespace


def main(argv: list[str] | None = None) -> int:
    """Carry out a command line, and return its exit code.

    What the training's own code raises is raised.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A sign that an old terminal does not know is no reason to fail.
            stream.reconfigure(errors="replace")
    try:
        return _obey(argv)
    except KeyboardInterrupt:
        sys.stderr.write("lr-finder: interrupted\n")
        return INTERRUPTED
    except NotEnoughPointsError as error:
        sys.stderr.write(f"lr-finder: {error}\n")
        return NOT_FOUND
    except LossInferenceError as error:
        sys.stderr.write(f"lr-finder: error: {error} (in the config that is 'loss')\n")
        return USAGE
    except SettingsError as error:
        sys.stderr.write(f"lr-finder: error: {error}\n")
        return USAGE


def _obey(argv: list[str] | None) -> int:
    from lrfinder_widget.command.arguments import parse
    from lrfinder_widget.command.processes import process_group

    parsed = parse(argv)
    with process_group():
        return _carry_out(parsed)


def _carry_out(parsed: Namespace) -> int:
    from lrfinder_widget.command.arguments import given_flags

    match parsed.command:
        case "run":
            from lrfinder_widget.command.run import run

            return run(parsed.config, given_flags(parsed), wait_for_choice=parsed.wait_for_choice)
        case "check":
            from lrfinder_widget.command.run import check

            return check(parsed.config, given_flags(parsed))
        case "folds":
            from lrfinder_widget.command.folds import folds

            return folds(parsed.config, given_flags(parsed), parsed.folds)
        case "apply":
            from lrfinder_widget.command.apply import apply

            return apply(parsed.run, parsed.config, lr=parsed.lr, rule=parsed.rule)
        case "show":
            from lrfinder_widget.command.show import show

            return show(parsed.runs, parsed.output)
        case _:
            from lrfinder_widget.command.init import init

            return init(parsed.folder, parsed.images)
