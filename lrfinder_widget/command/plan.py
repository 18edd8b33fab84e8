"""A plan: the config with the command line's flags over it, all of it checked."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrfinder_widget.analysis.rules import resolve
from lrfinder_widget.command.config import PARTS, SWEEP_KEYS, Config
from lrfinder_widget.command.values import OWN_KEYS
from lrfinder_widget.errors import SettingsError
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.training.distributed import of_rank_0

if TYPE_CHECKING:
    from collections.abc import Mapping

# Short enough to be read out and typed again.
LARGEST_DRAWN_SEED = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a command is to do.

    Attributes
    ----------
    config
        The file.
    settings
        Those of the sweep; the seed is always a number.
    batch_size, fold
        What the data function is given; None where nothing was said.
    folds
        How many folds there are; None unless all of them are swept.
    deterministic
        Whether torch's deterministic algorithms are used.
    output
        The folder to write; None for one named by the time.
    """

    config: Config
    settings: SweepSettings
    batch_size: int | None = None
    fold: int | None = None
    folds: int | None = None
    deterministic: bool = False
    output: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a config that says all of this."""
        parts = {}
        for name in PARTS:
            part = self.config.part(name)
            if part is not None:
                parts[name] = {"class_path": part.path, "init_args": part.arguments}
        own = {"batch_size": self.batch_size, "fold": self.fold}
        given = {name: value for name, value in own.items() if value is not None}
        return {
            **parts,
            **given,
            "deterministic": self.deterministic,
            # It is written elsewhere, and the modules stay where they are.
            "module_folder": str(self.config.module_folder),
            "sweep": self.settings.to_dict(),
        }


def make_plan(config: Config, flags: Mapping[str, Any]) -> Plan:
    """Return the config with `flags`, those that were given, over it.

    Raises
    ------
    SettingsError
        If a value cannot be used; the message says where it comes from.
    """
    sweep = {**config.sweep, **{name: flags[name] for name in SWEEP_KEYS if name in flags}}
    if sweep.get("seed") is None:
        sweep["seed"] = of_rank_0(secrets.randbelow(LARGEST_DRAWN_SEED))
    own = {name: flags.get(name, config.own(name)) for name in OWN_KEYS if name != "module_folder"}
    for name, check in OWN_KEYS.items():
        if name in flags:
            _check_flag(name, flags[name], check)
    return Plan(
        config=config,
        settings=_settings(config, sweep, flags),
        **{**own, "deterministic": bool(own["deterministic"])},
    )


def _check_flag(name: str, value: Any, check: Any) -> None:
    try:
        check(value)
    except ValueError as error:
        raise SettingsError(f"--{name}: {error}") from error


def _settings(config: Config, sweep: Mapping[str, Any], flags: Mapping[str, Any]) -> SweepSettings:
    try:
        settings = SweepSettings.from_keywords(**sweep)
        resolve(settings.rule)
    except SettingsError as error:
        # The messages name the setting; the file and the line are known here alone.
        named = [word for word in re.findall(r"\w+", str(error)) if word in sweep]
        flagged = [name for name in named if name in flags]
        if flagged:
            raise SettingsError(f"--{flagged[0]}: {error}") from error
        raise config.refused(str(error), "sweep", *named[:1]) from error
    return settings
