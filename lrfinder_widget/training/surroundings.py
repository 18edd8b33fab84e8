"""The objects that a step of a training may change, as far as they can be found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

from lrfinder_widget.training.module_snapshot import hooks_of_module, parts_of_module
from lrfinder_widget.training.optimizer_snapshot import parts_of_optimizer
from lrfinder_widget.training.reachable import reachable_from

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lrfinder_widget.training.training import Training


class Surroundings(NamedTuple):
    """What a training is made of, each object once; `leaves` are tensors that gather gradients."""

    modules: list[nn.Module]
    optimizers: list[Optimizer]
    things: list[Any]
    leaves: list[Tensor]


def surroundings(training: Training) -> Surroundings:
    """Return the modules, optimizers and other objects that `training` holds or names.

    A module in a plain list is not registered, but it is run; so is one that a loss closes over,
    and a hook may average the weights, or step another optimizer.
    """
    modules: dict[int, nn.Module] = {}
    optimizers: dict[int, Optimizer] = {}
    things: dict[int, Any] = {}
    waiting: list[Any] = [
        training.model,
        training.optimizer,
        training.loader,
        training.val_loader,
        training.loss_fn,
        training.compute_loss,
        training.train_step,
        training.scheduler,
        training.scaler,
        *training.also,
    ]
    while waiting:
        reached = [each for each in reachable_from(waiting) if id(each) not in things]
        things |= {id(each): each for each in reached}
        new_modules = _new(modules, _with_submodules(reached))
        new_optimizers = _new(optimizers, (x for x in reached if isinstance(x, Optimizer)))
        # Of submodules it is not known yet what the methods of their classes name.
        waiting = [module for module in new_modules if id(module) not in things]
        waiting += [part for module in new_modules for part in parts_of_module(module)]
        waiting += [hook for module in new_modules for hook in hooks_of_module(module)]
        waiting += [part for each in new_optimizers for part in parts_of_optimizer(each)]
    others = [thing for thing in things.values() if _keeps_state(thing)]
    leaves = [thing for thing in things.values() if isinstance(thing, Tensor)]
    return Surroundings([*modules.values()], [*optimizers.values()], others, leaves)


def _keeps_state(thing: Any) -> bool:
    if isinstance(thing, (nn.Module, Optimizer, Tensor)):
        return False  # those are remembered in ways of their own
    # Copies of the nodes are read, and threads may go on with the user's.
    return not type(thing).__module__.startswith("torchdata.nodes")


def _with_submodules(things: Iterable[Any]) -> Iterable[nn.Module]:
    return (part for each in things if isinstance(each, nn.Module) for part in each.modules())


def _new(known: dict[int, Any], found: Iterable[Any]) -> list[Any]:
    """Add what is not known yet, and return it."""
    new = {id(each): each for each in found if id(each) not in known}
    known |= new
    return [*new.values()]
