"""Training recipes: YAML files, validated by pydantic. Unknown keys are errors, not ignored.

Keys are named as in transformers' `TrainingArguments` where they mean the same. Defaults are those of the
paper's stage 2 (section IV-A), or of its released code.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from expllm.core.errors import MissingData, UsageError
from expllm.core.value_checks import STRICT, nearest_name, validated
from expllm.model.presets import Preset, preset
from expllm.train.grpo_settings import GrpoSettings
from expllm.train.recipe_keys import current_key, current_keys, current_value
from expllm.train.recipe_values import AtLeast0, Count, Fraction, Items, Names, Number, Whole

StageTask = Literal["captions", "instruct", "grpo"]
Precision = Literal["bf16", "fp32"]
TurnOrder = Literal["explanation-first", "label-first", "both"]
TrainedPart = Literal["projector", "tower_lora", "language_lora", "tower", "language"]


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """Which model is trained, and its initial weights.

    Attributes:
        preset: Name of a preset, or `hf:REPO`.
        init_from: Folder of a model to start from, or `compact`; None: the preset's base weights.
        tower: File with weights of the vision encoder (`scripts/train_tower.py`), or `compact`; None: the
            preset's own.
        tower_source, language_source: Other base weights: a folder, a name on the hub, or NAME@REVISION.
        seed: Initialises the projector, the adapters and random encoders.
        lora: Settings of the adapters that differ from the preset's: rank, alpha, dropout.
    """

    preset: str = "paper"
    init_from: str | None = None
    tower: str | None = None
    tower_source: str | None = None
    language_source: str | None = None
    seed: int = 0
    lora: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """Which faces are trained on, and which explanations belong to them.

    Attributes:
        root: Folder that the data sets below are under; None: they are paths by themselves.
        train: Data set and split, such as `rafdb:train`, or several; the first names the labels.
        valid: The same for validation; None: no loss is taken there.
        kind: How to read them, where the layout does not tell; a key of `data.KINDS`.
        texts: Runs or exports of the engine that explain these faces by id; None: the data sets' own texts.
        max_words, exclude_phrases: Explanations with more words, or with one of these phrases, are left out.
        votes: Whether label tasks are trained on the distribution of the annotators' votes (FER+) instead of
            the majority label.
        au_hint: Whether the prompt for an explanation states the measured action units.
        au_hint_dropout: Fraction of explanations that are trained without the hint, 0-1, so that the model
            works with and without it.
        captions: Pictures with captions for stage 1; `texts`: the key observations of the explanations.
        boxes: Whether faces are detected and cropped first; `auto`: not for data sets of cropped faces.
        limit: Only the first N faces.
    """

    train: str | Names = ""
    root: str | None = None
    valid: str | Names | None = None
    kind: str | None = None
    texts: str | Names | None = None
    max_words: Count | None = None
    exclude_phrases: Names = ()
    votes: bool = False
    au_hint: bool = False
    au_hint_dropout: Fraction = 0.0
    captions: str | None = None
    boxes: bool | Literal["auto"] = False
    limit: Count | None = None


@dataclass(frozen=True, config=STRICT)
class StageConfig(GrpoSettings):
    """One stage of training: a stage is fully described by these values.

    Attributes:
        name: Used in folder names and progress lines.
        task: `captions` (stage 1), `instruct` (labels and explanations), or `grpo` (rewards of own texts).
        trains: Parts that are trained, of `projector`, `tower_lora`, `language_lora`, `tower`, `language`.
        epochs: Passes over the data.
        max_steps: Stops earlier, after this many optimizer steps.
        batch: Examples of one optimizer step, over all devices and gradient accumulation.
        micro_batch: Examples of one forward pass on one device.
        lr: Peak learning rate of AdamW.
        projector_lr, lora_lr: Those of the projector and of the adapters; None: `lr`.
        weight_decay: For matrices; biases and norms have none.
        warmup_steps, warmup_ratio: Steps until `lr` is reached, or their fraction of all steps (at most 0.5)
            where `warmup_steps` is None. See `train.schedule`.
        max_grad_norm: Gradients are clipped to this norm; 0: not at all.
        betas: AdamW's.
        label, explanation: Relative frequencies of the two tasks.
        label_weight: Weight of a token of a label task relative to one of an explanation.
        mixed_batches: Every step holds labels and explanations in their proportions, instead of examples of
            similar length: steadier, but slower where many devices have one micro-batch of a step each.
        order: Which of the two rounds of an explanation task comes first; `both`: drawn for each example.
        label_first: With `both`: fraction of explanation tasks in which the label comes first, 0-1.
        augment: Ranges of `data.augment.Augmentation` by name, or False for none.
        balanced: Sample faces so that every class is equally likely; `{portraits: 0.5}`: this fraction of
            the draws, for data sets of that `kind` only, and every other face once per epoch.
        precision: `bf16` computes in 16 bits with 32-bit master weights.
        gradient_checkpointing: Trades computation for memory.
        torch_compile: Compiles the blocks of the language model: half a minute at first, then faster steps.
        save_steps, save_total_limit: A checkpoint every `save_steps`; how many are kept.
        dataloader_num_workers: Processes that decode pictures; 0: the main process.
        max_length: Most tokens of a conversation; None: the language model's context.
        report_to: Further destination of the losses: `tensorboard`, `wandb`, `none` ...
        seed: Of sampling order, tasks, augmentation and dropout.
    """

    name: str = "instruct"
    task: StageTask = "instruct"
    trains: Annotated[tuple[TrainedPart, ...], Items] = (
        "projector", "tower_lora", "language_lora",
    )  # fmt: skip
    epochs: Count = 60
    max_steps: Count | None = None
    batch: Count = 128
    micro_batch: Count = 16
    lr: AtLeast0 = 5e-4
    projector_lr: AtLeast0 | None = None
    lora_lr: AtLeast0 | None = None
    weight_decay: AtLeast0 = 0.05
    warmup_steps: Whole | None = None
    warmup_ratio: Annotated[Number, Field(ge=0, le=0.5)] = 0.03
    max_grad_norm: AtLeast0 = 1.0
    betas: Annotated[tuple[Number, Number], Items] = (0.9, 0.999)
    label: AtLeast0 = 0.75
    explanation: AtLeast0 = 0.25
    label_weight: AtLeast0 = 1.0
    mixed_batches: bool = False
    order: TurnOrder = "explanation-first"
    label_first: Fraction = 0.5
    augment: dict[str, Any] | bool = True
    balanced: bool | dict[str, Number] = False
    precision: Precision = "bf16"
    gradient_checkpointing: bool = False
    torch_compile: bool = False
    save_steps: Count = 500
    save_total_limit: Count = 2
    dataloader_num_workers: Whole = 2
    max_length: Count | None = None
    report_to: str = "tensorboard"
    seed: Whole = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w-]*", self.name):
            raise UsageError(
                f"a stage is called {self.name!r}: it names a folder, so use letters, digits, - and _"
            )
        if self.task == "instruct" and self.label + self.explanation <= 0:
            raise UsageError("train.label and train.explanation are both 0: give one of them a share")
        if self.batch % self.micro_batch:
            raise UsageError(
                f"train.batch is {self.batch}, which is not a multiple of train.micro_batch "
                f"({self.micro_batch})"
            )
        if self.task == "grpo":
            self.check_grpo(self.batch, self.micro_batch)
        if not self.trains:
            raise UsageError("train.trains is empty: name a part, such as projector")

    def rate_of(self, part: str) -> float:
        """The peak learning rate of a part of the model, one of `trains`."""
        own = self.projector_lr if part == "projector" else self.lora_lr if part.endswith("_lora") else None
        return self.lr if own is None else own


@dataclass(frozen=True)
class Recipe:
    """A complete training: model, data and stages.

    Attributes:
        train: Settings that the stages share.
        stages: The stages in order, each with its own settings on top; only `train` if none is named.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: StageConfig = field(default_factory=StageConfig)
    stages: tuple[StageConfig, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads a recipe file and applies `a.b=c` overrides, whose values are YAML.

    `variant=NAME` applies the overrides that the recipe lists under that name, such as the released code's
    values where they differ from the paper's. Overrides of `train` reach every stage, even one that sets the
    key itself; `stages.NAME.key=value` reaches one, and `stages.NAME=null` leaves it out.

    Raises:
        MissingData: there is no such file.
        UsageError: a key is unknown (the nearest is named), a value has the wrong type, or it is not YAML.
    """
    notice = _Renamed(path)
    values = _read(path)
    stages = {
        name: current_keys(settings, f"stages.{name}", notice)
        for name, settings in _parts(path, values, "stages").items()
    }
    variants = _parts(path, values, "variants")
    for section in ("model", "data", "train"):
        if isinstance(values.get(section), dict):
            values[section] = current_keys(values[section], section, notice)
    given = [_override(text, notice) for text in overrides]
    variant = next((value for keys, value in given if keys == ["variant"]), None)
    if variant is not None:
        if variant not in variants:
            raise UsageError(f"{path}: has no variant {variant!r}: {nearest_name(str(variant), variants)}")
        given = [_current(key, value, notice) for key, value in variants[variant].items()] + given
    for keys, value in given:
        if keys != ["variant"]:
            _set(values, stages, keys, value)
    return _recipe(path, values, stages)


class _Renamed:
    """Warns about keys under earlier names, once for each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._warned: set[str] = set()

    def __call__(self, before: str, now: str) -> None:
        key = before.rpartition(".")[2]
        if key not in self._warned:
            self._warned.add(key)
            sys.stderr.write(
                f"expllm: {self._path}: {before} is now called {now}; the old name works in this release "
                "only\n"
            )


def _recipe(path: Path, values: dict[str, Any], stages: dict[str, Any]) -> Recipe:
    known = {"model", "data", "train"}
    for key in values:
        if key not in known:
            known_too = [*known, "stages", "variants"]
            raise UsageError(f"{path}: unknown key {key!r}: {nearest_name(str(key), known_too)}")
    common = values.get("train") or {}
    recipe = Recipe(
        validated(ModelConfig, values.get("model") or {}, "model"),
        validated(DataConfig, values.get("data") or {}, "data"),
        validated(StageConfig, common, "train"),
    )
    own = [
        validated(StageConfig, {**common, "name": name, **settings}, f"stages.{name}")
        for name, settings in stages.items()
    ]
    return replace(recipe, stages=tuple(own) or (recipe.train,))


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingData(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MissingData(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: a recipe holds model, data, train and stages")
    return values


def _parts(path: Path, values: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """Takes `stages` or `variants` out of a recipe: names, each with keys and values."""
    found = values.pop(key, None) or {}
    if not isinstance(found, dict):
        raise UsageError(f"{path}: {key} holds names with keys and values, not {found!r}")
    for name, settings in found.items():
        if not isinstance(settings or {}, dict) or not all(isinstance(one, str) for one in settings or {}):
            raise UsageError(f"{path}: {key}.{name} holds keys and values, not {settings!r}")
    return {str(name): dict(settings or {}) for name, settings in found.items()}


def _override(text: str, notice: _Renamed) -> tuple[list[str], Any]:
    import yaml

    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UsageError(f"{text!r}: an override is written key=value, such as train.lr=1e-4")
    try:
        return _current(key, yaml.safe_load(value), notice)
    except yaml.YAMLError:
        return _current(key, value, notice)


def _current(key: str, value: Any, notice: _Renamed) -> tuple[list[str], Any]:
    """A dotted key and its value under today's names."""
    now = current_key(key)
    if now != key:
        notice(key, now)
    return now.split("."), current_value(key, value)


def _set(values: dict[str, Any], stages: dict[str, Any], keys: list[str], value: Any) -> None:
    """Sets a nested key; one under `train` in every stage too."""
    if keys[0] == "stages" and len(keys) == 3:
        if keys[1] not in stages:
            raise UsageError(f"no stage {keys[1]!r}: {nearest_name(keys[1], stages)}")
        stages[keys[1]] = {**stages[keys[1]], keys[2]: value}
        return
    if keys[0] == "stages":
        _leave_out(stages, keys[1:], value)
        return
    if keys[0] == "train" and len(keys) == 2:
        for name, settings in stages.items():
            stages[name] = {key: own for key, own in settings.items() if key != keys[1]}
    place = values
    for key in keys[:-1]:
        below = place.get(key)
        place[key] = place = dict(below) if isinstance(below, dict) else {}
    place[keys[-1]] = value


def _leave_out(stages: dict[str, Any], names: list[str], value: Any) -> None:
    """Removes a stage: `stages.NAME=null`.

    Raises:
        UsageError: there is no such stage, or something else is meant.
    """
    if len(names) != 1 or value is not None:
        raise UsageError("stages: an override is written stages.NAME.KEY=value, or stages.NAME=null")
    if names[0] not in stages:
        raise UsageError(f"no stage {names[0]!r}: {nearest_name(names[0], stages)}")
    del stages[names[0]]


def chosen_preset(recipe: Recipe) -> Preset:
    """The recipe's preset with its own sources and adapter settings.

    Raises:
        UsageError: no such preset or setting.
    """
    found = preset(recipe.model.preset).with_sources(recipe.model.tower_source, recipe.model.language_source)
    if not recipe.model.lora:
        return found
    values = {**asdict(found.lora), **recipe.model.lora}
    return replace(found, lora=validated(type(found.lora), values, "model.lora"))
