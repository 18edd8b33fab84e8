"""A notebook's cells: a widget hears when one that shows it runs again, and when one has ended."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

from lrfinder_widget.widget.host import running_cell

if TYPE_CHECKING:
    from collections.abc import Callable

_watched: weakref.WeakSet[Cells] = weakref.WeakSet()


class Cells:
    """Knows which cells show a widget; a cell that runs again no longer does.

    A widget that no cell shows any more is out of sight: at once if the cell that runs again made
    it, too, and makes another one in its place; else when that cell has ended without showing it
    anew. Where cells have no identity (outside JupyterLab and Notebook 7, VS Code and the like),
    none is ever out of sight.

    Parameters
    ----------
    out_of_sight
        Called when no cell shows the widget any more.
    ended
        Called when any cell has ended.
    """

    def __init__(self, *, out_of_sight: Callable[[], None], ended: Callable[[], None]) -> None:
        self._out_of_sight = out_of_sight
        self._ended = ended
        self._made_by = running_cell()
        self._shown_by: set[str | None] = set()
        self._lost = False
        shell = get_ipython()
        if shell is not None:
            shell.events.register("pre_run_cell", _tell_begin)  # once: it knows what it has
            shell.events.register("post_run_cell", _tell_end)
            _watched.add(self)

    def show(self) -> None:
        """Note that the running cell shows the widget."""
        self._shown_by.add(running_cell())
        self.keep()

    def keep(self) -> None:
        """Let the widget go on unseen: the running cell uses it."""
        self._lost = False

    def forget(self) -> None:
        """Hear no more."""
        _watched.discard(self)

    def begin(self, cell: str) -> None:
        """Hear that a cell begins to run: what it showed goes."""
        if cell not in self._shown_by:
            return
        self._shown_by.remove(cell)
        self._lost = not self._shown_by
        if self._made_by == cell:
            self._give_up_if_lost()

    def end(self) -> None:
        """Hear that a cell has ended."""
        self._give_up_if_lost()
        self._ended()

    def _give_up_if_lost(self) -> None:
        if self._lost:
            self._lost = False
            self._out_of_sight()


# IPython's own word for the cell, not the kernel's: `%%capture` runs its lines as a cell without
# identity within the one that is running.
def _tell_begin(info: Any) -> None:
    cell = getattr(info, "cell_id", None)
    if cell is not None:
        for cells in list(_watched):
            cells.begin(cell)


def _tell_end(_result: Any) -> None:
    for cells in list(_watched):
        cells.end()
