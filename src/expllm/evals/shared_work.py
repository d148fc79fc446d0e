"""What trainings have in common is done once: where the faces are, decoded pictures, the first stages."""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from expllm.files.atomic import whole_file
from expllm.files.atomic_folders import whole_folder
from expllm.files.runs import RunFolder
from expllm.train.recipe import Recipe
from expllm.train.stages import recorded, stage_dirs

PREPARED: Final = ("boxes.sqlite", "pictures.bin", "pictures.json")
"""What a training makes of its data before the first step."""


def take_over(folder: Path, recipe: Recipe, others: Iterable[tuple[Path, Recipe]]) -> int:
    """Brings into a training's folder what others have finished and it would do in the same way.

    Args:
        folder: Of a training that is to begin; one that was begun is left as it is.
        others: Finished trainings, each with its folder.

    Returns:
        How many of its stages need not be trained.

    Raises:
        OutputError: it cannot be written.
    """
    if RunFolder(folder).exists:
        return 0
    same, most = None, 0
    for other, theirs in others:
        if recorded(recipe)["data"] == recorded(theirs)["data"]:
            shared = _stages_in_common(recipe, theirs)
            if same is None or shared > most:
                same, most = other, shared
    if same is None:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    for name in PREPARED:
        if (same / name).is_file() and not (folder / name).exists():
            _bring(same / name, folder / name)
    for place in stage_dirs(folder, recipe)[:most]:
        _copy(same / place.folder.name, place.folder)
    return most


def _stages_in_common(one: Recipe, other: Recipe) -> int:
    """Stages at the beginning of both that end in the same model; never all of them."""
    ours, theirs = recorded(one), recorded(other)
    if ours["model"] != theirs["model"]:
        return 0
    count = 0
    for mine, its in zip(ours["stages"][:-1], theirs["stages"][:-1], strict=False):
        if mine != its:
            break
        count += 1
    return count


def _bring(source: Path, target: Path) -> None:
    """A copy; of pictures, many and never written again, a second name where that can be."""
    with suppress(OSError):
        if source.suffix == ".bin":
            os.link(source, target)
            return
    with whole_file(str(target), "wb") as file, source.open("rb") as stored:
        shutil.copyfileobj(stored, file)


def _copy(source: Path, target: Path) -> None:
    with whole_folder(target, lambda _: False) as partial:
        shutil.copytree(
            source, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns("checkpoints", "runs", "lock")
        )
