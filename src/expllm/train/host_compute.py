"""Training on the processor: less of what takes most of its time beside matrix products."""

import ctypes
import os
import shutil
import sys
from typing import Any, Final

from torch import nn

from expllm.core.errors import UsageError
from expllm.model.vlm import inner

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""Parameters of glibc's `mallopt`."""
_GIBIBYTE: Final = 1 << 30
_COMPILERS: Final = ("c++", "g++", "clang++")


def keep_freed_memory() -> bool:
    """Keeps freed memory for the next allocation; whether the C library knows how.

    Otherwise glibc gives every large tensor back to the system when it is freed, and each step gets the same
    memory anew, page by page, zeroed: a quarter of a step of the compact model.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _GIBIBYTE) and mallopt(_TRIM_THRESHOLD, 2 * _GIBIBYTE - 1))


def compile_blocks(model: nn.Module, device: str) -> None:
    """Lets PyTorch compile each block of the language model: passes over its activations become few.

    Args:
        device: `cpu` or `cuda`; on a CPU a C++ compiler is needed.

    Raises:
        UsageError: there is none.
    """
    compilers = (os.environ.get("CXX"), *_COMPILERS)
    if device == "cpu" and not any(name and shutil.which(name) for name in compilers):
        raise UsageError(
            "train.torch_compile: needs a C++ compiler, and there is none: install g++, or set it to false"
        )
    decoder: Any = inner(model).get_decoder()
    for block in decoder.layers:
        block.compile(dynamic=True)
