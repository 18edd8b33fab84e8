"""A result's files: JSON that can be read back, and CSV for other programs."""

from __future__ import annotations

import csv
import io
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lrfinder_widget.analysis.curve import encode_numbers, measured
from lrfinder_widget.analysis.document import Stored, read_document
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.journal_reading import is_journal, read_journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

# The files of a run's folder that a result can be read from.
RESULT, JOURNAL = "result.json", "journal.jsonl"
JOURNAL_SUFFIX = ".jsonl"
# The columns that are written whatever was measured.
ALWAYS = ("learning_rate", "loss", "smoothed")


class Columns(Protocol):
    """What a table needs of a run."""

    @property
    def lrs(self) -> Vector:
        """The learning rates."""

    @property
    def losses(self) -> Vector:
        """The losses as they were."""

    @property
    def smoothed(self) -> Vector:
        """The smoothed losses."""

    @property
    def val_losses(self) -> Vector:
        """The validation losses."""

    @property
    def grad_norms(self) -> Vector:
        """The norms of all gradients."""

    @property
    def metrics(self) -> Mapping[str, Vector]:
        """Further scalars by name."""


def write_whole(path: str | os.PathLike[str], text: str) -> Path:
    """Write a file whole or not at all: a neighbour is filled first and then takes its name.

    A link stays one, and a file that is there keeps its mode.
    """
    target = Path(path).resolve()
    neighbour = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        try:
            with neighbour.open("x", encoding="utf-8", newline="\n") as file:
                if target.exists():
                    shutil.copymode(target, neighbour)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            neighbour.replace(target)
        finally:
            neighbour.unlink(missing_ok=True)
    except OSError as error:
        # Nobody has heard of the neighbour.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    return Path(path)


def read_runs(path: str | os.PathLike[str]) -> list[Stored]:
    """Read the runs that a JSON file, a journal, or the folder of a run holds.

    Raises
    ------
    LRFinderError
        If the file holds something else; the message says what is wrong.
    """
    path = _file_of(Path(path))
    if path.suffix == JOURNAL_SUFFIX or is_journal(path):
        return [Stored(record, None) for record in read_journal(path)]
    try:
        return [*read_document(path.read_text(encoding="utf-8"))]
    except (LRFinderError, UnicodeDecodeError) as error:
        raise LRFinderError(f"cannot load {os.fspath(path)}: {error}") from error


def _file_of(path: Path) -> Path:
    """Return the file to read; of a run's folder that is the journal if the run was killed."""
    if not path.is_dir():
        return path
    for name in (RESULT, JOURNAL):
        if (path / name).is_file():
            return path / name
    raise LRFinderError(
        f"cannot load {path}: it is a folder without {RESULT} or {JOURNAL}, which lr-finder writes"
    )


def table(runs: Sequence[Columns]) -> str:
    """Return runs as the text of a CSV file.

    Validation loss, gradient norm and each metric have a column if any run measured it. Several
    runs are numbered from 1 on in the first column.
    """
    several = len(runs) > 1
    held = [_columns(run) for run in runs]
    names = list(dict.fromkeys(name for columns in held for name in columns))
    shown = [
        name
        for name in names
        if name in ALWAYS or any(name in columns and measured(columns[name]) for columns in held)
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(["run"] if several else []), "step", *shown])
    for number, columns in enumerate(held, start=1):
        prefix = [number] if several else []
        nothing = np.full(len(columns["loss"]), np.nan)
        encoded = (encode_numbers(columns.get(name, nothing)) for name in shown)
        writer.writerows(
            [*prefix, step, *row] for step, row in enumerate(zip(*encoded, strict=True))
        )
    return text.getvalue()


def _columns(run: Columns) -> dict[str, Vector]:
    own = {
        "learning_rate": run.lrs,
        "loss": run.losses,
        "smoothed": run.smoothed,
        "val_loss": run.val_losses,
        "grad_norm": run.grad_norms,
    }
    # A metric may bear the name of one of these.
    metrics = {
        f"metric_{name}" if name in own else name: values for name, values in run.metrics.items()
    }
    return {**own, **metrics}
