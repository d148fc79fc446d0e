"""`--device` and `--dtype`: what may be named, what is there, and what `auto` chooses."""

import pytest
import torch

from expllm.core.errors import UsageError
from expllm.model.device import check_device, check_dtype, device_for, dtype_for
from expllm.model.presets import preset


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:3", "mps"])
def test_known_names(name: str) -> None:
    assert check_device(name) == name


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cpu:0", ""])
def test_unknown_names(name: str) -> None:
    with pytest.raises(UsageError, match="use auto, cpu, cuda, cuda:N or mps"):
        check_device(name)


def test_auto_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_for("auto", preset("tiny")) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_for("auto", preset("tiny")) == "cuda"


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device_for("cuda:0", preset("tiny")) == "cuda:0"
    with pytest.raises(UsageError, match="--device cuda:1: PyTorch sees 1 NVIDIA GPUs here"):
        device_for("cuda:1", preset("tiny"))


def test_metal_has_no_64_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match="sees no Apple GPU"):
        device_for("mps", preset("tiny"))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(UsageError, match="hf: base only"):
        device_for("mps", preset("tiny"))


def test_precision() -> None:
    assert dtype_for("auto", preset("tiny"), "cpu") is torch.float32
    assert dtype_for("bfloat16", preset("tiny"), "cpu") is torch.bfloat16
    with pytest.raises(UsageError, match="use auto, float32, bfloat16"):
        check_dtype("int3")
