"""FER-2013 (Goodfellow et al., 2013) as its challenge hands it out: one CSV of pixels, FER+ beside it or not.

FER+ publishes its votes as `fer2013new.csv`, whose rows are those of `fer2013.csv` in the same order: nothing
else joins them, so counts and `Usage` must agree.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import MissingData, RecordError, UsageError, VocabularyError
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data.dataset import DatasetSource
from expllm.data.readers import ferplus
from expllm.data.readers.cells import any_split, read_label_cell
from expllm.data.readers.pixel_table import LABEL, PIXELS, PixelRow, PixelTable
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.files.tabular import DelimitedFile

_ORDERS: Final = {"fer2013": LABEL_ORDERS["fer2013"], "ckplus": LABEL_ORDERS["ckextended"]}
"""Kind of a table -> what its numbers mean."""

_FOLDERS: Final = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}
_NAME: Final = "image name"
WANTS_PIXELS: Final = (
    "these are votes without pictures: put fer2013.csv of FER-2013's challenge beside them, see docs/data.md"
)


def find_pixel_table(root: Path) -> Path | None:
    """The table of pixels that a path stands for: a file, or the one in a folder.

    Of several, as in the challenge's archive, the one that has a column `Usage`.

    Raises:
        UsageError: there are several.
    """
    found = [path for path in _tables(root) if PixelTable(path).is_one]
    whole = [path for path in found if "usage" in PixelTable(path).columns] or found
    if len(whole) > 1:
        names = ", ".join(path.name for path in whole)
        raise UsageError(f"{root} holds several data sets: give one of {names} after the folder")
    return next(iter(whole), None)


def find_votes(root: Path) -> Path | None:
    """FER+'s table of votes: the file itself, or the one in a folder."""
    return next((path for path in _tables(root) if _is_votes(path)), None)


def is_fer2013(root: Path) -> bool:
    """Whether a folder holds a table of pixels, or votes for one."""
    return any(PixelTable(path).is_one or _is_votes(path) for path in _tables(root))


def load_fer2013(path: Path, kind: str | None = None) -> DatasetSource:
    """A table of pixels, by itself or with FER+'s votes beside it.

    Args:
        path: The table, or its folder.
        kind: `fer2013` and `ckplus` label by `emotion`, `ferplus` by the votes; by default `ferplus` where
            there are votes, else `fer2013`.

    Raises:
        MissingData: the pixels, or for `ferplus` the votes, are not there.
        UsageError: a folder holds several tables.
    """
    pixels = find_pixel_table(path)
    if pixels is None:
        if votes := find_votes(path):
            raise MissingData(f"{votes}: {WANTS_PIXELS}")
        raise MissingData(f"{path}: no CSV with the columns {LABEL!r} and {PIXELS!r} there")
    votes = find_votes(pixels.parent)
    kind = kind or ("ferplus" if votes else "fer2013")
    if kind == "ferplus" and votes is None:
        raise MissingData(f"no fer2013new.csv beside {pixels}: FER+ labels by its votes, see docs/data.md")
    table = _Table(PixelTable(pixels), votes if kind != "ckplus" else None, kind)
    labels = ferplus.LABELS if kind == "ferplus" else _ORDERS[kind].labels
    return DatasetSource(pixels.stem, kind, table.rows, labels)


def _tables(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    folders = [root, root / "fer2013"]
    return [path for folder in folders for path in sorted(folder.glob("*.csv")) if path.is_file()]


def _is_votes(path: Path) -> bool:
    return {_NAME, *(name.casefold() for name in ferplus.VOTES)} <= PixelTable(path).columns.keys()


@dataclass(frozen=True)
class _Votes:
    """A row of FER+: a name where FER+ takes the picture, and ten votes."""

    name: str
    split: str | None
    votes: Mapping[str, int] | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "_Votes":
        cells = {name.strip().casefold(): str(cell or "").strip() for name, cell in row.items()}
        try:
            votes = {name: int(cells[name.casefold()]) for name in ferplus.VOTES}
        except (KeyError, ValueError):
            votes = None
        return cls(cells.get(_NAME, ""), any_split(cells.get("usage")), votes)


@dataclass(frozen=True)
class _Table:
    pixels: PixelTable
    votes: Path | None
    kind: str

    def rows(self) -> Iterator[DatasetRow]:
        for pixels, votes in self._paired():
            split = any_split(pixels.split) or (votes.split if votes else None)
            where = f"row {pixels.number + 1}"
            image = ImageRef(path=str(self.pixels.path), row=pixels.number, column=PIXELS)
            if pixels.problem:
                yield DatasetRow(where, reason=pixels.problem, split=split)
            elif self.kind == "ferplus" and votes:
                yield _voted(where, votes, image, split, pixels.digest)
            else:
                yield self._labelled(where, pixels, votes, image, split)

    def _labelled(
        self, where: str, pixels: PixelRow, votes: _Votes | None, image: ImageRef, split: str | None
    ) -> DatasetRow:
        try:
            expression = read_label_cell(pixels.label, _ORDERS[self.kind])
        except VocabularyError as error:
            hint = (
                "; ckextended.csv is the kind ckplus"
                if pixels.label == "7" and self.kind == "fer2013"
                else ""
            )
            return DatasetRow(where, reason=f"{error}{hint}", split=split)
        key = f"{self.kind}/{pixels.number:06d}"
        given = dict(votes.votes) if votes and votes.name and votes.votes else None
        sample = Sample(id=key, expression=expression, image=image, split=split, votes=given)
        return DatasetRow.of(where, sample, pixels.digest)

    def _paired(self) -> Iterator[tuple[PixelRow, _Votes | None]]:
        if self.votes is None:
            yield from ((row, None) for row in self.pixels.rows())
            return
        table, apart = self.pixels.path, "the two files do not belong together"
        votes = (_Votes.of(row.cells) for row in DelimitedFile(self.votes).rows())
        for number, (row, beside) in enumerate(zip_longest(self.pixels.rows(), votes), start=1):
            if row is None or beside is None:
                longer, shorter = (table, self.votes) if beside is None else (self.votes, table)
                raise RecordError(f"{longer} has a row {number}, and {shorter.name} ends before: {apart}")
            splits = any_split(row.split), beside.split
            if None not in splits and splits[0] != splits[1]:
                what = f"is of {splits[0]}, and of {splits[1]} in {self.votes.name}"
                raise RecordError(f"{table}: row {number} {what}: {apart}")
            yield row, beside


def _voted(where: str, votes: _Votes, image: ImageRef, split: str | None, content: str) -> DatasetRow:
    if votes.votes is None:
        return DatasetRow(where, reason="cannot be read as ten votes", split=split)
    if not votes.name:
        return DatasetRow(where, reason="FER+ leaves the picture out: it gives it no name", split=split)
    key = f"{_FOLDERS.get(split or '', split or 'all')}/{votes.name}"
    return ferplus.voted_row(where, key, dict(votes.votes), image, split, content)
