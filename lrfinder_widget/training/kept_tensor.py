"""One tensor before a sweep: what of it is copied, and how the copy is put back in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lrfinder_widget.training.same_bits import same_bits
from lrfinder_widget.training.sharding import local_part

if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN_KINDS = (Tensor, nn.Parameter)
_KNOWN_LAYOUTS = {
    torch.strided, torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr,
    torch.sparse_bsc,
}  # fmt: skip


class KeptTensor:
    """A tensor that has memory of its own, of whatever kind.

    Attributes
    ----------
    tensor : Tensor
        The tensor.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        # An alias keeps the tensor's memory, should somebody give it another (`tensor.data = …`).
        self._alias = local_part(tensor).detach()
        if type(self._alias) not in _KNOWN_KINDS or self._alias.layout not in _KNOWN_LAYOUTS:
            self._rehearse()

    def _rehearse(self) -> None:
        """Put a copy of a copy back, which raises now what would be raised after the sweep."""
        value = self.source.clone()
        stand_in = KeptTensor.__new__(KeptTensor)
        stand_in.tensor = value.clone()
        stand_in._alias = stand_in.tensor.detach()  # noqa: SLF001 - its own
        with torch.no_grad():
            stand_in.restore(value)

    @property
    def source(self) -> Tensor:
        """What is copied."""
        return self._alias if self._is_unusual() else _whole_memory(self._alias)

    def restore(self, value: Tensor) -> None:
        """Put the tensor's former memory back under it, and the value into that.

        What did not change is not written: memory that is only to be read (a file that is mapped
        into it) ends the process when it is.
        """
        own, alias = local_part(self.tensor), self._alias
        if not self._is_unusual():
            memory = _whole_memory(alias)
            if not same_bits(memory, value):
                memory.copy_(value)
            if not own.is_set_to(alias):
                own.data = alias
        elif alias.layout is torch.strided:
            own.data = alias
            own.copy_(value)  # into itself, not its alias: this brings a scale or sizes along
        elif own.layout is not alias.layout or not same_bits(own, value):
            own.copy_(value)  # an alias of a sparse tensor would get parts of its own

    def _is_unusual(self) -> bool:
        alias = self._alias
        return alias.layout is not torch.strided or alias.is_quantized or alias.is_nested


def inner_tensors(tensor: Tensor) -> Mapping[str, Tensor]:
    """Return the tensors that one without memory of its own is made of; none for the others.

    Those are the tensors of quantization libraries and their like: few of torch's functions are
    defined for them, so they are kept by their parts.
    """
    own = local_part(tensor)
    if not hasattr(type(own), "__tensor_flatten__"):
        return {}
    names, _ = own.__tensor_flatten__()  # type: ignore[attr-defined]
    return {name: getattr(own, name) for name in names}


def bind_inner_tensors(tensor: Tensor, parts: Mapping[str, Tensor]) -> None:
    """Let a tensor be made of these parts again."""
    attributes = vars(local_part(tensor))
    for name, part in parts.items():
        if name in attributes:  # others are read from these
            attributes[name] = part


def _whole_memory(tensor: Tensor) -> Tensor:
    """Return `tensor`, or a flat view of its storage where its elements overlap (an expanded one).

    Torch refuses to write into a tensor of which several elements lie at one place.
    """
    if tensor.is_contiguous():
        return tensor
    overlaps = any(
        stride == 0 and size > 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
    )
    if not overlaps:
        return tensor
    length = tensor.untyped_storage().nbytes() // tensor.element_size()
    return tensor.as_strided((length,), (1,), 0)
