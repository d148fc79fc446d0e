"""From a conversation and a picture to what a model takes: one way for training, prediction and evaluation.

Which way is part of the model: side, normalisation and template are saved with it (`presets.Preset`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor

from expllm.core.conversations import Turn
from expllm.core.errors import UsageError
from expllm.data.augment import PictureChange
from expllm.model.families import crop_side, family_of, one_picture
from expllm.model.presets import HF_SIDE, Preset, VisionConfig
from expllm.model.processors import BY_TEXT, ProcessorEncoder
from expllm.model.tokenize import IGNORE, TEMPLATES, Encoded, Encoder, Encodes, collate

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

_NOTHING: Final = PictureChange()
Pixels = Mapping[str, "NDArray[Any]"]


class InputPreparation(Protocol):
    """What a model's inputs depend on: a `Bundle`, or a `loader.FastRuntime`."""

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
    def encoder(self) -> Encodes: ...

    def pixels(self, image: "Image.Image", change: PictureChange = _NOTHING) -> Pixels:
        """One picture (RGB, any size) as the arrays that its tower takes."""
        ...

    def batch(self, texts: Sequence[Encoded], pixels: Sequence[Pixels]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask`, `labels` [batch, length], filled up at the right; pictures."""
        ...


def preparer(bundle: InputPreparation, max_length: int | None = None, *, plain: bool = False) -> Preparer:
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
    tower: VisionConfig
    pad_id: int

    def pixels(self, image: "Image.Image", change: PictureChange = _NOTHING) -> Pixels:
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
        processor: Of `transformers`; it is set up so that a face is one picture.
        max_length: Most tokens of a conversation.

    Raises:
        TemplateError: it cannot write a conversation about one picture.
    """

    def __init__(self, processor: Any, max_length: int) -> None:
        family = family_of(processor)
        self.processor, self._side = one_picture(processor), crop_side(processor)
        self._causal_type = family.causal_type
        self.encoder = ProcessorEncoder(processor, self._side or HF_SIDE, max_length)
        tokenizer = processor.tokenizer
        pad = tokenizer.pad_token_id
        self.pad_id = int(tokenizer.eos_token_id if pad is None else pad)

    def pixels(self, image: "Image.Image", change: PictureChange = _NOTHING) -> Pixels:
        """What the processor gives about a square picture, by its names; erased is mean grey."""
        from PIL import Image

        square = self.square(image, change)
        if change.erased is not None:
            values = np.asarray(square, np.float32).transpose(2, 0, 1) - 127.5
            grey = (change.erase(values) + 127.5).round().clip(0, 255).astype(np.uint8)
            square = Image.fromarray(grey.transpose(1, 2, 0))
        given = self.encoder.read(_QUESTION, ask=True, picture=square)
        by_text = {*BY_TEXT, *self.encoder.types}
        return {name: np.asarray(value) for name, value in given.items() if name not in by_text}

    def square(self, image: "Image.Image", change: PictureChange = _NOTHING) -> "Image.Image":
        """The picture as the processor sees it."""
        from PIL import Image

        changed = change.apply(image.convert("RGB"))
        side = self._side or max(changed.size)
        return changed.resize((side, side), Image.Resampling.BICUBIC)

    def batch(self, texts: Sequence[Encoded], pixels: Sequence[Pixels]) -> dict[str, Tensor]:
        """See `Preparer`; what belongs to pictures is joined along its first dimension."""
        arrays = dict(collate(texts, self.pad_id))
        for name, of_id in self.encoder.types.items():
            arrays[name] = np.zeros_like(arrays["input_ids"])
            for token, value in of_id.items():
                arrays[name][arrays["input_ids"] == token] = value
        if self._causal_type is not None:
            # From the first word that is learned on, a token sees what came before it alone.
            arrays[self._causal_type] = (arrays["labels"] != IGNORE).cumsum(1).clip(max=1)
        for name in pixels[0]:
            arrays[name] = np.concatenate([one[name] for one in pixels])
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


_QUESTION: Final = (Turn("user", "-"),)
"""A picture is read with a text beside it, as processors expect it."""
