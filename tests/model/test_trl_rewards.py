"""TRL's own `GRPOTrainer` learns from `expllm.rewards`, on a tiny base with pictures."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import tinybases
import torch
from PIL import Image

from expllm.core.vocabulary import AUVector
from expllm.model.families import one_picture
from expllm.model.video_processors import without_videos
from expllm.rewards import DEFAULT_WEIGHTS, REWARDS, action_units_reward

SMILE = AUVector.from_positive({"left lip corner pull": 0.7, "right lip corner pull": 0.6})


def rows() -> list[dict[str, Any]]:
    """Faces as TRL wants them, with the columns that the rewards read, and one that they do not."""
    return [
        {
            "prompt": [{"role": "user", "content": "Which movements do you see in this face?"}],
            "image": Image.new("RGB", (56, 56), (40 * number, 90, 120)),
            "aus": dict(SMILE) if number % 2 else dict(AUVector()),
            "label": "happiness",
            "source": "drawn",
        }
        for number in range(4)
    ]


@pytest.mark.slow
def test_trls_own_trainer_takes_two_steps(tmp_path: Path) -> None:
    datasets: Any = import_module("datasets")
    trl: Any = import_module("trl")
    transformers: Any = import_module("transformers")
    base = tinybases.make_base("qwen3_vl", tmp_path / "base")
    with without_videos():
        processor = one_picture(transformers.AutoProcessor.from_pretrained(base))
    model = transformers.AutoModelForImageTextToText.from_pretrained(base)
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    settings = trl.GRPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=2, per_device_train_batch_size=4, num_generations=2,
        max_completion_length=12, learning_rate=1e-3, report_to="none", use_cpu=True, logging_steps=1,
        reward_weights=[DEFAULT_WEIGHTS[name] for name in REWARDS] + [0.0], bf16=False, save_strategy="no",
        beta=0.04, gradient_checkpointing=False,
    )  # fmt: skip
    seen: list[list[float | None]] = []

    def measured(prompts: Any, completions: Any, **columns: Any) -> list[float | None]:
        """The same columns, and a text that is true: what reaches the rewards from the data set."""
        seen.append(
            action_units_reward(prompts, ["Both lip corners are raised."] * len(completions), **columns)
        )
        return [0.0] * len(completions)

    trainer = trl.GRPOTrainer(
        model, reward_funcs=[*REWARDS.values(), measured], args=settings,
        train_dataset=datasets.Dataset.from_list(rows()), processing_class=processor,
    )  # fmt: skip
    trainer.train()
    assert trainer.state.global_step == 2
    logged = {key for row in trainer.state.log_history for key in row}
    assert {f"rewards/{reward.__name__}/mean" for reward in REWARDS.values()} <= logged
    rewards = [row["reward"] for row in trainer.state.log_history if "reward" in row]
    assert len(rewards) == 2
    assert all(0 <= reward <= sum(DEFAULT_WEIGHTS.values()) for reward in rewards)
    earned = {value for values in seen for value in values}
    assert earned == {None, 1.0}
    assert all(torch.isfinite(tensor).all() for tensor in model.parameters())
    assert before.keys() == dict(model.named_parameters()).keys()
