"""The config file: read safely, every key checked, each error with its file and line."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lrfinder_widget.command.values import OWN_KEYS
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.settings import SweepSettings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lrfinder_widget.command.values import Check

PARTS = ("model", "data", "loss", "optimizer")
OPTIONAL = ("loss",)
PART_KEYS = ("class_path", "init_args")
SWEEP_KEYS = tuple(field.name for field in dataclasses.fields(SweepSettings))
KEYS = (*PARTS, *OWN_KEYS, "sweep")
RATE = ("optimizer", "init_args", "lr")


class Part(NamedTuple):
    """What makes a part of the training, under nested keys: a class or function, and arguments."""

    keys: tuple[str, ...]
    path: str
    arguments: dict[str, Any]


class Config:
    """A config file whose keys are all known.

    Parameters
    ----------
    path
        The file.
    tree
        What it holds, with the line of each key.

    Raises
    ------
    SettingsError
        If a key is unknown or missing, or a value has the wrong type.
    """

    def __init__(self, path: Path, tree: CommentedMap) -> None:
        self.path = path
        self.tree = tree
        self._refuse_tags(tree, ())
        self._check_names(KEYS)
        for name in PARTS:
            if name in tree:
                self.check_part(name)
            elif name not in OPTIONAL:
                raise self.refused(f"{name!r} is missing; it names what makes the {name}")
        for name, check in OWN_KEYS.items():
            if name in tree:
                self._check_value(name, check)
        if tree.get("sweep") is not None:
            self._check_mapping("sweep")
            self._check_names(SWEEP_KEYS, "sweep")

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read a file; nothing in it is executed."""
        try:
            text = path.read_text(encoding="utf-8")
            tree = YAML().load(text)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot read {path}: {error}") from error
        except YAMLError as error:
            mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
            place = path if mark is None else f"{path}:{mark.line + 1}"
            raise SettingsError(f"{place}: {getattr(error, 'problem', error)}") from error
        if not isinstance(tree, CommentedMap):
            raise SettingsError(
                f"{path}:1: a config is a mapping with the keys {', '.join(KEYS)}; "
                "lr-finder init writes one to start from"
            )
        return cls(path, tree)

    def part(self, name: str) -> Part | None:
        """Return what makes a part, None if it is not named."""
        held = self.tree.get(name)
        if held is None:
            return None
        if isinstance(held, str):
            return Part((name,), str(held), {})
        return Part((name,), str(held["class_path"]), plain(held.get("init_args")) or {})

    def own(self, name: str) -> Any:
        """Return the value of one of `OWN_KEYS`, None if it is not there."""
        return plain(self.tree.get(name))

    @property
    def module_folder(self) -> Path:
        """The folder in which modules are looked for first: the config's own, if none is named."""
        return (self.path.resolve().parent / (self.own("module_folder") or "")).resolve()

    @property
    def sweep(self) -> dict[str, Any]:
        """The settings of the sweep that are given."""
        return plain(self.tree.get("sweep")) or {}

    def line(self, *keys: str) -> int:
        """Return the line, from 1 on, of the innermost of nested keys that is there."""
        at: Any = self.tree
        line = 1
        for key in keys:
            # What is no text, such as a number, is named by how it is written.
            held = [name for name in at if str(name) == key] if isinstance(at, CommentedMap) else []
            if not held:
                break
            try:
                line = at.lc.key(held[0])[0] + 1
            except (KeyError, TypeError):  # merged into the mapping, not written in it
                break
            at = at[held[0]]
        return line

    def refused(self, message: str, *keys: str) -> SettingsError:
        """Return an error about what stands under nested keys."""
        name = f"{'.'.join(keys)}: " if keys else ""
        return SettingsError(f"{self.path}:{self.line(*keys)}: {name}{message}")

    def check_part(self, *keys: str) -> None:
        """Raise unless a part, or what is nested in one, names what makes it."""
        held = self._at(*keys)
        if isinstance(held, str):
            return
        self._check_mapping(*keys, or_else="the name of a class or a function")
        self._check_names(PART_KEYS, *keys)
        if not isinstance(held.get("class_path"), str):
            raise self.refused(
                "it must name a class or a function, such as torch.optim.SGD or "
                f"my_module:make_{keys[-1]}",
                *keys,
                "class_path",
            )
        if held.get("init_args") is not None:
            self._check_mapping(*keys, "init_args")

    def _at(self, *keys: str) -> Any:
        held: Any = self.tree
        for key in keys:
            held = held[key]
        return held

    def _check_mapping(self, *keys: str, or_else: str = "") -> None:
        held = self._at(*keys)
        if not isinstance(held, CommentedMap):
            wanted = f"a mapping, or {or_else}" if or_else else "a mapping"
            raise self.refused(f"it must be {wanted} (got {plain(held)!r})", *keys)

    def _check_names(self, known: Iterable[str], *keys: str) -> None:
        for name in self._at(*keys):
            if name not in known:
                raise self.refused(f"unknown key{_nearest(str(name), known)}", *keys, str(name))

    def _check_value(self, name: str, check: Check) -> None:
        try:
            check(self.own(name))
        except ValueError as error:
            raise self.refused(str(error), name) from error

    def _refuse_tags(self, value: Any, keys: tuple[str, ...]) -> None:
        tag = value.tag.value if isinstance(value, (CommentedBase, TaggedScalar)) else None
        if tag is not None and not str(tag).startswith("tag:yaml.org,2002:map"):
            raise self.refused(f"tags such as {tag} are not used here; write plain values", *keys)
        if isinstance(value, CommentedMap):
            for key, item in value.items():
                self._refuse_tags(item, (*keys, str(key)))
        elif isinstance(value, CommentedSeq):
            for item in value:
                self._refuse_tags(item, keys)


def plain(value: Any) -> Any:
    """Return what was read as plain Python, without the memory of how it was written."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _nearest(name: str, known: Iterable[str]) -> str:
    names = [*known]
    if name in SWEEP_KEYS:
        return "; it belongs under 'sweep'"
    near = difflib.get_close_matches(name.lower(), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; the keys here are {', '.join(names)}"
