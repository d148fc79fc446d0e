"""Products with fixed weights are those of the layers they stand for."""

import pytest
import torch
from torch import nn

from expllm.model.inference.packed_linear import PackedLinear, pack_linears, packed_linear

LAID_OUT = {torch.float32: 1e-6, torch.bfloat16: 0.02}
"""Largest difference; the values are about 1, and 16 bits have three digits."""


@pytest.mark.parametrize("dtype", LAID_OUT)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 40])
@torch.inference_mode()
def test_one_product_for_several_layers(dtype: torch.dtype, bias: bool, rows: int) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(48, width, bias=bias, dtype=dtype) for width in (16, 40)]
    given = torch.randn(2, rows, 48, dtype=dtype)
    expected = torch.cat([layer(given) for layer in layers], dim=-1)
    assert (packed_linear(layers)(given) - expected).abs().max() <= LAID_OUT[dtype]


@torch.inference_mode()
def test_fixed_layers_take_the_place_of_linear_ones_only() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.GELU(), nn.Linear(8, 4)), nn.LayerNorm(4))
    given = torch.randn(5, 8)
    expected = model(given)
    pack_linears(model)
    assert [type(module) for module in model.modules() if not list(module.children())] == [
        PackedLinear, nn.GELU, PackedLinear, nn.LayerNorm
    ]  # fmt: skip
    assert (model(given) - expected).abs().max() < 1e-6
