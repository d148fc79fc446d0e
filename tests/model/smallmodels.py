"""Small models for tests: random, trained a little by hand, and what is asked of them."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.presets import preset
from expllm.model.vlm import inner

torch.set_num_threads(1)


def tiny_bundle(seed: int = 1) -> Bundle:
    """A `tiny` model whose adapters do something: `lora_B` is zero when they are new."""
    bundle = new_bundle(preset("tiny"), label_set(7), seed=seed)
    drawn = torch.Generator().manual_seed(seed)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B." in name or "layer_scale" in name:
            parameter.data = torch.randn(parameter.shape, generator=drawn) * 0.3
    bundle.model.eval()
    return bundle


@cache
def shared_bundle() -> Bundle:
    """One for all tests that change nothing."""
    return tiny_bundle()


def inputs(bundle: Bundle, rows: int = 2, length: int = 6) -> dict[str, Tensor]:
    """Random pictures, and as many random words after each: the same for every call."""
    drawn = torch.Generator().manual_seed(7)
    tower = bundle.preset.tower
    image_id = bundle.tokenizer.convert_tokens_to_ids(bundle.preset.language.image_token)
    words = torch.randint(10, 300, (rows, length), generator=drawn)
    ids = torch.cat([torch.full((rows, tower.tokens), int(image_id)), words], dim=1)
    pixels = torch.randn((rows, 3, tower.image, tower.image), generator=drawn)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}


@torch.no_grad()
def logits(model: nn.Module, given: dict[str, Tensor]) -> Tensor:
    """[batch, length, vocabulary]"""
    found: Tensor = model(**given).logits
    return found


@torch.no_grad()
def features(model: nn.Module, pixels: Tensor) -> Tensor:
    """What the projector is given: [batch, patches, hidden]."""
    llava: Any = inner(model)
    seen: list[Tensor] = []
    handle = llava.model.multi_modal_projector.register_forward_hook(
        lambda _, given, __: seen.append(given[0])
    )
    try:
        llava.model.get_image_features(pixel_values=pixels)
    finally:
        handle.remove()
    return seen[0]
