"""ExpW, Expression in-the-Wild (Zhang et al., 2018): faces in photographs, as its authors hand it out.

`label.lst` has a line for each face: picture, number of the face in it, top, left, right and bottom of its
box, a detector's confidence in it, and a label. The ExpLLM paper takes faces of a confidence over 60, and
draws 3,000 of them.
"""

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingData, RecordError, UsageError, VocabularyError
from expllm.core.records import Rect
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data.dataset import DatasetSource
from expllm.data.readers.cells import find_picture, read_label_cell
from expllm.data.sample import DatasetRow, Sample, without_surrogates
from expllm.files.tabular import encoding_of

EXPW_ORDER: Final = LABEL_ORDERS["expw"]
_LIST: Final = "label.lst"
LIST_FOLDERS: Final = ("", "label", "data/label")
_PICTURE_FOLDERS: Final = ("image/origin", "origin", "data/image/origin", "image", "data/image", "")

CONFIDENCE: Final = 60.0
"""A face is taken if the detector's confidence, 0-100, is over this, as in the ExpLLM paper."""

CELLS: Final = 8
_DRAW = re.compile(r"(\d+)@(\d+)")


@dataclass(frozen=True)
class FaceDraw:
    """So many faces, drawn under a seed; called `3000@0` where a split is named."""

    count: int
    seed: int

    def __str__(self) -> str:
        return f"{self.count}@{self.seed}"


def read_draw(split: str | None) -> FaceDraw | None:
    """The draw that a split's name asks for; None if it is an ordinary split."""
    found = _DRAW.fullmatch(split or "")
    return FaceDraw(int(found[1]), int(found[2])) if found else None


def is_expw(root: Path) -> bool:
    return _list(root) is not None


def load_expw(root: Path) -> DatasetSource:
    """The authors' layout; faces of a confidence up to 60 are skipped.

    Raises:
        MissingData: the list of labels is not there.
    """
    table = _list(root)
    if table is None:
        raise MissingData(f"no '{_LIST}' under {root}: ExpW is given on request, see docs/data.md")
    folders = [root / name for name in _PICTURE_FOLDERS if (root / name).is_dir()]
    return DatasetSource("expw", "expw", lambda: _rows(table, folders), EXPW_ORDER.labels)


def with_drawn_split(source: DatasetSource, draw: FaceDraw) -> DatasetSource:
    """A source with a split of faces drawn alike from all that can be used.

    The paper says "randomly selected" and no more, so a draw is uniform and knows no labels. It takes the
    faces whose SHA-256 of seed and id is smallest: the same ones on every machine, in whatever order they are
    listed. They need not be those of the paper, which does not name them.

    Raises:
        UsageError: there are not so many faces.
    """
    ids = (row.sample.id for row in source.rows() if row.sample is not None)
    taken = frozenset(heapq.nsmallest(draw.count, ids, key=lambda name: _rank(name, draw.seed)))
    if not 0 < draw.count == len(taken):
        have = f"there are {len(taken):,} faces that can be used" if draw.count else "give at least 1"
        raise UsageError(f"{source.name}: cannot draw {draw.count:,} faces: {have}")

    def rows() -> Iterator[DatasetRow]:
        for row in source.rows():
            if row.sample is not None and row.sample.id in taken:
                sample = row.sample.model_copy(update={"split": str(draw)})
                yield replace(row, sample=sample, split=str(draw))
            else:
                yield row

    return replace(source, rows=rows)


def _rank(name: str, seed: int) -> bytes:
    return sha256(f"{seed}:{name}".encode()).digest()


def _list(root: Path) -> Path | None:
    return next((root / name / _LIST for name in LIST_FOLDERS if (root / name / _LIST).is_file()), None)


def _rows(table: Path, folders: list[Path]) -> Iterator[DatasetRow]:
    try:
        with open(table, encoding=encoding_of(table)) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _row(f"{_LIST} line {number}", line.rsplit(maxsplit=CELLS - 1), folders)
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{table}: cannot be read ({error})") from None


def _row(where: str, cells: list[str], folders: list[Path]) -> DatasetRow:
    try:
        name, face, *edges, confidence, label = cells
        top, left, right, bottom = (float(edge) for edge in edges)
        sure = float(confidence)
    except ValueError:
        return DatasetRow(
            where, reason="cannot be read: not a name, a number, a box, a confidence and a label"
        )
    if not (left < right and top < bottom):
        return DatasetRow(where, reason=f"its box is empty: {' '.join(edges)}")
    if not sure > CONFIDENCE:
        return DatasetRow(where, reason=f"the confidence is not over {CONFIDENCE:.0f}")
    try:
        expression = read_label_cell(label, EXPW_ORDER)
    except VocabularyError as error:
        return DatasetRow(where, reason=str(error))
    found = [find_picture(folder, name) for folder in folders]
    image, size = next((pair for pair in found if pair[0]), found[0])
    if image is None:
        return DatasetRow(where, reason=size)
    box: Rect = (left, top, right - left, bottom - top)
    sample = Sample(id=f"{without_surrogates(name)}#{face}", expression=expression, image=image, box=box)
    return DatasetRow.of(where, sample, size)
