"""Data sets to evaluate on, by name and split; a split by person where a data set has people but no split.

**The split by person.** The portraits name who is seen and have no validation part. A person goes to
`valid` if the first eight bytes of SHA-256 over `SEED:IDENTITY`, read as a number from 0 to 1, lie below 0.2;
else to `train`. So nobody is in both parts, the part of a person never changes when others are added, and
about 20 % of the people are in `valid`.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from expllm.data import KINDS, Dataset, Row, open_dataset
from expllm.data.cells import split_name
from expllm.data.shards import find_shards
from expllm.errors import MissingData, UsageError

SEED: Final = 0
VALID_SHARE: Final = 0.2
ROOT_VARIABLE: Final = "EXPLLM_DATA"
DRAWN: Final = ("train", "valid")
_NAMED: Final = ("rafdb", "affectnet7", "affectnet8", "expw", "ferplus", "fer2013")
"""Kinds of data sets that a folder's name may say."""


def open_named(name: str, root: str | None = None, kind: str | None = None) -> Dataset:
    """A data set by `name:split`, such as `rafdb:test` or `portraits:valid`, or by its path.

    Args:
        name: Looked for in `root`, then as it is.
        root: The folder of the data sets; by default what `EXPLLM_DATA` says.
        kind: How to read it, a key of `KINDS`; by default what its name says or it looks like.

    Raises:
        MissingData: there is no such data set, or a file of it is missing.
        UsageError: it has no such split.
        RecordError: it is damaged.
    """
    path, split = _parted(_found(name, root or os.environ.get(ROOT_VARIABLE)))
    stem = Path(path).name
    kind = kind or (stem if stem in _NAMED and stem in KINDS and Path(path).is_dir() else None)
    if split in DRAWN:
        whole = open_dataset(path, kind=kind)
        if set(whole.splits) <= {"train"} and all(sample.identity for sample in whole):
            return by_person(whole, split)
    return open_dataset(path, split=split, kind=kind)


def by_person(dataset: Dataset, split: str) -> Dataset:
    """The people of one part of a data set: see above.

    Args:
        dataset: Every sample has an identity.
        split: `train` or `valid`.

    Raises:
        MissingData: nobody is in this part.
    """

    def rows() -> Iterator[Row]:
        for row in dataset.rows():
            if row.sample is None:
                yield replace(row, split=split)
            elif part_of(row.sample.identity or "") == split:
                yield replace(row, sample=row.sample.model_copy(update={"split": split}), split=split)

    count = sum(row.sample is not None for row in rows())
    if not count:
        raise MissingData(f"{dataset.name}: too few people for a part {split!r}: give a data set with more")
    drawn = f"{dataset.fingerprint} by person {SEED} {VALID_SHARE} {split}"
    return replace(
        dataset, splits=DRAWN, split=split, count=count, rows=rows,
        fingerprint=hashlib.sha256(drawn.encode()).hexdigest(),
    )  # fmt: skip


def part_of(identity: str) -> str:
    """`train` or `valid`: where a person belongs."""
    digest = hashlib.sha256(f"{SEED}:{identity}".encode("utf-8", "surrogatepass")).digest()
    return "valid" if int.from_bytes(digest[:8]) / 2**64 < VALID_SHARE else "train"


def _found(name: str, root: str | None) -> str:
    """Where a data set is: in the root if it is there, else as its name says."""
    path, _ = _parted(name)
    if root is None or Path(path).is_absolute():
        return name
    inside = Path(root) / path
    if inside.exists() or find_shards(inside):
        return str(Path(root) / name)
    if Path(path).exists() or find_shards(Path(path)):
        return name
    raise MissingData(
        f"{name}: neither in {root} nor here; docs/data.md says how to obtain and lay out each data set"
    )


def _parted(name: str) -> tuple[str, str | None]:
    """Path and split."""
    head, colon, tail = name.rpartition(":")
    if not colon or not head or Path(name).exists() or "/" in tail or "\\" in tail:
        return name, None
    if not tail:
        raise UsageError(f"{name}: no split after the colon: give one, such as {head}:test")
    return head, split_name(tail) or tail
