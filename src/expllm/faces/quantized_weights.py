"""Weights in 8 bits: of each output channel whole numbers of -127 to 127, and what one of them is worth.

A safetensors file holds a tensor NAME of two or more dimensions as int8 and NAME.scale [O] in float16 beside
it; biases and statistics stay in float16. Files in 16 or 32 bits are read as they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from expllm.core.errors import RecordError

_Array = NDArray[np.float32]
SCALE_SUFFIX: Final = ".scale"
MOST_STEPS: Final = 127


def read_weights(path: Path) -> dict[str, _Array]:
    """The tensors of a file in 32 bits, by name.

    Raises:
        RecordError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dequantized(load_file(path))
    except (OSError, SafetensorError) as error:
        raise RecordError(f"{path}: cannot be read, install expllm again: {error}") from None
    except KeyError as error:
        raise RecordError(f"{path}: no tensor {error}: install expllm again") from None


def quantized(weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same in 8 bits, as `dequantized` reads them.

    Args:
        weights: Tensors by name, [O, ...] those of two or more dimensions.
    """
    packed: dict[str, NDArray[Any]] = {}
    for name, values in weights.items():
        if values.ndim < 2:
            packed[name] = values.astype(np.float16)
            continue
        largest = np.abs(values.astype(np.float32)).reshape(len(values), -1).max(axis=1)
        scale = (largest / MOST_STEPS).astype(np.float16)
        worth = np.where(scale > 0, scale, 1).astype(np.float32)
        steps = np.rint(values / _along(worth, values.ndim))
        packed[name] = np.clip(steps, -MOST_STEPS, MOST_STEPS).astype(np.int8)
        packed[name + SCALE_SUFFIX] = scale
    return packed


def dequantized(packed: Mapping[str, NDArray[Any]]) -> dict[str, _Array]:
    """Tensors in 32 bits of those of a file.

    Raises:
        KeyError: a tensor of 8 bits has no scale.
    """
    whole = {name for name, values in packed.items() if values.dtype == np.int8}
    scales = {name + SCALE_SUFFIX for name in whole}
    found = {}
    for name, values in packed.items():
        if name in scales:
            continue
        plain = values.astype(np.float32)
        if name in whole:
            plain *= _along(packed[name + SCALE_SUFFIX].astype(np.float32), plain.ndim)
        found[name] = plain
    return found


def _along(values: _Array, dimensions: int) -> _Array:
    """[O] -> [O, 1, ...]."""
    return values.reshape(-1, *[1] * (dimensions - 1))
