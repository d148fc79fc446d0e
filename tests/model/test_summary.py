"""What a preset consists of: counts that the paper's sizes give, without weights or network."""

from pathlib import Path

import pytest
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, Qwen2_5_VLConfig

from expllm.core.errors import MissingWeights
from expllm.core.vocabulary import label_set
from expllm.model.bundle import new_bundle
from expllm.model.presets import PRESETS, preset
from expllm.model.summary import LEARNED, model_summary
from expllm.model.vlm import train_only


def test_the_papers_counts() -> None:
    found = model_summary(preset("paper"))
    assert found.trainable == {"tower_lora": 786_432, "projector": 20_979_712, "language_lora": 4_194_304}
    assert sum(found.trainable.values()) == 25_960_448
    assert found.visual_tokens == 256
    assert {module.part: module.parameters for module in found.modules} == {
        "tower": 304_368_640, "projector": 20_979_712, "language": 6_738_415_616,
    }  # fmt: skip
    assert "8.7 M" in found.note


def test_no_choice_of_parts_makes_the_papers_number() -> None:
    """What the note says."""
    from itertools import combinations

    counts = model_summary(preset("paper")).trainable.values()
    sums = [sum(some) for size in (1, 2, 3) for some in combinations(counts, size)]
    assert not [one for one in sums if 8.6e6 < one < 8.8e6]


@pytest.mark.parametrize("name", PRESETS)
def test_lora_by_the_formula(name: str) -> None:
    """An adapter of rank r on a layer from n to m has r (n + m) parameters."""
    chosen = PRESETS[name]
    tower, language, rank = chosen.tower, chosen.language, chosen.lora.rank
    kv = language.hidden // language.heads * language.kv_heads
    found = model_summary(chosen).trainable
    if tower.kind == "conv":  # on the second 3 x 3 convolution of two blocks a stage, from n to r and r to n
        assert found["tower_lora"] == sum(2 * rank * (9 + 1) * width for width in tower.widths)
    else:
        assert found["tower_lora"] == tower.layers * 2 * rank * 2 * tower.hidden
    wide, inner = language.hidden, language.intermediate
    sizes = {
        "q_proj": 2 * wide, "o_proj": 2 * wide, "k_proj": wide + kv, "v_proj": wide + kv,
        "gate_proj": wide + inner, "up_proj": wide + inner, "down_proj": wide + inner,
    }  # fmt: skip
    adapted = sum(size for layer, size in sizes.items() if layer in chosen.lora.targets)
    assert found["language_lora"] == language.layers * rank * adapted
    assert found["projector"] == language.hidden * (tower.hidden + 1) + language.hidden * (
        language.hidden + 1
    )


def test_what_is_shown_is_what_is_built() -> None:
    found = model_summary(PRESETS["tiny"])
    bundle = new_bundle(PRESETS["tiny"], label_set(7))
    assert train_only(bundle.model, LEARNED) == found.trainable
    assert sum(one.numel() for one in bundle.model.parameters()) == found.parameters


def qwen(folder: Path) -> Path:
    Qwen2_5_VLConfig(
        text_config={"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 320,
                     "num_key_value_heads": 2, "intermediate_size": 128},
        vision_config={"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64,
                       "out_hidden_size": 64, "patch_size": 14, "spatial_merge_size": 2},
    ).save_pretrained(folder)  # fmt: skip
    return folder


def llava(folder: Path) -> Path:
    eyes = CLIPVisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14,
        intermediate_size=64,
    )  # fmt: skip
    words = LlamaConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=128, vocab_size=320,
    )  # fmt: skip
    LlavaConfig(vision_config=eyes, text_config=words).save_pretrained(folder)
    return folder


def test_other_models_of_transformers(tmp_path: Path) -> None:
    found = model_summary(preset(f"hf:{llava(tmp_path / 'llava')}"))
    assert found.visual_tokens == 16
    assert found.trainable["tower_lora"] == 2 * 2 * 8 * 64
    assert found.trainable["language_lora"] == 2 * 8 * (64 + 64 + 64 + 32)
    found = model_summary(preset(f"hf:{qwen(tmp_path / 'qwen')}"))
    assert found.visual_tokens == 64  # 224 pixels: 16 x 16 patches, four of them a token
    assert found.trainable["language_lora"] == 2 * 8 * (64 + 64 + 64 + 32)


def test_models_without_eyes_are_refused(tmp_path: Path) -> None:
    LlamaConfig(hidden_size=64).save_pretrained(tmp_path / "blind")
    with pytest.raises(MissingWeights, match="does not accept images"):
        model_summary(preset(f"hf:{tmp_path / 'blind'}"))


def test_the_page_has_the_counts() -> None:
    page = (Path(__file__).parents[2] / "docs" / "model.md").read_text(encoding="utf-8")
    found = model_summary(preset("paper")).trainable
    for count in (
        *found.values(),
        sum(found.values()),
        sum(model_summary(preset("compact")).trainable.values()),
    ):
        assert f"| {count:,} |" in page
