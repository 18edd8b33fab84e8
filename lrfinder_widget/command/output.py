"""What the command says: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfinder_widget.points import Point


class Watching(Protocol):
    """Who is told of the points as they come."""

    def step(self, point: Point, total: int) -> None:
        """Hear of a point, and how many there will be."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on in silence: the sweep is worth more than the lines that nobody reads."""
        self.quiet = True
        # Python flushes what is left when it ends, and would complain.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class Output:
    """Writes to the terminal, or to whatever the output is sent to.

    Parameters
    ----------
    quiet
        Write nothing: for processes of which another one reports.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        # A line that is cut or wrapped could not be searched for, or copied.
        self._console = _Console(
            quiet=quiet, soft_wrap=True, markup=False, highlight=False, emoji=False
        )

    def say(self, text: str = "") -> None:
        """Write a line."""
        self._print(text)

    def headline(self, text: str) -> None:
        """Write a line that matters most."""
        self._print(text, style="bold")

    def warn(self, text: str) -> None:
        """Write a warning."""
        self._print(f"Warning: {text}", style="yellow")

    def _print(self, text: str, style: str | None = None) -> None:
        try:
            self._console.print(text, style=style)
        except OSError:  # the disk is full, say
            self._console.on_broken_pipe()

    @contextmanager
    def progress(self) -> Iterator[Watching]:
        """Show the points of a sweep while the block runs."""
        if not self._console.is_terminal:
            yield _Lines(self)
            return
        columns = (
            TextColumn("LR {task.fields[lr]:>8}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
        )
        with Progress(*columns, console=self._console) as progress:
            yield _Bar(progress)


class _Lines:
    def __init__(self, output: Output) -> None:
        self._output = output

    def step(self, point: Point, total: int) -> None:  # noqa: ARG002 - lines need no total
        self._output.say(f"LR: {point.lr:.2e} | Loss: {point.loss:.4f}")


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("sweep", total=None, lr="", loss="")

    def step(self, point: Point, total: int) -> None:
        self._progress.update(
            self._task, advance=1, total=total, lr=f"{point.lr:.2e}", loss=f"{point.loss:.4f}"
        )
