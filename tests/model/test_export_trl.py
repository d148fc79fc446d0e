"""An export for TRL, opened by `datasets` and by TRL's own collator, with a real processor."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import tinybases
from PIL import Image
from runs_by_hand import TEXT, record, run_of

from expllm.cot.export import export
from expllm.model.families import one_picture
from expllm.model.video_processors import without_videos


def exported(folder: Path) -> Path:
    """Two records with a picture in a file, and one without."""
    folder.mkdir()
    records = [record("none")]
    for number in range(2):
        path = folder / f"{number}.png"
        Image.new("RGB", (64, 64), (100 * number, 40, 90)).save(path)
        image = {"path": str(path), "row": None, "column": None}
        records.append(record(f"{number}.png", image=image))
    export(run_of(folder / "run", records), "trl", folder / "out")
    return folder / "out"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen3_vl", "gemma3"])
def test_trls_collator_takes_the_export(name: str, tmp_path: Path) -> None:
    datasets: Any = import_module("datasets")
    trainer: Any = import_module("trl.trainer.sft_trainer")
    folder = str(exported(tmp_path / "run"))
    loaded = datasets.load_dataset(folder, cache_dir=str(tmp_path / "cache"))["train"]
    rows = [loaded[number] for number in range(3)]
    alone = next(row for row in rows if row["id"] == "none")
    assert alone["images"] == []
    assert [part["type"] for part in alone["messages"][0]["content"]] == ["text"]
    pictured = [row for row in rows if row["id"] != "none"]
    asked = [[part["type"] for part in turn["content"]] for turn in pictured[0]["messages"]]
    assert asked == [["image", "text"], ["text"], ["text"], ["text"]]
    assert [turn["role"] for turn in pictured[0]["messages"]] == ["user", "assistant"] * 2
    with without_videos():
        _, processor = tinybases.BASES[name](tmp_path)
    collator = trainer.DataCollatorForVisionLanguageModeling(one_picture(processor))
    batch = collator([{key: row[key] for key in ("images", "messages")} for row in pictured])
    assert batch["input_ids"].shape == batch["labels"].shape
    assert len(batch["input_ids"]) == 2
    text = processor.tokenizer.decode(batch["input_ids"][0])
    assert " ".join(TEXT.text.split())[:20] in " ".join(text.split())
    messages = [dict(turn) for turn in pictured[0]["messages"]]
    messages[0]["content"] = [{"type": "image", "image": pictured[0]["images"][0]}, messages[0]["content"][1]]
    given = processor.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=False
    )
    assert given["input_ids"][0].tolist() == batch["input_ids"][0][: given["input_ids"].shape[1]].tolist()
    assert given["pixel_values"].shape[1:] == batch["pixel_values"].shape[1:]
