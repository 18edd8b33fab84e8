"""All that a sweep touches, as it was before: taken once, put back in place."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Sampler

from lrfinder_widget.training.hook_tables import HookTables
from lrfinder_widget.training.loader_state import LoaderState
from lrfinder_widget.training.memory import Memory
from lrfinder_widget.training.module_snapshot import ModuleSnapshot
from lrfinder_widget.training.object_snapshot import ObjectSnapshot
from lrfinder_widget.training.optimizer_snapshot import OptimizerSnapshot
from lrfinder_widget.training.own_generators import generators_in
from lrfinder_widget.training.sharding import ShardingSnapshot
from lrfinder_widget.training.surroundings import surroundings
from lrfinder_widget.training.tensor_names import name_of_tensor

if TYPE_CHECKING:
    from lrfinder_widget.training.training import Training


class Snapshot:
    """A training before a sweep: model, loss, optimizer, loaders, and what else a step changes.

    Covers parameters and buffers (which object stands under which name, and its values), gradients
    (``None`` stays ``None``), the mode of each submodule, plain attributes that a forward pass
    changes, optimizer state, the parameter-group keys and hooks that the sweep's steps change, and
    what the loader, its sampler, dataset and transforms hold: random generators, counters, orders;
    further modules and optimizers that hooks and functions of the user's close over.

    The generators of the whole process are not here: see
    `lrfinder_widget.training.random_streams`.

    Parameters
    ----------
    training
        What is trained.
    place
        Where copies of tensors are kept; see `lrfinder_widget.training.keeping`.
    """

    def __init__(self, training: Training, place: str | None = None) -> None:
        modules, optimizers, things, leaves = surroundings(training)
        memory = self._memory = Memory(partial(name_of_tensor, training=training))
        self._sharding = ShardingSnapshot(modules, memory)
        self._modules = [ModuleSnapshot(module, memory) for module in modules]
        stepped = [
            each for one in optimizers for group in one.param_groups for each in group["params"]
        ]
        memory.remember_all(stepped)
        memory.remember_all(vars(tensor) for tensor in stepped)
        self._optimizers = [OptimizerSnapshot(each, memory) for each in optimizers]
        memory.remember_all(_whole(training))
        shapes = {parameter.shape for parameter in training.model.parameters()}
        self._objects = [ObjectSnapshot(thing, memory, shapes) for thing in things]
        self._generators = generators_in(things)
        self._samplers = [thing for thing in things if isinstance(thing, Sampler)]
        self._loader_states = [
            LoaderState(each) for each in (training.loader, training.val_loader) if each is not None
        ]
        self._gradients = [
            (tensor, tensor.grad, tensor.requires_grad)
            for tensor in {id(x): x for x in [*stepped, *memory.leaves(), *leaves]}.values()
        ]
        self._hooks = HookTables(modules, optimizers, [tensor for tensor, _, _ in self._gradients])
        if any(getattr(module, "gradient_as_bucket_view", False) for module in modules):
            # DDP writes the next gradients where these lie.
            memory.remember_all([gradient for _, gradient, _ in self._gradients])
        memory.copy_tensors(place)

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
        """Look at groups and hooks; what changed since the last look is the sweep's or not."""
        self._hooks.note_changes(by_sweep=by_sweep)
        for optimizer in self._optimizers:
            optimizer.note_changes(by_sweep=by_sweep)

    def restore(self) -> None:
        """Put everything back."""
        # One part that cannot be put back (a loader's load_state_dict that raises, say) must not
        # keep the others from it.
        with ExitStack() as parts:
            for loader_state in self._loader_states:
                parts.callback(loader_state.restore)
            for generator in self._generators:
                parts.callback(generator.restore)
            for thing in self._objects:
                parts.callback(thing.restore)
            parts.callback(self._restore_gradients)
            parts.callback(self._memory.restore)
            parts.callback(self._hooks.restore)
            for optimizer in self._optimizers:
                parts.callback(optimizer.restore)
            for module in self._modules:
                parts.callback(module.restore)
            parts.callback(self._sharding.restore)
            parts.callback(self._sharding.undo_gathering)

    def _restore_gradients(self) -> None:
        with ExitStack() as parts:
            for tensor, gradient, requires_grad in self._gradients:
                parts.callback(_restore_gradient, tensor, gradient, requires_grad)


def _restore_gradient(tensor: Tensor, gradient: Tensor | None, requires_grad: bool) -> None:  # noqa: FBT001
    if not tensor.is_leaf:  # it was: something with a history was added to it in place
        tensor.detach_()
    tensor.requires_grad = requires_grad
    tensor.grad = gradient


def _whole(training: Training) -> list[Any]:
    """Return what is put back with all its attributes, since it takes part in a step."""
    scheduler = training.scheduler
    schedulers = scheduler if isinstance(scheduler, (list, tuple)) else [scheduler]
    given = [*schedulers, training.scaler, *training.also]
    covered = (nn.Module, Optimizer)
    return [
        vars(each) if hasattr(each, "__dict__") and not isinstance(each, (Tensor, dict)) else each
        for each in given
        if not isinstance(each, covered)
    ]
