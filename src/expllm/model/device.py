"""Where a model computes, and in which precision: `--device` and `--dtype`."""

import re
from typing import TYPE_CHECKING, Final

from expllm.core.errors import UsageError

if TYPE_CHECKING:
    import torch

    from expllm.model.presets import Preset

AUTO: Final = "auto"
DTYPES: Final = (AUTO, "float32", "bfloat16")
_DEVICE: Final = re.compile(r"auto|cpu|cuda(:\d+)?|mps")


def check_device(name: str) -> str:
    """The name itself; nothing heavy is imported.

    Raises:
        UsageError: it is not `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
    """
    if not _DEVICE.fullmatch(name):
        raise UsageError(f"--device is {name!r}: use auto, cpu, cuda, cuda:N or mps")
    return name


def check_dtype(name: str) -> str:
    """The name itself.

    Raises:
        UsageError: it is not one of `DTYPES`.
    """
    if name not in DTYPES:
        raise UsageError(f"--dtype is {name!r}: use {', '.join(DTYPES)}")
    return name


def device_for(name: str, preset: "Preset") -> str:
    """A device that PyTorch has here: for `auto` the first GPU of NVIDIA's, else the CPU.

    Raises:
        UsageError: this machine has no such device, or it cannot run this model.
    """
    import torch

    check_device(name)
    if name == AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise UsageError("--device mps: PyTorch sees no Apple GPU here: use cpu")
        if preset.hf is None:  # close decisions between tokens are taken in 64 bits, which Metal lacks
            raise UsageError("--device mps runs models with an hf: base only: use cpu")
    if name.startswith("cuda"):
        number, count = int(name.partition(":")[2] or 0), torch.cuda.device_count()
        if number >= count:
            raise UsageError(f"--device {name}: PyTorch sees {count} NVIDIA GPUs here: use auto or cpu")
    return name


def dtype_for(name: str, preset: "Preset", device: str) -> "torch.dtype":
    """The precision of a model's weights; `auto` takes what `answering_type` gives.

    Args:
        device: As `device_for` gives it.

    Raises:
        UsageError: there is no such precision.
    """
    import torch

    from expllm.model.inference.packed_linear import answering_type

    if check_dtype(name) == AUTO:
        return answering_type(preset, device)
    chosen: torch.dtype = getattr(torch, name)
    return chosen
