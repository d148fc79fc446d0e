"""A model's folder: what is in it, and that it is what was written. No weight is read here.

`expllm.json` names every other file with its size and SHA-256. A folder is written whole, or not at all.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from pydantic.dataclasses import dataclass as pydantic_dataclass

from expllm.core.conversations import Order, Questions
from expllm.core.errors import ExpllmError, MissingWeights, OutputError, UsageError
from expllm.core.value_checks import KNOWN, validated
from expllm.core.vocabulary import Expression
from expllm.files.atomic import write_json
from expllm.model.presets import Preset

_FORMAT: Final = 1
"""Format of the folder; a newer one is refused, not guessed at."""
MANIFEST_NAME: Final = "expllm.json"
ADAPTER: Final = "adapter_model.safetensors"
ADAPTER_CONFIG: Final = "adapter_config.json"
WEIGHT_NAMES: Final = {
    "projector": "projector.safetensors",
    "tower": "tower.safetensors",
    "language": "language.safetensors",
}
"""Files of the parts that are not adapters. Keys are the names of the plain model's parameters."""
LABEL_HEAD: Final = "label_head.safetensors"
"""Reads labels from what the tower sees, in place of the language model; only some models have it."""
AGAIN: Final = "copy the whole folder again"
PICKLED: Final = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
"""Endings of files that run code when they are read: never read."""


class ModelError(ExpllmError):
    """A model's folder is of another version, or does not fit together."""


@pydantic_dataclass(frozen=True, config=KNOWN)
class _WrittenFile:
    sha256: str
    bytes: int


@pydantic_dataclass(frozen=True, config=KNOWN)
class _Written:
    """The keys of `expllm.json`."""

    format: int
    preset: Preset
    labels: tuple[Expression, ...]
    questions: dict[str, Any]
    template: str
    picture: dict[str, Any]
    trained: tuple[str, ...]
    files: dict[str, _WrittenFile]
    versions: dict[str, str]
    card: dict[str, Any]
    extra: dict[str, Any]
    sha256: str
    merged: bool = False


@dataclass(frozen=True)
class Manifest:
    """What `expllm.json` says.

    Attributes:
        trained: Parts that were trained whole.
        files: SHA-256 and size in bytes of each other file, by name.
        card: How the model was trained; whatever the training wants to tell.
        extra: What was found out after training, such as a temperature of the probabilities.
        versions: Of the packages that wrote the folder.
        merged: The weights are those of one plain model, with the adapters in them (`merge`).
    """

    preset: Preset
    labels: tuple[Expression, ...]
    questions: Questions
    trained: tuple[str, ...] = ()
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    merged: bool = False

    @property
    def order(self) -> Order:
        """In which the two rounds of an explanation were learned; the paper's where the card says nothing.

        Of both, label first: it is the quick answer, and the other order can still be asked for.
        """
        recipe = self.card.get("recipe")
        stages = recipe.get("stages", ()) if isinstance(recipe, dict) else ()
        named = [one["order"] for one in stages if one.get("name") == self.card.get("stage")]
        return "label-first" if {"label-first", "both"} & set(named) else "explanation-first"

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `sha256` is that of all others, so that a wrong byte in them is found as well."""
        values = {
            "format": _FORMAT,
            "preset": self.preset.to_dict(),
            "labels": [label.value for label in self.labels],
            "questions": self.questions.to_dict(),
            "template": self.preset.language.template,
            "picture": picture_transform(self.preset),
            "trained": list(self.trained),
            "files": {name: {"sha256": digest, "bytes": size} for name, (digest, size) in self.files.items()},
            "versions": dict(self.versions),
            "card": dict(self.card),
            "extra": dict(self.extra),
            **({"merged": True} if self.merged else {}),
        }
        return {**values, "sha256": seal(values)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_dict` gave.

        Raises:
            ModelError: a key is missing or unknown, a value has the wrong type, or two contradict each other.
            RecordError: a question makes no sense.
        """
        written = validated(_Written, values, error=ModelError)
        found = cls(
            preset=written.preset,
            labels=written.labels,
            questions=Questions.from_dict(written.questions),
            trained=written.trained,
            files={name: (one.sha256, one.bytes) for name, one in written.files.items()},
            card=written.card,
            extra=written.extra,
            versions=written.versions,
            merged=written.merged,
        )
        for key, derived in (
            ("template", found.preset.language.template),
            ("picture", picture_transform(found.preset)),
        ):
            if values[key] != derived:
                raise ModelError(f"{key!r} is not that of its preset")
        return found


def picture_transform(preset: Preset) -> dict[str, Any]:
    """How a picture becomes numbers: resized to a square, RGB in 0-1, less the mean, over the deviation.

    Returns:
        Side in pixels, resampling, mean and deviation; for an `hf:` model only that its processor does it.
    """
    if preset.hf is not None:
        return {"processor": preset.hf}
    tower = preset.tower
    return {
        "side": tower.image, "resampling": "bicubic", "mean": list(tower.mean), "std": list(tower.std),
    }  # fmt: skip


def read_manifest(folder: Path) -> Manifest:
    """What the folder says of itself; no other file is looked at.

    Raises:
        UsageError: it not a model directory.
        MissingWeights: its description is not the one that was written.
        ModelError: it is of a newer version, pickled, or its description makes no sense.
    """
    try:
        values = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise _no_model(folder) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{folder / MANIFEST_NAME}: cannot be read ({error}): save the model again"
        ) from None
    version = values.get("format") if isinstance(values, dict) else None
    if version != _FORMAT:
        newer = isinstance(version, int) and version > _FORMAT
        what_to_do = "install a newer expllm" if newer else "save the model again with this version"
        raise ModelError(
            f"{folder / MANIFEST_NAME}: of format {version}, and this is format {_FORMAT}: {what_to_do}"
        )
    if values.get("sha256") != seal(values):
        raise MissingWeights(
            f"{folder / MANIFEST_NAME}: was changed or damaged after it was written: {AGAIN}"
        )
    try:
        return Manifest.from_dict(values)
    except ExpllmError as error:
        raise ModelError(
            f"{folder / MANIFEST_NAME}: {error}; save the model again, or install a newer expllm"
        ) from None


def calibrated_temperature(folder: Path, extra: Mapping[str, Any], *, of_language: bool = False) -> float:
    """What a model's log-probabilities are divided by: 1 if it was not calibrated.

    Args:
        folder: Of the model, for the message.
        extra: As in its manifest.
        of_language: Of labels that the language model answers, where a label head answers those of pictures.

    Raises:
        ModelError: it is not a number above 0.
    """
    found = extra.get("temperature", 1.0)
    if of_language:
        found = extra.get("language_temperature", found)
    if not isinstance(found, int | float) or not 0 < found < math.inf:
        raise ModelError(f"{folder}: the temperature is {found!r}, not a number above 0")
    return float(found)


def seal(values: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest's values, without itself; how the file is laid out does not matter."""
    rest = {name: value for name, value in values.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode("ascii")).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `expllm.json`, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_json(folder / MANIFEST_NAME, manifest.to_dict())


def add_extra(folder: Path, extra: Mapping[str, Any]) -> None:
    """Adds what was found out about a model after its training, such as a temperature, as JSON values.

    Raises:
        UsageError, MissingWeights, ModelError: as `read_manifest`.
        OutputError: it cannot be written.
    """
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, extra={**manifest.extra, **extra}))


def check_files(folder: Path, manifest: Manifest) -> None:
    """Reads every file that the manifest names, and compares.

    Raises:
        MissingWeights: one is missing, cut short, or holds other bytes.
    """
    for name, (digest, size) in manifest.files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise MissingWeights(f"{path}: is missing: {AGAIN}")
        if (found := path.stat().st_size) != size:
            raise MissingWeights(f"{path}: has {found:,} bytes, not {size:,}: {AGAIN}")
        if sha256(path) != digest:
            raise MissingWeights(f"{path}: is damaged (SHA-256 differs): {AGAIN}")


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_preset(folder: Path, manifest: Manifest) -> Preset:
    """The preset, with the sources of weights that the model is read from beside its own files: none where it
    is merged, and where another model was merged its own folder.
    """
    preset = manifest.preset
    if not manifest.merged:
        return preset
    if preset.hf is not None:
        return replace(preset, hf=str(folder), revision=None)
    return replace(
        preset, tower=replace(preset.tower, source=None), language=replace(preset.language, source=None)
    )


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model of ours, and so may be replaced by a newer one."""
    return (folder / MANIFEST_NAME).is_file()


def check_new(path: Path) -> None:
    """Before long work whose result goes to a new folder.

    Raises:
        OutputError: something is there, be it a model.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputError(f"cannot write {path}: something is there; choose another name or remove it")


def _no_model(folder: Path) -> ExpllmError:
    """Why there is no manifest: nothing there, or a model in a form that is never read."""
    pickled = sorted(path.name for path in folder.glob("*") if path.suffix in PICKLED)
    if pickled:
        return ModelError(
            f"{folder / pickled[0]}: is pickled, which can run code: only safetensors are read; "
            "'expllm model import' turns a released checkpoint into a folder"
        )
    return UsageError(
        f"{folder}: not a model directory ({MANIFEST_NAME} not found): give a folder that expllm wrote"
    )
