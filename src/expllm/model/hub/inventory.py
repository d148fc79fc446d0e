"""Lists which base weights of a model are on this machine, which are missing, and their sizes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import ExpllmError
from expllm.model.gguf_cache import packaged_gguf
from expllm.model.hub.snapshots import Snapshot, find_snapshot, resolve_revisions
from expllm.model.presets import Preset
from expllm.model.summary import sizes_of
from expllm.model.weight_files import check_tokenizer, checked_files, weight_files

ELEMENT: Final = {"facebook/dinov2-large": 4, "lmsys/vicuna-7b-v1.5": 2}
"""Bytes of a weight in the files on the hub; others are mostly in 16 bits."""


@dataclass(frozen=True)
class Holding:
    """A part of a model, as it was found.

    Attributes:
        part: `vision encoder`, `language model` or `model`.
        revision: What is here, or what is to be read; None: the newest.
        folder: Where the files are; None: nothing is here.
        held: Bytes of the weights that are here.
        absent: Bytes that are to be fetched, about.
        missing: Names of files that are not here.
        problem: What is wrong with those that are; None for nothing.
    """

    part: str
    source: str
    revision: str | None
    folder: Path | None
    held: int
    absent: int
    missing: tuple[str, ...] = ()
    problem: ExpllmError | None = None

    @property
    def whole(self) -> bool:
        """Whether it can be read."""
        return self.folder is not None and not self.missing and self.problem is None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "part": self.part, "source": self.source, "revision": self.revision,
            "folder": None if self.folder is None else str(self.folder), "bytes_here": self.held,
            "bytes_to_fetch": self.absent, "missing": list(self.missing),
            "problem": None if self.problem is None else self.problem.line,
        }  # fmt: skip


def holdings(preset: Preset) -> Iterator[Holding]:
    """Every part of a preset that is read from outside of a model's own folder."""
    if preset.hf is not None:
        yield _held("model", preset.hf, preset.revision, None)
        return
    counts = sizes_of(_described(preset)).parameters
    tower, language = preset.tower, preset.language
    if tower.source is not None:
        yield _held("vision encoder", tower.source, tower.revision, counts["tower"])
    if language.source is not None and language.weights == "hub":
        yield _held("language model", language.source, language.revision, counts["language"])
    elif language.source is not None:
        try:
            path = packaged_gguf(language)
            yield Holding("language model", path.name, None, path.parent, path.stat().st_size, 0)
        except ExpllmError as error:
            yield Holding("language model", str(language.gguf), None, None, 0, 0, (), error)


def _described(preset: Preset) -> Preset:
    """With the sizes of the files that are here, if they can be read."""
    try:
        return resolve_revisions(preset, online=False)
    except ExpllmError:
        return preset


def _held(part: str, source: str, revision: str | None, parameters: int | None) -> Holding:
    try:
        found = find_snapshot(source, revision)
    except ExpllmError as error:
        return Holding(part, source, revision, None, 0, 0, (), error)
    whole = (parameters or 0) * ELEMENT.get(source, 2)
    if found is None:
        return Holding(part, source, revision, None, 0, whole)
    return _counted(part, found, whole)


def _counted(part: str, found: Snapshot, whole: int) -> Holding:
    """The files that are here, and what the others must have.

    Args:
        whole: Bytes of all weights, about; an index tells them exactly.
    """
    problem: ExpllmError | None = None
    held = 0
    missing: tuple[str, ...] = ("model.safetensors",)
    try:
        files = weight_files(found.folder)
        if files is not None:
            held = sum(path.stat().st_size for path in files.files if path.is_file())
            missing = tuple(path.name for path in files.missing)
            whole = _total(files.index) or whole
        if not missing:
            checked_files(found.folder, found.again)
        if part == "language model":
            check_tokenizer(found.folder, found.again)
    except ExpllmError as error:
        problem = error
    absent = max(0, whole - held) if missing else 0
    return Holding(part, found.source, found.revision, found.folder, held, absent, missing, problem)


def _total(index: Path | None) -> int:
    """What an index says of the size of all weights; 0 where it does not."""
    if index is None:
        return 0
    metadata = json.loads(index.read_text(encoding="utf-8")).get("metadata")
    size = metadata.get("total_size", 0) if isinstance(metadata, dict) else 0
    return int(size) if isinstance(size, int | float) else 0
