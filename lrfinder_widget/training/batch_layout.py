"""Which part of a batch the model is called with, and which part is the target."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lrfinder_widget.errors import LossInferenceError

if TYPE_CHECKING:
    from torch import nn

TARGET_NAMES = ("labels", "label", "target", "targets", "y")
INPUT_NAMES = ("input", "inputs", "x", "image", "images", "features", "data", "pixel_values")


# (args, kwargs, target): the model is called as ``model(*args, **kwargs)``, and the target is None
# where there is none.
Parts = tuple[tuple[Any, ...], dict[str, Any], Any]


def layout_of(batch: Any, model: nn.Module) -> Callable[[Any], Parts]:
    """Return the function that takes batches like `batch` apart for `model`.

    Tuples and lists are ``(inputs, target, …)``, extra elements are allowed and ignored. Dicts,
    dataclasses and named tuples go by their names: where the model's ``forward`` takes them all,
    they are its keyword arguments (and a loss on the output is used); otherwise the field named
    like a target (``labels``, ``target``, ``y``, …) is the target.

    Raises
    ------
    LossInferenceError
        If the fields of a batch do not tell which one is the input.
    """
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        names = [field.name for field in dataclasses.fields(batch)]
        take = _by_name(names, model) or _by_position(names)
        return lambda item: take({name: getattr(item, name) for name in names})
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        names = list(batch._fields)
        take = _by_name(names, model) or _by_position(names)
        return lambda item: take(item._asdict())
    if isinstance(batch, Mapping):
        names = list(batch)
        found = _by_name(names, model)
        if found is None:
            raise LossInferenceError(_unclear(names))
        return found
    if isinstance(batch, Sequence) and not isinstance(batch, (str, bytes)):
        return _sequence(batch, model)
    return lambda item: ((item,), {}, None)


def samples_in(parts: Parts) -> int:
    """Return how many samples a batch has: the first length of its target or input, 0 if none."""
    args, kwargs, target = parts
    lengths = (shape[0] for shape in map(_shape, (target, *args, *kwargs.values())) if shape)
    return next(lengths, 0)


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", ()))


def _sequence(batch: Sequence[Any], model: nn.Module) -> Callable[[Sequence[Any]], Parts]:
    if len(batch) == 0:
        message = "a batch is empty: expected (inputs, target)"
        raise LossInferenceError(message)
    inputs = batch[0]
    has_target = len(batch) > 1
    if isinstance(inputs, Mapping) and _accepts(model, (), inputs):
        return lambda item: ((), dict(item[0]), item[1] if has_target else None)
    if isinstance(inputs, (tuple, list)) and _accepts(model, tuple(inputs), {}):
        return lambda item: (tuple(item[0]), {}, item[1] if has_target else None)
    if has_target:
        return pair
    return lambda item: ((item[0],), {}, None)


def pair(batch: Sequence[Any]) -> Parts:
    """Take apart what most loaders yield: ``(input, target)``, and perhaps more."""
    return (batch[0],), {}, batch[1]


def _by_name(names: list[str], model: nn.Module) -> Callable[[Mapping[str, Any]], Parts] | None:
    target = next((name for name in TARGET_NAMES if name in names), None)
    if _accepts(model, (), dict.fromkeys(names)):
        return lambda item: ((), dict(item), item[target] if target else None)
    inputs = [name for name in names if name != target]
    known = [name for name in inputs if name in INPUT_NAMES]
    # What forward does not take (an index, a file name) is an extra and left out.
    taken = _keywords(model).intersection(inputs)
    if taken and _accepts(model, (), dict.fromkeys(taken)):
        return lambda item: (
            (),
            {name: item[name] for name in taken},
            item[target] if target else None,
        )
    if len(inputs) == 1 or len(known) == 1:
        only = (known or inputs)[0]
        return lambda item: ((item[only],), {}, item[target] if target else None)
    return None


def _by_position(names: list[str]) -> Callable[[Mapping[str, Any]], Parts]:
    if not names:
        message = "a batch is empty: expected an input and a target"
        raise LossInferenceError(message)
    target = names[1] if len(names) > 1 else None
    return lambda item: ((item[names[0]],), {}, item[target] if target else None)


def _keywords(model: nn.Module) -> set[str]:
    parameters = inspect.signature(model.forward).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {parameter.name for parameter in parameters if parameter.kind in named}


def _accepts(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):  # a forward without a Python signature
        return False
    # A forward that takes anything (*args, **kwargs: a wrapper) tells nothing.
    loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if all(parameter.kind in loose for parameter in signature.parameters.values()):
        return bool(kwargs)
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _unclear(names: list[str]) -> str:
    return (
        f"cannot tell which field of the batch is the input (fields: {', '.join(map(str, names))});"
        " name it 'input' or 'x' and the target 'target' or 'labels', or let the loader yield "
        "(input, target)"
    )
