"""An optimizer before a sweep, and those it wraps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer

from lrfinder_widget.training.hook_tables import hooks_in, tables_of_optimizer
from lrfinder_widget.training.machinery import is_machinery
from lrfinder_widget.training.memory import items_of

if TYPE_CHECKING:
    from lrfinder_widget.training.memory import Memory

# An optimizer that loads a state into itself, or starts over, binds these anew.
_BOUND = ("state", "param_groups")
# By torch's own names: an attribute of the user's may be called n_hooks.
_HOOKS = {
    f"_optimizer_{what}_{when}_hooks"
    for what in ("step", "state_dict", "load_state_dict")
    for when in ("pre", "post")
}
_PLAIN = (Tensor, int, float, str, type(None))
_NOT_ATTRIBUTES = {*_BOUND, *_HOOKS, "defaults", "step"}


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
        # A projector or a preconditioner is state like a tensor, whatever size its own are.
        memory.remember_all(vars(part) for part in _objects_in(optimizer) if _is_plain_object(part))
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
    """Return the objects that an optimizer holds, and the hooks of its steps.

    SAM, Lookahead and the like wrap another optimizer; a hook may average the weights; a generator
    may stand in a group, and an object that computes steps in the state of a parameter.
    """
    hooks = hooks_in(tables_of_optimizer(optimizer))
    return [*_optimizer_attributes(optimizer).values(), *_objects_in(optimizer), *hooks]


def _objects_in(optimizer: Optimizer) -> list[Any]:
    """Return what stands in state and groups beside tensors, numbers and names."""
    # One by one: what is in a dict as long as that of all states is not looked at.
    state: Any = optimizer.state
    states = items_of(state) if isinstance(state, dict) else [state]
    groups = [_without_params(group) for group in optimizer.param_groups]
    values = [
        value
        for each in (*states, *groups)
        for value in (items_of(each) if isinstance(each, dict) else [each])
    ]
    return [value for value in values if not isinstance(value, _PLAIN)]


def _is_plain_object(value: Any) -> bool:
    covered = isinstance(value, (nn.Module, Optimizer, type)) or is_machinery(value)
    return hasattr(value, "__dict__") and not covered


def _optimizer_attributes(optimizer: Optimizer) -> dict[str, Any]:
    """Return what an optimizer keeps beside state and groups; hooks are seen to elsewhere."""
    return {name: value for name, value in vars(optimizer).items() if name not in _NOT_ATTRIBUTES}


def _without_params(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}
