"""What travels between the kernel and a page: requests checked, blocks of numbers encoded.

Requests (page to kernel) are ``{"kind": …, "id": …, …}``; each is answered by ``{"kind": "reply",
"id": …, "ok": …}``. Points and the smoothed line (kernel to page) are blocks with an offset into
the run's curve: the page appends what it lacks and asks again for what it missed.

A block holds columns one after the other; the message that carries it says how many numbers each
has (``count``) and what they are (``columns``). While a sweep runs, blocks are little-endian
float32, which is more than a screen shows; the finished curve and the band are float64, the exact
numbers. Hosts that drop buffers get all numbers as JSON (``data``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfinder_widget.analysis.curve import encode_numbers
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.schedules import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

# The settings that a page may change; the rest is Python's.
PAGE_SETTINGS = (
    "start_lr", "end_lr", "num_iter", "step_mode", "diverge_threshold", "beta", "repeats",
    "clip_grad_norm",
)  # fmt: skip
_LARGEST_ID = 2**53
_LONGEST_TEXT = 64
_SINGLE = np.finfo(np.float32)


class BadMessageError(LRFinderError, ValueError):
    """A page sent something that is not a request; it changes nothing."""


@dataclass(frozen=True)
class Request:
    """A checked request of a page.

    Attributes
    ----------
    kind
        ``hello``, ``resync``, ``run``, ``pause``, ``resume``, ``stop``, ``configure``, ``apply``,
        ``undo``, ``code``, ``picture`` or ``save_picture``.
    id
        What the reply carries.
    fields
        What that kind of request carries, each checked.
    """

    kind: str
    id: int
    fields: dict[str, Any] = field(default_factory=dict)


def parse_request(content: Any) -> Request:
    """Check a page's message.

    Raises
    ------
    BadMessageError
        Saying what is wrong with it.
    """
    if not isinstance(content, dict):
        raise BadMessageError(f"a request must be an object (got {type(content).__name__})")
    kind = content.get("kind")
    checks = _FIELDS.get(kind) if isinstance(kind, str) else None
    if checks is None:
        raise BadMessageError(f"unknown request {_short(kind)}")
    number = request_id(content)
    if number is None:
        raise BadMessageError(
            f"{kind}: id must be a whole number (got {_short(content.get('id'))})"
        )
    unknown = content.keys() - checks.keys() - {"kind", "id"}
    if unknown:
        raise BadMessageError(f"{kind}: unknown field {_short(min(map(str, unknown)))}")
    return Request(
        str(kind), number, {name: check(name, content.get(name)) for name, check in checks.items()}
    )


def request_id(content: Any) -> int | None:
    """Return the id that a reply to `content` can carry, or None."""
    number = content.get("id") if isinstance(content, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return number if 0 <= number <= _LARGEST_ID else None


def parse_selection(value: Any, rules: Sequence[str]) -> dict[str, Any]:
    """Check a selection: ``{"lr": number}`` or ``{"rule": name}``."""
    if isinstance(value, dict) and len(value) == 1:
        if "lr" in value:
            return {"lr": _rate("lr", value["lr"])}
        if isinstance(value.get("rule"), str) and value["rule"] in rules:
            return {"rule": value["rule"]}
    raise BadMessageError(
        f"a selection is {{'lr': number}} or {{'rule': name}} with a rule of {', '.join(rules)} "
        f"(got {_short(value)})"
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count(name: str, value: Any) -> int:
    if not _is_whole(value) or not 0 <= value <= _LARGEST_ID:
        raise BadMessageError(f"{name} must be a whole number, 0 or more (got {_short(value)})")
    return int(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadMessageError(f"{name} must be true or false (got {_short(value)})")
    return value


def _flag_or_none(name: str, value: Any) -> bool | None:
    return None if value is None else _flag(name, value)


def _rate(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadMessageError(f"{name} must be a number (got {_short(value)})")
    try:
        rate = float(value)
    except OverflowError:
        rate = math.inf
    if not math.isfinite(rate) or rate <= 0:
        raise BadMessageError(f"{name} must be a positive, finite number (got {_short(value)})")
    return rate


def _schedule(name: str, value: Any) -> str:
    if not isinstance(value, str) or value not in KINDS:
        raise BadMessageError(f"{name} must be one of {', '.join(KINDS)} (got {_short(value)})")
    return value


def _settings(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadMessageError(f"{name} must be an object (got {_short(value)})")
    for key, item in value.items():
        if key not in PAGE_SETTINGS:
            raise BadMessageError(f"{name}: {_short(key)} cannot be set from the page")
        if item is not None and not isinstance(item, (int, float, str)):
            raise BadMessageError(f"{name}: {key} must be a number (got {_short(item)})")
    return dict(value)


def _settings_or_none(name: str, value: Any) -> dict[str, Any]:
    return {} if value is None else _settings(name, value)


_FIELDS: dict[str, dict[str, Any]] = {
    "hello": {"binary": _flag_or_none},
    "resync": {"run": _count, "have": _count, "smoothed": _flag},
    "run": {"run": _count, "settings": _settings_or_none},
    "pause": {"run": _count},
    "resume": {"run": _count},
    "stop": {"run": _count},
    "configure": {"settings": _settings},
    "apply": {"lr": _rate},
    "undo": {},
    "code": {"schedule": _schedule, "lr": _rate},
    "picture": {"run": _count},
    "save_picture": {"run": _count},
}


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, (dict, list)) else f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def exact_block(*columns: ArrayLike) -> bytes:
    """Return columns one after the other as little-endian float64."""
    return _joined(columns).astype("<f8").tobytes()


def live_block(*columns: ArrayLike) -> bytes:
    """Return columns one after the other as little-endian float32.

    A number that float32 cannot hold becomes its nearest one that is as finite and as far from
    zero: no finite loss becomes infinite, and no learning rate zero.
    """
    numbers = _joined(columns)
    sizes = np.clip(np.abs(numbers), _SINGLE.tiny, _SINGLE.max)
    held = np.where(np.isfinite(numbers) & (numbers != 0), np.copysign(sizes, numbers), numbers)
    return held.astype("<f4").tobytes()


def _joined(columns: tuple[ArrayLike, ...]) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(column, dtype=np.float64) for column in columns])


def with_columns(
    content: Mapping[str, Any], *columns: ArrayLike, binary: bool
) -> tuple[dict[str, Any], list[bytes] | None]:
    """Return a message's content and buffers, the columns in the one or the other."""
    if binary:
        return dict(content), [live_block(*columns)]
    return {**content, "data": encode_numbers(_joined(columns))}, None
