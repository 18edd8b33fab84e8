"""How a result stands in a JSON file, and what is checked before one is believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lrfinder_widget.analysis.curve import Curve, decode_numbers, encode_numbers
from lrfinder_widget.analysis.suggestion import Suggestion
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.settings import SweepSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "lrfinder-widget/result"
VERSION = 1


class Stored(NamedTuple):
    """All that a file holds of a result."""

    curve: Curve
    settings: SweepSettings
    stop_reason: str
    loss_name: str
    notes: tuple[str, ...]
    suggestion: Suggestion | None


def write_document(stored: Stored) -> str:
    """Return a result as the text of a JSON file."""
    found = stored.suggestion
    document = {
        "format": FORMAT,
        "version": VERSION,
        "settings": stored.settings.to_dict(),
        "stop_reason": stored.stop_reason,
        "loss_name": stored.loss_name,
        "notes": list(stored.notes),
        "suggestion": None if found is None else found.to_dict(),
        "lrs": encode_numbers(stored.curve.lrs),
        "losses": encode_numbers(stored.curve.losses),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def read_document(text: str) -> Stored:
    """Read what `write_document` wrote, or say what is wrong with it."""
    document = _checked_format(_parsed(text))
    lrs = decode_numbers("lrs", _typed(document, "lrs", list))
    losses = decode_numbers("losses", _typed(document, "losses", list))
    return Stored(
        curve=Curve(lrs, losses),
        settings=SweepSettings.from_dict(_typed(document, "settings", dict)),
        stop_reason=_typed(document, "stop_reason", str),
        loss_name=_typed(document, "loss_name", str),
        notes=tuple(str(note) for note in _typed(document, "notes", list)),
        suggestion=_suggestion(document.get("suggestion")),
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise LRFinderError(f"it is not JSON ({error})") from error


def _checked_format(document: Any) -> Mapping[str, Any]:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise LRFinderError(f'it is not a stored result (those begin with "format": "{FORMAT}")')
    version = document.get("version")
    if not isinstance(version, int) or version < 1:
        raise LRFinderError(f"its version must be a whole number from 1 on (got {version!r})")
    if version > VERSION:
        raise LRFinderError(
            f"it has version {version}, and this release reads up to {VERSION}; "
            "upgrade lrfinder-widget"
        )
    return document


def _typed(document: Mapping[str, Any], name: str, kind: type) -> Any:
    if name not in document:
        raise LRFinderError(f"{name!r} is missing")
    if not isinstance(document[name], kind):
        raise LRFinderError(
            f"{name!r} must be of type {kind.__name__} (got {type(document[name]).__name__})"
        )
    return document[name]


def _suggestion(document: Any) -> Suggestion | None:
    if document is None:
        return None
    try:
        return Suggestion(**document)
    except (TypeError, ValueError) as error:
        raise LRFinderError(f"'suggestion' cannot be read ({error})") from error
