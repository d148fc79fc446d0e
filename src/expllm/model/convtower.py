"""A small convolutional vision tower: a residual network (He et al. 2016), its norms folded into its weights.

From 36,000 faces a transformer of this size does not learn to see in the time in which this one does
(docs/experiments.md). Its norms are part of its weights: what is frozen has no statistics to disturb.
"""

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

STRIDE: Final = 16
"""Pixels of the picture to one feature."""
STRIDES: Final = (2, 2, 2, 1)
"""Of the stages; the stem halves as well. The last keeps its grid: a small face needs a fine one."""


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


class Residual(nn.Module):
    """Two convolutions, and what they are given beside them: [N, C, H, W]."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1)
        self.second = nn.Conv2d(after, after, 3, 1, 1)
        changes = stride > 1 or before != after
        self.around = nn.Conv2d(before, after, 1, stride) if changes else None

    def forward(self, pixels: Tensor) -> Tensor:
        beside = pixels if self.around is None else self.around(pixels)
        return relu(beside + self.second(relu(self.first(pixels))))


class ConvTower(PreTrainedModel):
    """Pictures to a grid of features, as a transformer's tower gives them: [batch, 1 + cells, width].

    The mean of all comes first, in the place of a class token; the cells follow row by row.
    """

    config_class = ConvConfig
    main_input_name = "pixel_values"
    _no_split_modules = ("Residual",)

    def __init__(self, config: ConvConfig) -> None:
        super().__init__(config)
        before = config.widths[0]
        self.stem = nn.Conv2d(3, before, 5, 2, 2)
        blocks = []
        for width, stride in zip(config.widths, STRIDES, strict=True):
            blocks += [Residual(before, width, stride), Residual(width, width, 1)]
            before = width
        self.blocks = nn.ModuleList(blocks)
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """Args: pixel_values: [batch, 3, side, side], normalised."""
        features = relu(self.stem(pixel_values.to(self.stem.weight.dtype)))
        for block in self.blocks:
            features = block(features)
        cells = features.flatten(2).transpose(1, 2)
        mean = cells.mean(1)
        hidden = torch.cat([mean[:, None], cells], 1)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden, pooler_output=mean, hidden_states=(hidden,)
        )


AutoConfig.register("expllm_conv", ConvConfig, exist_ok=True)
AutoModel.register(ConvConfig, ConvTower, exist_ok=True)
