"""How a result stands in a JSON file, and what is checked before one is believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lrfinder_widget.analysis.curve import decode_numbers, encode_numbers, measured
from lrfinder_widget.analysis.record import Record
from lrfinder_widget.analysis.suggestion import Suggestion
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.settings import SweepSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

FORMAT = "lrfinder-widget/result"
VERSION = 3
# What earlier versions did not know.
DEFAULTS = {
    "optimizer": "",
    "network": "",
    "batch_size": 0,
    "val_losses": [],
    "grad_norms": [],
    "metrics": {},
}


class Stored(NamedTuple):
    """All that a file holds of one sweep."""

    record: Record
    suggestion: Suggestion | None


def write_document(runs: Sequence[Stored], suggestion: Suggestion | None) -> str:
    """Return a result as the text of a JSON file.

    Parameters
    ----------
    runs
        The sweeps it is made of. One stands there by itself, several in a list.
    suggestion
        What follows from all of them; it is there to be read by people, and worked out again when
        the file is read.
    """
    held = [_run(stored) for stored in runs]
    content = held[0] if len(held) == 1 else {"suggestion": _plain(suggestion), "runs": held}
    document = {"format": FORMAT, "version": VERSION, **content}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def read_document(text: str) -> tuple[Stored, ...]:
    """Read the runs of what `write_document` wrote, or say what is wrong with it.

    Version 1 had one run, and knew neither optimizer, network nor batch size; versions 1 and 2
    knew neither validation losses, gradient norms nor metrics.
    """
    document = _checked_format(_parsed(text))
    if "runs" not in document:
        return (_stored(document),)
    runs = _typed(document, "runs", list)
    if not runs:
        raise LRFinderError("'runs' is empty")
    return tuple(_numbered(number, run) for number, run in enumerate(runs, start=1))


def _run(stored: Stored) -> dict[str, Any]:
    record = stored.record
    return {
        "settings": record.settings.to_dict(),
        "stop_reason": record.stop_reason,
        "loss_name": record.loss_name,
        "notes": list(record.notes),
        "optimizer": record.optimizer,
        "network": record.network,
        "batch_size": record.batch_size,
        "suggestion": _plain(stored.suggestion),
        "lrs": encode_numbers(record.lrs),
        "losses": encode_numbers(record.losses),
        "val_losses": _numbers(record.val_losses),
        "grad_norms": _numbers(record.grad_norms),
        "metrics": {name: encode_numbers(values) for name, values in record.metrics.items()},
    }


def _numbers(column: NDArray[np.float64]) -> list[float | str]:
    return encode_numbers(column) if measured(column) else []


def _plain(suggestion: Suggestion | None) -> dict[str, Any] | None:
    return None if suggestion is None else suggestion.to_dict()


def _numbered(number: int, run: Any) -> Stored:
    try:
        return _stored(_typed({"the run": run}, "the run", dict))
    except LRFinderError as error:
        raise LRFinderError(f"run {number} cannot be read: {error}") from error


def _stored(given: Mapping[str, Any]) -> Stored:
    run = {**DEFAULTS, **given}
    columns = {
        name: decode_numbers(name, _typed(run, name, list))
        for name in ("lrs", "losses", "val_losses", "grad_norms")
    }
    metrics = _typed(run, "metrics", dict)
    record = Record(
        **columns,
        metrics={name: decode_numbers(name, values) for name, values in metrics.items()},
        settings=SweepSettings.from_dict(_typed(run, "settings", dict)),
        stop_reason=_typed(run, "stop_reason", str),
        loss_name=_typed(run, "loss_name", str),
        notes=tuple(str(note) for note in _typed(run, "notes", list)),
        optimizer=_typed(run, "optimizer", str),
        network=_typed(run, "network", str),
        batch_size=_typed(run, "batch_size", int),
    )
    return Stored(record, _suggestion(run.get("suggestion")))


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
