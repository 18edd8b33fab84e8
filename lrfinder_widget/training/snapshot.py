"""All that a sweep touches, as it was before: taken once, put back in place."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from lrfinder_widget.training.memory import Memory
from lrfinder_widget.training.reachable import generators_in, reachable_from, scalars_of

# Module attributes that are not state of the training: hooks may be added by others meanwhile and
# stay; submodules are visited on their own.
_MODULE_INTERNALS = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"}


class Snapshot:
    """Model, loss, optimizer and loader before a sweep.

    Covers parameters and buffers (which object stands under which name, and its values), gradients
    (``None`` stays ``None``), the mode of each submodule, plain attributes that a forward pass
    changes, optimizer state, the parameter-group keys that the optimizer changes, and what the
    loader, its sampler, dataset and transforms hold: random generators and counters.

    The generators of the whole process are not here: see
    `lrfinder_widget.training.random_streams`.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss_fn: Any = None,
        loader: Any = None,
        scheduler: Any = None,
    ) -> None:
        self._modules = _modules_of(model, loss_fn)
        self._memory = Memory()
        self._modes = [(module, module.training) for module in self._modules]
        self._attributes = [(module, _attributes(module)) for module in self._modules]
        for module, attributes in self._attributes:
            self._memory.remember(module._parameters)
            self._memory.remember(module._buffers)
            self._memory.remember(module._non_persistent_buffers_set)
            self._memory.remember_all(attributes.values())

        self._parameters = _unique(
            [parameter for module in self._modules for parameter in module._parameters.values()]
            + [parameter for group in optimizer.param_groups for parameter in group["params"]]
        )
        self._memory.remember_all(self._parameters)
        self._gradients = [(parameter, parameter.grad) for parameter in self._parameters]
        self._requires_grad = [(parameter, parameter.requires_grad) for parameter in self._parameters]

        self._optimizers = [
            OptimizerSnapshot(each, self._memory) for each in _with_wrapped(optimizer)
        ]
        if scheduler is not None:
            self._memory.remember(vars(scheduler))

        around = [
            thing for thing in reachable_from([loader, loss_fn]) if not isinstance(thing, nn.Module)
        ]
        self._scalars = [(thing, scalars_of(thing)) for thing in around]
        held = reachable_from(
            value for _, attributes in self._attributes for value in attributes.values()
        )
        self._generators = generators_in([*around, *held])
        self._loader_state = _LoaderState(loader)

    def detach_gradients(self) -> None:
        """Take the gradients off, so that the sweep neither adds to them nor overwrites them."""
        for parameter in self._parameters:
            parameter.grad = None

    def before_step(self, index: int) -> None:
        """Look at the parameter groups before step `index`."""
        for optimizer in self._optimizers:
            optimizer.before_step(index)

    def after_step(self) -> None:
        """Note which parameter-group keys the step that just ended has changed."""
        for optimizer in self._optimizers:
            optimizer.after_step()

    def restore(self) -> None:
        """Put everything back."""
        for module, attributes in self._attributes:
            _restore_attributes(module, attributes)
        for optimizer in self._optimizers:
            optimizer.restore()
        self._memory.restore()
        for parameter, requires_grad in self._requires_grad:
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        for module, training in self._modes:
            module.training = training
        for thing, scalars in self._scalars:
            for name, value in scalars.items():
                if vars(thing).get(name) is not value:
                    vars(thing)[name] = value
        for generator in self._generators:
            generator.restore()
        self._loader_state.restore()


class OptimizerSnapshot:
    """An optimizer's state and groups, put back into its own dicts and tensors.

    ``load_state_dict`` would replace groups, states and tensor rates, and cast. Of the group keys
    only those that the sweep changed are written, so that what somebody adds or sets meanwhile
    stays.
    """

    # The rate changes at each step; other keys are an optimizer's own book-keeping (a step count,
    # an estimate of the rate), which starts at its first steps: look closely there, rarely later.
    _CLOSE = 10
    _RARELY = 16

    def __init__(self, optimizer: Optimizer, memory: Memory) -> None:
        self._optimizer = optimizer
        memory.remember(optimizer.state)
        self._groups = [(group, _without_params(group)) for group in optimizer.param_groups]
        for _, saved in self._groups:
            memory.remember_all(saved.values())
        self._changed: set[str] = {"lr"}
        self._before: list[dict[str, Any]] = []
        self._attributes = _optimizer_attributes(optimizer)
        memory.remember_all(self._attributes.values())

    def before_step(self, index: int) -> None:
        """Look at the groups, if this is a step to watch."""
        if index < self._CLOSE or index % self._RARELY == 0:
            self._before = [dict(group) for group, _ in self._groups]

    def after_step(self) -> None:
        """Note the group keys that the step has changed."""
        if not self._before:
            return
        for (group, _), before in zip(self._groups, self._before, strict=True):
            for key, value in group.items():
                if key not in before or before[key] is not value:
                    self._changed.add(key)
        self._changed.discard("params")
        self._before = []

    def restore(self) -> None:
        """Write back the changed group keys and the optimizer's own counters."""
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


def _with_wrapped(optimizer: Optimizer) -> list[Optimizer]:
    """Return `optimizer` and those it wraps, as SAM, Lookahead and the like do."""
    found: dict[int, Optimizer] = {}
    waiting: list[Any] = [optimizer]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, Optimizer) and id(thing) not in found:
            found[id(thing)] = thing
            waiting.extend(_optimizer_attributes(thing).values())
        elif isinstance(thing, (list, tuple)):
            waiting.extend(item for item in thing if isinstance(item, Optimizer))
    return list(found.values())


def _optimizer_attributes(optimizer: Optimizer) -> dict[str, Any]:
    """Return what an optimizer keeps beside state and groups; hooks of others stay as they are."""
    return {
        name: value
        for name, value in vars(optimizer).items()
        if name not in {"state", "param_groups", "defaults", "step"} and "_hooks" not in name
    }


class _LoaderState:
    """The position of a loader that can tell and set it.

    A ``DataLoader`` is read through a copy (`lrfinder_widget.training.batches`), which leaves the
    user's where it is, and asking some of its kinds for their state moves them.
    """

    def __init__(self, loader: Any) -> None:
        self._load = None
        ask = getattr(loader, "state_dict", None)
        load = getattr(loader, "load_state_dict", None)
        if callable(ask) and callable(load) and not isinstance(loader, (DataLoader, nn.Module)):
            self._load = load
            self._state = copy.deepcopy(ask())

    def restore(self) -> None:
        if self._load is not None:
            self._load(self._state)


def _modules_of(model: nn.Module, loss_fn: Any) -> list[nn.Module]:
    """Return the modules of the model and of the loss, or what a loss function closes over.

    Modules in plain lists and dicts count too: they are not registered, but they are run.
    """
    found: dict[int, nn.Module] = {}
    waiting = [model, *(thing for thing in reachable_from([loss_fn]) if isinstance(thing, nn.Module))]
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


def _unique(things: Iterable[Any]) -> list[Any]:
    return list({id(thing): thing for thing in things if thing is not None}.values())


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if name not in _MODULE_INTERNALS and name != "training" and "_hooks" not in name
    }


def _restore_attributes(module: nn.Module, saved: dict[str, Any]) -> None:
    attributes = vars(module)
    for name in _attributes(module).keys() - saved.keys():
        del attributes[name]
    for name, value in saved.items():
        if attributes.get(name, module) is not value:
            attributes[name] = value


def _without_params(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}

