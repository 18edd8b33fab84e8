"""The folder of a run: what was asked, the points as they come, the result in all its forms."""

from __future__ import annotations

import io
import json
import platform
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ruamel.yaml import YAML

from lrfinder_widget.command.own_folder import taken
from lrfinder_widget.errors import LRFinderError, SettingsError
from lrfinder_widget.figure import png
from lrfinder_widget.interrupts import interrupts_deferred
from lrfinder_widget.journal import Journal
from lrfinder_widget.result import LRFinderResult
from lrfinder_widget.result_files import JOURNAL, RESULT, write_whole

if TYPE_CHECKING:
    from lrfinder_widget.command.plan import Plan

CONFIG, ENVIRONMENT = "config.yaml", "environment.json"
CURVE, PNG, HTML = "curve.csv", "lr_finder.png", "lr_finder.html"


class RunFolder:
    """A folder that nothing was in before.

    Parameters
    ----------
    path
        Where; it is made by `begin`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: list[Path] = []
        self._written: list[Path] = []

    @property
    def journal(self) -> Path:
        """Where the points go as they come."""
        return self.path / JOURNAL

    def begin(self, plan: Plan) -> None:
        """Make the folder, and write what is asked for and with what it is done.

        Raises
        ------
        SettingsError
            If another run has taken the folder meanwhile, or it cannot be written to.
        """
        self._made = [each for each in (self.path, *self.path.parents) if not each.exists()]
        text = io.StringIO()
        text.write("# All that this run was given. From the folder it was run in, this does it\n")
        text.write(f"# again: lr-finder run --config {self.path / CONFIG}\n")
        YAML().dump(plan.to_dict(), text)
        document = json.dumps(_environment(plan), indent=1)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # Of runs started at once, the one that makes this file has the folder.
            self._write_new(CONFIG, text.getvalue())
            self._write_new(ENVIRONMENT, document + "\n")
        except FileExistsError as error:
            raise taken(self.path) from error
        except OSError as error:
            raise SettingsError(f"cannot write to {self.path}: {error.strerror}") from error

    def new_journal(self) -> Journal:
        """Return the journal to write, which `discard` takes away with the rest."""
        journal = Journal(self.journal)
        self._written.append(self.journal)
        return journal

    def write_result(self, result: LRFinderResult) -> None:
        """Write the result: to be loaded, to be read by other programs, and to be looked at."""
        result.save(self.path / RESULT)
        result.to_csv(self.path / CURVE)
        self._draw(result)

    def discard(self) -> None:
        """Take away what this run made, and nothing else: it is not worth keeping yet."""
        for path in self._written:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        for folder in self._made:
            with suppress(OSError):  # something of another's may be in it
                folder.rmdir()

    def _write_new(self, name: str, text: str) -> None:
        path = self.path / name
        # An interrupt in between would leave a file that nobody owns.
        with interrupts_deferred(), path.open("x", encoding="utf-8", newline="\n") as file:
            self._written.append(path)
            file.write(text)

    def _draw(self, result: LRFinderResult) -> None:
        (self.path / PNG).write_bytes(png(result))
        # With all of Plotly inside, since a server may have no way out.
        write_whole(self.path / HTML, result.figure().to_html(include_plotlyjs=True))


def load_run(path: Path) -> LRFinderResult:
    """Load the result of a run's folder, or of a file from it.

    Raises
    ------
    SettingsError
        If there is none that can be read.
    """
    folds = sorted(path.glob(f"fold_*/{RESULT}"))
    if folds:
        raise SettingsError(
            f"{path} holds a run for each fold; pass one of them, such as {folds[0].parent}"
        )
    try:
        return LRFinderResult.load(path)
    except (OSError, LRFinderError) as error:
        raise SettingsError(f"{path} is no run that can be read: {error}") from error


def _environment(plan: Plan) -> dict[str, Any]:
    accelerators = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "command": sys.argv,
        "folder": str(Path.cwd()),
        "seed": plan.settings.seed,
        "deterministic": plan.deterministic,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "lrfinder-widget": version("lrfinder-widget"),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "accelerators": accelerators,
    }
