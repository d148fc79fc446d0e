"""A small convolutional vision tower: EfficientNet-lite, its norms folded into its weights.

A transformer of this size does not learn to see from 28,000 faces (docs/experiments.md); this one begins with
ImageNet. It differs from Tan and Le's EfficientNet-lite (2019, Apache-2.0) in its last stride, 1 instead of 2:
a small face needs a fine grid. Pointwise convolutions are `nn.Linear`, so that adapters fit them.
"""

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu6
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

EXPAND: Final = 6
HEAD: Final = 1280
"""Width of the features."""
STRIDE: Final = 16
"""Pixels of the picture to one feature."""
_STEM: Final = 32
_STAGES: Final = (
    # repeats, kernel, stride, width; the first has no expansion
    (1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 1, 192), (1, 3, 1, 320),
)  # fmt: skip


class LiteConfig(PreTrainedConfig):
    """Sizes of a `LiteTower`.

    Attributes:
        width: Factor on the number of channels; 1.0 for lite0 and lite1, 1.1 for lite2.
        depth: Factor on the number of blocks; 1.0, 1.1, 1.2.
        image_size: Side of the pictures, a multiple of 16.
    """

    model_type = "expllm_lite"

    def __init__(self, width: float = 1.0, depth: float = 1.0, image_size: int = 96, **kwargs: Any) -> None:
        self.width, self.depth, self.image_size = width, depth, image_size
        self.hidden_size, self.patch_size = HEAD, STRIDE
        # What describes it beside a transformer, in `model show` and in plans.
        blocks = lite_blocks(width, depth)
        self.num_hidden_layers, self.num_attention_heads = len(blocks), 1
        self.intermediate_size = EXPAND * blocks[-1][1]
        super().__init__(**kwargs)


def lite_blocks(width: float, depth: float) -> list[tuple[int, int, int, int, int]]:
    """Channels in, channels out, kernel, stride and expansion of each block."""
    from math import ceil

    blocks, before = [], _STEM
    for number, (repeats, kernel, stride, channels) in enumerate(_STAGES):
        ends = number in (0, len(_STAGES) - 1)
        after = _rounded(channels * width)
        for repeat in range(repeats if ends else ceil(repeats * depth)):
            blocks.append((before, after, kernel, 1 if repeat else stride, EXPAND if number else 1))
            before = after
    return blocks


def _rounded(channels: float) -> int:
    """To a multiple of 8, and not by more than a tenth down."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


class Depthwise(nn.Conv2d):
    """Each channel by itself, filled up at the borders as TensorFlow does; [N, C, H, W]."""

    def __init__(self, channels: int, kernel: int, stride: int, before: int | None = None) -> None:
        super().__init__(before or channels, channels, kernel, stride, groups=1 if before else channels)

    def forward(self, pixels: Tensor) -> Tensor:
        return super().forward(pad(pixels, _borders(pixels, self.kernel_size[0], self.stride[0])))


def _borders(pixels: Tensor, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom; the odd pixel goes to the right and the bottom."""
    high, wide = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in pixels.shape[-2:])
    return wide // 2, wide - wide // 2, high // 2, high - high // 2


class LiteBlock(nn.Module):
    """An inverted bottleneck: wider, seen around, narrower. [N, H, W, C] in and out."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = before * expand
        self.expand = nn.Linear(before, wide) if expand > 1 else None
        self.depthwise = Depthwise(wide, kernel, stride)
        self.project = nn.Linear(wide, after)
        self.skips = stride == 1 and before == after

    def forward(self, features: Tensor) -> Tensor:
        wide = features if self.expand is None else relu6(self.expand(features))
        # A permuted view, which is what `channels_last` means: nothing is copied.
        around = relu6(self.depthwise(wide.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        narrow = self.project(around)
        return features + narrow if self.skips else narrow


class LiteTower(PreTrainedModel):
    """Pictures to a grid of features, as a transformer's tower gives them: [batch, 1 + cells, 1280].

    The mean of all comes first, in the place of a class token; the cells follow row by row.
    """

    config_class = LiteConfig
    main_input_name = "pixel_values"
    _no_split_modules = ("LiteBlock",)

    def __init__(self, config: LiteConfig) -> None:
        super().__init__(config)
        self.stem = Depthwise(_STEM, 3, 2, before=3)
        blocks = lite_blocks(config.width, config.depth)
        self.blocks = nn.ModuleList(LiteBlock(*block) for block in blocks)
        self.head = nn.Linear(blocks[-1][1], HEAD)
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """Args: pixel_values: [batch, 3, side, side], normalised."""
        features = relu6(self.stem(pixel_values.to(self.stem.weight.dtype))).permute(0, 2, 3, 1)
        for block in self.blocks:
            features = block(features)
        cells = relu6(self.head(features)).flatten(1, 2)
        mean = cells.mean(1)
        hidden = torch.cat([mean[:, None], cells], 1)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden, pooler_output=mean, hidden_states=(hidden,)
        )


AutoConfig.register("expllm_lite", LiteConfig, exist_ok=True)
AutoModel.register(LiteConfig, LiteTower, exist_ok=True)
