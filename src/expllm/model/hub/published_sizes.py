"""Sizes of bases as their repositories publish them, for plans where the hub is not at hand.

Only what costs depend on. What is trained reads the repository's own configuration.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final


def _qwen3_vl(
    hidden: int, intermediate: int, layers: int, heads: int, tower: tuple[int, int, int], *, tied: bool
) -> dict[str, Any]:
    width, inner, depth = tower
    return {
        "model_type": "qwen3_vl",
        "text_config": {
            "hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936,
            "max_position_embeddings": 262_144, "tie_word_embeddings": tied,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 5e6, "mrope_interleaved": True,
                "mrope_section": [24, 20, 20],
            },
        },
        "vision_config": {
            "hidden_size": width, "intermediate_size": inner, "depth": depth, "num_heads": 16,
            "out_hidden_size": hidden, "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5, 11, 17] if depth == 24 else [8, 16, 24],
        },
        "tie_word_embeddings": tied,
    }  # fmt: skip


PUBLISHED: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({
    "Qwen/Qwen3-VL-2B-Instruct": _qwen3_vl(2048, 6144, 28, 16, (1024, 4096, 24), tied=True),
    "Qwen/Qwen3-VL-4B-Instruct": _qwen3_vl(2560, 9728, 36, 32, (1024, 4096, 24), tied=True),
    "Qwen/Qwen3-VL-8B-Instruct": _qwen3_vl(4096, 12288, 36, 32, (1152, 4304, 27), tied=False),
})  # fmt: skip
"""By name on the hub: values of a configuration."""
