"""What kind of network a model is, as far as its parts tell: typical rates differ by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    if any(isinstance(module, _ATTENTION) or _calls_attention(module) for module in modules):
        return TRANSFORMER
    recurrent = any(isinstance(module, (nn.RNNBase, nn.RNNCellBase)) for module in modules)
    if not recurrent and any(_is_named_attention(module) for module in modules):
        return TRANSFORMER
    if recurrent:
        return RECURRENT
    if _has_convolution(modules):
        return CONVOLUTIONAL
    if any(isinstance(module, (nn.Linear, nn.Bilinear)) for module in modules):
        return PERCEPTRON
    return ""


def _calls_attention(module: nn.Module) -> bool:
    code = getattr(type(module).forward, "__code__", None)
    return code is not None and _ATTENTION_CALL in code.co_names


def _is_named_attention(module: nn.Module) -> bool:
    """Return whether a module's class is attention by its name.

    That of a convolutional network (channel attention, spatial attention) is something else, and
    what recurrent networks call so (an additive score over their states) is not asked for.
    """
    return "attention" in type(module).__name__.lower() and not _has_convolution(module.modules())


def _has_convolution(modules: Iterable[nn.Module]) -> bool:
    return any(isinstance(module, _ConvNd) for module in modules)
