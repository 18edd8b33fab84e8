"""Reading a journal back, also one that is still being written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfinder_widget.analysis.curve import decode_numbers
from lrfinder_widget.analysis.record import Record
from lrfinder_widget.errors import LRFinderError
from lrfinder_widget.journal import FORMAT, VERSION
from lrfinder_widget.points import Point, Points
from lrfinder_widget.settings import CUSTOM_RULE, SweepSettings, rule_name
from lrfinder_widget.stop_reasons import STOPPED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class JournalReader:
    """Reads a journal, also one that is still being written.

    Attributes
    ----------
    header : dict
        The first line; empty before it is there.
    settings : SweepSettings or None
        Those of each sweep, from the header.
    points : Points
        Those of all sweeps so far, one after the other.
    starts : list of int
        Where among them each sweep begins.
    stop_reasons : list of str
        Why each of the sweeps that have ended did so.
    notes : list of str
        What the sweep had to say.
    end : str
        Why all ended; empty before that.
    error : str
        What was raised and ended it; empty if nothing was.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.header: dict[str, Any] = {}
        self.settings: SweepSettings | None = None
        self.points = Points()
        self.starts: list[int] = []
        self.stop_reasons: list[str] = []
        self.notes: list[str] = []
        self.end = self.error = ""
        self._read = self._lines = 0

    def poll(self) -> int:
        """Take up the lines that came since; return how many points were among them.

        A file that is not there yet has none, and a line that is not complete waits.

        Raises
        ------
        LRFinderError
            If the file or a line cannot be read; the message says which.
        """
        before = len(self.points)
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise LRFinderError(f"cannot read {self.path}: {error.strerror}") from error
        for line in text.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            self._lines += 1
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, LRFinderError) as error:
                raise LRFinderError(
                    f"cannot read {self.path}, line {self._lines}: {error}"
                ) from error
            self._read += len(line)
        return len(self.points) - before

    @property
    def records(self) -> list[Record]:
        """The sweeps so far; one that has not come to its end was ``"stopped"``."""
        settings, notes = self._usable_rule()
        ends = [*self.starts[1:], len(self.points)]
        reasons = [*self.stop_reasons, *[STOPPED] * len(self.starts)]
        return [
            Record(
                **self.points.part(start, end).columns(),
                settings=settings,
                stop_reason=reason,
                notes=notes,
                loss_name=str(self.header.get("loss", "")),
                optimizer=str(self.header.get("optimizer", "")),
                network=str(self.header.get("network", "")),
                batch_size=int(self.header.get("batch_size", 0)),
            )
            for start, end, reason in zip(self.starts, ends, reasons, strict=False)
        ]

    def _usable_rule(self) -> tuple[SweepSettings | None, tuple[str, ...]]:
        settings, notes = self.settings, tuple(self.notes)
        if settings is None or not rule_name(settings.rule).startswith(CUSTOM_RULE):
            return settings, notes
        name = rule_name(settings.rule).removeprefix(CUSTOM_RULE)
        note = f"The rule {name!r} was a function, which a journal cannot hold: 'auto' is used."
        return settings.replace(rule="auto"), (*notes, note)

    def _take(self, line: Any) -> None:
        if not isinstance(line, dict):
            raise LRFinderError(f"it must be a mapping (got {type(line).__name__})")
        if not self.header:
            self._take_header(line)
        elif "lr" in line:
            self._take_point(line)
        elif "stop_reason" in line:
            self.stop_reasons.append(str(line["stop_reason"]))
        elif "note" in line:
            self.notes.append(str(line["note"]))
        elif "end" in line:
            self.end, self.error = str(line["end"]), str(line.get("error", ""))

    def _take_header(self, line: dict[str, Any]) -> None:
        if line.get("format") != FORMAT:
            raise LRFinderError(f'it is not a journal (those begin with "format": "{FORMAT}")')
        version = line.get("version")
        if version != VERSION:
            raise LRFinderError(
                f"it has version {version!r}, and this release reads {VERSION}; upgrade "
                "lrfinder-widget"
            )
        self.settings = SweepSettings.from_dict(line.get("settings", {}))
        self.header = line

    def _take_point(self, line: Mapping[str, Any]) -> None:
        missing = {"run", "index", "lr", "loss"} - set(line)
        if missing:
            raise LRFinderError(f"{min(missing)!r} is missing")
        run = line["run"]
        if run not in (len(self.starts) - 1, len(self.starts)):
            raise LRFinderError(f"a point of run {run!r} follows one of {len(self.starts) - 1}")
        metrics = line.get("metrics", {})
        names = ["lr", "loss", *(name for name in ("val_loss", "grad_norm") if name in line)]
        numbers = dict(zip(names, _numbers(line, names), strict=True))
        point = Point(
            int(line["index"]),
            **numbers,
            metrics=dict(zip(metrics, _numbers(metrics, list(metrics)), strict=True)),
        )
        if run == len(self.starts):
            self.starts.append(len(self.points))
        self.points.append(point)


def _numbers(line: Mapping[str, Any], names: Sequence[str]) -> list[float]:
    return [float(decode_numbers(name, [line[name]])[0]) for name in names]


def is_journal(path: Path) -> bool:
    """Return whether a file's first line says that it is a journal, whatever its name."""
    with path.open("rb") as file:
        try:
            line = json.loads(file.readline())
        except ValueError:
            return False
    return isinstance(line, dict) and line.get("format") == FORMAT


def read_journal(path: str | os.PathLike[str]) -> list[Record]:
    """Return the sweeps of a journal, whether it was written to its end or not.

    Raises
    ------
    LRFinderError
        If it cannot be read, or holds no point.
    """
    reader = JournalReader(path)
    reader.poll()
    if not reader.starts:
        raise LRFinderError(f"{os.fspath(path)} holds no point yet")
    return reader.records
