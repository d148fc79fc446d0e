"""FER+ (Barsoum et al., 2016): ten votes for each face, turned into a label by majority.

The protocol is the FER+ paper's *majority* setting: a row whose largest vote is `unknown` or `NF` (not a
face) is dropped; else the label is the largest vote, and of equal ones the first in the data set's order.
"""

import csv
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

from expllm.core.errors import RecordError, VocabularyError
from expllm.core.vocabulary import LABEL_ORDERS, Expression
from expllm.data.dataset import NO_PICTURE, DatasetSource
from expllm.data.readers.cells import picture_size, split_name
from expllm.data.readers.parquet_images import columns_of, picture_column, records
from expllm.data.readers.shards import ParquetShard, footer_digest
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.files.tabular import encoding_of

LABELS: Final = LABEL_ORDERS["ferplus"].labels
_NO_EXPRESSION: Final = ("unknown", "NF")
VOTES: Final = (*(label.value for label in LABELS), *_NO_EXPRESSION)
_FOLDERS: Final = ("FER2013Train", "FER2013Valid", "FER2013Test")


def majority(votes: Mapping[str, int]) -> Expression:
    """The label of ten votes, by name.

    Raises:
        VocabularyError: nobody voted, or most votes went to `unknown` or `NF`.
    """
    winner = max(VOTES, key=lambda name: votes[name])  # the first of equal ones
    if votes[winner] <= 0:
        raise VocabularyError("no votes")
    if winner in _NO_EXPRESSION:
        raise VocabularyError(f"most votes are for {winner}")
    return Expression(winner)


def is_ferplus(shard: ParquetShard) -> bool:
    return {f"votes_{name}" for name in VOTES} <= set(columns_of(shard))


def load_parquet(shards: list[ParquetShard]) -> DatasetSource:
    """Parquet shards with ten columns `votes_*`."""
    by_split = {
        split: partial(_parquet_rows, list(part))
        for split, part in groupby(shards, key=lambda shard: shard.split)
        if split is not None
    }
    return DatasetSource("ferplus", "ferplus", partial(_parquet_rows, shards), LABELS, by_split)


def _parquet_rows(shards: list[ParquetShard]) -> Iterator[DatasetRow]:
    columns = [f"votes_{name}" for name in VOTES]
    for shard in shards:
        if not is_ferplus(shard):
            raise RecordError(f"{shard.path}: has not the ten columns votes_* of FER+")
        image, content = picture_column(shard), footer_digest(shard.path)
        for number, cells in records(shard, columns):
            votes = {name: int(cells[f"votes_{name}"] or 0) for name in VOTES}
            ref = ImageRef(path=str(shard.path), row=number, column=image) if image else None
            key = f"ferplus/{shard.split or 'all'}/{shard.first_row + number:06d}"
            yield voted_row(key, key, votes, ref, shard.split, content)


def voted_row(
    where: str, key: str, votes: dict[str, int], image: ImageRef | None, split: str | None, content: str
) -> DatasetRow:
    """A row whose label is the majority of its votes."""
    try:
        label = majority(votes)
    except VocabularyError as error:
        return DatasetRow(where, reason=str(error), split=split)
    return DatasetRow.of(
        where, Sample(id=key, expression=label, votes=votes, image=image, split=split), content
    )


def is_folder(root: Path) -> bool:
    return any((root / name / "label.csv").is_file() for name in _FOLDERS)


def load_folder(root: Path) -> DatasetSource:
    """The layout of the authors' repository: `FER2013Train/label.csv` and pictures beside it."""
    return DatasetSource("ferplus", "ferplus", lambda: _folder_rows(root), LABELS)


def _folder_rows(root: Path) -> Iterator[DatasetRow]:
    for folder in (root / name for name in _FOLDERS if (root / name / "label.csv").is_file()):
        split = split_name(folder.name)
        for number, cells in enumerate(_label_lines(folder / "label.csv"), start=1):
            where = f"{folder.name}/label.csv line {number}"
            try:
                name, votes = cells[0], dict(zip(VOTES, map(int, cells[2:]), strict=True))
            except (ValueError, IndexError):
                yield DatasetRow(where, reason="not a name, a box and ten votes", split=split)
                continue
            path = folder / name
            size = picture_size(path)
            if size is None:
                yield DatasetRow(where, reason=f"{NO_PICTURE} {folder.name}/{name}", split=split)
            else:
                yield voted_row(
                    where, f"{folder.name}/{name}", votes, ImageRef(path=str(path)), split, str(size)
                )


def _label_lines(path: Path) -> Iterator[list[str]]:
    try:
        with open(path, encoding=encoding_of(path), newline="") as file:
            yield from csv.reader(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path}: cannot be read ({error})") from None
