"""A sweep that runs elsewhere, followed through the journal that it writes."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from lrfinder_widget.errors import LRFinderError, SettingsError
from lrfinder_widget.journal_reading import JournalReader
from lrfinder_widget.points import expected_points
from lrfinder_widget.result_files import JOURNAL
from lrfinder_widget.settings import SweepSettings
from lrfinder_widget.stop_reasons import STOPPED, overall_reason

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from lrfinder_widget.points import Point

# Short enough for a click to be answered at once, long enough to cost nothing.
_LOOK_SECONDS = 0.1


def journal_path(path: str | os.PathLike[str]) -> Path:
    """Return the journal at `path`, which may also be the folder of a run.

    What is not there yet is taken for such a folder, unless it is named as journals are.

    Raises
    ------
    SettingsError
        If the folder in which it is to appear does not exist.
    """
    named = Path(path)
    if not (named.is_dir() or named.parent.is_dir()):
        raise SettingsError(
            f"there is no folder {named.parent} to watch for {named.name}; start the sweep "
            "with journal=, or pass the folder of a run of lr-finder"
        )
    return named / JOURNAL if _is_folder(named) else named


def _is_folder(named: Path) -> bool:
    if named.exists():
        return named.is_dir()
    return named.suffix != Path(JOURNAL).suffix


class Followed:
    """An iterator over the points that another process writes, the counterpart of `Series`.

    ``next`` returns None when there is nothing new yet.

    Parameters
    ----------
    path
        The journal, which need not be there yet.
    """

    trains = False
    loader = None

    def __init__(self, path: Path) -> None:
        self._reader = JournalReader(path)
        self._reader.poll()
        self._passed_on = 0

    def __iter__(self) -> Followed:
        return self

    def __next__(self) -> Point | None:
        reader = self._reader
        if self._passed_on == len(reader.points) and not reader.poll():
            if reader.error:
                raise LRFinderError(f"the sweep failed where it ran: {reader.error}")
            if reader.end:
                raise StopIteration
            time.sleep(_LOOK_SECONDS)
            return None
        point = reader.points[self._passed_on]._replace(index=self._passed_on - self._start())
        self._passed_on += 1
        return point

    def in_one_go(self) -> AbstractContextManager[Iterator[Point | None]]:
        """Return the points as an iterator, as `Series` does."""
        return nullcontext(self)

    def _start(self) -> int:
        """Return where the sweep of the next point begins."""
        return [start for start in self._reader.starts if start <= self._passed_on][-1]

    def close(self) -> None:
        """Follow no longer; the sweep itself is not touched."""

    def rest(self) -> None:
        """Do nothing: nothing is trained here."""

    @property
    def settings(self) -> SweepSettings:
        """Those of the sweep, by default before its journal is there."""
        return self._reader.settings or SweepSettings()

    @property
    def notes(self) -> list[str]:
        """What the sweep had to say."""
        return self._reader.notes

    @property
    def starts(self) -> list[int]:
        """Where among the points that were passed on each sweep begins."""
        return [start for start in self._reader.starts if start < self._passed_on]

    @property
    def total(self) -> int:
        """How many points there will be, if no sweep from here on ends early."""
        return expected_points(self.starts, self.settings)

    @property
    def stop_reasons(self) -> list[str]:
        """Why each sweep ended; ``"stopped"`` for one that has not."""
        reasons = [*self._reader.stop_reasons, *[STOPPED] * len(self.starts)]
        return reasons[: len(self.starts)]

    @property
    def stop_reason(self) -> str:
        """Why all ended; ``"stopped"`` before that."""
        if self._reader.end:
            return self._reader.end
        return overall_reason(self.stop_reasons, self.settings.repeats)

    @property
    def loss_name(self) -> str:
        """The loss, in words."""
        return str(self._reader.header.get("loss", ""))

    @property
    def optimizer(self) -> str:
        """The name of the optimizer's class."""
        return str(self._reader.header.get("optimizer", ""))

    @property
    def network(self) -> str:
        """The kind of network."""
        return str(self._reader.header.get("network", ""))

    @property
    def batch_size(self) -> int:
        """How many samples a batch has; 0 if that is not known."""
        return int(self._reader.header.get("batch_size", 0))

    @property
    def group_rates(self) -> list[tuple[str, float]]:
        """Each parameter group's name, and its rate before the sweep."""
        groups = self._reader.header.get("groups", [])
        return [(str(group["label"]), float(group["lr"])) for group in groups]
