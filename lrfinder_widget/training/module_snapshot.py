"""A module before a sweep: its mode, what stands under its names, its plain attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from lrfinder_widget.training.reachable import reachable_from

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lrfinder_widget.training.memory import Memory

# Torch's own tables of a module. They are restored as containers, so that a parameter or buffer
# which a forward pass replaced is the former object again.
_TABLES = ("_parameters", "_buffers", "_non_persistent_buffers_set")
# Not a module's own state: its submodules are visited one by one.
_NOT_ATTRIBUTES = {*_TABLES, "_modules", "training", "_compiled_call_impl"}


class ModuleSnapshot:
    """One module, without its submodules.

    Plain attributes count: a forward pass may count its calls, keep a hidden state, append to a
    list. Hooks do not, since others may add some meanwhile.
    """

    def __init__(self, module: nn.Module, memory: Memory) -> None:
        self._module = module
        self._training = module.training
        self.attributes = _attributes(module)
        for table in _TABLES:
            memory.remember(vars(module).get(table))
        memory.remember_all(self.attributes.values())

    def restore(self) -> None:
        """Put mode and attributes back; the contents of tensors and containers are `Memory`'s."""
        attributes = vars(self._module)
        for name in _attributes(self._module).keys() - self.attributes.keys():
            del attributes[name]
        attributes.update(self.attributes)
        self._module.training = self._training


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if name not in _NOT_ATTRIBUTES and "_hooks" not in name
    }


def modules_of(model: nn.Module, loss_fn: Any) -> list[nn.Module]:
    """Return the modules of the model, of the loss, and those that these hold or name.

    A module in a plain list is not registered, but it is run; so is one that a loss function
    closes over.
    """
    found: dict[int, nn.Module] = {}
    waiting: list[Any] = [model, loss_fn]
    while waiting:
        reached = [each for each in reachable_from(waiting) if isinstance(each, nn.Module)]
        new = {id(part): part for each in reached for part in each.modules()}
        new = {key: module for key, module in new.items() if key not in found}
        found |= new
        waiting = parts_of(new.values())
    return list(found.values())


def parts_of(modules: Iterable[nn.Module]) -> list[Any]:
    """Return the plain attributes of modules, without the many that are numbers and names."""
    return [
        value
        for module in modules
        for value in _attributes(module).values()
        if not isinstance(value, (int, float, str, type(None)))
    ]
