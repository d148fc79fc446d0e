"""What makes steps on a processor cheaper changes nothing in what is learned."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from smallconv import SMALL

from expllm.core.errors import UsageError
from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.vlm import supervised_losses, train_only
from expllm.train.host_compute import compile_blocks


def learning() -> Bundle:
    still = replace(SMALL, lora=replace(SMALL.lora, dropout=0.0))
    bundle = new_bundle(still, label_set(7), seed=3)
    train_only(bundle.model, ("projector", "language_lora"))
    return bundle


def loss_and_gradient(bundle: Bundle) -> tuple[float, torch.Tensor]:
    image = bundle.tokenizer.convert_tokens_to_ids(bundle.preset.language.image_token)
    ids = torch.arange(64).reshape(2, 32) % 50 + 4
    ids[:, 2 : 2 + bundle.preset.tower.tokens] = image
    labels = ids.clone()
    labels[:, :20] = -100
    draws = torch.Generator().manual_seed(0)
    inputs = {
        "input_ids": ids, "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.randn(2, 3, 48, 48, generator=draws),
    }  # fmt: skip
    total = supervised_losses(bundle.model, inputs, labels).total
    total.backward()  # type: ignore[no-untyped-call]
    learns = [one for one in bundle.model.parameters() if one.requires_grad and one.grad is not None]
    return float(total), torch.cat([one.grad.flatten() for one in learns if one.grad is not None])


@pytest.mark.slow
def test_compiled_blocks_learn_the_same() -> None:
    plain, compiled = learning(), learning()
    compile_blocks(compiled.model, "cpu")
    (loss, gradient), (other, others) = loss_and_gradient(plain), loss_and_gradient(compiled)
    assert other == pytest.approx(loss, rel=1e-5)
    assert (gradient - others).abs().max() < 1e-4 * gradient.abs().max()


def test_without_a_compiler_the_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UsageError, match=r"train\.torch_compile: needs a C\+\+ compiler"):
        compile_blocks(learning().model, "cpu")


FAULTS = """
import resource, sys
import numpy as np
from expllm.train.host_compute import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
def steps():
    for _ in range(10):
        np.ones(1 << 23)  # 64 MiB
steps()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
steps()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own")
def test_freed_memory_is_used_again() -> None:
    """Otherwise every page of it is a fault, and zeroed by the system."""
    done = [
        subprocess.run([sys.executable, "-c", FAULTS, one], capture_output=True, check=False)
        for one in ("keep", "give")
    ]
    if done[0].returncode == 3:
        pytest.skip("another C library")
    kept, given = (int(one.stdout) for one in done)
    assert kept < given / 10
