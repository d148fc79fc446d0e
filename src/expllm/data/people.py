"""The split by person, for data sets that name who is seen and have no validation part.

A person goes to `valid` if the first eight bytes of SHA-256 over `SEED:IDENTITY`, read as a number from 0 to
1, lie below 0.2; else to `train`. So nobody is in both parts, the part of a person never changes when others
are added, and about 20 % of the people are in `valid`.

Of class folders, which are somebody's own pictures, those of which nobody says who they show are drawn one by
one, by their ids.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from expllm.core.errors import UsageError
from expllm.data.dataset import Dataset, DatasetSource
from expllm.data.sample import DatasetRow, Sample

SEED: Final = 0
VALID_SHARE: Final = 0.2
DRAWN: Final = ("train", "valid")
BY_PICTURE: Final = "folder"
"""The kind of data set whose pictures need not say who they show."""


def people_part(identity: str) -> str:
    """`train` or `valid`: where a person belongs."""
    digest = hashlib.sha256(f"{SEED}:{identity}".encode("utf-8", "surrogatepass")).digest()
    return "valid" if int.from_bytes(digest[:8]) / 2**64 < VALID_SHARE else "train"


def people_parts(source: DatasetSource) -> frozenset[str]:
    """The parts that the people of a source fall into.

    None at all if it sets some apart for validation or a test by itself, or does not name every person and is
    none of class folders.
    """
    if not set(source.by_split) <= {"train"}:
        return frozenset()
    found = set()
    for row in source.rows():
        if row.split not in (None, "train") or (row.sample is not None and not _drawn_by(source, row.sample)):
            return frozenset()
        if row.sample is not None:
            found.add(people_part(_drawn_by(source, row.sample)))
    return frozenset(found)


def _drawn_by(source: DatasetSource, sample: Sample) -> str:
    """What decides on a sample's part; empty if nothing can."""
    return sample.identity or (sample.id if source.kind == BY_PICTURE else "")


def by_person(source: DatasetSource) -> DatasetSource:
    """The same samples, each in the part of its person; a row that is no sample belongs to both parts.

    Args:
        source: One that has `people_parts`.
    """

    def rows() -> Iterator[DatasetRow]:
        for row in source.rows():
            if row.sample is None:
                yield replace(row, split=None)
            else:
                split = people_part(_drawn_by(source, row.sample))
                yield replace(row, sample=row.sample.model_copy(update={"split": split}), split=split)

    return replace(source, rows=rows, by_split={})


def check_apart(learned: Callable[[], Dataset], validated: Dataset) -> None:
    """Refuses to validate on what is learned from, as in `portraits:valid` beside all `portraits`.

    Args:
        learned: Opens the training data.
        validated: The validation data. People of one name are one person if their data sets are called the
            same too.

    Raises:
        UsageError: a person or a face is in both.
    """
    people = {sample.identity for sample in validated if sample.identity}
    # Without a split, the same faces for both were meant: a small trial.
    faces = {(sample.image, sample.box) for sample in validated if sample.image and validated.split}
    training = learned()
    if training.name != validated.name:
        people = set()
    both = [one for one in training if one.identity in people or (one.image, one.box) in faces]
    if both:
        raise UsageError(
            f"{len(both):,} faces of {training.name} for training, or their people, are validated on too, "
            f"such as {both[0].id!r}: give both by their split, {validated.name}:train and :valid"
        )
