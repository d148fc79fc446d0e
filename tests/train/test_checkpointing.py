"""Activations that are computed twice give the gradients of those that were kept."""

from typing import Any

import torch
from small import INSTRUCT
from torch import Tensor

from expllm.core.vocabulary import label_set
from expllm.model.bundle import new_bundle
from expllm.model.presets import preset
from expllm.model.tokenize import IGNORE
from expllm.model.vlm import inner, train_only
from expllm.train.learner import Learner, trainable


def gradients(*, checkpointing: bool) -> dict[str, Tensor]:
    """Of one batch, in 16 bits: adapters are held in 32."""
    bundle = new_bundle(preset("tiny"), label_set(7), dtype=torch.bfloat16)
    train_only(bundle.model, INSTRUCT.trains)
    learner = Learner(bundle.model.train())
    for module in learner.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    llava: Any = inner(bundle.model)
    if checkpointing:
        llava.gradient_checkpointing_enable({"use_reentrant": False})
        llava.disable_input_require_grads()
    drawn = torch.Generator().manual_seed(0)
    ids = torch.cat([torch.full((2, 4), 3), torch.randint(10, 300, (2, 12), generator=drawn)], dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        total: Tensor = learner(
            labels=torch.where(torch.arange(16) < 8, IGNORE, ids), tasks=torch.zeros(2, dtype=torch.long),
            input_ids=ids, attention_mask=torch.ones_like(ids),
            pixel_values=torch.randn(2, 3, 28, 28, generator=drawn),
        )[0]  # fmt: skip
    total.backward()  # type: ignore[no-untyped-call]
    return {name: parameter.grad for name, parameter in trainable(learner).items()}  # type: ignore[misc]


def test_checkpointing_in_16_bits_changes_no_gradient() -> None:
    kept, again = gradients(checkpointing=False), gradients(checkpointing=True)
    assert any(bool(gradient.any()) for gradient in kept.values())
    assert all(torch.equal(kept[name], again[name]) for name in kept)
