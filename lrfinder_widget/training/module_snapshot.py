"""A module before a sweep: its mode, what stands under its names, its plain attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lrfinder_widget.training.hook_tables import hooks_in, tables_of_module, tables_of_tensors

if TYPE_CHECKING:
    from lrfinder_widget.training.memory import Memory

# Torch's own tables of a module. They are restored as containers, so that a parameter or buffer
# or submodule which a forward pass replaced is the former object again, and one that it made is
# gone. A table may be another object itself: `del layers[0]` makes a new one.
_TABLES = ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules")
# By torch's own names: an attribute of the user's may be called n_hooks.
_HOOKS = {name for name in vars(nn.Module()) if "_hooks" in name}
_HOOKS_OF_DDP = {"_comm_hooks", "_accum_grad_hooks"}
_NOT_ATTRIBUTES = {*_TABLES, *_HOOKS, *_HOOKS_OF_DDP, "training", "_compiled_call_impl"}


class ModuleSnapshot:
    """One module, with the names but not the contents of its submodules.

    Plain attributes count, and those of its parameters and buffers: a forward pass may count its
    calls, keep a hidden state, append to a list, and a hook add up a ``main_grad``. Hooks are left
    to `lrfinder_widget.training.hook_tables`, since others may add some meanwhile.
    """

    def __init__(self, module: nn.Module, memory: Memory) -> None:
        self._module = module
        self._training = module.training
        self.attributes = _attributes(module)
        self._tables = {name: vars(module)[name] for name in _TABLES if name in vars(module)}
        memory.remember_all(self._tables.values())
        memory.remember_all(vars(tensor) for tensor in _tensors(module))
        memory.remember_all(self.attributes.values())

    def restore(self) -> None:
        """Put mode and attributes back; the contents of tensors and containers are `Memory`'s."""
        attributes = vars(self._module)
        for name in _attributes(self._module).keys() - self.attributes.keys():
            del attributes[name]
        attributes.update(self._tables)
        attributes.update(self.attributes)
        self._module.training = self._training


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _NOT_ATTRIBUTES}


def _tensors(module: nn.Module) -> list[Tensor]:
    """Return a module's own parameters and buffers, without its submodules'."""
    tables = (module._parameters, module._buffers)  # noqa: SLF001 - as said
    return [each for table in tables for each in table.values() if isinstance(each, Tensor)]


def parts_of_module(module: nn.Module) -> list[Any]:
    """Return the plain attributes of a module and its tensors, without numbers and names."""
    values = [*_attributes(module).values()]
    values += [value for tensor in _tensors(module) for value in vars(tensor).values()]
    return [value for value in values if not isinstance(value, (int, float, str, type(None)))]


def hooks_of_module(module: nn.Module) -> list[Any]:
    """Return the hooks that run in a step: those of the module, and of its own tensors."""
    return hooks_in([*tables_of_module(module), *tables_of_tensors(_tensors(module))])
