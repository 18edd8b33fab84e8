"""Whether an error says that memory has run out: torch has several ways to say so."""

from __future__ import annotations

import torch

# What torch's allocators, and libraries below it, say in a plain RuntimeError.
_WORDS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` says that memory has run out, a device's or the processor's."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)
