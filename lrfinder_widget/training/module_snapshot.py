"""A module before a sweep: its mode, what stands under its names, its plain attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from lrfinder_widget.training.memory import Memory

# Torch's own tables of a module. They are restored as containers, so that a parameter or buffer
# or submodule which a forward pass replaced is the former object again, and one that it made is
# gone. A table may be another object itself: `del layers[0]` makes a new one.
_TABLES = ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules")
_NOT_ATTRIBUTES = {*_TABLES, "training", "_compiled_call_impl"}
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_HOOKS_OF_TENSORS = ("_backward_hooks", "_post_accumulate_grad_hooks")


class ModuleSnapshot:
    """One module, with the names but not the contents of its submodules.

    Plain attributes count: a forward pass may count its calls, keep a hidden state, append to a
    list. Hooks do not, since others may add some meanwhile.
    """

    def __init__(self, module: nn.Module, memory: Memory) -> None:
        self._module = module
        self._training = module.training
        self.attributes = _attributes(module)
        self._tables = {name: vars(module)[name] for name in _TABLES if name in vars(module)}
        memory.remember_all(self._tables.values())
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
    return {
        name: value
        for name, value in vars(module).items()
        if name not in _NOT_ATTRIBUTES and "_hooks" not in name
    }


def parts_of_module(module: nn.Module) -> list[Any]:
    """Return the plain attributes of a module, without the many that are numbers and names."""
    return [
        value
        for value in _attributes(module).values()
        if not isinstance(value, (int, float, str, type(None)))
    ]


def hooks_of_module(module: nn.Module) -> list[Any]:
    """Return the hooks that run in a step: those of the module, and of its own parameters."""
    tables = [vars(module).get(name) for name in _HOOKS]
    for parameter in module._parameters.values():  # noqa: SLF001 - theirs, without submodules'
        if parameter is not None:
            tables += [getattr(parameter, name, None) for name in _HOOKS_OF_TENSORS]
    return [hook for table in tables if table for hook in list(table.values())]
