"""A plain buffer of Python's before a sweep: a ``bytearray`` or an ``array.array``."""

from __future__ import annotations

from array import array

BUFFERS = (bytearray, array)


class BufferSnapshot:
    """The numbers in one buffer.

    Parameters
    ----------
    buffer
        Where they are.
    largest
        How many bytes are kept; a larger one is data that is read.
    """

    def __init__(self, buffer: bytearray | array[float], largest: int) -> None:
        self._buffer = buffer
        size = len(buffer) * getattr(buffer, "itemsize", 1)
        self._numbers = buffer[:] if size <= largest else None

    def restore(self) -> None:
        """Put them back, if they are others."""
        if self._numbers is not None and self._buffer != self._numbers:
            self._buffer[:] = self._numbers  # type: ignore[assignment]
