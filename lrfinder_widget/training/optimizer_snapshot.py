"""An optimizer before a sweep, and those it wraps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from lrfinder_widget.training.memory import Memory

# An optimizer that loads a state into itself, or starts over, binds these anew.
_BOUND = ("state", "param_groups")
_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


class OptimizerSnapshot:
    """An optimizer's state and groups, put back into its own dicts and tensors.

    ``load_state_dict`` would replace groups, states and tensor rates, and cast. Of the group keys
    only those that the sweep changed are written, so that what somebody adds or sets meanwhile
    stays; the same holds for further groups.
    """

    def __init__(self, optimizer: Optimizer, memory: Memory) -> None:
        self._optimizer = optimizer
        self._bound = {name: vars(optimizer)[name] for name in _BOUND if name in vars(optimizer)}
        memory.remember(optimizer.state)
        self._list_of_groups = optimizer.param_groups
        self._groups_seen = list(self._list_of_groups)
        self._groups_changed = False
        self._groups = [(group, _without_params(group)) for group in optimizer.param_groups]
        for _, saved in self._groups:
            memory.remember_all(saved.values())
        self._seen = [dict(group) for group in optimizer.param_groups]
        self._changed: set[str] = {"lr"}
        self._attributes = _optimizer_attributes(optimizer)
        memory.remember_all(self._attributes.values())

    def note_changes(self, *, by_sweep: bool) -> None:
        """Look at the groups; the keys that changed since the last look are the sweep's or not.

        Those that were once the sweep's stay so.
        """
        groups = list(self._list_of_groups)
        if by_sweep and [*map(id, groups)] != [*map(id, self._groups_seen)]:
            self._groups_changed = True
        self._groups_seen = groups
        for index, (group, _) in enumerate(self._groups):
            seen, now = self._seen[index], dict(group)
            self._seen[index] = now
            if by_sweep:
                changed = {
                    key for key in seen | now if seen.get(key, self) is not now.get(key, self)
                }
                self._changed |= changed - {"params"}

    def restore(self) -> None:
        """Write back the changed group keys and the optimizer's own counters."""
        if self._groups_changed:
            self._list_of_groups[:] = [group for group, _ in self._groups]
        for group, saved in self._groups:
            for key in self._changed:
                if key in saved:
                    group[key] = saved[key]
                else:
                    group.pop(key, None)
        attributes = vars(self._optimizer)
        for name in _optimizer_attributes(self._optimizer).keys() - self._attributes.keys():
            del attributes[name]
        attributes.update(self._attributes)
        attributes.update(self._bound)


def parts_of_optimizer(optimizer: Optimizer) -> list[Any]:
    """Return what an optimizer holds beside state and groups, and the hooks of its steps.

    SAM, Lookahead and the like wrap another optimizer; a hook may average the weights.
    """
    hooks = [hook for name in _HOOKS for hook in list(vars(optimizer).get(name, {}).values())]
    return [*_optimizer_attributes(optimizer).values(), *hooks]


def _optimizer_attributes(optimizer: Optimizer) -> dict[str, Any]:
    """Return what an optimizer keeps beside state and groups; hooks of others stay as they are."""
    return {
        name: value
        for name, value in vars(optimizer).items()
        if name not in {*_BOUND, "defaults", "step"} and "_hooks" not in name
    }


def _without_params(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}
