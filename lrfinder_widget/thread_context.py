"""What torch keeps for each thread, taken over from the one that started a sweep."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Self

import torch

_DEVICE_TYPES = ("cpu", "cuda", "mps", "xpu")


@dataclass(frozen=True)
class _Autocast:
    device_type: str
    dtype: torch.dtype


@dataclass
class ThreadContext:
    """Autocast, default device and CUDA device of a thread; enter it in another.

    Grad mode is not taken over: a sweep trains.
    """

    autocasts: tuple[_Autocast, ...] = ()
    autocast_cache: bool = True
    default_device: torch.device | None = None
    cuda_device: int | None = None
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    @classmethod
    def current(cls) -> ThreadContext:
        """Return the calling thread's."""
        default = torch.get_default_device()
        return cls(
            autocasts=tuple(
                _Autocast(kind, torch.get_autocast_dtype(kind))
                for kind in _DEVICE_TYPES
                if _autocasts(kind)
            ),
            autocast_cache=torch.is_autocast_cache_enabled(),
            # Entering a default device costs at each torch call: only where one was set.
            default_device=default if default != torch.device("cpu") else None,
            cuda_device=torch.cuda.current_device() if torch.cuda.is_initialized() else None,
        )

    def __enter__(self) -> Self:
        stack = self._stack
        if self.cuda_device is not None:
            stack.enter_context(torch.cuda.device(self.cuda_device))
        if self.default_device is not None:
            stack.enter_context(self.default_device)
        for autocast in self.autocasts:
            stack.enter_context(
                torch.autocast(
                    autocast.device_type, dtype=autocast.dtype, cache_enabled=self.autocast_cache
                )
            )
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()


def _autocasts(kind: str) -> bool:
    try:
        return torch.is_autocast_enabled(kind)
    except RuntimeError:  # a device type that this build of torch does not have
        return False
