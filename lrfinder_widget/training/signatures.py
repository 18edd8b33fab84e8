"""Whether a function can be called with what a sweep has for it, as far as its signature tells."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def cannot_take(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
) -> bool:
    """Return whether a call with these is certain to miss an argument, or to have one too many.

    A hook of a module's may add some; then it is not certain.
    """
    signature = _signature(function)
    if signature is None:
        return False
    try:
        signature.bind(*args, **(kwargs or {}))
    except TypeError:
        return True
    return False


def names_of_arguments(function: Callable[..., Any]) -> str:
    """Return the names of the arguments that a function takes, in parentheses."""
    signature = _signature(function)
    return f"({', '.join(signature.parameters if signature else ['…'])})"


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    if isinstance(function, nn.Module):
        if function._forward_pre_hooks:  # noqa: SLF001 - there is no other way to tell
            return None
        function = function.forward
    try:
        # What a decorator wraps may be called with more than what is passed to the decorator.
        return inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # a function without a Python signature
        return None
