"""What kind of network a model is, as far as its parts tell: typical rates differ by kind."""

from __future__ import annotations

import inspect
import types
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

if TYPE_CHECKING:
    from collections.abc import Iterable

TRANSFORMER, RECURRENT = "transformer", "recurrent"
CONVOLUTIONAL, PERCEPTRON = "convolutional", "perceptron"

_ATTENTION = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
_ATTENTION_CALL = "scaled_dot_product_attention"


def network_kind(model: nn.Module) -> str:
    """Return the kind of network: one of the names above, or nothing if no part tells.

    Attention makes it a transformer, however many convolutions or recurrent layers stand beside
    it; then recurrent layers count, then convolutions.
    """
    modules = list(model.modules())
    if any(issubclass(_class_of(each), _ATTENTION) or _calls_attention(each) for each in modules):
        return TRANSFORMER
    recurrent = any(issubclass(_class_of(each), (nn.RNNBase, nn.RNNCellBase)) for each in modules)
    if not recurrent and any(_is_named_attention(module) for module in modules):
        return TRANSFORMER
    if recurrent:
        return RECURRENT
    if _has_convolution(modules):
        return CONVOLUTIONAL
    if any(issubclass(_class_of(module), (nn.Linear, nn.Bilinear)) for module in modules):
        return PERCEPTRON
    return ""


def _class_of(module: nn.Module) -> type:
    """Return a module's class, or torch's of the same name if TorchScript compiled it."""
    kind = getattr(nn, _name_of(module), None)
    if isinstance(module, torch.jit.ScriptModule) and isinstance(kind, type):
        return kind
    return type(module)


def _name_of(module: nn.Module) -> str:
    compiled = isinstance(module, torch.jit.ScriptModule)
    return str(getattr(module, "original_name", "")) if compiled else type(module).__name__


def _calls_attention(module: nn.Module) -> bool:
    # Looked up without asking the class: TorchScript's answers by raising.
    forward = inspect.getattr_static(type(module), "forward", None)
    return isinstance(forward, types.FunctionType) and _ATTENTION_CALL in forward.__code__.co_names


def _is_named_attention(module: nn.Module) -> bool:
    """Return whether a module's class is attention by its name.

    That of a convolutional network (channel attention, spatial attention) is something else, and
    what recurrent networks call so (an additive score over their states) is not asked for.
    """
    return "attention" in _name_of(module).lower() and not _has_convolution(module.modules())


def _has_convolution(modules: Iterable[nn.Module]) -> bool:
    return any(issubclass(_class_of(module), _ConvNd) for module in modules)
