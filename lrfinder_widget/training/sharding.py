"""Models sharded by FSDP2 (``torch.distributed.fsdp.fully_shard``): each rank holds a part.

Nothing here communicates: every rank sees to its own shards.
"""

from __future__ import annotations

import sys
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from torch.nn import Module
from torch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from lrfinder_widget.training.memory import Memory

_FSDP = "torch.distributed.fsdp"
# Where its own objects are defined; what else they hold (meshes, modules, streams) is not theirs.
_OWN = f"{_FSDP}._fully_shard."


def local_part(tensor: Tensor) -> Tensor:
    """Return what this rank holds of a ``DTensor``; another tensor is returned as it is."""
    # `to_local` is differentiated; and the class is not imported for models that have none.
    return getattr(tensor, "_local_tensor", tensor)


def whole(tensor: Tensor) -> Tensor:
    """Return the value of a ``DTensor``, on every rank; all of them have to ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def is_sharded(module: Module) -> bool:
    """Return whether ``fully_shard`` was called on this very module."""
    fsdp = sys.modules.get(_FSDP)
    return fsdp is not None and isinstance(module, fsdp.FSDPModule)


def joins_ranks(model: Module) -> bool:
    """Return whether the ranks' models are kept the same, as far as can be told."""
    whole_model = ("DistributedDataParallel", "FullyShardedDataParallel")
    return any(
        is_sharded(module) or type(module).__name__ in whole_model for module in model.modules()
    )


def reshard(model: Any) -> None:
    """Let go of parameters that a forward pass gathered and no backward pass freed.

    They hide the sharded ones, which optimizer and snapshot deal with. What is no module is left
    to who checks that.
    """
    for module in model.modules() if isinstance(model, Module) else ():
        if is_sharded(module):
            module.reshard()  # type: ignore[operator]  # it is one of FSDP's


class ShardingSnapshot:
    """What FSDP keeps beside the parameters: most of it is made in the first forward pass.

    It is put back to not made where it was not: until then a user may still change the model, or
    run the first forward pass through another module. Resharding comes with it, at both ends.
    """

    def __init__(self, modules: Iterable[Module], memory: Memory) -> None:
        self._modules: list[Any] = [module for module in modules if is_sharded(module)]
        self._reshard()
        states = [module._get_fsdp_state() for module in self._modules]  # noqa: SLF001 - not public
        self._attributes = [(thing, dict(vars(thing))) for thing in _own_objects(states)]
        containers = [each for _, values in self._attributes for each in values.values()]
        for container in containers:
            memory.remember_items(container)
        self._handles = [(each, set(each)) for each in containers if isinstance(each, dict)]

    def _reshard(self) -> None:
        for module in self._modules:
            module.reshard()

    def undo_gathering(self) -> None:
        """Put the sharded parameters back under their names; the first thing to do.

        Hooks of a first forward pass that is undone are taken off: the next one adds its own.
        """
        for handles, before in self._handles:
            for key in handles.keys() - before:
                if isinstance(handles[key], RemovableHandle):
                    handles[key].remove()
        self._reshard()

    def restore(self) -> None:
        """Put all else back; the contents of containers are `Memory`'s."""
        for thing, before in self._attributes:
            now = vars(thing)
            for name in now.keys() - before.keys():
                del now[name]
            now.update(before)


def _own_objects(roots: Iterable[Any]) -> list[Any]:
    """Return FSDP's own objects among `roots` and what they hold."""
    found: dict[int, Any] = {}
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, (list, tuple, set, deque)):
            waiting.extend(thing)
        elif isinstance(thing, dict):
            waiting.extend(thing.values())
        elif _is_own(thing) and id(thing) not in found:
            found[id(thing)] = thing
            waiting.extend(vars(thing).values())
    return [*found.values()]


def _is_own(thing: Any) -> bool:
    return (
        type(thing).__module__.startswith(_OWN)
        and hasattr(thing, "__dict__")
        and not isinstance(thing, (Enum, Module))
    )
