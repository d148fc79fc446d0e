"""The fastest way to ask a model that the libraries have loaded."""

from typing import TYPE_CHECKING, Any, Final

import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from expllm.model.inference.audited_decoding import Ids
from expllm.model.inference.backend import InferenceBackend, llama_backend
from expllm.model.inference.hf_backend import TransformersBackend
from expllm.model.inference.llama import readable
from expllm.model.model_inputs import Preparer
from expllm.model.vlm import inner

if TYPE_CHECKING:
    from expllm.model.bundle import Bundle

PLAIN_LAYERS: Final = (nn.Linear, nn.Conv2d)
"""Layers whose weights an adapter can be added to as it is; those in 4 bits are subclasses."""


def backend_for(
    bundle: "Bundle", prepared: Preparer, dtype: torch.dtype | None, prompt: Ids
) -> InferenceBackend:
    """The model, ready to answer; `prompt` is one of those that it will be given."""
    model = without_adapters(bundle.model).eval()
    if bundle.preset.hf is not None or not readable(model.model.language_model):
        return TransformersBackend(model if dtype is None else model.to(dtype), prepared)
    opening = prompt[: prompt.index(model.config.image_token_id)]
    return llama_backend(model.to(dtype or model.get_input_embeddings().weight.dtype), opening)


def without_adapters(model: nn.Module) -> Any:
    """The model with its adapters added to the weights, in 32-bit floats, then rounded as the weights are.

    Weights in 4 bits keep their adapters: to round the sum to 4 bits would change what was learned.
    """
    adapters = [module for module in model.modules() if isinstance(module, LoraLayer)]
    if not adapters or any(type(adapter.get_base_layer()) not in PLAIN_LAYERS for adapter in adapters):
        return inner(model)
    adapted: Any = model
    return adapted.merge_and_unload()
