"""A stage that learns from rewards, from its faces to its trainer and its held-out audit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from expllm.core.errors import UsageError
from expllm.model.bundle import Bundle
from expllm.model.model_inputs import preparer
from expllm.train.data_sources import read_stage
from expllm.train.face_prompts import Asking, FacePrompts, MeasuredTrainingSet, measured_faces
from expllm.train.grpo import GrpoTrainer
from expllm.train.held_out import HeldOutAudit, measured_by
from expllm.train.policy import PolicyLearner
from expllm.train.recipe import Recipe, StageConfig
from expllm.train.training_sets import FaceTrainingSet, TrainingSet, augmentation


def grpo_trainer(
    bundle: Bundle, reading: MeasuredTrainingSet, stage: StageConfig, folder: Path, checkpoints: Path
) -> GrpoTrainer:
    """The trainer of the stage.

    Raises:
        UsageError: the batch cannot be shared out; or texts would not fit into the model's context.
    """
    way: Any = preparer(bundle, stage.max_length)
    prompts = FacePrompts(reading, way, augmentation(stage), stage.seed)
    room = way.encoder.max_length - Asking(way, reading).longest()
    if stage.max_completion_length > room:
        raise UsageError(
            f"train.max_completion_length is {stage.max_completion_length}: the model has room for {room} "
            "tokens"
        )
    learner = PolicyLearner(bundle.model, stage)
    return GrpoTrainer(learner, stage, prompts, folder, checkpoints, bundle.tokenizer, way.pad_id)


def held_out_audit(
    recipe: Recipe,
    stage: StageConfig,
    bundle: Bundle,
    trainer: GrpoTrainer,
    folder: Path,
    prepared: Callable[[TrainingSet, Path], TrainingSet],
) -> HeldOutAudit | None:
    """The audit of the recipe's validation faces; None if it names none.

    Args:
        folder: Of the stage.
        prepared: Boxes faces and makes their pictures readable in any order, below a folder.

    Raises:
        UsageError: a second source is asked for without validation faces, or these have other labels.
    """
    if recipe.data.valid is None:
        if stage.second_source is not None:
            raise UsageError("train.second_source audits held-out texts: set data.valid, too")
        return None
    reading = read_stage(recipe.data, stage, bundle.questions, "valid")
    assert isinstance(reading, FaceTrainingSet)
    if reading.labels != bundle.labels:
        raise UsageError(
            f"data.valid={recipe.data.valid}: its labels are {', '.join(reading.labels)}, and those of "
            f"data.train {', '.join(bundle.labels)}: validate on faces with the same"
        )
    chosen = _evenly(measured_faces(reading), stage.audited_faces)
    (folder / "held_out").mkdir(parents=True, exist_ok=True)
    held = prepared(chosen, folder / "held_out" / "faces")
    assert isinstance(held, FaceTrainingSet)
    source, kept = stage.second_source, folder / "held_out" / "second_source.json"
    others = {} if source is None else measured_by(source, held, kept)
    prompts = replace(trainer.prompts, reading=held, augmentation=None)
    return HeldOutAudit(
        prompts, stage, folder / "valid.jsonl", trainer.writer, trainer.writing, stage.micro_batch, others
    )


def _evenly(reading: MeasuredTrainingSet, most: int) -> MeasuredTrainingSet:
    """At most so many faces, evenly from all of them."""
    step = max(1, -(-len(reading) // most))
    return replace(reading, faces=reading.faces[::step])
