"""Runs the stages of a recipe in order, resuming each from its last checkpoint."""

import json
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import PartialState

from expllm import __version__
from expllm.core.conversations import HINT
from expllm.core.errors import NoFaceError, UsageError
from expllm.core.vocabulary import label_set
from expllm.faces.boxes import needs_boxes
from expllm.files.runs import RunFolder
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.checkpoint import load_model, save
from expllm.model.manifest import read_manifest
from expllm.model.model_inputs import preparer
from expllm.model.presets import Preset
from expllm.model.quiet import quiet_transformers
from expllm.model.shipped import model_folder
from expllm.model.vlm import inner, train_only
from expllm.train.base_weights import recipe_preset, relocated, revisions
from expllm.train.callbacks import announce, plot, progress_shown, readable_errors, stop_on_interrupt
from expllm.train.checkpoints import latest, step_of
from expllm.train.data_sources import read_stage
from expllm.train.dataloader import Examples, check_lengths
from expllm.train.dry_run import refuse_unfit
from expllm.train.face_boxing import boxed_faces
from expllm.train.face_prompts import MeasuredTrainingSet, measured_faces
from expllm.train.grpo import GrpoTrainer, RewardHacking
from expllm.train.grpo_settings import GrpoSettings
from expllm.train.grpo_stage import grpo_trainer, held_out_audit
from expllm.train.host_compute import compile_blocks, keep_freed_memory
from expllm.train.learner import Learner
from expllm.train.picture_cache import cached_pictures
from expllm.train.recipe import Recipe, StageConfig, chosen_preset
from expllm.train.recipe_keys import current_settings
from expllm.train.recipe_licence import check_recipe_licence, tower_file
from expllm.train.step_history import History, RolloutStep
from expllm.train.trainer import StageTrainer
from expllm.train.training_sets import FaceTrainingSet, TrainingSet, augmentation, check_trainable
from expllm.train.trl_stage import train_by_trl
from expllm.train.validation import read_losses, validation_of

_CHANGEABLE: Final = (
    "dataloader_num_workers", "save_total_limit", "report_to", "save_steps", "alarms", "torch_compile",
)  # fmt: skip
"""Settings of a stage that do not affect the trained weights, but for how `torch_compile` rounds."""
ONLY_GRPO: Final = tuple(one.name for one in fields(GrpoSettings))
"""Settings without a meaning in other tasks: earlier folders do not have them, and are resumed."""


@dataclass(frozen=True)
class StageDir:
    """The folder of a stage."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def stopped(self) -> Path:
        """The model as it was when an alarm stopped the stage."""
        return self.folder / "stopped_model"

    @property
    def valid(self) -> Path:
        return self.folder / "valid.jsonl"

    @property
    def history(self) -> History:
        return History(self.folder / "history.jsonl")


def stage_dirs(output: Path, recipe: Recipe) -> list[StageDir]:
    """One folder per stage, in order."""
    return [StageDir(output / f"{i}-{stage.name}") for i, stage in enumerate(recipe.stages, 1)]


def train_stages(recipe: Recipe, output: Path, *, quiet: bool = False) -> Path:
    """Trains all stages of a recipe that are not done yet; the folder of the finished model.

    Raises:
        ExpllmError: data, model or folder stand in the way; the line says which and what to do.
        TrainingError: the loss is NaN or infinite.
        KeyboardInterrupt: it was stopped, and has saved.
    """
    check_recipe_licence(recipe)
    refuse_unfit(recipe)
    base = recipe_preset(recipe)
    # Told where there is no card: processes that share a CPU would else not know of each other.
    state = PartialState(cpu=not torch.cuda.is_available())
    first = state.is_main_process
    folder = RunFolder(output)
    with folder.locked() if first else nullcontext():
        if first:
            read = revisions(base)
            read = relocated(read, folder.settings()) if folder.exists else read
            _begin(folder, {"kind": "training", "expllm": __version__, **_by_key(recipe), **read})
        state.wait_for_everyone()
        before: Path | None = None
        for stage, place in zip(recipe.stages, stage_dirs(output, recipe), strict=True):
            if not (place.model / "expllm.json").is_file():
                _train_stage(recipe, stage, place, before or base, quiet=quiet or not first)
            before = place.model
    assert before is not None
    return before


def _begin(folder: RunFolder, settings: dict[str, Any]) -> None:
    """Writes the run settings, or checks them when resuming."""
    packages = ("torch", "transformers", "peft", "accelerate")
    settings = {**settings, "versions": {name: version(name) for name in packages}}
    if folder.exists:
        begun = folder.settings()
        if (current := current_settings(begun)) != begun:  # by an earlier version, under its names
            folder.begin({name: value for name, value in current.items() if name != "format"})
        folder.resume(settings, frozenset({"versions"}))
    else:
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.begin(settings)


def _by_key(recipe: Recipe) -> dict[str, Any]:
    """A recipe as one value a key, so that the key that differs can be named: `stages.align.lr`."""
    values = recorded(recipe)
    names = [f"{number}. {stage['name']}" for number, stage in enumerate(values["stages"], 1)]
    found: dict[str, Any] = {"stages": names}
    for part in ("model", "data"):
        found |= {f"{part}.{key}": value for key, value in values[part].items()}
    for stage in values["stages"]:
        found |= {f"stages.{stage['name']}.{key}": value for key, value in stage.items()}
    return found


def recorded(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON values, without what changes nothing in what is learned."""
    values: dict[str, Any] = json.loads(json.dumps(recipe.to_dict()))
    for stage in [values["train"], *values["stages"]]:
        for name in (*_CHANGEABLE, *(ONLY_GRPO if stage["task"] != "grpo" else ())):
            stage.pop(name, None)
    return values


def open_model(recipe: Recipe, stage: StageConfig, before: Path | Preset | None) -> Bundle:
    """The model that a stage begins with: the one before it, the one that the recipe names, or a new one.

    Args:
        before: Its folder; before the first stage the preset, with the revisions that are to be read.

    Raises:
        UsageError: the model that the recipe names is of another preset, or has other adapters.
    """
    dtype = torch.bfloat16 if stage.precision == "bf16" else torch.float32
    chosen = chosen_preset(recipe)
    if isinstance(before, Path):
        bundle = load_model(before, dtype)
    elif recipe.model.init_from is not None:
        bundle = _begun(recipe, chosen, dtype, before)
    else:
        bundle = new_bundle(
            before or chosen, label_set(8), seed=recipe.model.seed, dtype=dtype,
            tower_file=None if recipe.model.tower is None else tower_file(recipe.model.tower),
        )  # fmt: skip
    bundle.questions = replace(bundle.questions, hint=HINT if recipe.data.au_hint else "", hinted="all")
    return bundle


def _begun(recipe: Recipe, chosen: Preset, dtype: torch.dtype, base: Preset | None) -> Bundle:
    """The model that `init_from` names, if it is of the same kind; its base weights may have moved."""
    assert recipe.model.init_from is not None
    folder = model_folder(recipe.model.init_from)
    manifest = read_manifest(folder)
    if manifest.merged:
        raise UsageError(
            f"model.init_from: {folder} is a merged model without adapters: use the folder that was merged"
        )
    # No weight depends on dropout; whoever names no adapters goes on with those that are there.
    lora = replace(manifest.preset.lora, dropout=chosen.lora.dropout)
    wanted = chosen.lora if recipe.model.lora else lora
    for key, had, asked in (
        ("model.preset", manifest.preset.name, chosen.name), ("model.lora", lora, wanted)
    ):  # fmt: skip
        if had != asked:
            raise UsageError(
                f"model.init_from: the model in {folder} has {key} {had}, and the recipe {asked}: "
                "use the same"
            )
    return load_model(folder, dtype, preset=replace(base or manifest.preset, lora=lora))


def _train_stage(
    recipe: Recipe, stage: StageConfig, place: StageDir, before: Path | Preset, *, quiet: bool
) -> None:
    bundle = open_model(recipe, stage, before)
    reading = read_stage(recipe.data, stage, bundle.questions)
    if stage.task == "grpo" and isinstance(reading, FaceTrainingSet):
        reading = measured_faces(reading)
    reading = prepare_faces(recipe, reading, stage, place.folder)
    if PartialState().is_main_process:
        data = {"examples": len(reading), "data fingerprint": reading.fingerprint}
        _begin(RunFolder(place.folder), {"kind": "stage", **data})
    if isinstance(reading, FaceTrainingSet):
        bundle.labels = reading.labels
    counts = train_only(bundle.model, stage.trains)
    bundle.trained = tuple(sorted({*bundle.trained, *({"tower", "language"} & set(stage.trains))}))
    if isinstance(reading, MeasuredTrainingSet) and bundle.processor is not None:
        _set_up(bundle, stage)
        with readable_errors(stage):
            trouble = train_by_trl(stage, bundle, reading, place.history, place.checkpoints, quiet=quiet)
        _end(recipe, stage, place, bundle, (reading, counts), trouble)
        return
    trainer = make_trainer(bundle, reading, stage, place)
    _validate_by(trainer, recipe, stage, bundle, place)
    announce(stage, counts, reading, trainer.batches, quiet)
    checkpoint = latest(place.checkpoints)
    if checkpoint is not None:
        trainer.resume(checkpoint)
    if PartialState().is_main_process:
        place.history.cut(step_of(checkpoint) if checkpoint else 0)
    PartialState().wait_for_everyone()
    if isinstance(trainer, GrpoTrainer):
        trainer.done = [step for step in place.history if isinstance(step, RolloutStep)]
    with (
        readable_errors(stage),
        progress_shown(stage, trainer, place.history, quiet),
        stop_on_interrupt(trainer),
        quiet_transformers(),
    ):
        trainer.train()
    if trainer.stopping and trainer.trouble is None:
        raise KeyboardInterrupt
    _end(recipe, stage, place, bundle, (reading, counts), trainer.trouble)


def _end(
    recipe: Recipe, stage: StageConfig, place: StageDir, bundle: Bundle,
    what: tuple[TrainingSet, dict[str, int]], trouble: Exception | None,
) -> None:  # fmt: skip
    """Saves the model of a stage that is done, or that an alarm has stopped.

    Raises:
        TrainingError: `trouble`.
    """
    first = PartialState().is_main_process
    if isinstance(trouble, RewardHacking) and first:
        _save_stopped(recipe, stage, place, bundle, trouble)
    if trouble is not None:
        raise trouble
    if first:
        _finish(recipe, stage, place, bundle, *what)
    PartialState().wait_for_everyone()


def prepare_faces(recipe: Recipe, reading: TrainingSet, stage: StageConfig, folder: Path) -> TrainingSet:
    """The faces of a stage, boxed and checked, with their pictures where they can be read in any order.

    Raises:
        NoFaceError: none is left.
        ExpllmError: no classifier can be trained on them.
    """
    if not isinstance(reading, FaceTrainingSet):
        return reading
    wanting = {face.id: face for face in reading.faces if needs_boxes(recipe.data.boxes, face.kind)}
    if wanting:
        found, left_out = boxed_faces(list(wanting.values()), folder.parent / "boxes.sqlite")
        boxed = {face.id: face for face in found}
        faces = [
            boxed.get(face.id, face) for face in reading.faces if face.id in boxed or face.id not in wanting
        ]
        if not faces:
            raise NoFaceError(f"no face in any of {len(wanting):,} pictures, such as {left_out[0][0]}")
        reading = replace(reading, faces=tuple(faces), left_out=(*reading.left_out, *left_out))
    if stage.task != "captions":
        check_trainable(reading.faces, reading.labels)
    return replace(reading, faces=cached_pictures(reading.faces, folder.parent))


def _validate_by(
    trainer: StageTrainer, recipe: Recipe, stage: StageConfig, bundle: Bundle, place: StageDir
) -> None:
    """What is taken after every checkpoint: losses, or the audit of held-out texts."""
    if isinstance(trainer, GrpoTrainer):
        trainer.validation = held_out_audit(
            recipe, stage, bundle, trainer, place.folder,
            lambda reading, folder: prepare_faces(recipe, reading, stage, folder),
        )  # fmt: skip
    elif isinstance(trainer.examples, Examples):
        trainer.validation = validation_of(recipe, stage, bundle, trainer.examples, place.valid)


def make_trainer(bundle: Bundle, reading: TrainingSet, stage: StageConfig, place: StageDir) -> StageTrainer:
    """The trainer of a stage.

    Raises:
        ExpllmError: a text is longer than the model's context, or the batch cannot be shared out.
    """
    _set_up(bundle, stage)
    if isinstance(reading, MeasuredTrainingSet):
        with quiet_transformers():
            return grpo_trainer(bundle, reading, stage, place.folder, place.checkpoints)
    way = preparer(bundle, stage.max_length, plain=stage.task == "captions")
    tasks = ("caption",) if stage.task == "captions" else ("explanation",) if stage.explanation else ()
    check_lengths(reading, way, tasks)
    examples = Examples(reading, way, augmentation(stage), stage.seed)
    with quiet_transformers():
        learner = Learner(bundle.model, stage.label_weight)
        return StageTrainer(learner, stage, examples, place.folder, place.checkpoints)


def _set_up(bundle: Bundle, stage: StageConfig) -> None:
    """How attention and activations are computed."""
    with quiet_transformers():
        if not torch.cuda.is_available():
            keep_freed_memory()
            # The fused attention of a CPU takes half as long again on the way back (docs/speed.md).
            inner(bundle.model).set_attn_implementation("eager")
        if stage.gradient_checkpointing:
            inner(bundle.model).gradient_checkpointing_enable({"use_reentrant": False})
            # It lets gradients into the pictures' embeddings; nothing before the projector needs them.
            inner(bundle.model).disable_input_require_grads()
        if stage.torch_compile:
            compile_blocks(bundle.model, "cuda" if torch.cuda.is_available() else "cpu")


def _save_stopped(
    recipe: Recipe, stage: StageConfig, place: StageDir, bundle: Bundle, trouble: RewardHacking
) -> None:
    """The model that an alarm has stopped, to be looked at; the stage is not done with it."""
    alarm = {"step": trouble.step, "name": trouble.alarm.name, "value": trouble.alarm.value}
    card = {"recipe": recorded(recipe), "stage": stage.name, "alarm": alarm, "steps": trouble.step}
    save(place.stopped, bundle, card)


def _finish(
    recipe: Recipe, stage: StageConfig, place: StageDir, bundle: Bundle, reading: TrainingSet,
    counts: dict[str, int],
) -> None:  # fmt: skip
    """Plot and model; the model comes last, for with it the stage is done."""
    done = list(place.history)
    if done:
        plot(done, read_losses(place.valid), place.folder / "losses.png")
    card = {
        "recipe": recorded(recipe), "stage": stage.name, "trained_weights": counts,
        "examples": len(reading), "fingerprint": reading.fingerprint,
        "left_out": len(getattr(reading, "left_out", ())),
        "steps": done[-1].step if done else 0, "last_losses": done[-1].by_task if done else {},
    }  # fmt: skip
    save(place.model, bundle, card)
