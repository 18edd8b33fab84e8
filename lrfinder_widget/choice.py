"""A choice: the learning rate that somebody who watches a sweep elsewhere picks for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.optimizer_lr import checked_rate
from lrfinder_widget.result_files import write_whole

if TYPE_CHECKING:
    import os

NAME = "choice.json"


def choice_path(journal: str | os.PathLike[str]) -> Path:
    """Return where the choice for the sweep of a journal is written: beside it."""
    return Path(journal).with_name(NAME)


def write_choice(journal: str | os.PathLike[str], lr: float) -> Path:
    """Write the choice for the sweep of a journal, in place of an earlier one; return its path.

    Raises
    ------
    SettingsError
        If `lr` is not a positive number.
    """
    text = json.dumps({"lr": checked_rate(lr)}) + "\n"
    return write_whole(choice_path(journal), text)


def read_choice(journal: str | os.PathLike[str]) -> float | None:
    """Return the choice for the sweep of a journal, None as long as there is none.

    Raises
    ------
    LRFinderError
        If the file cannot be read, or holds something else than a learning rate.
    """
    path = choice_path(journal)
    try:
        return _rate_of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LRFinderError) as error:
        raise LRFinderError(f"cannot read the choice in {path}: {error}") from error


def _rate_of(content: Any) -> float:
    if not isinstance(content, dict) or "lr" not in content:
        raise LRFinderError(f'it must be {{"lr": …}} (got {content!r})')
    return checked_rate(content["lr"])
