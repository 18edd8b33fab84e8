"""A journal: the points of a sweep on disk as they come.

A journal is a text file of JSON lines. The first is a header; then comes a line for each point,
each note, and the end of each run; the last tells why all ended. A line is written in one piece
and flushed, so that a process that is killed loses at most the last one, and other processes can
follow. Numbers that JSON does not have are written as by `lrfinder_widget.analysis.curve`.
"""

from __future__ import annotations

import json
import math
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from lrfinder_widget.analysis.curve import encode_number
from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator, Mapping

    from lrfinder_widget.points import Point
    from lrfinder_widget.settings import SweepSettings

FORMAT = "lrfinder-widget/journal"
VERSION = 1


class Recorded(Protocol):
    """What a journal asks of the series whose points it writes."""

    settings: SweepSettings
    notes: list[str]
    starts: list[int]

    @property
    def optimizer(self) -> str:
        """The name of the optimizer's class."""

    @property
    def network(self) -> str:
        """The kind of network."""

    @property
    def loss_name(self) -> str:
        """The loss, in words."""

    @property
    def batch_size(self) -> int:
        """How many samples a batch has."""

    @property
    def group_rates(self) -> list[tuple[str, float]]:
        """Each parameter group's name and its rate as it is now."""

    @property
    def stop_reason(self) -> str:
        """Why all ended."""

    @property
    def stop_reasons(self) -> list[str]:
        """Why each sweep ended."""


class Journal:
    """Writes the points of one series to a new file.

    Parameters
    ----------
    path
        Where; the file is made with the first point.
    numbered
        Write to ``name-2``, ``name-3``, … should there be such a file by then.

    Attributes
    ----------
    path : Path
        The file that is written.

    Raises
    ------
    SettingsError
        If there is such a file already (and no number is allowed), or no such folder.
    """

    def __init__(self, path: str | os.PathLike[str], *, numbered: bool = False) -> None:
        self.path = Path(path)
        self._numbered = numbered
        if self.path.exists() and not numbered:
            raise SettingsError(f"journal {self.path} exists, and is not overwritten; name another")
        if not self.path.parent.is_dir():
            raise SettingsError(
                f"journal {self.path} cannot be written: there is no folder {self.path.parent}"
            )
        self._file: IO[str] | None = None
        self._groups: list[tuple[str, float]] = []
        self._notes = self._ended = 0

    def recording(
        self, series: Recorded, points: Generator[Point, None, int]
    ) -> Generator[Point, None, int]:
        """Pass on the points of a series, each of them on disk before it is."""
        self._groups = series.group_rates  # the sweep is about to change them
        error = ""
        count = 0
        try:
            with closing(points):
                for point in points:
                    self._write_point(series, point)
                    count += 1
                    yield point
        except GeneratorExit:
            raise
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
            raise
        finally:
            self._end(series, error)
        return count

    def _write_point(self, series: Recorded, point: Point) -> None:
        if self._file is None:
            self._file = self._new_file()
            self._write(_header(series, self._groups))
        self._write_news(series, ended=len(series.starts) - 1)
        self._write(_line_of(len(series.starts) - 1, point))

    def _write_news(self, series: Recorded, *, ended: int) -> None:
        for run in range(self._ended, ended):
            self._write({"run": run, "stop_reason": series.stop_reasons[run]})
        for note in series.notes[self._notes :]:
            self._write({"note": note})
        self._ended, self._notes = ended, len(series.notes)

    def _end(self, series: Recorded, error: str) -> None:
        if self._file is None:  # not a single point
            return
        with self._file:
            self._write_news(series, ended=len(series.starts))
            self._write({"end": series.stop_reason, **({"error": error} if error else {})})

    def _new_file(self) -> IO[str]:
        if self._numbered:
            self.path = next(path for path in _numbers_of(self.path) if not path.exists())
        try:
            return self.path.open("x", encoding="utf-8", newline="\n")
        except OSError as error:
            raise SettingsError(
                f"journal {self.path} cannot be written: {error.strerror}"
            ) from error

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()


def _numbers_of(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1


def _header(series: Recorded, groups: list[tuple[str, float]]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": series.settings.to_dict(),
        "optimizer": series.optimizer,
        "groups": [{"label": label, "lr": lr} for label, lr in groups],
        "network": series.network,
        "loss": series.loss_name,
        "batch_size": series.batch_size,
    }


def _line_of(run: int, point: Point) -> dict[str, Any]:
    line: dict[str, Any] = {
        "run": run,
        "index": point.index,
        "lr": encode_number(point.lr),
        "loss": encode_number(point.loss),
    }
    if not math.isnan(point.val_loss):
        line["val_loss"] = encode_number(point.val_loss)
    if not math.isnan(point.grad_norm):
        line["grad_norm"] = encode_number(point.grad_norm)
    if point.metrics:
        line["metrics"] = {name: encode_number(value) for name, value in point.metrics.items()}
    return line
