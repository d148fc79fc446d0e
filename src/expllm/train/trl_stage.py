"""A stage that learns from rewards on an `hf:` base: TRL's `GRPOTrainer` with our faces, rewards and alarms.

Its folder is that of the other stages, but for the checkpoints, which are TRL's own. A training that was
stopped goes on from the last of them; unlike our own loop, TRL keeps states of random generators.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import PartialState
from transformers import TrainerCallback

from expllm.core.conversations import explanation_text
from expllm.core.errors import UsageError
from expllm.core.packages import require
from expllm.files.progress import Progress
from expllm.grounding.conclusion import concluded
from expllm.model.bundle import Bundle
from expllm.model.model_inputs import HfPreparer, preparer
from expllm.model.quiet import quiet_transformers
from expllm.rewards import completion_text, weighted
from expllm.train.alarms import tripped
from expllm.train.callbacks import stop_on_interrupt
from expllm.train.face_prompts import MeasuredTrainingSet, Prompt
from expllm.train.grpo import RewardHacking, step_figures
from expllm.train.grpo_plan import faces_a_step
from expllm.train.policy import PolicyLearner
from expllm.train.recipe import StageConfig
from expllm.train.rewarded_texts import RewardedText, rewards_of
from expllm.train.schedule import schedule_of
from expllm.train.step_history import History, RolloutStep
from expllm.train.trainer import clip_at, optimizer_of
from expllm.train.training_sets import sample_draws

NO_LABEL: Final = "no label"
"""What a text answers whose conclusion names no expression; alarms count it as a label that is never true."""
_NOTHING_ASKED: Final = Prompt([], [])


class TextRewards:
    """The reward function that TRL calls; it keeps the texts of the step for history and alarms.

    Args:
        reading: The faces, by number.
        stage: Weights of the rewards.
        ends: Ids of the tokens that end a text.
    """

    __name__ = "expllm_reward"

    def __init__(self, reading: MeasuredTrainingSet, stage: StageConfig, ends: set[int]) -> None:
        self._reading, self._stage, self._ends = reading, stage, ends
        self._texts: list[RewardedText] = []
        self._given = False

    def __call__(
        self, prompts: Any, completions: Sequence[Any], *, face: Sequence[int],
        completion_ids: Sequence[Sequence[int]], **_: Any,
    ) -> list[float]:  # fmt: skip
        """All rewards of each text as one, 0-1; `face` is its number among the faces."""
        texts = [
            self._text(number, completion_text(completion), list(ids))
            for number, completion, ids in zip(face, completions, completion_ids, strict=True)
        ]
        parts = rewards_of(texts, [one.aus for one in texts])
        for number, reward in enumerate(weighted(parts, self._stage.weights)):
            texts[number].reward = reward
            texts[number].rewards = {name: values[number] for name, values in parts.items()}
        self._texts = texts if self._given else [*self._texts, *texts]
        self._given = False
        return [one.reward for one in texts]

    def of_step(self) -> list[RewardedText]:
        """The texts that the last step learned from; those of several updates are the same."""
        self._given = True
        return self._texts

    def _text(self, number: int, text: str, ids: list[int]) -> RewardedText:
        face = self._reading.faces[number]
        assert face.aus is not None, "faces without measured action units are left out"
        label = concluded(text)
        shares = {NO_LABEL if label is None else label.value: 1.0}
        cut = not ids or ids[-1] not in self._ends
        return RewardedText(face, face.aus, number, _NOTHING_ASKED, ids, text, cut, shares)


class Watch(TrainerCallback):
    """Writes the history of a stage that TRL trains, and ends it where an alarm trips or somebody asks.

    Attributes:
        done: All steps so far.
        trouble: The alarm that has tripped.
        stopping: The step under way is the last.
        on_step: Told of each step.
    """

    def __init__(self, stage: StageConfig, history: History, rewards: TextRewards) -> None:
        self._stage, self._history, self._rewards = stage, history, rewards
        self.done = [step for step in history if isinstance(step, RolloutStep)]
        self.trouble: RewardHacking | None = None
        self.stopping = False
        self.on_step: Callable[[], None] = lambda: None
        self._began = time.perf_counter()

    def look(self) -> None:
        """Whether an alarm trips by what was done so far."""
        if self.done and (alarm := tripped(self.done, self._stage.bounds)):
            self.trouble = RewardHacking(self.done[-1].step, alarm)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """After every step, with its figures."""
        if not logs or "loss" not in logs:
            return
        step = self._row(state.global_step, logs)
        self.done.append(step)
        self._history.add(step)
        self.on_step()
        self.look()
        if self.trouble is not None or self.stopping:
            control.should_save = control.should_training_stop = True

    def _row(self, step: int, logs: Mapping[str, Any]) -> RolloutStep:
        began, self._began = self._began, time.perf_counter()
        texts = self._rewards.of_step()
        return RolloutStep(
            step, logs["loss"], {"policy": logs["loss"]}, logs["learning_rate"], logs["grad_norm"],
            sum(len(one.ids) for one in texts), self._began - began,
            kl=logs.get("kl"), entropy=logs["entropy"], clipped=logs.get("clip_ratio/region_mean") or 0.0,
            **step_figures(texts, self._stage.num_generations),
        )  # fmt: skip


def train_by_trl(
    stage: StageConfig, bundle: Bundle, reading: MeasuredTrainingSet, history: History, checkpoints: Path,
    *, quiet: bool,
) -> RewardHacking | None:  # fmt: skip
    """Trains the stage, or resumes it; what an alarm has said, if one tripped. The model is trained in place.

    Raises:
        MissingDependency: TRL or `datasets` is not installed.
        UsageError: there are too few faces for a step, or several processes.
        KeyboardInterrupt: it was stopped, and has saved.
    """
    require("trl", "datasets")
    if PartialState().num_processes > 1:
        raise UsageError(
            f"stage {stage.name}: TRL's loop is run in one process here: launch it without accelerate"
        )
    faces = faces_a_step(stage)
    if len(reading) < faces:
        raise UsageError(
            f"train.batch is {stage.batch} texts about {faces} faces, and there are {len(reading)}: take less"
        )
    checkpoint = last_checkpoint(checkpoints)
    history.cut(_number(checkpoint) if checkpoint else 0)
    rewards = TextRewards(reading, stage, _ends(bundle))
    watch = Watch(stage, history, rewards)
    watch.look()
    if watch.trouble is not None:
        return watch.trouble
    steps = -(-len(reading) // faces) * stage.epochs
    steps = (steps if stage.max_steps is None else min(steps, stage.max_steps)) * stage.num_iterations
    with quiet_transformers():
        trainer = _trainer(stage, bundle, reading, checkpoints, (rewards, watch, steps))
        waiting = steps - (_number(checkpoint) if checkpoint else 0)
        shown = Progress(
            waiting, shown=not quiet, doing=stage.name, things="steps",
            note=lambda: watch.done[-1].note if watch.done else "",
        )  # fmt: skip
        with shown as progress, stop_on_interrupt(watch):
            watch.on_step = lambda: progress.step(0)
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    model: Any = bundle.model
    if "ref" in model.peft_config:
        model.delete_adapter("ref")
    if watch.stopping and watch.trouble is None:
        raise KeyboardInterrupt
    return watch.trouble


def last_checkpoint(folder: Path) -> Path | None:
    """The last of TRL's checkpoints that was written to its end."""
    whole = (path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file())
    return max(whole, key=_number, default=None)


def _number(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _ends(bundle: Bundle) -> set[int]:
    config: Any = getattr(bundle.model, "generation_config", None)
    named = getattr(config, "eos_token_id", None)
    ends = named if isinstance(named, list) else [named]
    return {int(one) for one in [*ends, bundle.tokenizer.eos_token_id] if one is not None}


def _trainer(
    stage: StageConfig, bundle: Bundle, reading: MeasuredTrainingSet, checkpoints: Path,
    parts: tuple[TextRewards, Watch, int],
) -> Any:  # fmt: skip
    """TRL's trainer, in which exactly that learns which the stage trains, also behind a checkpoint."""
    trl: Any = import_module("trl")
    rewards, watch, steps = parts
    model: Any = bundle.model
    learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}

    class FaceGrpoTrainer(trl.GRPOTrainer):  # type: ignore[misc, name-defined, unused-ignore]
        def _load_from_checkpoint(self, *given: Any, **named: Any) -> None:
            super()._load_from_checkpoint(*given, **named)
            _learn_only(model, learns)

    optimizer = optimizer_of(PolicyLearner(model, stage), stage)
    trainer = FaceGrpoTrainer(
        model, reward_funcs=[rewards], args=trl.GRPOConfig(**_settings(stage, checkpoints, steps)),
        train_dataset=_rows(stage, bundle, reading), processing_class=bundle.processor,
        callbacks=[watch], optimizers=(optimizer, None),
    )  # fmt: skip
    _learn_only(model, learns)
    trainer.remove_callback(import_module("transformers.trainer_callback").PrinterCallback)
    return trainer


def _learn_only(model: torch.nn.Module, names: set[str]) -> None:
    """Adapters that are added or loaded would learn as well, those of the reference among them."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)


def _settings(stage: StageConfig, checkpoints: Path, steps: int) -> dict[str, Any]:
    """The stage in the words of `GRPOConfig`, which are mostly the same."""
    same = (
        "num_generations temperature max_completion_length beta epsilon epsilon_high num_iterations "
        "loss_type scale_rewards gradient_checkpointing seed weight_decay save_steps save_total_limit"
    ).split()
    return {
        **{name: getattr(stage, name) for name in same},
        "output_dir": str(checkpoints), "max_steps": steps,
        "per_device_train_batch_size": stage.micro_batch,
        "gradient_accumulation_steps": stage.batch // stage.micro_batch,
        "learning_rate": stage.lr, "lr_scheduler_type": "cosine",
        "warmup_steps": schedule_of(stage, steps).warmup, "max_grad_norm": clip_at(stage),
        "bf16": stage.precision == "bf16" and torch.cuda.is_available(),
        "use_cpu": not torch.cuda.is_available(), "disable_dropout": True, "logging_steps": 1,
        "report_to": "none", "disable_tqdm": True, "remove_unused_columns": False,
    }  # fmt: skip


def _rows(stage: StageConfig, bundle: Bundle, reading: MeasuredTrainingSet) -> Any:
    """The faces as TRL takes them; a picture is read when its turn comes."""
    datasets: Any = import_module("datasets")
    way = preparer(bundle, stage.max_length)
    assert isinstance(way, HfPreparer)

    def rows(batch: Mapping[str, Sequence[int]]) -> dict[str, list[Any]]:
        numbers = batch["face"]
        return {
            "face": list(numbers),
            "prompt": [_prompt(stage, bundle, reading, number) for number in numbers],
            "image": [way.square(reading.image(number)) for number in numbers],
        }

    return datasets.Dataset.from_dict({"face": list(range(len(reading)))}).with_transform(rows)


def _prompt(
    stage: StageConfig, bundle: Bundle, reading: MeasuredTrainingSet, number: int
) -> list[dict[str, str]]:
    """The question about a face; some are told the measured units, the same ones every time."""
    told = sample_draws(stage.seed, 0, number).hint >= reading.unhinted
    aus = reading.faces[number].aus if told else None
    return [{"role": "user", "content": explanation_text(bundle.questions, aus)}]
