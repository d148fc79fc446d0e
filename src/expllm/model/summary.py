"""A preset as it would be built, on the meta device: no weight is read, nothing is downloaded."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Final

import torch

from expllm.core.errors import MissingWeights
from expllm.model.build import fetched
from expllm.model.costs import (
    MemoryEstimate,
    Sizes,
    Stack,
    TextLength,
    answer_flops,
    answer_memory,
    training_flops,
    training_memory,
)
from expllm.model.families import family_of
from expllm.model.hub.published_sizes import PUBLISHED
from expllm.model.hub.snapshots import find_snapshot, resolve_revisions
from expllm.model.presets import Preset
from expllm.model.quiet import quiet_transformers
from expllm.model.vlm import MODEL_PARTS, empty_model, inner, module_names, parameter_part, with_lora

LEARNED: Final = ("projector", "tower_lora", "language_lora")
"""What the second stage trains."""
_LABEL: Final = TextLength(asked=80, answered=4)
EXPLANATION: Final = TextLength(asked=80, answered=170)
"""117 words on average in the released texts, in Llama's vocabulary."""
TRAINING_TEXT: Final = TextLength(asked=110, answered=175)
"""Two rounds: an explanation and its label."""
PAPER_NOTE: Final = (
    "The paper says 8.7 M trainable parameters. Its description gives the number above: a projector of two "
    "layers, and adapters of rank 8 on the queries and values of both towers. No choice among these parts "
    "makes 8.7 M."
)
_SIDE: Final = 224
"""Side, in pixels, of a picture for an `hf:` model whose configuration fixes none."""


@dataclass(frozen=True)
class Module:
    """One part of the model.

    Attributes:
        kind: Its class in `transformers`.
        sizes: Layers, width and so on, by name.
        source: Where its weights come from.
    """

    part: str
    kind: str
    parameters: int
    sizes: Mapping[str, int]
    source: str
    licence: str


@dataclass(frozen=True)
class Summary:
    """What a preset is and costs.

    Attributes:
        trainable: Parameters that learn in the second stage, by part.
        training: Memory of a step in bytes by name, with and without checkpointing.
        training_flops: Of one sample in one step, with and without checkpointing.
        answers: Memory, and operations of one label and of one explanation.
    """

    preset: Preset
    modules: tuple[Module, ...]
    trainable: Mapping[str, int]
    visual_tokens: int
    batch: int
    training: Mapping[str, MemoryEstimate]
    training_flops: Mapping[str, float]
    answer_memory: MemoryEstimate
    answer_flops: Mapping[str, float]
    note: str

    @property
    def parameters(self) -> int:
        """All, with adapters."""
        return sum(module.parameters for module in self.modules) + sum(
            count for part, count in self.trainable.items() if part.endswith("_lora")
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; memory in bytes."""
        memory = {name: {**asdict(one), "total": one.total} for name, one in self.training.items()}
        return {
            "preset": self.preset.to_dict(),
            "modules": [asdict(module) for module in self.modules],
            "parameters": self.parameters,
            "trainable": {**self.trainable, "total": sum(self.trainable.values())},
            "visual_tokens": self.visual_tokens,
            "training": {
                "batch": self.batch, "text_tokens": asdict(TRAINING_TEXT), "memory": memory,
                "flops_per_sample": dict(self.training_flops),
            },
            "answer": {
                "memory": {**asdict(self.answer_memory), "total": self.answer_memory.total},
                "flops": dict(self.answer_flops),
            },
            "note": self.note,
        }  # fmt: skip


def model_summary(preset: Preset, batch: int = 16) -> Summary:
    """A preset's parts, parameters and costs.

    Args:
        batch: Samples in one step of one device.

    Raises:
        MissingWeights: the configuration of an `hf:` model cannot be had.
    """
    preset = resolve_revisions(preset, online=False)
    model = _empty(preset)
    sizes = _sizes(preset, model)
    modes = {"plain": False, "checkpointing": True}
    return Summary(
        preset, _modules(preset, model, sizes), {part: sizes.parameters[part] for part in LEARNED},
        sizes.visual_tokens, batch,
        {name: training_memory(sizes, LEARNED, batch, TRAINING_TEXT, checkpointing=on)
         for name, on in modes.items()},
        {name: training_flops(sizes, LEARNED, TRAINING_TEXT, checkpointing=on) for name, on in modes.items()},
        answer_memory(sizes, 1, EXPLANATION),
        {"label": answer_flops(sizes, _LABEL), "explanation": answer_flops(sizes, EXPLANATION)},
        PAPER_NOTE if preset.name.startswith("paper") else "",
    )  # fmt: skip


def sizes_of(preset: Preset) -> Sizes:
    """What the costs of a preset depend on.

    Raises:
        MissingWeights: the configuration of an `hf:` model cannot be had.
    """
    preset = resolve_revisions(preset, online=False)
    return _own_sizes(preset) if preset.hf is None else _sizes(preset, _empty(preset))


@cache
def _own_sizes(preset: Preset) -> Sizes:
    """Of a preset that says every size itself: each variant of a table and each stage asks for the same."""
    return _sizes(preset, _empty(preset))


def _sizes(preset: Preset, model: Any) -> Sizes:
    counts = dict.fromkeys((*MODEL_PARTS, "other"), 0)
    blocks = {"tower": 0, "language": 0}
    where = module_names(model)
    for name, parameter in model.named_parameters():
        part = parameter_part(name, where)
        counts[part] += parameter.numel()
        if part in blocks and (".layer." in name or ".layers." in name or ".blocks." in name):
            blocks[part] += parameter.numel()
    config = model.config
    tower, language = config.vision_config, config.get_text_config()
    patches = _patches(preset, tower)
    return Sizes(
        _stack(tower, blocks["tower"], gated=False), _stack(language, blocks["language"], gated=True),
        _visual_tokens(config, patches), patches + 1, _number(language, "vocab_size"), counts,
        packed=preset.quantization == "nf4",
    )  # fmt: skip


def _empty(preset: Preset) -> Any:
    """The model on the meta device, with adapters."""
    if preset.hf is None:
        return with_lora(empty_model(preset), preset.lora)
    from transformers import AutoConfig, AutoModelForImageTextToText

    name, here = preset.hf, find_snapshot(preset.hf, preset.revision)

    def read() -> Any:
        if here:
            return AutoConfig.from_pretrained(here.folder)
        if name in PUBLISHED:
            return AutoConfig.for_model(**deepcopy(PUBLISHED[name]))
        return AutoConfig.from_pretrained(name, revision=preset.revision)

    config = fetched(name, read)
    if not hasattr(config, "vision_config"):
        raise MissingWeights(f"{name}: does not accept images: choose an image-text-to-text model")
    with torch.device("meta"), quiet_transformers():
        return with_lora(AutoModelForImageTextToText.from_config(config), preset.lora)


def _stack(config: Any, weights: int, *, gated: bool) -> Stack:
    hidden = _number(config, "hidden_size", "embed_dim")
    heads = _number(config, "num_attention_heads", "num_heads")
    width = getattr(config, "head_dim", None) or hidden // heads
    intermediate = _number(config, "intermediate_size") or int(hidden * getattr(config, "mlp_ratio", 4))
    layers = _number(config, "num_hidden_layers", "depth")
    kv = (_number(config, "num_key_value_heads") or heads) * width
    return Stack(layers, hidden, intermediate, kv, weights, gated)


def _number(config: Any, *names: str) -> int:
    """The first of these settings that there is; models name the same thing otherwise."""
    return next((int(getattr(config, name)) for name in names if getattr(config, name, None)), 0)


def _patches(preset: Preset, tower: Any) -> int:
    if preset.hf is None:
        return preset.tower.tokens
    side = _number(tower, "image_size") or family_of(tower).seen or _SIDE
    return (side // (_number(tower, "patch_size") or 14)) ** 2


def _visual_tokens(config: Any, patches: int) -> int:
    """Places of a picture: its patches, a square of which makes one; twice where it is its own only tile."""
    tower = config.vision_config
    merged = _number(tower, "spatial_merge_size", "pooling_kernel_size") or _number(config, "scale_factor")
    merged = merged or round(1 / (getattr(config, "downsample_ratio", None) or 1))
    looks = 2 if family_of(config).side == "tile" else 1
    return looks * (_number(config, "mm_tokens_per_image") or patches // merged**2)


def _modules(preset: Preset, model: Any, sizes: Sizes) -> tuple[Module, ...]:
    plain, where = inner(model), module_names(model)
    found = {
        "tower": type(plain.get_encoder("image")).__name__,
        "language": type(plain.get_decoder()).__name__,
        "projector": next(
            (
                type(module).__name__
                for name, module in plain.named_modules()
                if (own := [key for key, _ in module.named_parameters()])
                if all(parameter_part(f"{name}.{key}", where) == "projector" for key in own)
            ),
            "-",
        ),
    }
    described: dict[str, tuple[dict[str, int], str, str]] = {
        "tower": (_block_sizes(sizes.tower), *_origin(preset, preset.tower.source, preset.tower.licence)),
        "projector": ({"hidden": sizes.language.hidden}, "drawn at random", ""),
        "language": (
            {**_block_sizes(sizes.language), "vocabulary": sizes.vocabulary},
            *_origin(preset, preset.language.source, preset.language.licence),
        ),
    }
    return tuple(
        Module(part, found[part], sizes.parameters[part], *described[part])
        for part in ("tower", "projector", "language")
        if sizes.parameters[part]
    )


def _block_sizes(stack: Stack) -> dict[str, int]:
    return {"layers": stack.layers, "hidden": stack.hidden, "intermediate": stack.intermediate,
            "keys": stack.kv}  # fmt: skip


def _origin(preset: Preset, source: str | None, licence: str) -> tuple[str, str]:
    if preset.hf is not None:
        return preset.hf, "see its model card"
    return source or "drawn at random", licence
