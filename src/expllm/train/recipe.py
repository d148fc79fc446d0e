"""Recipes: what is trained on what, and how. YAML in, checked values out; no key goes unread.

The defaults are those of the paper's stage 2 (section IV-A), or of its released code.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from expllm.core.errors import MissingData, UsageError
from expllm.model.presets import Preset, preset
from expllm.train.checked import at_least, made, nearest

Reads = Literal["captions", "talks"]
Precision = Literal["bf16", "fp32"]
Order = Literal["explanation-first", "label-first", "both"]
Captions = Literal["texts"]
Part = Literal["projector", "tower_lora", "language_lora", "tower", "language"]


@dataclass(frozen=True)
class ModelConfig:
    """Which model, and where it begins.

    Attributes:
        preset: Name of a preset, or `hf:REPO`.
        begin: Folder of a model whose weights are taken over, or `compact`; None: the preset's own.
        tower: File of the tower's weights, of `scripts/train_tower.py`, or `compact`; None: the preset's own.
        tower_source, language_source: Other base weights: a folder, a name on the hub, or NAME@REVISION.
        seed: Draws the projector, the adapters and random towers.
        lora: Settings of the adapters that differ from the preset's: rank, alpha, dropout.
    """

    preset: str = "paper"
    begin: str | None = None
    tower: str | None = None
    tower_source: str | None = None
    language_source: str | None = None
    seed: int = 0
    lora: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataConfig:
    """Which faces, and which texts go with them.

    Attributes:
        root: Folder that the data sets below are under; None: they are paths by themselves.
        train: Data set and split, such as `rafdb:train`, or several; the first names the labels.
        valid: The same for validation; None: no loss is taken there.
        kind: How to read them, where the layout does not tell; a key of `data.KINDS`.
        texts: Runs or exports of the engine that explain these faces by id; None: the data sets' own texts.
        longest, without: Texts of more words than this, or with one of these phrases, are not learned.
        votes: Whether a label task learns the shares of the votes (FER+), not their majority.
        hint, unhinted: Whether the measured action units are told with the question for an explanation, and
            the part of the explanations that is learned without them, so that the model does both.
        captions: Pictures with captions for stage 1; `texts`: the key observations of the explanations.
        boxes: Whether faces are boxed by the detector first; `auto`: not those of sets that come cut out.
        limit: Only the first so many faces.
    """

    train: str | tuple[str, ...] = ""
    root: str | None = None
    valid: str | tuple[str, ...] | None = None
    kind: str | None = None
    texts: str | tuple[str, ...] | None = None
    longest: int | None = None
    without: tuple[str, ...] = ()
    votes: bool = False
    hint: bool = False
    unhinted: float = 0.0
    captions: str | None = None
    boxes: bool | Literal["auto"] = False
    limit: int | None = None

    def __post_init__(self) -> None:
        at_least(self, "data", 1, ("longest", "limit"))


@dataclass(frozen=True)
class StageConfig:
    """One stage of training: the stages of a recipe are values of this and nothing else.

    Attributes:
        name: What it is called, in folders and lines.
        reads: `captions` or `talks` (labels and explanations).
        trains: Parts that learn, of `projector`, `tower_lora`, `language_lora`, `tower`, `language`.
        epochs: Times that every face is seen.
        max_steps: Ends earlier, after so many steps.
        batch: Faces of one step, over all devices and accumulation.
        micro_batch: Faces that one device takes at once.
        lr: Highest learning rate of AdamW.
        projector_lr, lora_lr: That of the projector, and of the adapters in both towers; None: `lr`.
        weight_decay: On matrices; biases and norms have none.
        warmup_steps, warmup_share: Steps until `lr` is reached; if None, that part of all steps. At most
            half of them: see `train.schedule`.
        clip, betas: Longest gradient, and AdamW's averages.
        label, explanation: Shares of the two tasks.
        label_weight: What a token of a label task, which has few, counts beside one of an explanation.
        mixed: Whether every step holds labels and explanations in their shares, not texts of like length:
            steadier, but slower where many devices have one micro-batch of a step each.
        order: Which of the two rounds of an explanation task comes first; `both`: either, drawn for each.
        label_first: With `both`: the part of the explanation tasks in which the label comes first, 0-1.
        augment: Ranges of `data.augment.Augmentation` by name, or False for none.
        balanced: Draws faces so that every class is equally likely; `{portraits: 0.5}`: so much of that way
            among the faces of a data set (of its `kind`), and those of the others once each.
        precision: `bf16` computes in 16 bits and learns in 32.
        checkpointing: Saves memory by computing activations twice.
        save_steps, keep: A checkpoint every so many steps, and how many stay.
        workers: Processes that decode pictures.
        max_length: Most tokens of a conversation; None: the language model's context.
        report_to: Where losses go besides the run's files: `tensorboard`, `wandb`, `none` ...
        seed: Draws order, tasks, augmentation and dropout.
    """

    name: str = "instruct"
    reads: Reads = "talks"
    trains: tuple[Part, ...] = ("projector", "tower_lora", "language_lora")
    epochs: int = 60
    max_steps: int | None = None
    batch: int = 128
    micro_batch: int = 16
    lr: float = 5e-4
    projector_lr: float | None = None
    lora_lr: float | None = None
    weight_decay: float = 0.05
    warmup_steps: int | None = None
    warmup_share: float = 0.03
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    label: float = 0.75
    explanation: float = 0.25
    label_weight: float = 1.0
    mixed: bool = False
    order: Order = "explanation-first"
    label_first: float = 0.5
    augment: dict[str, Any] | bool = True
    balanced: bool | dict[str, float] = False
    precision: Precision = "bf16"
    checkpointing: bool = False
    save_steps: int = 500
    keep: int = 2
    workers: int = 2
    max_length: int | None = None
    report_to: str = "tensorboard"
    seed: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w-]*", self.name):
            raise UsageError(
                f"a stage is called {self.name!r}: it names a folder, so use letters, digits, - and _"
            )
        at_least(
            self,
            "train",
            1,
            ("epochs", "max_steps", "batch", "micro_batch", "save_steps", "keep", "max_length"),
        )
        at_least(self, "train", 0, ("lr", "projector_lr", "lora_lr", "weight_decay", "clip"))
        at_least(self, "train", 0, ("warmup_steps", "warmup_share"))
        at_least(self, "train", 0, ("label", "explanation", "label_weight", "label_first", "workers", "seed"))
        if self.reads == "talks" and self.label + self.explanation <= 0:
            raise UsageError("train.label and train.explanation are both 0: give one of them a share")
        if self.batch % self.micro_batch:
            told = f"{self.batch}, no multiple of train.micro_batch, {self.micro_batch}"
            raise UsageError(f"train.batch is {told}")
        if self.warmup_share > 0.5:
            raise UsageError(f"train.warmup_share is {self.warmup_share}: a share of the steps, at most 0.5")
        if self.label_first > 1:
            raise UsageError(f"train.label_first is {self.label_first}: a share, from 0 to 1")
        if not self.trains:
            raise UsageError("train.trains is empty: name a part, such as projector")

    def rate_of(self, part: str) -> float:
        """The highest learning rate of a part of the model, one of `trains`."""
        own = self.projector_lr if part == "projector" else self.lora_lr if part.endswith("_lora") else None
        return self.lr if own is None else own


@dataclass(frozen=True)
class Recipe:
    """All that a training is.

    Attributes:
        train: What the stages have in common.
        stages: The stages in order, each with what it has of its own; `train` alone if none is named.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: StageConfig = field(default_factory=StageConfig)
    stages: tuple[StageConfig, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe's file with `a.b=c` on top; values are read as YAML.

    `variant=NAME` sets what the recipe lists under that name, such as the released code's values where they
    differ from the paper's. Overrides of `train` reach every stage, also one with a value of its own;
    `stages.NAME.key=value` reaches one.

    Raises:
        MissingData: there is no such file.
        UsageError: a key is unknown (the nearest is named), a value has the wrong type, or it is no YAML.
    """
    values = _read(path)
    given = [_override(text) for text in overrides]
    variant = next((value for keys, value in given if keys == ["variant"]), None)
    variants = _parts(path, values, "variants")
    if variant is not None:
        if variant not in variants:
            raise UsageError(f"{path}: has no variant {variant!r}: {nearest(str(variant), variants)}")
        given = [(key.split("."), value) for key, value in variants[variant].items()] + given
    stages = _parts(path, values, "stages")
    for keys, value in given:
        if keys != ["variant"]:
            _set(values, stages, keys, value)
    return _recipe(path, values, stages)


def _recipe(path: Path, values: dict[str, Any], stages: dict[str, Any]) -> Recipe:
    known = {"model", "data", "train"}
    for key in values:
        if key not in known:
            known_too = [*known, "stages", "variants"]
            raise UsageError(f"{path}: unknown key {key!r}: {nearest(str(key), known_too)}")
    common = values.get("train") or {}
    recipe = Recipe(
        made(ModelConfig, values.get("model") or {}, "model"),
        made(DataConfig, values.get("data") or {}, "data"),
        made(StageConfig, common, "train"),
    )
    own = [
        made(StageConfig, {**common, "name": name, **settings}, f"stages.{name}")
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


def _override(text: str) -> tuple[list[str], Any]:
    import yaml

    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UsageError(f"{text!r}: an override is written key=value, such as train.lr=1e-4")
    try:
        return key.split("."), yaml.safe_load(value)
    except yaml.YAMLError:
        return key.split("."), value


def _set(values: dict[str, Any], stages: dict[str, Any], keys: list[str], value: Any) -> None:
    """Sets a nested key; one under `train` in every stage too."""
    if keys[0] == "stages" and len(keys) == 3:
        if keys[1] not in stages:
            raise UsageError(f"no stage {keys[1]!r}: {nearest(keys[1], stages)}")
        stages[keys[1]] = {**stages[keys[1]], keys[2]: value}
        return
    if keys[0] == "train" and len(keys) == 2:
        for name, settings in stages.items():
            stages[name] = {key: own for key, own in settings.items() if key != keys[1]}
    place = values
    for key in keys[:-1]:
        below = place.get(key)
        place[key] = place = dict(below) if isinstance(below, dict) else {}
    place[keys[-1]] = value


def chosen_preset(recipe: Recipe) -> Preset:
    """The recipe's preset with its own sources and adapter settings.

    Raises:
        UsageError: no such preset or setting.
    """
    found = preset(recipe.model.preset).with_sources(recipe.model.tower_source, recipe.model.language_source)
    if not recipe.model.lora:
        return found
    values = {**found.lora.__dict__, **recipe.model.lora}
    return replace(found, lora=made(type(found.lora), values, "model.lora"))
