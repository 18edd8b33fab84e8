"""What differs between the hosts of a notebook: routes of messages, displays, pictures."""

from __future__ import annotations

import contextvars
import sys
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.displayhook import DisplayHook
from IPython.core.getipython import get_ipython
from IPython.display import display, update_display

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_T = TypeVar("_T")


class Route:
    """The way back to the page that lets its clicks through while a cell runs.

    JupyterLab 4.4 and later sends widget messages to a subshell, a thread beside the main one. But
    ipykernel 7.4 delivers a page's message to the shell that *last sent* on the same comm, and a
    thread sends under the main shell's parent: from its first message on, clicks would wait for
    the running cell. So the sweep's thread sends in the context in which a message of the page was
    handled, whose parent names the subshell.
    """

    def __init__(self) -> None:
        self._context: contextvars.Context | None = None

    def learn(self) -> None:
        """Remember the calling context, if a page's message is being handled on a subshell."""
        if _parent("header").get("subshell_id"):
            self._context = contextvars.copy_context()

    @property
    def on_subshell(self) -> bool:
        """Whether a page's message has arrived on a subshell."""
        return self._context is not None

    def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call `function` in the remembered context."""
        if self._context is None:
            return function(*args)
        # A copy, since a context can be entered by one thread at a time.
        return self._context.copy().run(function, *args)


def _kernel() -> Any:
    return getattr(get_ipython(), "kernel", None)


def _parent(part: str) -> dict[str, Any]:
    """Return a part of the message that the kernel is answering."""
    kernel = _kernel()
    if kernel is None or not hasattr(kernel, "get_parent"):
        return {}
    found: dict[str, Any] = (kernel.get_parent() or {}).get(part) or {}
    return found


def running_cell() -> str | None:
    """Return the identity of the cell that is running, where the page gives it one."""
    return _parent("metadata").get("cellId")


def deliver_as_addressed(comm: Any) -> None:
    """Let a page's messages go to the subshell that they name, whoever sent last on the comm.

    Otherwise, once a page has gone and its subshell with it, ipykernel 7.4 looks for that one and
    drops what the next page sends.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, named: named  # noqa: SLF001 - nothing public


def when_closed(comm: Any, react: Callable[[], None]) -> None:
    """Call `react` before the host closes `comm`, which it does by itself.

    marimo closes the comms that a cell opened before that cell runs again, or goes: nothing would
    reach the page from then on.
    """
    close = comm.close

    def closing(*args: Any, **options: Any) -> None:
        comm.close = close  # `react` closes the comm, too
        try:
            react()
        finally:
            close(*args, **options)

    comm.close = closing


def has_subshells() -> bool:
    """Return whether the kernel can handle a page's messages while a cell runs."""
    # Not by kernel_info: IPython's banner draws its tip of the day from the random generator.
    return getattr(_kernel(), "shell_channel_thread", None) is not None


class Displays:
    """The outputs that show the widget, and the picture that is put beside it at the end."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._shown_by: str | None = None

    def show(self, bundle: dict[str, Any], *, explicitly: bool) -> None:
        """Display `bundle` in the running cell.

        ``w.show()`` returns the widget, which as the cell's last expression comes here again: it
        is shown once.
        """
        cell = _parent("header").get("msg_id")
        again = self._shown_by is not None and self._shown_by == cell
        if again and not explicitly and _as_last_expression():
            return
        if explicitly:
            self._shown_by = cell
        display_id = uuid.uuid4().hex
        if _kernel() is not None:  # elsewhere (marimo, a terminal) what is shown stays as it is
            self._ids.append(display_id)
        display(bundle, raw=True, display_id=display_id)

    def update(self, bundle: dict[str, Any]) -> None:
        """Replace every output that shows the widget."""
        for display_id in self._ids:
            update_display(bundle, raw=True, display_id=display_id)

    def __bool__(self) -> bool:
        return bool(self._ids)


def _as_last_expression() -> bool:
    """Return whether IPython is showing the value of a cell's last expression."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the documented way to look
    while frame is not None:
        if frame.f_code is DisplayHook.__call__.__code__:
            return True
        frame = frame.f_back
    return False
