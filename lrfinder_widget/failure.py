"""What went wrong in the user's code, in the words that help to find it."""

from __future__ import annotations

import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = str(Path(__file__).parent)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


@dataclass(frozen=True)
class Failure:
    """An exception that ended a sweep.

    Attributes
    ----------
    error
        The exception itself.
    type, message
        Its class's name and its text.
    where
        File, line and source of the last line of the user's own code, "" if there is none.
    """

    error: BaseException
    type: str
    message: str
    where: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe `error`."""
        return cls(error, type(error).__name__, str(error).strip(), _where(error))


def _where(error: BaseException) -> str:
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)
    ]
    if not frames:
        return ""
    frame = frames[-1]
    # A cell's file has a name that means nothing to its author.
    cell = "ipykernel" in frame.filename or frame.filename.startswith("<")
    name = "cell" if cell else Path(frame.filename).name
    return f"{name}, line {frame.lineno}: {frame.line or frame.name}"


def _is_users(filename: str) -> bool:
    if filename.startswith(_PACKAGE):
        return False
    if filename.startswith("<frozen") or "site-packages" in filename:
        return False
    return not filename.startswith(_LIBRARIES)
