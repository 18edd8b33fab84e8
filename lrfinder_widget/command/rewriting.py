"""A rate goes into the text of a config, which otherwise stays as it is."""

from __future__ import annotations

import io
from copy import copy
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.util import load_yaml_guess_indent

from lrfinder_widget.command.config import RATE

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

BOM = "\ufeff"
# A line is never broken.
WIDTH = 10_000


class _Rate(float):
    """A number to be written so that older readers of YAML take it for one, too."""

    def __str__(self) -> str:
        text = repr(float(self))
        # They read 1e-05 as text.
        return text.replace("e", ".0e") if "e" in text and "." not in text else text


class _Representer(RoundTripRepresenter):
    def represent_rate(self, rate: _Rate) -> ScalarNode:
        node: ScalarNode = self.represent_scalar("tag:yaml.org,2002:float", str(rate))
        return node


_Representer.add_representer(_Rate, _Representer.represent_rate)


def with_rate(text: str, rate: float) -> str:
    """Return the text of a config with a rate in it.

    If there is a rate already, no other character changes. If there is none, the whole is written
    anew: comments stay, and newlines are as they were.
    """
    bare = text.removeprefix(BOM)
    bom = text[: len(text) - len(bare)]
    anew = _dumped(bare.replace("\r\n", "\n"), rate)
    in_place = _replaced(bare, rate)
    # An alias may have put the rate where it stands for something else as well.
    if in_place is not None and _read(in_place) == _read(anew):
        return bom + in_place
    return bom + (anew.replace("\n", "\r\n") if "\r\n" in bare else anew)


def _replaced(text: str, rate: float) -> str | None:
    """Return `text` with another number where its rate stands, None if there is none."""
    node: Any = YAML().compose(text)
    for key in RATE:
        node = _value(node, key)
    if not isinstance(node, ScalarNode):
        return None
    before, after = text[: node.start_mark.index], text[node.end_mark.index :]
    # Nothing stands behind the colon of a key without a value, not even a space.
    return f"{before}{' ' if before.endswith(':') else ''}{_Rate(rate)}{after}"


def _value(node: Node | None, key: str) -> Node | None:
    if not isinstance(node, MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _read(text: str) -> Any:
    """Return what a text holds, None if it cannot be read."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return None


def _dumped(text: str, rate: float) -> str:
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
