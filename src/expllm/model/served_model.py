"""A model that a server runs: how it is to be asked, read from the merged folder that is served.

No weight is read, and PyTorch is not needed.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expllm.core.conversations import Order, Questions
from expllm.core.errors import UsageError
from expllm.core.vocabulary import Expression
from expllm.faces.boxes import trained_boxes
from expllm.model.families import crop_side, one_picture
from expllm.model.manifest import Manifest, calibrated_temperature, read_manifest, seal
from expllm.model.presets import HF_SIDE
from expllm.model.processors import ProcessorEncoder
from expllm.model.tokenize import TEMPLATES, Encoder, Encodes, label_tokens
from expllm.model.tokenizer import LightTokenizer

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class ServedModel:
    """What is known of a model before it is asked.

    Attributes:
        labels: Its label set.
        questions: What it is asked, as in training.
        order: Whether the label comes before its explanation, or behind it.
        words: For each label, the ids of its word and of the token that ends the answer.
        beginnings: For each label, the text of its first token; None where two labels begin with the same.
        side: Of the square picture that it is shown, in pixels.
        temperature: What log-probabilities are divided by.
        mirrored: A label is that of the face and its mirror image together.
        boxed: It was trained on faces that the detector had boxed, wherever they came from.
        digest: SHA-256 of what its answers depend on.
        manifest: All that its folder says.
    """

    labels: tuple[Expression, ...]
    questions: Questions
    order: Order
    words: tuple[tuple[int, ...], ...]
    beginnings: tuple[str, ...] | None
    side: int
    temperature: float
    mirrored: bool
    boxed: bool
    digest: str
    manifest: Manifest

    @classmethod
    def read(cls, folder: Path) -> "ServedModel":
        """From the folder that `expllm model merge` wrote.

        Raises:
            UsageError: it is no merged model's folder.
            MissingWeights, ModelError: as `read_manifest`; the temperature is none.
        """
        manifest = read_manifest(folder)
        if not manifest.merged:
            raise UsageError(
                f"{folder}: is not merged, so no server runs it: give the folder that 'expllm model merge' "
                "wrote and the server was started with"
            )
        encoder, decode = _encoder(folder, manifest)
        words = tuple(tuple(label_tokens(encoder, label)) for label in manifest.labels)
        begun = [decode(ids[0]) for ids in words]
        extra = manifest.extra
        return cls(
            manifest.labels, manifest.questions, manifest.order, words,
            tuple(begun) if len({text.strip() for text in begun}) == len(begun) else None,
            HF_SIDE if manifest.preset.hf is not None else manifest.preset.tower.image,
            calibrated_temperature(folder, extra, of_language=True), extra.get("mirrored") is True,
            trained_boxes(manifest.card) is True, seal(manifest.to_dict()), manifest,
        )  # fmt: skip

    def picture(self, crop: "Image.Image") -> bytes:
        """A face as the model is shown it, as a PNG: what the server then resizes is of that size already."""
        from PIL import Image

        file = io.BytesIO()
        square = crop.convert("RGB").resize((self.side, self.side), Image.Resampling.BICUBIC)
        square.save(file, "PNG")
        return file.getvalue()


def _encoder(folder: Path, manifest: Manifest) -> tuple[Encodes, Any]:
    """How conversations become ids, and the text of an id."""
    preset = manifest.preset
    if preset.hf is None:
        light = LightTokenizer(folder)
        language = preset.language
        encoder = Encoder(
            light, TEMPLATES[language.template], language.image_token, preset.tower.tokens, language.context
        )
        return encoder, lambda token: light.decode([token], skip_special_tokens=False)
    from transformers import AutoProcessor

    from expllm.model.video_processors import without_videos

    with without_videos():
        processor = one_picture(AutoProcessor.from_pretrained(str(folder)))
    asked = ProcessorEncoder(processor, crop_side(processor) or HF_SIDE, 4096)
    return asked, lambda token: processor.tokenizer.decode([token])
