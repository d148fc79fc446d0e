"""AffectNet (Mollahosseini et al., 2017) with its seven or eight expressions, in the layouts it is found in.

* the first release: `training.csv`, `validation.csv` and `Manually_Annotated_Images/`;
* the later one: `train_set/` and `val_set/`, each with `images/N.jpg` and `annotations/N_exp.npy`;
* class folders by number or name, as copies on the web have them (see `folder`).
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingData, RecordError, VocabularyError
from expllm.core.vocabulary import LABEL_ORDERS, Expression
from expllm.data.dataset import NO_PICTURE, DatasetSource
from expllm.data.readers.cells import find_picture, picture_size, read_label_cell, split_name
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.files.tabular import encoding_of

AFFECTNET_ORDER: Final = LABEL_ORDERS["affectnet8"]
_NO_EXPRESSION: Final = ("none", "uncertain", "no face")
"""What the numbers after the last expression say."""

_TABLES: Final = ("training.csv", "validation.csv")
TABLE_FOLDERS: Final = ("", "Manually_Annotated_file_lists", "Manually_Annotated")
_PICTURE_FOLDERS: Final = (
    "Manually_Annotated_Images",
    "Manually_Annotated_compressed/Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated_compressed",
    "Manually_Annotated",
    "",
)
AFFECTNET_COLUMNS: Final = (
    "subDirectory_filePath face_x face_y face_width face_height facial_landmarks expression valence arousal"
).split()
"""Columns of the tables, for a table without a header."""

_LONGEST_LINE: Final = 1 << 16

SETS: Final = ("train_set", "val_set", "test_set")


def is_affectnet(root: Path) -> bool:
    return bool(_tables(root) or _sets(root))


def load_affectnet(root: Path, kind: str) -> DatasetSource:
    """Either release; `affectnet7` leaves contempt out.

    Raises:
        MissingData: none of the layouts is there.
    """
    labels = LABEL_ORDERS[kind].labels
    if tables := _tables(root):
        folders = [root / name for name in _PICTURE_FOLDERS if (root / name).is_dir()]
        return DatasetSource(kind, kind, lambda: _table_rows(tables, folders, labels), labels)
    if sets := _sets(root):
        return DatasetSource(kind, kind, lambda: _set_rows(sets, labels), labels)
    raise MissingData(
        f"no 'training.csv', 'train_set/annotations' or class folder under {root}: "
        "AffectNet is given on request, see docs/data.md"
    )


def _tables(root: Path) -> list[Path]:
    for folder in TABLE_FOLDERS:
        found = [root / folder / name for name in _TABLES if _is_table(root / folder / name)]
        if found:
            return found
    return []


def _is_table(path: Path) -> bool:
    """Whether a file has AffectNet's columns; others call their tables training.csv too."""
    try:
        return _delimiter(path) is not None
    except (OSError, RecordError, UnicodeDecodeError):
        return False


def _delimiter(path: Path) -> str | None:
    """What parts the cells: never what merely gives most columns, for landmarks are parted by semicolons."""
    with open(path, encoding=encoding_of(path), newline="") as file:
        first = file.readline(_LONGEST_LINE)
    for delimiter in (",", ";", "\t"):
        cells = next(csv.reader([first], delimiter=delimiter), [])
        if AFFECTNET_COLUMNS[0] in cells or len(cells) == len(AFFECTNET_COLUMNS):
            return delimiter
    return None


def _sets(root: Path) -> list[Path]:
    return [root / name for name in SETS if (root / name / "annotations").is_dir()]


def read_number(cell: str, labels: tuple[Expression, ...]) -> Expression:
    """The expression of AffectNet's number, or of a word where a copy has words.

    Raises:
        VocabularyError: it is no expression, or not one of `labels`.
    """
    try:
        number = int(float(cell)) if float(cell).is_integer() else None
    except (ValueError, OverflowError):
        return _among(_read_word(cell), labels)
    if number is None:
        raise VocabularyError(f"cannot be read: label {cell!r} is not a whole number")
    beyond = number - AFFECTNET_ORDER.first - len(AFFECTNET_ORDER.labels)
    if 0 <= beyond < len(_NO_EXPRESSION):
        raise VocabularyError(f"labelled as {_NO_EXPRESSION[beyond]}")
    return _among(read_label_cell(number, AFFECTNET_ORDER), labels)


def _read_word(cell: str) -> Expression:
    try:
        return Expression.parse(cell)
    except VocabularyError as error:
        raise VocabularyError(f"cannot be read: {error}") from None


def _among(expression: Expression, labels: tuple[Expression, ...]) -> Expression:
    if expression not in labels:
        raise VocabularyError(f"{expression.value} is left out")
    return expression


def _table_rows(
    tables: list[Path], folders: list[Path], labels: tuple[Expression, ...]
) -> Iterator[DatasetRow]:
    for table in tables:
        split = split_name(table.stem)
        for number, cells in _cells(table):
            where = f"{table.name} line {number}"
            name = cells.get("subDirectory_filePath", "").strip()
            try:
                expression = read_number(cells.get("expression", ""), labels)
            except VocabularyError as error:
                yield DatasetRow(where, reason=str(error), split=split)
                continue
            found = (find_picture(folder, name) for folder in folders)
            image, size = next((pair for pair in found if pair[0]), (None, f"{NO_PICTURE} {name}"))
            if image is None:
                yield DatasetRow(where, reason=size, split=split)
            else:
                yield DatasetRow.of(
                    where, Sample(id=name, expression=expression, image=image, split=split), size
                )


def _cells(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column); some copies of the tables have no header."""
    line = 0
    try:
        delimiter = _delimiter(path) or ","
        with open(path, encoding=encoding_of(path), newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            header = AFFECTNET_COLUMNS
            for cells in reader:
                line = reader.line_num
                if line == 1 and AFFECTNET_COLUMNS[0] in cells:
                    header = cells
                elif cells:
                    yield line, dict(zip(header, cells, strict=False))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path}: cannot be read after line {line} ({error})") from None


def _set_rows(sets: list[Path], labels: tuple[Expression, ...]) -> Iterator[DatasetRow]:
    for folder in sets:
        split = split_name(folder.name)
        names = [path.name.removesuffix("_exp.npy") for path in (folder / "annotations").glob("*_exp.npy")]
        for name in sorted(names, key=lambda name: (len(name), name)):  # 2 before 10
            key = f"{folder.name}/images/{name}.jpg"
            picture = folder / "images" / f"{name}.jpg"
            size = picture_size(picture)
            try:
                expression = _annotation(folder / "annotations" / f"{name}_exp.npy", labels)
            except VocabularyError as error:
                yield DatasetRow(key, reason=str(error), split=split)
                continue
            if size is None:
                yield DatasetRow(key, reason=f"{NO_PICTURE} {key}", split=split)
                continue
            image = ImageRef(path=str(picture))
            yield DatasetRow.of(
                key, Sample(id=key, expression=expression, image=image, split=split), str(size)
            )


def _annotation(path: Path, labels: tuple[Expression, ...]) -> Expression:
    import numpy as np

    try:
        found = np.load(path, allow_pickle=False).item()  # a string or a number, of one value
        cell = found.decode("ascii", "replace") if isinstance(found, bytes) else str(found)
    except (OSError, ValueError, EOFError) as error:
        why = getattr(error, "strerror", None) or error
        raise VocabularyError(f"its annotation cannot be read ({why})") from None
    return read_number(cell, labels)
