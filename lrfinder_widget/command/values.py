"""What the keys of the config that are not the sweep's may hold, and how flags are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], None]


def _whole(at_least: int) -> Check:
    def check(value: Any) -> None:
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            raise ValueError(f"it must be a whole number of at least {at_least} (got {value!r})")

    return check


def _flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"it must be true or false (got {value!r})")  # noqa: TRY004 - as others


def _text(value: Any) -> None:
    if not (value is None or isinstance(value, str)):
        raise ValueError(f"it must be the path of a folder (got {value!r})")


OWN_KEYS: dict[str, Check] = {
    "batch_size": _whole(1),
    "fold": _whole(0),
    "deterministic": _flag,
    "output": _text,
    "module_folder": _text,
}


def number_or_none(text: str) -> float | None:
    """Read a flag's number; "none" is None."""
    return None if text.lower() in ("none", "null") else float(text)
