"""The hooks that run in a step: what the steps of a sweep did to them is undone."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn
    from torch.optim import Optimizer

# Not those of state_dict: no step runs them.
_OF_MODULES = (
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks",
    "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_backward_pre_hooks",
    "_backward_hooks",
)  # fmt: skip
_OF_OPTIMIZERS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
_OF_TENSORS = ("_backward_hooks", "_post_accumulate_grad_hooks")
_NO_TABLE: dict[int, Any] = {}


class HookTables:
    """The tables of hooks of modules, optimizers and tensors.

    A hook may remove itself when it has done its work (an initialisation by the first batch), and
    a forward pass may register one. Others may do so meanwhile too, which stays: so the tables are
    looked at before and after a step, and what changed between is the sweep's.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        optimizers: Iterable[Optimizer],
        tensors: Iterable[Tensor],
    ) -> None:
        self._fixed = [table for each in modules for table in tables_of_module(each)]
        self._fixed += [table for each in optimizers for table in tables_of_optimizer(each)]
        self._tensors = [tensor for tensor in tensors if tensor.requires_grad]
        self._before = [dict(table) for table in self._tables()]
        self._seen = [*map(tuple, self._before)]
        self._all_seen = self._all()
        # By table, the keys of the hooks that a step of the sweep's added or removed.
        self._changed: dict[int, set[int]] = {}

    def _tables(self) -> list[dict[int, Any]]:
        """Return all tables, in one order; a tensor gets its own with its first hook."""
        tables = [*self._fixed, *tables_of_tensors(self._tensors)]
        return [_NO_TABLE if table is None else table for table in tables]

    def _all(self) -> list[int]:
        """Return the keys of all hooks: of a thousand modules in a tenth of a millisecond."""
        of_tensors = (map(attrgetter(name), self._tensors) for name in _OF_TENSORS)
        return [*chain.from_iterable(filter(None, chain(self._fixed, *of_tensors)))]

    def note_changes(self, *, by_sweep: bool) -> None:
        """Look at the tables; what changed since the last look is the sweep's or not."""
        all_now = self._all()
        if all_now == self._all_seen:
            return
        now = [*map(tuple, self._tables())]
        if by_sweep:
            for index, (keys, seen) in enumerate(zip(now, self._seen, strict=True)):
                if keys != seen:
                    self._changed.setdefault(index, set()).update({*keys} ^ {*seen})
        self._seen, self._all_seen = now, all_now

    def restore(self) -> None:
        """Register again what the sweep removed, in its place, and remove what it registered."""
        tables = self._tables()
        for index, changed in self._changed.items():
            table, before = tables[index], self._before[index]
            now = dict(table)
            wanted = {key: before[key] for key in before if key in now or key in changed}
            wanted |= {key: now[key] for key in now if key not in before and key not in changed}
            if table is not _NO_TABLE:
                table.clear()
                table.update(wanted)


def tables_of_module(module: nn.Module) -> list[dict[int, Any] | None]:
    """Return the tables of a module's own hooks; those that say how a hook is called too."""
    return [vars(module).get(name) for name in _OF_MODULES]


def tables_of_optimizer(optimizer: Optimizer) -> list[dict[int, Any] | None]:
    """Return the tables of the hooks of an optimizer's steps."""
    return [vars(optimizer).get(name) for name in _OF_OPTIMIZERS]


def tables_of_tensors(tensors: Iterable[Tensor]) -> list[dict[int, Any] | None]:
    """Return the tables of the hooks of tensors' gradients; None for those not made yet."""
    return [getattr(tensor, name, None) for tensor in tensors for name in _OF_TENSORS]


def hooks_in(tables: Iterable[dict[int, Any] | None]) -> list[Any]:
    """Return the hooks that stand in tables."""
    return [hook for table in tables if table for hook in list(table.values())]
