"""A sweep of ``DistributedDataParallel`` models leaves what they have not settled yet unsettled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from torch import nn


def use_own_reducers(model: nn.Module) -> None:
    """Give models that have not run yet a reducer of the sweep's own.

    The first backward pass decides how gradients are put together for sending, for good. Over three
    ranks and more, the order in which numbers are added up depends on it, and their last digits.
    A snapshot of the module puts the user's reducer back.
    """
    for module in model.modules():
        if isinstance(module, DistributedDataParallel) and _is_fresh(module):
            _renew(module)


def _is_fresh(module: Any) -> bool:
    # In these modes a reducer counts the backward passes of others, too: a second one beside it
    # would mislead it.
    counts = module.static_graph or module.find_unused_parameters
    return not counts and not getattr(module, "_has_rebuilt_buckets", False)


def _renew(module: Any) -> None:
    """Build a reducer as unpickling the module does."""
    parameters, sparse = module._build_params_for_reducer()  # noqa: SLF001 - there is no other way
    names = module._build_debug_param_to_name_mapping(parameters)  # noqa: SLF001 - as above
    module._ddp_init_helper(parameters, sparse, names, module.static_graph)  # noqa: SLF001
    for hook, state in module._comm_hooks:  # noqa: SLF001 - as above
        # The module's own method would take it for a second hook, and refuse.
        dist._register_comm_hook(module.reducer, state, hook)  # type: ignore[attr-defined]  # noqa: SLF001
