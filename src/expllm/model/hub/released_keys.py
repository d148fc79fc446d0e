"""The released code's checkpoints: which keys there are, whose weights they hold, and what sizes they tell.

Written down after models/locllm.py there, and models/lora.py and models/dino.py of LocLLM, which it extends.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from expllm.core.errors import MissingWeights
from expllm.model.presets import LanguageConfig, Preset, VisionConfig
from expllm.model.weight_keys import TensorShape

TOWER: Final = "model.vision_tower"
PROJECTOR: Final = "model.multi_modal_projector"
LANGUAGE: Final = "model.language_model"
PAIRED: Final = {
    "mm_projector.0": f"{PROJECTOR}.linear_1",
    "mm_projector.2": f"{PROJECTOR}.linear_2",
    "vision_model.patch_embed.proj": f"{TOWER}.embeddings.patch_embeddings.projection",
    "vision_model.norm": f"{TOWER}.layernorm",
}
"""Layers with a weight and a bias."""
SINGLE: Final = {
    "lm_head.weight": "lm_head.weight",
    "model.embed_tokens.weight": f"{LANGUAGE}.embed_tokens.weight",
    "model.norm.weight": f"{LANGUAGE}.norm.weight",
    "vision_model.cls_token": f"{TOWER}.embeddings.cls_token",
    "vision_model.mask_token": f"{TOWER}.embeddings.mask_token",
    "vision_model.pos_embed": f"{TOWER}.embeddings.position_embeddings",
}
TOWER_BLOCK: Final = {"norm1": "norm1", "norm2": "norm2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2",
                      "attn.proj": "attention.o_proj"}  # fmt: skip
"""Layers of a block with a weight and a bias. Queries, keys and values are one layer more."""
LANGUAGE_BLOCK: Final = (
    *(f"self_attn.{letter}_proj" for letter in "qkvo"), "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
    "input_layernorm", "post_attention_layernorm",
)  # fmt: skip
HEAD_WIDTH: Final = {"tower": 64, "language": 128}
"""Of every DINOv2 that was published, and of Llama with 7 and 13 billion weights: no tensor tells it."""


@dataclass(frozen=True)
class Own:
    """The weights of ours that a tensor of a checkpoint holds: one, or several one below the other.

    Attributes:
        places: It is the position embeddings, which are interpolated.
    """

    names: tuple[str, ...]
    places: bool = False

    def shape(self, shapes: Mapping[str, TensorShape]) -> TensorShape:
        """What the tensor's shape has to be."""
        rows, *rest = shapes[self.names[0]]
        return (rows * len(self.names), *rest)

    def split(self, tensor: Tensor) -> dict[str, Tensor]:
        """By our names."""
        return dict(zip(self.names, tensor.chunk(len(self.names)), strict=True))


def keys_of(preset: Preset) -> dict[str, Own]:
    """Every key that a checkpoint of these sizes has."""
    found = {key: Own((name,), places=key.endswith("pos_embed")) for key, name in SINGLE.items()}
    if preset.language.tied:
        del found["lm_head.weight"]
    pairs = dict(PAIRED)
    for number in range(preset.tower.layers):
        block, layer = f"vision_model.blocks.{number}", f"{TOWER}.encoder.layer.{number}"
        pairs |= {f"{block}.{theirs}": f"{layer}.{ours}" for theirs, ours in TOWER_BLOCK.items()}
        found |= dict(_tower_block(block, layer))
    for number in range(preset.language.layers):
        found |= dict(_language_block(f"model.layers.{number}", f"{LANGUAGE}.layers.{number}"))
    for key, name in pairs.items():
        found |= {f"{key}.{end}": Own((f"{name}.{end}",)) for end in ("weight", "bias")}
    return found


def _tower_block(block: str, layer: str) -> Iterator[tuple[str, Own]]:
    for end in ("weight", "bias"):
        yield f"{block}.attn.qkv.{end}", Own(tuple(f"{layer}.attention.{x}_proj.{end}" for x in "qkv"))
    for half in "12":
        yield f"{block}.ls{half}.gamma", Own((f"{layer}.layer_scale{half}.lambda1",))
    for side in "AB":
        for x in "qv":
            yield f"{block}.attn.lora_{side}_{x}", Own((f"{layer}.attention.{x}_proj.lora_{side}.weight",))


def _language_block(block: str, layer: str) -> Iterator[tuple[str, Own]]:
    for name in LANGUAGE_BLOCK:
        yield f"{block}.{name}.weight", Own((f"{layer}.{name}.weight",))
    for side in "AB":
        for x in "qv":
            name = f"self_attn.{x}_proj.lora_{side}"
            yield f"{block}.{name}", Own((f"{layer}.{name}.weight",))


def sized(preset: Preset, state: Mapping[str, Tensor], folder: Path) -> Preset:
    """The preset with the sizes of a checkpoint: of its `config.json`, or else of its tensors.

    A part as wide as the preset's is taken to have all its sizes, so that layers that are missing are missed.

    Args:
        folder: Where a `config.json` may lie.

    Raises:
        MissingWeights: it cannot be read.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    tower, language = _tower(preset.tower, shapes), _language(preset.language, shapes)
    return replace(preset, tower=tower, language=_configured(language, folder / "config.json"))


def _tower(tower: VisionConfig, shapes: Mapping[str, TensorShape]) -> VisionConfig:
    hidden, patch = (
        _side(shapes, "vision_model.cls_token", -1),
        _side(shapes, "vision_model.patch_embed.proj.weight", -1),
    )
    if hidden in (0, tower.hidden) or not patch:
        return tower
    return replace(
        tower, hidden=hidden, layers=_blocks(shapes, r"vision_model\.blocks\.(\d+)\."),
        heads=max(1, hidden // HEAD_WIDTH["tower"]), patch=patch,
        mlp_ratio=max(1, _side(shapes, "vision_model.blocks.0.mlp.fc1.weight", 0) // hidden),
    )  # fmt: skip


def _language(language: LanguageConfig, shapes: Mapping[str, TensorShape]) -> LanguageConfig:
    vocabulary, hidden = (_side(shapes, "model.embed_tokens.weight", side) for side in (0, -1))
    if hidden in (0, language.hidden):
        return language
    heads = max(1, hidden // HEAD_WIDTH["language"])
    keys = _side(shapes, "model.layers.0.self_attn.k_proj.weight", 0)
    return replace(
        language, hidden=hidden, vocabulary=vocabulary, heads=heads, kv_heads=max(1, keys * heads // hidden),
        layers=_blocks(shapes, r"model\.layers\.(\d+)\."),
        intermediate=_side(shapes, "model.layers.0.mlp.gate_proj.weight", 0) or language.intermediate,
    )  # fmt: skip


def _side(shapes: Mapping[str, TensorShape], key: str, side: int) -> int:
    shape = shapes.get(key, ())
    return shape[side] if shape else 0


def _blocks(shapes: Mapping[str, TensorShape], pattern: str) -> int:
    return 1 + max((int(found[1]) for key in shapes if (found := re.match(pattern, key))), default=-1)


def _configured(language: LanguageConfig, path: Path) -> LanguageConfig:
    if not path.is_file():
        return language
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = {
            "hidden": "hidden_size", "layers": "num_hidden_layers", "heads": "num_attention_heads",
            "kv_heads": "num_key_value_heads", "intermediate": "intermediate_size",
            "vocabulary": "vocab_size", "context": "max_position_embeddings",
        }  # fmt: skip
        sizes: dict[str, Any] = {
            own: int(config[name]) for own, name in names.items() if config.get(name) is not None
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise MissingWeights(f"{path}: cannot be read ({error}): copy the whole checkpoint again") from None
    return replace(language, **sizes)
