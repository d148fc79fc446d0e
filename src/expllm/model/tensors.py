"""Tensors in files: safetensors in and out, also those in 8 bits (`faces.quantized_weights`)."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from expllm.core.errors import MissingWeights
from expllm.faces.quantized_weights import SCALE_SUFFIX

AT_ONCE: Final = 32
"""Tensors that are read while a file is open."""


def save_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Writes tensors under their names as safetensors.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        save_file({name: tensor.cpu().contiguous() for name, tensor in state.items()}, path, {"format": "pt"})
    except SafetensorError as error:
        raise as_os_error(error) from None


def as_os_error(error: SafetensorError) -> OSError:
    """safetensors writes by itself and tells a full disk as text: 'I/O error: ... (os error 28)'."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, by name; those in 8 bits come in 32.

    Raises:
        MissingWeights: it cannot be read.
    """
    with _readable(path):
        stored = load_file(path)
    scales = {scale_name(name) for name, tensor in stored.items() if tensor.dtype is torch.int8}
    return {
        name: _in_full(tensor, stored.get(scale_name(name)))
        for name, tensor in stored.items()
        if name not in scales
    }


def scale_name(name: str) -> str:
    """Beside a tensor in 8 bits: the tensor that says what one of its steps is worth."""
    return name + SCALE_SUFFIX


def _in_full(tensor: Tensor, scale: Tensor | None) -> Tensor:
    """A tensor in 8 bits in 32, any other as it is; `scale` is [O], one number for each of its rows."""
    if tensor.dtype is not torch.int8 or scale is None:
        return tensor
    return tensor.float() * scale.float().reshape(-1, *[1] * (tensor.ndim - 1))


def each_weight(path: Path, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Some tensors of a safetensors file, for one who copies and drops them.

    The file is mapped into memory, and what was read of it counts as the process's own until it is closed:
    so it is opened again every few tensors. Those in 8 bits come in 32.

    Raises:
        MissingWeights: it cannot be read.
    """
    for start in range(0, len(names), AT_ONCE):
        with _readable(path), safe_open(path, "pt") as file:
            held = {*file.keys()}
            for name in names[start : start + AT_ONCE]:
                beside = scale_name(name)
                scale = file.get_tensor(beside) if beside in held else None
                yield name, _in_full(file.get_tensor(name), scale)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise MissingWeights(f"{path}: cannot be read ({error}): copy the whole folder again") from None
