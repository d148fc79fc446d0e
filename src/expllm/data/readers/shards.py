"""Parquet files as data sets are cut into: `NAME_SPLIT-00000-of-00002.parquet`, as the hub names them."""

import re
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingData, RecordError
from expllm.data.readers.cells import split_name
from expllm.files.tabular.parquetfile import open_parquet

_NAME: Final = re.compile(
    r"(?:(?P<name>.+)[-_])?(?P<split>train|training|val|valid|validation|dev|test|testing)"
    r"(?:-(?P<number>\d{5})-of-(?P<total>\d{5}))?\.parquet",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ParquetShard:
    """One Parquet file.

    Attributes:
        path: The file.
        family: The data set that it is part of, by its name.
        split: From its name; None if the name says nothing.
        number: Its place among `total`, from 0.
        total: Files of this family and split.
        first_row: Rows of the shards before it.
    """

    path: Path
    family: str
    split: str | None = None
    number: int = 0
    total: int = 1
    first_row: int = 0


def find_shards(path: Path) -> list[ParquetShard]:
    """The shards that a path stands for: a folder's, one file, or all whose names begin with it.

    Raises:
        MissingData: a shard of a set is not there.
    """
    if path.is_file():
        wanted = named_shard(path)
        family = [shard for shard in _in_folder(path.parent) if _same(shard, wanted)]
        found = [shard for shard in _numbered(family, upto=wanted.number) if shard.path == path]
        return found or [wanted]  # a file that is not called *.parquet
    if path.is_dir():
        return _numbered(_in_folder(path) or _in_folder(path / "data"))
    beside = _in_folder(path.parent) or _in_folder(path.parent / "data")
    return _numbered([shard for shard in beside if shard.family == path.name])


def named_shard(path: Path) -> ParquetShard:
    """What a file's name says of a shard."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return ParquetShard(path, path.stem)
    folder = path.absolute().parent
    name = found["name"] or (folder.parent.name if folder.name == "data" else folder.name)
    number, total = int(found["number"] or 0), int(found["total"] or 1)
    return ParquetShard(path, name, split_name(found["split"]), number, total)


def _same(shard: ParquetShard, other: ParquetShard) -> bool:
    return (shard.family, shard.split, shard.total) == (other.family, other.split, other.total)


def _in_folder(folder: Path) -> list[ParquetShard]:
    try:
        paths = [path for path in folder.iterdir() if path.suffix == ".parquet" and path.is_file()]
    except OSError:
        return []
    order = ["train", "valid", "test", None]
    shards = [named_shard(path) for path in paths]
    return sorted(shards, key=lambda s: (s.family, order.index(s.split), s.total, s.number, s.path))


def _numbered(shards: list[ParquetShard], upto: int | None = None) -> list[ParquetShard]:
    """The shards with their first rows; each set must be whole, or whole up to `upto`."""
    result: list[ParquetShard] = []
    for _, group in groupby(shards, key=lambda shard: (shard.family, shard.split, shard.total)):
        first_row = 0
        for expected, shard in enumerate(members := list(group)):
            if upto is not None and expected > upto:
                break
            if shard.number != expected:
                raise _gap(shard, expected)
            result.append(replace(shard, first_row=first_row))
            first_row += row_count(shard.path) if shard.total > 1 else 0
        if upto is None and len(members) < members[-1].total:
            raise _gap(members[-1], len(members))
    return result


def _gap(shard: ParquetShard, number: int) -> MissingData:
    return MissingData(
        f"{shard.path.parent}: shard {number} of {shard.total} of {shard.family} is missing: "
        "download the whole set, or name the files that you have one by one"
    )


def row_count(path: Path) -> int:
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def footer_digest(path: Path) -> str:
    """SHA-256 of a Parquet footer: schema, row counts, sizes and extremes of every column of every group."""
    import hashlib

    try:
        with open(path, "rb") as file:
            file.seek(-8, 2)
            length = int.from_bytes(file.read(4), "little")
            file.seek(-8 - length, 2)
            return hashlib.sha256(file.read(length)).hexdigest()
    except OSError as error:
        raise RecordError(f"{path}: not a whole Parquet file ({error}); copy or download it again") from None
