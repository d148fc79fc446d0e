"""A small convolutional vision encoder (`residual_network`), as `transformers` takes one.

From 36,000 faces a transformer of this size does not learn to see in the time in which this one does
(docs/experiments.md). Its norms are part of its weights: what is frozen has no statistics to disturb.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from expllm.model.residual_network import STRIDE, STRIDES, blocks_of, look, stem_of


class ConvConfig(PreTrainedConfig):
    """Sizes of a `ConvTower`.

    Attributes:
        widths: Channels of its four stages; the last is the width of the features.
        image_size: Side of the pictures in pixels, a multiple of 16.
    """

    model_type = "expllm_conv"

    def __init__(
        self, widths: Sequence[int] = (64, 128, 256, 512), image_size: int = 96, **kwargs: Any
    ) -> None:
        self.widths, self.image_size = list(widths), image_size
        # What describes it beside a transformer, in `model show` and in plans.
        self.hidden_size, self.patch_size = self.widths[-1], STRIDE
        self.num_hidden_layers, self.num_attention_heads = 2 * len(STRIDES), 1
        self.intermediate_size = self.widths[-1]
        super().__init__(**kwargs)


class ConvTower(PreTrainedModel):
    """Pictures to a grid of features, as a transformer's tower gives them: [batch, 1 + cells, width].

    The mean of all comes first, in the place of a class token; the cells follow row by row.
    """

    config_class = ConvConfig
    main_input_name = "pixel_values"
    _no_split_modules = ("Residual",)

    def __init__(self, config: ConvConfig) -> None:
        super().__init__(config)
        self.stem, self.blocks = stem_of(config.widths), blocks_of(config.widths)
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """Args: pixel_values: [batch, 3, side, side], normalised."""
        hidden = look(self.stem, self.blocks, pixel_values.to(self.stem.weight.dtype))
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden, pooler_output=hidden[:, 0], hidden_states=(hidden,)
        )


AutoConfig.register("expllm_conv", ConvConfig, exist_ok=True)
AutoModel.register(ConvConfig, ConvTower, exist_ok=True)
