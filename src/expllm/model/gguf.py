"""Checks a GGUF file against the language model it should hold: every tensor, by the file's own names.

`transformers` passes over tensors that it has no place for, takes a missing output layer for a tied one, and
the number of layers from the file.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from expllm.core.errors import MissingDependency, MissingWeights
from expllm.model.expected_weights import llama_shapes
from expllm.model.manifest import ModelError
from expllm.model.presets import LanguageConfig
from expllm.model.weight_keys import Differences, TensorShape, check_keys, check_shapes, not_finite


def check_gguf(path: Path, language: LanguageConfig, again: str) -> None:
    """Reads a file once, all of it, before it is unpacked.

    Args:
        again: How to get the file again.

    Raises:
        ModelError: a tensor is missing, left over, misshapen or no number, by the file's own name for it.
        MissingWeights: it is cut short or damaged.
        MissingDependency: gguf is not installed.
    """
    tensors = _tensors(path, again)
    check_shapes({one.name: _shape(one) for one in tensors}, gguf_shapes(language), path)
    damaged = tuple(name for one in tensors for name in not_finite(_unpacked(one, path)))
    check_keys(path, Differences(not_finite=damaged), again)


def gguf_shapes(language: LanguageConfig) -> dict[str, TensorShape]:
    """Names in GGUF, and shapes, of all weights of a language model of Llama's architecture."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    names = get_tensor_name_map(MODEL_ARCH.LLAMA, language.layers)
    sizes = {
        "hidden_size": language.hidden, "intermediate_size": language.intermediate,
        "num_attention_heads": language.heads, "num_key_value_heads": language.kv_heads,
        "num_hidden_layers": language.layers, "vocab_size": language.vocabulary,
        "tie_word_embeddings": language.tied,
    }  # fmt: skip
    return {
        f"{names.get_name(name.removesuffix('.weight'))}.weight": shape
        for name, shape in llama_shapes(sizes).items()
    }


def _tensors(path: Path, again: str) -> list[Any]:
    try:
        from gguf import GGUFReader
    except ImportError:
        raise MissingDependency(f"{path}: needs gguf: run \"pip install 'expllm[model]'\"") from None
    try:
        return list(GGUFReader(path).tensors)
    except (OSError, ValueError, IndexError, KeyError) as error:
        size = path.stat().st_size
        raise MissingWeights(f"{path}: is cut short or damaged ({size:,} bytes; {error}): {again}") from None


def _shape(tensor: Any) -> TensorShape:
    """As PyTorch counts: GGUF names the side that lies together first."""
    return tuple(int(side) for side in reversed(tensor.shape))


def _unpacked(tensor: Any, path: Path) -> dict[str, Tensor]:
    from gguf import dequantize

    try:
        return {tensor.name: torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())}
    except NotImplementedError:
        raise ModelError(
            f"{path}: {tensor.name} is packed as {tensor.tensor_type.name}, which the package gguf cannot "
            "unpack: give a file of another type"
        ) from None
