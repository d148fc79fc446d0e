"""`recipes/qwen3vl.yaml`: what it takes where, and that it trains, on a tiny Qwen3-VL."""

from pathlib import Path

import pytest
import tinybases
import torch
from PIL import Image, ImageDraw

from expllm.core.vocabulary import label_set
from expllm.model.bundle import new_bundle
from expllm.model.checkpoint import load_model, part_state
from expllm.model.inference.generate import FaceVLM
from expllm.model.manifest import read_manifest
from expllm.model.presets import preset
from expllm.model.summary import sizes_of
from expllm.train.dry_run import plan_recipe
from expllm.train.recipe import load_recipe
from expllm.train.stages import train_stages

RECIPE = Path(__file__).parents[2] / "recipes" / "qwen3vl.yaml"
SIZES = {"2B": 2_127_532_032, "4B": 4_437_815_808, "8B": 8_767_123_696}
"""Of Qwen3-VL, as the hub counts the weights of its repositories."""

torch.set_num_threads(1)


def faces(folder: Path) -> Path:
    for number in range(8):
        label = label_set(7)[number % 4].value
        path = folder / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (48, 48), (29 * number, 90, 200 - 20 * number))
        ImageDraw.Draw(image).ellipse((8, 8, 40, 40), fill=(200, 160, 40 * (number % 4)))
        image.save(path)
    return folder


def test_the_dry_run_says_what_fits_on_24_and_on_80_gb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    plan = plan_recipe(load_recipe(RECIPE))
    (stage,) = plan.stages
    small, large = stage.gpus[24], stage.gpus[80]
    assert small is not None
    assert large is not None
    assert stage.stage.micro_batch <= small[0] < large[0]
    assert small[1] <= 24 * 2**30
    assert large[1] <= 80 * 2**30
    lines = [*plan.lines()]
    assert any(line.startswith(f"on 24 GB   up to {small[0]} at once") for line in lines)
    assert any(line.startswith(f"on 80 GB   up to {large[0]} at once") for line in lines)
    assert "learns     3,735,552 weights: tower_lora 786,432, language_lora 2,949,120" in lines


@pytest.mark.parametrize("size", SIZES)
def test_published_sizes_are_those_of_the_hub(size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sizes = sizes_of(preset(f"hf:Qwen/Qwen3-VL-{size}-Instruct"))
    counts = {part: count for part, count in sizes.parameters.items() if not part.endswith("_lora")}
    assert sum(counts.values()) == SIZES[size]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "workers"), [("qwen3_vl", 1), ("gemma3", 0)])
def test_the_recipe_trains_and_what_it_made_answers(name: str, workers: int, tmp_path: Path) -> None:
    base = tinybases.make_base(name, tmp_path / "base")
    overrides = [
        f"model.preset=hf:{base}", f"data.train={faces(tmp_path / 'faces')}", "data.kind=null",
        "data.texts=null",
        "train.max_steps=2", "train.batch=4", "train.micro_batch=2", "train.precision=fp32",
        f"train.dataloader_num_workers={workers}", "train.report_to=none", "train.explanation=0",
        "variant=merger",
    ]  # fmt: skip
    model = train_stages(load_recipe(RECIPE, overrides), tmp_path / "run", quiet=True)
    manifest = read_manifest(model)
    assert manifest.preset.lora.targets  # those of its family, as they were then
    trained = load_model(model)
    fresh = new_bundle(preset(f"hf:{base}"), trained.labels)
    for part, moves in (("projector", True), ("tower", False), ("language", False)):
        before, after = part_state(fresh.model, part), part_state(trained.model, part)
        assert before.keys() == after.keys()
        assert any(not torch.equal(before[key], after[key]) for key in before) is moves, part
    seen = Image.open(next((tmp_path / "faces").rglob("*.png"))).convert("RGB")
    assert FaceVLM(trained).score_labels([seen]).log_probabilities.shape == (1, len(trained.labels))
