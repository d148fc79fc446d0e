"""Llava with a `ConvTower`: the one class of a merged folder that plain `transformers` does not have.

This module, `vision` and `residual_network` are copied into such a folder (`hub.merge`), so they may import
nothing else of ExpLLM. `transformers` runs them with `trust_remote_code=True`.
"""

from typing import Any

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaModel,
)

from expllm.model.vision import ConvTower  # noqa: F401 - its import makes it known to `transformers`


class ConvLlavaConfig(LlavaConfig):
    """As `LlavaConfig`. Its name of its own makes `transformers` ask for the modules in the folder."""

    model_type = "expllm_conv_llava"


class ConvLlavaModel(LlavaModel):
    """Pictures and tokens to hidden states; what inference servers build on."""

    config_class = ConvLlavaConfig


class ConvLlava(LlavaForConditionalGeneration):
    """As `LlavaForConditionalGeneration`."""

    config_class = ConvLlavaConfig

    def __init__(self, config: ConvLlavaConfig) -> None:
        super().__init__(config)
        # `transformers` renames the keys of a `LlavaModel`; other readers of the file take them as they are.
        self.model.__class__ = ConvLlavaModel


def conv_llava_config(llava: LlavaConfig) -> ConvLlavaConfig:
    """The configuration of a Llava with a `ConvTower`, under its own name."""
    values: dict[str, Any] = llava.to_dict()
    for name in ("model_type", "architectures", "transformers_version"):
        values.pop(name, None)
    return ConvLlavaConfig(**values)


AutoConfig.register(ConvLlavaConfig.model_type, ConvLlavaConfig, exist_ok=True)
AutoModel.register(ConvLlavaConfig, ConvLlavaModel, exist_ok=True)
AutoModelForImageTextToText.register(ConvLlavaConfig, ConvLlava, exist_ok=True)
