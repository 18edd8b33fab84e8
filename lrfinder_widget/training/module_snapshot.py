"""A module before a sweep: its mode, what stands under its names, its plain attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from lrfinder_widget.training.reachable import reachable_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfinder_widget.training.memory import Memory

# Torch's own tables of a module. They are restored as containers, so that a parameter or buffer
# which a forward pass replaced is the former object again.
_TABLES = ("_parameters", "_buffers", "_non_persistent_buffers_set")
# Not a module's own state: its submodules are visited one by one.
_NOT_ATTRIBUTES = {*_TABLES, "_modules", "training"}


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
    """Return the modules of the model and of the loss, or what a loss function closes over.

    Modules in plain lists and dicts count too: they are not registered, but they are run.
    """
    found: dict[int, nn.Module] = {}
    of_loss = (thing for thing in reachable_from([loss_fn]) if isinstance(thing, nn.Module))
    waiting = [model, *of_loss]
    while waiting:
        for module in waiting.pop().modules():
            if id(module) not in found:
                found[id(module)] = module
                for value in _attributes(module).values():
                    waiting.extend(_modules_in(value))
    return list(found.values())


def _modules_in(value: Any) -> Iterator[nn.Module]:
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _modules_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _modules_in(item)
