"""From a conversation and a picture to what a model takes: one way for training, prediction and evaluation.

Which way is part of the model: side, normalisation and template are saved with it (`presets.Preset`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor

from expllm.data.augment import Change
from expllm.data.encode import TEMPLATES, Encoded, Encoder, TokenizerTemplate, collate
from expllm.errors import UsageError
from expllm.model.presets import HF_SIDE, Preset, Tower

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

NOTHING: Final = Change()
TYPES: Final = "mm_token_type_ids"
"""Where some models look up which tokens are a picture's: 1 there, else 0."""

Pixels = Mapping[str, "NDArray[Any]"]


class Prepared(Protocol):
    """What a model's inputs depend on: a `Bundle`, or a `light.LightBundle`."""

    @property
    def preset(self) -> Preset: ...

    @property
    def tokenizer(self) -> Any: ...

    @property
    def processor(self) -> Any | None:
        """Of `hf:` presets."""
        ...


class Preparer(Protocol):
    """How a model's inputs are made."""

    @property
    def encoder(self) -> Encoder: ...

    def pixels(self, image: "Image.Image", change: Change = NOTHING) -> Pixels:
        """One picture (RGB, any size) as the arrays that its tower takes."""
        ...

    def batch(self, texts: Sequence[Encoded], pixels: Sequence[Pixels]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask`, `labels` [batch, length], filled up at the right; pictures."""
        ...


def preparer(bundle: Prepared, max_length: int | None = None, *, plain: bool = False) -> Preparer:
    """The way of this model.

    Args:
        max_length: Most tokens of a conversation; by default the model's context.
        plain: Stage 1: picture and caption, without a word of the chat template.
    """
    if bundle.processor is not None:
        return HfPreparer(bundle.processor, max_length or 4096)
    language, tower = bundle.preset.language, bundle.preset.tower
    if language.template not in TEMPLATES:
        raise UsageError(f"no chat template {language.template!r}: there are {', '.join(TEMPLATES)}")
    encoder = Encoder(
        bundle.tokenizer, TEMPLATES["plain" if plain else language.template], language.image_token,
        tower.tokens, max_length or language.context,
    )  # fmt: skip
    pad = bundle.tokenizer.convert_tokens_to_ids(language.pad_token)
    return TowerPreparer(encoder, tower, int(pad))


@dataclass(frozen=True)
class TowerPreparer:
    """For our own towers: a square, bicubic, normalised as the tower was trained."""

    encoder: Encoder
    tower: Tower
    pad_id: int

    def pixels(self, image: "Image.Image", change: Change = NOTHING) -> Pixels:
        """`pixel_values` [3, side, side] float32. What is no square is stretched."""
        from PIL import Image

        side = self.tower.image
        resized = change.apply(image.convert("RGB")).resize((side, side), Image.Resampling.BICUBIC)
        scaled = np.asarray(resized, np.float32).transpose(2, 0, 1) / np.float32(255)
        mean, std = (np.array(v, np.float32).reshape(3, 1, 1) for v in (self.tower.mean, self.tower.std))
        normal: NDArray[np.float32] = (scaled - mean) / std
        return {"pixel_values": change.erase(normal)}

    def batch(self, texts: Sequence[Encoded], pixels: Sequence[Pixels]) -> dict[str, Tensor]:
        """See `Preparer`; `pixel_values` is [batch, 3, side, side]."""
        arrays = dict(collate(texts, self.pad_id))
        arrays["pixel_values"] = np.stack([one["pixel_values"] for one in pixels])
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


class HfPreparer:
    """For other image-text-to-text models: through their own processor and chat template.

    Args:
        processor: Of `transformers`.
        max_length: Most tokens of a conversation.

    Raises:
        UsageError: the processor shows no place for a picture.
    """

    def __init__(self, processor: Any, max_length: int) -> None:
        self.processor = processor
        tokenizer = processor.tokenizer
        token = getattr(processor, "image_token", None) or getattr(tokenizer, "image_token", None)
        if token is None:
            raise UsageError(
                f"{type(processor).__name__}: names no token for a picture: choose another model"
            )
        self.pad_id = int(
            tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        )
        self._image_id = tokenizer.convert_tokens_to_ids(str(token))
        count = self._tokens_of_a_picture(str(token))
        self.encoder = Encoder(tokenizer, TokenizerTemplate(processor), str(token), count, max_length)

    def pixels(self, image: "Image.Image", change: Change = NOTHING) -> Pixels:
        """What the model's image processor makes of the square; erased is mean grey."""
        from PIL import Image

        square = change.apply(image.convert("RGB")).resize((HF_SIDE, HF_SIDE), Image.Resampling.BICUBIC)
        values = np.asarray(square, np.float32).transpose(2, 0, 1) - 127.5
        restored = (change.erase(values) + 127.5).round().clip(0, 255).astype(np.uint8)
        found = self.processor.image_processor(
            Image.fromarray(restored.transpose(1, 2, 0)), return_tensors="np"
        )
        return {name: np.asarray(value) for name, value in found.items()}

    def batch(self, texts: Sequence[Encoded], pixels: Sequence[Pixels]) -> dict[str, Tensor]:
        """See `Preparer`; the pictures' arrays are joined along their first dimension."""
        arrays = dict(collate(texts, self.pad_id))
        if TYPES in getattr(self.processor, "model_input_names", ()):
            arrays[TYPES] = (arrays["input_ids"] == self._image_id).astype(np.int64)
        for name in pixels[0]:
            arrays[name] = np.concatenate([one[name] for one in pixels])
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _tokens_of_a_picture(self, token: str) -> int:
        from PIL import Image

        blank = Image.new("RGB", (HF_SIDE, HF_SIDE))
        ids = self.processor(images=blank, text=token, return_tensors="np")["input_ids"]
        return int((np.asarray(ids) == self._image_id).sum())
