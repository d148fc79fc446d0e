"""Products with fixed weights, and the type of these weights.

On CPUs with 16-bit products, 16-bit weights are laid out for them once. PyTorch lays them out anew in every
product, which takes a third of a decoding step of a small model.
"""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from expllm.model.presets import Preset

LinearMap = Callable[[Tensor], Tensor]
ROWS: Final = 32
"""For how many rows weights are laid out: for 8 to 512, all are as fast at 1 to 340 rows; for 1, slower."""
SMALL: Final = 250_000_000
"""Up to so many weights, 32 bits take at most half a gigabyte more than 16."""


def packed_linear(layers: list[Any]) -> LinearMap:
    """One product for linear layers that are given the same; all of them have a bias, or none.

    Given 64-bit floats, 32-bit weights compute in 64 bits.
    """
    weights = [layer.weight.detach() for layer in layers]
    weight = torch.cat(weights) if len(weights) > 1 else weights[0]
    biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
    bias = torch.cat(biases) if biases else None
    if weight.device.type == "cpu" and weight.dtype is torch.bfloat16 and _packs():
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
        return lambda given: torch.ops.mkldnn._linear_pointwise(given, packed, bias, "none", [], "")

    def plain(given: Tensor) -> Tensor:
        if given.dtype is weight.dtype:
            return linear(given, weight, bias)
        return linear(given, weight.to(given.dtype), None if bias is None else bias.to(given.dtype))

    return plain


class PackedLinear(nn.Module):
    """A linear layer whose weights stay as they are."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self._product = packed_linear([layer])

    def forward(self, given: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        return self._product(given)


def pack_linears(module: nn.Module) -> None:
    """Puts `PackedLinear` in the place of each linear layer inside of a module."""
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, PackedLinear(child))
        else:
            pack_linears(child)


def answering_type(preset: Preset, device: str) -> torch.dtype:
    """The type of weights with which a model answers where nobody chose one.

    A small model, the one that ships among them, computes in 32 bits everywhere: 16-bit sums differ between
    processors by so much that its words differ. Larger ones take what the device is fastest in.

    Args:
        device: `cuda`, `cuda:N`, `mps` or `cpu`.
    """
    if preset.hf is None and preset.language.parameters <= SMALL:
        return torch.float32
    halves = torch.cuda.is_bf16_supported() if device.startswith("cuda") else device == "cpu" and _packs()
    return torch.bfloat16 if halves else torch.float32


def _packs() -> bool:
    """Whether oneDNN is there, and has 16-bit products on this processor."""
    return torch._C._has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
