"""The command line: its commands and flags."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfinder_widget.command.values import number_or_none

if TYPE_CHECKING:
    from collections.abc import Callable

EPILOG = """\
exit codes: 0 found; 2 the command line or the config cannot be used; 3 no usable suggestion;
130 interrupted, with what there was saved; 1 the training's own code raised an error
"""
FLAGS: dict[str, tuple[Callable[[str], Any], str]] = {
    "start_lr": (float, "the first learning rate (1e-7)"),
    "end_lr": (float, "the last learning rate (10)"),
    "num_iter": (int, "how many points, one optimizer step each (100)"),
    "step_mode": (str, "exp or linear spacing of the rates (exp)"),
    "beta": (number_or_none, "the classic smoothing, such as 0.98 (without: the lag-free one)"),
    "diverge_threshold": (
        number_or_none,
        "stop at this multiple of the best loss; none never stops (4.0)",
    ),
    "batch_size": (int, "given to the data function"),
    "device": (str, "where to train, such as cuda or cpu"),
    "fold": (int, "given to the data function"),
    "seed": (int, "seeds data, model and sweep (a number drawn and told)"),
    "repeats": (int, "how many sweeps, each with another order of the data (1)"),
    "rule": (str, "what makes the suggestion: auto, steepest, minimum_10, valley, … (auto)"),
    "output": (str, "the folder to write, instead of one below runs/"),
}
SWITCHES = {"deterministic": "use torch's deterministic algorithms"}


class Parser(argparse.ArgumentParser):
    """A parser that names the flag that was probably meant."""

    def __init__(self, **options: Any) -> None:
        # An abbreviation would change its meaning with the next flag that is added.
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def nearest(self, flag: str) -> str:
        """Return the known flag nearest to one, as the end of a sentence."""
        near = difflib.get_close_matches(flag.partition("=")[0], self._option_string_actions, n=1)
        return f"; did you mean {near[0]}?" if near else ""


def make_parser() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser, and that of each command."""
    parser = Parser(
        prog="lr-finder",
        description="Find a learning rate for the training that a config file describes.",
        epilog=EPILOG,
    )
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)

    def command(name: str, text: str) -> Parser:
        return commands.add_parser(name, help=text, description=text, epilog=EPILOG)

    init = command("init", "Write a config to start from, with all that it needs to run.")
    init.add_argument("folder", nargs="?", type=Path, default=Path(), help="where (here)")
    init.add_argument("--images", type=Path, help="your images, in one folder for each class")
    check = command("check", "Build everything and train one batch, without a sweep.")
    run = command("run", "Sweep the learning rate and suggest one.")
    run.add_argument(
        *_spellings("wait_for_choice"),
        action="store_true",
        help="then wait until a notebook that watches has chosen a rate",
    )
    folds = command("folds", "Sweep every fold, and say whether folds differ more than repeats do.")
    folds.add_argument("--folds", type=int, required=True, help="how many folds there are")
    for each in (check, run, folds):
        _add_config(each)
        for name, (kind, text) in FLAGS.items():
            if not (name == "fold" and each is folds):
                each.add_argument(
                    *_spellings(name), type=kind, help=text, default=argparse.SUPPRESS
                )
        for name, text in SWITCHES.items():
            each.add_argument(
                *_spellings(name), action="store_true", help=text, default=argparse.SUPPRESS
            )
    apply = command("apply", "Write the chosen learning rate into a config, comments kept.")
    apply.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    _add_config(apply)
    which = apply.add_mutually_exclusive_group()
    which.add_argument("--lr", type=float, help="another rate than the chosen or suggested one")
    which.add_argument("--rule", help="the rate that another rule suggests")
    show = command("show", "Draw one or more runs together.")
    show.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs")
    show.add_argument("--output", help="the folder to write, instead of one below runs/")
    return parser, {**commands.choices}


def _add_config(parser: Parser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the config file")


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"]))


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Return what the command line says, or end with exit code 2 and what is wrong with it."""
    parser, commands = make_parser()
    parsed, unknown = parser.parse_known_args(argv)
    if unknown:
        own = commands[parsed.command]
        own.error(f"unknown argument {unknown[0]}{own.nearest(unknown[0])}")
    return parsed


def given_flags(parsed: argparse.Namespace) -> dict[str, Any]:
    """Return the flags that were given, by the names of their settings."""
    return {name: vars(parsed)[name] for name in (*FLAGS, *SWITCHES) if name in parsed}
