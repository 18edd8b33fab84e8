"""The folder that a command writes to, in which nothing was before."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from lrfinder_widget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = Path("runs")


@contextmanager
def own_folder(output: str | None, name: str = "lr_finder") -> Iterator[Path]:
    """Make a folder for the block: `output`, or one below ``runs`` named by the time.

    It is taken away again if nothing is in it at the end.

    Raises
    ------
    SettingsError
        If there is something at `output`, since nothing is ever overwritten, or it cannot be
        written to.
    """
    made = _missing(RUNS if output is None else Path(output))
    try:
        try:
            if output is None:
                path = _numbered(name)
                made = [path, *made]
            else:
                path = _empty(Path(output))
            with TemporaryFile(dir=path):  # now, and not after a sweep
                pass
        except OSError as error:
            place = RUNS if output is None else output
            raise SettingsError(f"cannot write to {place}: {error.strerror}") from error
        yield path
    finally:
        for folder in made:
            with suppress(OSError):  # something is in it
                folder.rmdir()


def taken(path: Path) -> SettingsError:
    """Return the error that there is something at `path`."""
    return SettingsError(f"--output {path} exists, and is not overwritten; name another")


def _missing(path: Path) -> list[Path]:
    return [each for each in (path, *path.parents) if not each.exists()]


def _empty(path: Path) -> Path:
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise taken(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _numbered(name: str) -> Path:
    """Make a folder that no other run has, were they started at once."""
    # The user's own time, which the name is read by.
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    for number in count(1):
        path = RUNS / (f"{name}_{stamp}" if number == 1 else f"{name}_{stamp}-{number}")
        with suppress(FileExistsError):
            path.mkdir(parents=True)
            break
    return path
