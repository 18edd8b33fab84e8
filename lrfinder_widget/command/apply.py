"""`lr-finder apply`: the chosen rate goes into the config, which is otherwise left as it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.util import load_yaml_guess_indent

from lrfinder_widget.choice import read_choice
from lrfinder_widget.command.config import RATE, Config
from lrfinder_widget.command.exits import FOUND
from lrfinder_widget.command.output import Output
from lrfinder_widget.command.report import rounded
from lrfinder_widget.command.run_folder import load_run
from lrfinder_widget.optimizer_lr import checked_rate
from lrfinder_widget.result_files import JOURNAL, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from ruamel.yaml.nodes import ScalarNode

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
        If none of them is there.
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
        chosen = read_choice(run / JOURNAL)
        if chosen is not None:
            return chosen
    return rounded(load_run(run).suggest(rule).lr)


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
    if optimizer.get("init_args") is None:
        optimizer["init_args"] = CommentedMap()
    optimizer["init_args"]["lr"] = _Rate(rate)
    target = io.StringIO()
    yaml.dump(tree, target)
    return target.getvalue()
