"""All that a sweep touches, as it was before: taken once, put back in place."""

from __future__ import annotations

import copy
import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.utils.data import DataLoader

from lrfinder_widget.training.memory import Memory
from lrfinder_widget.training.module_snapshot import ModuleSnapshot, modules_of
from lrfinder_widget.training.optimizer_snapshot import OptimizerSnapshot, with_wrapped
from lrfinder_widget.training.reachable import generators_in, reachable_from, scalars_of

if TYPE_CHECKING:
    from torch.optim import Optimizer


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
        self._memory = Memory()
        modules = modules_of(model, loss_fn)
        self._modules = [ModuleSnapshot(module, self._memory) for module in modules]
        own = (module.parameters(recurse=False) for module in modules)
        swept = (group["params"] for group in optimizer.param_groups)
        parameters = itertools.chain.from_iterable(itertools.chain(own, swept))
        self._parameters = list({id(each): each for each in parameters}.values())
        self._memory.remember_all(self._parameters)
        self._gradients = [(each, each.grad, each.requires_grad) for each in self._parameters]
        self._optimizers = [
            OptimizerSnapshot(each, self._memory) for each in with_wrapped(optimizer)
        ]
        if scheduler is not None:
            self._memory.remember(vars(scheduler))
        around = [
            thing for thing in reachable_from([loader, loss_fn]) if not isinstance(thing, nn.Module)
        ]
        held = reachable_from(value for each in self._modules for value in each.attributes.values())
        self._scalars = [(thing, values) for thing in around if (values := scalars_of(thing))]
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
        # One part that cannot be put back (a loader's load_state_dict that raises, say) must not
        # keep the others from it.
        with ExitStack() as parts:
            parts.callback(self._loader_state.restore)
            for generator in self._generators:
                parts.callback(generator.restore)
            for thing, scalars in self._scalars:
                parts.callback(vars(thing).update, scalars)
            parts.callback(self._restore_gradients)
            parts.callback(self._memory.restore)
            for each in (*self._optimizers, *self._modules):
                parts.callback(each.restore)

    def _restore_gradients(self) -> None:
        for parameter, gradient, requires_grad in self._gradients:
            parameter.requires_grad = requires_grad
            parameter.grad = gradient


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
