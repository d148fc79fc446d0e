"""Adapters of a higher rank, on more layers: the same answers before anything is learned."""

import sys
from pathlib import Path

import pytest
import torch
from smallconv import SMALL

import expllm
from expllm.core.errors import UsageError
from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.vlm import supervised_losses

sys.path.insert(0, str(Path(expllm.__file__).parents[2] / "scripts"))
from widen_adapter import widened

WIDER = ("q_proj", "k_proj", "v_proj", "down_proj", "second")


def taught() -> Bundle:
    """A model whose adapters say something."""
    bundle = new_bundle(SMALL, label_set(7), seed=3)
    draws = torch.Generator().manual_seed(1)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B." in name:
            parameter.data = torch.randn(parameter.shape, generator=draws) * 0.1
    return bundle


def loss(bundle: Bundle) -> float:
    image = bundle.tokenizer.convert_tokens_to_ids(bundle.preset.language.image_token)
    ids = torch.arange(64).reshape(2, 32) % 50 + 4
    ids[:, 2 : 2 + bundle.preset.tower.tokens] = image
    draws = torch.Generator().manual_seed(0)
    inputs = {
        "input_ids": ids, "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.randn(2, 3, 48, 48, generator=draws),
    }  # fmt: skip
    with torch.no_grad():
        return float(supervised_losses(bundle.model.eval(), inputs, ids).total)


def test_a_wider_model_answers_the_same() -> None:
    narrow = taught()
    wide = widened(narrow, 16, WIDER)
    assert (wide.preset.lora.rank, wide.preset.lora.alpha) == (16, 32)
    assert loss(wide) == pytest.approx(loss(narrow), rel=1e-5)
    plain = new_bundle(SMALL, label_set(7), seed=3)
    assert abs(loss(plain) - loss(narrow)) > 0.01


def test_nothing_that_was_learned_is_lost() -> None:
    with pytest.raises(UsageError, match=r"v_proj.*has learned something: name its layer among --targets"):
        widened(taught(), 16, ("q_proj", "second"))
