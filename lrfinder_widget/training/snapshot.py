"""All that a sweep touches, as it was before: taken once, put back in place."""

from __future__ import annotations

import copy
import types
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Sampler

from lrfinder_widget.training.memory import Memory
from lrfinder_widget.training.module_snapshot import ModuleSnapshot, modules_of, parts_of
from lrfinder_widget.training.object_snapshot import ObjectSnapshot
from lrfinder_widget.training.optimizer_snapshot import OptimizerSnapshot, with_wrapped
from lrfinder_widget.training.own_generators import generators_in
from lrfinder_widget.training.reachable import reachable_from

if TYPE_CHECKING:
    from lrfinder_widget.training.training import Training


class Snapshot:
    """Model, loss, optimizer and loader before a sweep.

    Covers parameters and buffers (which object stands under which name, and its values), gradients
    (``None`` stays ``None``), the mode of each submodule, plain attributes that a forward pass
    changes, optimizer state, the parameter-group keys that the optimizer changes, and what the
    loader, its sampler, dataset and transforms hold: random generators, counters, orders.

    The generators of the whole process are not here: see
    `lrfinder_widget.training.random_streams`.
    """

    def __init__(self, training: Training) -> None:
        optimizer, loader, loss_fn = training.optimizer, training.loader, training.loss_fn
        scheduler = training.scheduler
        self._memory = Memory()
        modules = modules_of(training.model, loss_fn)
        self._modules = [ModuleSnapshot(module, self._memory) for module in modules]
        swept = [each for group in optimizer.param_groups for each in group["params"]]
        self._memory.remember_all(swept)
        self._optimizers = [
            OptimizerSnapshot(each, self._memory) for each in with_wrapped(optimizer)
        ]
        if scheduler is not None:
            self._memory.remember(vars(scheduler))

        around = reachable_from([loader, loss_fn, *modules, *parts_of(modules)])
        self._objects = [
            ObjectSnapshot(thing, self._memory)
            for thing in around
            if not isinstance(thing, (nn.Module, Optimizer, types.FunctionType))
        ]
        self._generators = generators_in(around)
        self._samplers = [thing for thing in around if isinstance(thing, Sampler)]
        self._loader_state = _LoaderState(loader)
        self._gradients = [
            (tensor, tensor.grad, tensor.requires_grad)
            for tensor in {id(each): each for each in [*swept, *self._memory.leaves()]}.values()
        ]

    def detach_gradients(self) -> None:
        """Take the gradients off, so that the sweep neither adds to them nor overwrites them."""
        for tensor, _, _ in self._gradients:
            tensor.grad = None

    def draw_anew(self, repeat: int) -> None:
        """Let what draws by itself (a loader's own generator, say) do so in another order.

        ``DistributedSampler`` and its like have no generator, but an epoch that decides.
        """
        for generator in self._generators:
            generator.seed_for(repeat)
        for sampler in self._samplers:
            epoch = getattr(sampler, "epoch", None)
            set_epoch = getattr(sampler, "set_epoch", None)
            if isinstance(epoch, int) and callable(set_epoch):
                set_epoch(epoch + repeat)

    def note_changes(self, *, by_sweep: bool) -> None:
        """Look at the parameter groups; what changed since the last look is the sweep's or not."""
        for optimizer in self._optimizers:
            optimizer.note_changes(by_sweep=by_sweep)

    def restore(self) -> None:
        """Put everything back."""
        # One part that cannot be put back (a loader's load_state_dict that raises, say) must not
        # keep the others from it.
        with ExitStack() as parts:
            parts.callback(self._loader_state.restore)
            for generator in self._generators:
                parts.callback(generator.restore)
            for thing in self._objects:
                parts.callback(thing.restore)
            parts.callback(self._restore_gradients)
            parts.callback(self._memory.restore)
            for optimizer in self._optimizers:
                parts.callback(optimizer.restore)
            for module in self._modules:
                parts.callback(module.restore)

    def _restore_gradients(self) -> None:
        for tensor, gradient, requires_grad in self._gradients:
            tensor.requires_grad = requires_grad
            tensor.grad = gradient


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
