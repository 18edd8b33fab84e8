"""Where the modules that a config names are looked for."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfinder_widget.command.config import Config


@contextmanager
def importable(config: Config) -> Iterator[None]:
    """Make a config's modules, and those in the working folder, importable for the block."""
    before = [*sys.path]
    sys.path[:0] = [str(config.module_folder), str(Path.cwd())]
    try:
        yield
    finally:
        sys.path[:] = before
