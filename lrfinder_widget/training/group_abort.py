"""Release a process that waits in a collective whose other side will never come."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

# Of a message that nobody sends. DDP, FSDP and users count theirs from 0.
_TAG = 0x7F00_0000
_AT_ONCE = timedelta(milliseconds=1)


def abort_groups() -> None:
    """Break all process groups of this process, from whatever thread.

    A collective in progress raises at once, on this rank and (by the closed connections) on the
    others; so does every later one. Only ``destroy_process_group`` is left to do.
    """
    for group in list(dist.distributed_c10d._world.pg_map):  # noqa: SLF001 - no public list of them
        for backend in _backends(group):
            if type(backend).__name__ == "ProcessGroupGloo":
                _break_connections(backend)
            else:
                backend.abort()


def _backends(group: Any) -> list[Any]:
    backends: dict[int, Any] = {}
    for device_type in group._device_types:  # noqa: SLF001 - as above
        backend = group._get_backend(torch.device(device_type))  # noqa: SLF001 - as above
        backend = getattr(backend, "wrapped_pg", backend)  # TORCH_DISTRIBUTED_DEBUG=DETAIL wraps it
        backends[id(backend)] = backend
    return list(backends.values())


def _break_connections(gloo: Any) -> None:
    """Break gloo's connections: its own ``abort`` leaves the waiting ones waiting (torch 2.13).

    A receive that times out closes all connections that it shares a device with, and fails
    everything that waits on them.
    """
    if gloo.size() == 1:
        return
    other = (gloo.rank() + 1) % gloo.size()
    devices = getattr(gloo.options, "_devices", (None,))
    for index in range(len(devices)):
        # It raises either way: by the time-out that is wanted, or since the connection is down.
        with suppress(RuntimeError):
            gloo.recv([torch.zeros(1)], other, _TAG + index).wait(_AT_ONCE)
