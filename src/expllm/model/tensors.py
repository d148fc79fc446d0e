"""Tensors in files: safetensors in and out."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from expllm.core.errors import MissingWeights

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
    """Tensors of a safetensors file, by name.

    Raises:
        MissingWeights: it cannot be read.
    """
    with _readable(path):
        return load_file(path)


def each_weight(path: Path, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Some tensors of a safetensors file, for one who copies and drops them.

    The file is mapped into memory, and what was read of it counts as the process's own until it is closed:
    so it is opened again every few tensors.

    Raises:
        MissingWeights: it cannot be read.
    """
    for start in range(0, len(names), AT_ONCE):
        with _readable(path), safe_open(path, "pt") as file:
            for name in names[start : start + AT_ONCE]:
                yield name, file.get_tensor(name)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise MissingWeights(f"{path}: cannot be read ({error}): copy the whole folder again") from None
