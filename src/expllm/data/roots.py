"""Where data sets lie: by name, in a folder that an option, the environment or the settings file names."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingData, UsageError
from expllm.data.catalog import DATASET_KINDS, open_dataset
from expllm.data.dataset import Dataset
from expllm.data.readers.cells import split_name
from expllm.data.readers.shards import find_shards
from expllm.files.settings import user_settings

ROOT_VARIABLE: Final = "EXPLLM_DATA"
_NAMED: Final = ("rafdb", "affectnet7", "affectnet8", "expw", "ferplus", "fer2013", "ckplus", "jaffe", "kdef")
"""Kinds of data sets that a folder's name may say."""


def open_named(name: str, root: str | None = None, kind: str | None = None) -> Dataset:
    """A data set by `name:split`, such as `rafdb:test` or `portraits:valid`, or by its path.

    Args:
        name: Looked for in `root`, then as it is; a path that begins with `/`, `./` or `../` is one.
        root: The folder of the data sets; by default those of `EXPLLM_DATA` and of the settings file.
        kind: How to read it, a key of `DATASET_KINDS`; by default what its name says or it looks like.

    Raises:
        MissingData: there is no such data set, or a file of it is missing.
        UsageError: it has no such split, or the settings file is wrong.
        RecordError: it is damaged.
    """
    stem, split = _parted(name)
    path = _found(stem, root)
    named = Path(stem).name
    kind = kind or (named if named in _NAMED and named in DATASET_KINDS and path.is_dir() else None)
    return open_dataset(str(path), split=split, kind=kind)


def located_dataset(name: str) -> str:
    """`name:split` with the path in place of the name; see `open_named`.

    Raises:
        MissingData: it is in none of the folders that are looked through, nor here.
        UsageError: the settings file is wrong.
    """
    stem, split = _parted(name)
    return str(_found(stem, None)) + (f":{split}" if split else "")


def place_of(name: str, root: str | None = None) -> Path | None:
    """Where a data set lies, if it is in one of the folders that are looked through.

    Raises:
        UsageError: the settings file is wrong.
    """
    return next((place for place in _places(name, root) if place.exists() or find_shards(place)), None)


def names_in_roots(root: str | None = None) -> Iterator[tuple[str, Path]]:
    """What the folders of data sets hold, by names that `open_named` takes; nothing is opened.

    Raises:
        UsageError: the settings file is wrong.
    """
    seen: set[str] = set()
    for folder in (place.parent for place in _places("any", root)):
        if not folder.is_dir():
            continue
        families = {shard.family: folder / shard.family for shard in find_shards(folder)}
        inside = {one.name: one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")}
        for name, path in sorted({**families, **inside}.items()):
            if name not in seen:
                seen.add(name)
                yield name, path


def _found(name: str, root: str | None) -> Path:
    if Path(name).is_absolute() or name.startswith(("./", "../")):
        return Path(name)
    places = list(_places(name, root))
    for place in (*places, Path(name)):
        if place.exists() or find_shards(place):
            return place
    if not places:
        return Path(name)
    looked = ", nor in ".join(dict.fromkeys(str(place).removesuffix(f"/{name}") for place in places))
    raise MissingData(
        f"{name}: neither in {looked} nor here; docs/data.md says how to obtain and lay out each data set"
    )


def _places(name: str, root: str | None) -> Iterator[Path]:
    """The option decides alone; the environment goes before the settings file."""
    if root:
        yield Path(root) / name
        return
    if set_by_hand := os.environ.get(ROOT_VARIABLE):
        yield Path(set_by_hand) / name
    settings = user_settings()
    if own := settings.data.get(name):
        yield from (own / name, own)
    if settings.data_root:
        yield settings.data_root / name


def _parted(name: str) -> tuple[str, str | None]:
    """Path and split."""
    head, colon, tail = name.rpartition(":")
    if not colon or not head or Path(name).exists() or "/" in tail or "\\" in tail:
        return name, None
    if not tail:
        raise UsageError(f"{name}: no split after the colon: give one, such as {head}:test")
    return head, split_name(tail) or tail
