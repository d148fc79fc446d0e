"""A tiny policy that writes half of its texts truly, and the stages that learn from its rewards."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import small
from PIL import Image, ImageDraw

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_NAMES, Expression
from expllm.train.grpo_settings import ALARMS
from expllm.train.recipe import DataConfig, Recipe, StageConfig
from expllm.train.stages import train_stages

SMILE = {"left lip corner pull": 0.7, "right lip corner pull": 0.7}
TRUE, FALSE = "Both lip corners are strongly raised.", "Both brows are strongly lowered."
LEARNED = replace(
    small.INSTRUCT, name="learned", trains=("projector", "tower", "language"), batch=16, micro_batch=16,
    epochs=1000, max_steps=90, lr=5e-3, weight_decay=0.0, augment=False, save_steps=10**6, order="both",
)  # fmt: skip
NO_ALARMS = dict.fromkeys(set(ALARMS) - {"window"})
GRPO = replace(
    LEARNED, name="grpo", task="grpo", batch=16, micro_batch=16, num_generations=8, max_steps=20, lr=4e-4,
    max_completion_length=56, warmup_ratio=0.05, beta=0.02, save_steps=5, order="explanation-first",
    alarms=NO_ALARMS,
)  # fmt: skip


def text_of(sentence: str, label: Expression) -> CoT:
    """A short text about a movement and a label."""
    return CoT(
        key_observations=sentence,
        overall_emotional_interpretation=f"It may mean {label.value}.",
        conclusion=f"This is {label.value}.",
    )


def undecided_faces(folder: Path, sentences: tuple[str, ...] = (TRUE, FALSE)) -> DataConfig:
    """Smiling faces of four labels, each several times with another text: no picture tells which."""
    rows: list[dict[str, Any]] = []
    for number, label in enumerate(small.LABELS):
        image = Image.new("RGB", (32, 32), (60 * number, 80, 200 - 50 * number))
        ImageDraw.Draw(image).ellipse((4, 4, 28, 28), fill=(200, 60 * number, 90))
        for copy, sentence in enumerate(sentences * 2):
            path = folder / "faces" / label.value / f"{copy}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
            aus = dict.fromkeys(AU_NAMES, 0.0) | SMILE
            text = text_of(sentence, label).text
            rows.append(
                {"id": f"{label.value}/{path.name}", "expression": label.value, "aus": aus, "cot": text}
            )
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataConfig(train=str(folder / "faces"), texts=str(folder / "texts.jsonl"))


def begun(folder: Path, sentences: tuple[str, ...] = (TRUE, FALSE)) -> tuple[DataConfig, Path]:
    """Faces, and a policy that has learned their texts."""
    data = undecided_faces(folder, sentences)
    return data, train_stages(small.recipe(data, LEARNED), folder / "learned", quiet=True)


def rewarded(data: DataConfig, model: Path, stage: StageConfig = GRPO) -> Recipe:
    """A recipe that goes on with a policy by its rewards."""
    return small.recipe(data, stage, init_from=str(model))
