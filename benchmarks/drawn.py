"""A preset at full size with weights drawn where it computes: nothing is read, and no copy passes the CPU."""

from dataclasses import replace
from typing import Any

import torch

from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle
from expllm.model.presets import Preset, preset
from expllm.model.quiet import quiet_transformers
from expllm.model.tiny_tokenizer import tiny_tokenizer
from expllm.model.vlm import empty_model, with_lora


def without_sources(name: str) -> Preset:
    """The preset's sizes, with the words of the random models: no tokenizer is needed either."""
    chosen = preset(name)
    language = replace(
        chosen.language, source=None, weights="random", gguf=None,
        template="smollm2", image_token="<image>", pad_token="<pad>",
    )  # fmt: skip
    return replace(chosen, tower=replace(chosen.tower, source=None), language=language)


def drawn(
    name: str, device: str, dtype: torch.dtype = torch.bfloat16, *, adapters: bool = False, seed: int = 0
) -> Bundle:
    """A model that says nothing and costs what the real one does.

    Args:
        adapters: With LoRA in both towers, as for training; an answer has them merged.
    """
    chosen = without_sources(name)
    tokenizer = tiny_tokenizer(chosen.language.vocabulary)
    image_token = int(tokenizer.convert_tokens_to_ids(chosen.language.image_token))
    with quiet_transformers():
        model: Any = empty_model(chosen, image_token).to(dtype).to_empty(device=device)
        language = model.model.language_model
        language.rotary_emb = type(language.rotary_emb)(language.config).to(device)
        _draw(model, torch.Generator(device).manual_seed(seed))
        model.tie_weights()
    if adapters:
        model = with_lora(model, chosen.lora, seed)
    return Bundle(model.eval(), tokenizer, chosen, label_set(8))


@torch.no_grad()
def _draw(model: Any, chance: torch.Generator) -> None:
    """Matrices keep the size of what they are given; norms and scales are 1, biases 0."""
    for name, parameter in model.named_parameters():
        if name.endswith(("cls_token", "mask_token", "position_embeddings")):
            parameter.normal_(std=0.02, generator=chance)
        elif parameter.ndim > 1:
            parameter.normal_(std=(parameter.numel() / len(parameter)) ** -0.5, generator=chance)
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    for name, buffer in model.model.vision_tower.named_buffers():  # of a tower with batch norms
        buffer.fill_(1 if name.endswith("var") else 0)
