"""A data set: a stream of samples that can be read again and again, and what was found in it."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from expllm.core.errors import MissingData, RecordError, UsageError
from expllm.core.vocabulary import Expression, label_set
from expllm.data.sample import DatasetRow, Sample
from expllm.files.folders import HIDDEN

SPLITS: Final = ("train", "valid", "test")
NO_PICTURE: Final = "no picture at"
"""How the reason begins where a picture's file is missing."""

_Rows = Callable[[], Iterator[DatasetRow]]


@dataclass(frozen=True)
class DatasetSource:
    """What a loader gives: rows on demand, always in the same order, every row or file exactly once.

    Attributes:
        name: What messages call it.
        kind: A key of `KINDS`.
        rows: All of them.
        labels: The label set; None where the data set has those labels that are found in it, or none at all.
        by_split: The rows of one split alone, where others need not be read for them.
        path: Where it lies, for messages.
    """

    name: str
    kind: str
    rows: _Rows
    labels: tuple[Expression, ...] | None = None
    by_split: Mapping[str, _Rows] = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True)
class Dataset:
    """A data set that was looked through once; iterating reads it again, in constant memory.

    Attributes:
        name: What messages call it.
        kind: The layout it was read in, a key of `KINDS`.
        labels: Its label set, in its own order.
        splits: The splits that it has.
        split: The split that was asked for; None for all.
        fingerprint: SHA-256 over every sample, the size of every picture, and what was skipped. Paths and
            dates do not count: a copy elsewhere has the same. Pictures are not read.
        skipped: (row or file, reason) of all that is no sample.
    """

    name: str
    kind: str
    labels: tuple[Expression, ...]
    splits: tuple[str, ...]
    split: str | None
    fingerprint: str
    skipped: tuple[tuple[str, str], ...] = field(repr=False)
    count: int
    rows: _Rows = field(repr=False, compare=False)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Sample]:
        for row in self.rows():
            if row.sample is not None and self.split in (None, row.split):
                yield row.sample


class _Survey:
    """What is found while every row goes by once."""

    def __init__(self, name: str, split: str | None) -> None:
        self.name, self.split = name, split
        self.digest = hashlib.sha256()
        self.count = 0
        self.skipped: list[tuple[str, str]] = []
        self.labels: set[Expression] = set()
        self.splits: set[str] = set()
        self._places: dict[str, str] = {}

    def see(self, row: DatasetRow) -> None:
        if row.split is not None:
            self.splits.add(row.split)
        if row.sample is not None:
            self._see_sample(row.sample, row)
        elif self.split is None or row.split in (None, self.split):
            self.skipped.append((row.where, row.reason))
            if (
                row.reason != HIDDEN
            ):  # what a system adds by itself, such as .DS_Store, makes no other data set
                self._hash(row.where, row.reason)

    def _see_sample(self, sample: Sample, row: DatasetRow) -> None:
        if sample.id in self._places:
            both = f"{self._places[sample.id]} and {row.where}"
            raise RecordError(f"{self.name}: {both} have the same id {sample.id!r}: ids must be unique")
        self._places[sample.id] = row.where
        if sample.expression is not None:
            self.labels.add(sample.expression)
        if self.split in (None, row.split):
            self.count += 1
            self._hash(sample.model_dump_json(exclude=_left_out(sample)), row.content)

    def _hash(self, *parts: str) -> None:
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            self.digest.update(b"%d:%s" % (len(data), data))


def _left_out(sample: Sample) -> dict[str, Any]:
    """What a fingerprint does not cover. An absent box: else data sets without one would get another."""
    place: dict[str, Any] = {"image": {"path"}}
    return place if sample.box else {**place, "box": True}


def survey(source: DatasetSource, split: str | None = None) -> Dataset:
    """Looks through a source once, so that a faulty data set is known before work begins.

    Raises:
        MissingData: none of its pictures is there.
        RecordError: an id stands twice, or no row can be used.
        UsageError: it has no such split.
    """
    found = _Survey(source.path or source.name, split)
    found.splits.update(source.by_split)
    rows = source.by_split.get(split or "", source.rows)
    for row in rows():
        found.see(row)
    if split is not None and split not in found.splits:
        known = f"it has {', '.join(_sorted(found.splits))}" if found.splits else "it is not split"
        raise UsageError(f"{source.path or source.name} has no split {split!r}: {known}")
    if not found.count:
        raise unusable_error(source.path or source.name, found.skipped)
    return Dataset(
        name=source.name,
        kind=source.kind,
        labels=source.labels or _labels(found.labels),
        splits=_sorted(found.splits),
        split=split,
        fingerprint=found.digest.hexdigest(),
        skipped=tuple(found.skipped),
        count=found.count,
        rows=rows,
    )


def _labels(found: set[Expression]) -> tuple[Expression, ...]:
    """The label set of a data set that has none of its own; where nothing is labelled, the seven."""
    return tuple(label for label in Expression if label in found) or label_set(7)


def _sorted(splits: set[str]) -> tuple[str, ...]:
    return (*(name for name in SPLITS if name in splits), *sorted(splits - set(SPLITS)))


def unusable_error(
    name: str,
    skipped: list[tuple[str, str]],
    empty: str = "the data set is empty",
    remedy: str = "says how to obtain and lay out each data set",
) -> MissingData | RecordError:
    """Why a data set, or one of captions, has no row to give.

    Args:
        skipped: Rows that cannot be used, with reasons.
        empty: Said where there is no row at all.
        remedy: What docs/data.md says where all pictures are missing.
    """
    if not skipped:
        return MissingData(f"{name}: {empty}")
    where, reason = skipped[0]
    what = f"{name}: none of its {len(skipped):,} rows can be used; the first, {where}: {reason}"
    if all(reason.startswith(NO_PICTURE) for _, reason in skipped):
        return MissingData(f"{what}; docs/data.md {remedy}")
    return RecordError(what)
