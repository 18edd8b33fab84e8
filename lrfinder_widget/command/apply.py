"""`lr-finder apply`: the chosen rate goes into the config, which is otherwise left as it is."""

from __future__ import annotations

import io
from copy import copy
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.util import load_yaml_guess_indent

from lrfinder_widget.choice import read_choice
from lrfinder_widget.command.config import RATE, Config
from lrfinder_widget.command.exits import FOUND
from lrfinder_widget.command.output import Output
from lrfinder_widget.command.report import rounded
from lrfinder_widget.command.run_folder import load_run
from lrfinder_widget.errors import LRFinderError, NotEnoughPointsError, SettingsError
from lrfinder_widget.optimizer_lr import checked_rate
from lrfinder_widget.result_files import JOURNAL, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from ruamel.yaml.nodes import ScalarNode

    from lrfinder_widget.result import LRFinderResult

# A line is never broken.
WIDTH = 10_000


class _Rate(float):
    """A number to be written so that older readers of YAML take it for one, too."""


class _Representer(RoundTripRepresenter):
    def represent_rate(self, rate: _Rate) -> ScalarNode:
        text = repr(float(rate))
        if "e" in text and "." not in text:  # they read 1e-05 as text
            text = text.replace("e", ".0e")
        node: ScalarNode = self.represent_scalar("tag:yaml.org,2002:float", text)
        return node


_Representer.add_representer(_Rate, _Representer.represent_rate)


def apply(run: Path, path: Path, *, lr: float | None = None, rule: str | None = None) -> int:
    """Write a rate into a config: `lr`, a rule's, the one chosen in a notebook, or the suggested.

    Raises
    ------
    NotEnoughPointsError
        If none of them is there, or the one suggested is not to be used.
    SettingsError
        If the run, its choice or the config cannot be read.
    """
    rate = _rate(run, lr, rule)
    config = Config.read(path)
    before = config.line(*RATE)
    text = path.read_text(encoding="utf-8")
    write_whole(path, _with_rate(text, rate))
    part = config.part("optimizer")
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
    if rule is None:
        _refuse_unusable(result)
    return rounded(suggestion.lr)


def _choice(run: Path) -> float | None:
    try:
        return read_choice(run / JOURNAL)
    except LRFinderError as error:
        raise SettingsError(f"{error}; without it, --rule or --lr decides") from error


def _refuse_unusable(result: LRFinderResult) -> None:
    for finding in result.findings:
        if finding.severity == "error":
            raise NotEnoughPointsError(f"{finding.text} To write a rate, name --rule or --lr.")


def _with_rate(text: str, rate: float) -> str:
    _, indent, offset = load_yaml_guess_indent(text)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.Representer = _Representer
    if indent is not None:
        yaml.indent(mapping=indent if not offset else 2, sequence=indent, offset=offset)
    tree = yaml.load(text)
    optimizer: Any = tree["optimizer"]
    if isinstance(optimizer, str):
        optimizer = tree["optimizer"] = CommentedMap(class_path=optimizer)
    optimizer = _own(tree, tree, "optimizer")
    if optimizer.get("init_args") is None:
        optimizer["init_args"] = CommentedMap()
    _own(tree, optimizer, "init_args")["lr"] = _Rate(rate)
    target = io.StringIO()
    yaml.dump(tree, target)
    return target.getvalue()


def _own(tree: Any, holder: Any, key: str) -> Any:
    """Return what `holder` has under `key`; a copy, put in its place, if an alias shares it."""
    if _count(tree, holder[key]) > 1:
        holder[key] = copy(holder[key])
    return holder[key]


def _count(tree: Any, wanted: Any) -> int:
    """Return how often `wanted` itself occurs in a tree."""
    here = int(tree is wanted)
    if isinstance(tree, CommentedMap):
        return here + sum(_count(value, wanted) for value in tree.values())
    if isinstance(tree, CommentedSeq):
        return here + sum(_count(value, wanted) for value in tree)
    return here
