"""Cells of tables and names of folders -> labels, splits, action units, pictures."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from unicodedata import normalize

from expllm.core.errors import VocabularyError
from expllm.core.vocabulary import EXPRESSION_CODES, AUVector, Expression, LabelOrder, label_set
from expllm.data.dataset import NO_PICTURE
from expllm.data.sample import ImageRef, without_surrogates
from expllm.files.inputs import is_url
from expllm.files.tabular import MISSING_WORDS, number

_SPLIT_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("training", "train_set", "train_class", "fer2013train"),
    "valid": ("val", "validation", "dev", "val_set", "val_class", "publictest", "fer2013valid"),
    "test": ("testing", "test_set", "test_class", "privatetest", "fer2013test"),
}
SPLIT_WORDS: Final = {word: name for name, words in _SPLIT_WORDS.items() for word in (name, *words)}

_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id",),
    "image": (
        "image", "path", "file", "file_name", "filename", "image_path", "file_path", "filepath", "img", "pth",
        "input", "subdirectory_filepath", "image_name", "img_name", "img_path", "image_file", "img_file",
    ),
    "label": (
        "label", "expression", "emotion", "class", "labels", "expr", "emotion_label", "label_name",
        "facial_expression",
    ),
    "split": ("split", "usage", "subset"),
    "identity": ("identity", "subject", "person"),
    "text": ("text", "cot", "explanation"),
    "au_source": ("au_source",),
}  # fmt: skip
"""What a column stands for -> names that it may have, in any case; the first that is there is taken."""


_CODES: Final[Mapping[str, Expression]] = {
    **EXPRESSION_CODES,
    **{label.value[:3].upper(): label for label in label_set(7)},  # CON may be confusion
}
"""Two or three letters that stand for an expression in names and in columns of labels."""

_AROUND_CLASS: Final = frozenset(
    "class emotion emotions expression expressions face faces image images img imgs label photo photos pic "
    "pics picture pictures".split()
)
"""Words that a class folder's name may have beside the expression's."""


def split_name(word: str) -> str | None:
    """`train`, `valid` or `test` for any of their usual names; None for another word."""
    return SPLIT_WORDS.get(word.strip().casefold())


def any_split(cell: object) -> str | None:
    """The split of a cell: a usual name, or the word itself; None for an empty cell."""
    word = "" if cell is None else without_surrogates(str(cell)).strip()
    return (split_name(word) or word) or None


def find_columns(header: Iterable[str]) -> dict[str, str]:
    """What a column stands for (a key of `_COLUMNS`) -> its name in this table."""
    by_word = {_column_word(name): name for name in reversed(tuple(header))}
    found = {}
    for meaning, names in _COLUMNS.items():
        present = [by_word[name] for name in names if name in by_word]
        if present:
            found[meaning] = present[0]
    return found


def _column_word(name: str) -> str:
    """A column's name as `_COLUMNS` writes it: `Image Name` and `image-name` are `image_name`."""
    return re.sub(r"[\s\-]+", "_", name.strip().casefold())


def same_meaning(header: Iterable[str]) -> dict[str, list[str]]:
    """Meaning -> columns, of labels, splits and pictures that several columns hold.

    Raises:
        VocabularyError: two of them have the very same name, so that one is lost.
    """
    names = tuple(header)
    found = {
        meaning: [name for name in names if _column_word(name) in _COLUMNS[meaning]]
        for meaning in ("label", "split", "image", "id", "identity")
    }
    for columns in found.values():
        if twice := next((name for name in columns if columns.count(name) > 1), None):
            raise VocabularyError(f"the column {twice!r} is there twice: keep one")
    return {meaning: found[meaning] for meaning in ("label", "split", "image") if len(found[meaning]) > 1}


def disagreement(
    cells: Mapping[str, Any], shared: Mapping[str, list[str]], order: LabelOrder | None = None
) -> str:
    """What columns of one meaning (see `same_meaning`) hold, where they contradict each other; else empty."""
    for meaning, columns in shared.items():
        read = {name: _compared(meaning, cells.get(name), order) for name in columns}
        told = {name: value for name, value in read.items() if value}
        if len(set(told.values())) > 1:
            values = ", ".join(f"{name!r} is {str(cells[name])[:40]!r}" for name in told)
            return f"columns of one meaning disagree ({values}): keep the {meaning}, and rename the others"
    return ""


def _compared(meaning: str, cell: Any, order: LabelOrder | None) -> str | None:
    """What a cell says, in whatever way it is written; None where it says nothing that can be compared."""
    if meaning == "split":
        return any_split(cell)
    if meaning == "image":  # beside a path there may be the name alone
        return "" if cell is None else re.split(r"[/\\]", str(cell).strip())[-1]
    try:
        return read_label(cell, order)
    except VocabularyError:
        return None


def cell_text(cells: Mapping[str, Any], columns: Mapping[str, str], meaning: str) -> str:
    """What stands in the column with this meaning (see `find_columns`); empty where there is none.

    Half a surrogate pair, which JSON may hold and no text may, becomes a question mark.
    """
    value = cells.get(columns[meaning]) if meaning in columns else None
    return "" if value is None else str(value).encode("utf-8", "replace").decode("utf-8").strip()


def read_aus(row: Mapping[str, Any], columns: Mapping[str, str]) -> AUVector | None:
    """The action units of a row; an empty cell is not measured, and None stands for no unit at all.

    Raises:
        VocabularyError: a cell is no number between 0 and 1.
    """
    values = {name: _intensity(name, row.get(column)) for name, column in columns.items()}
    try:
        return None if all(value is None for value in values.values()) else AUVector(values)
    except VocabularyError as error:
        raise VocabularyError(f"cannot be read: {error}") from None


def _intensity(name: str, cell: Any) -> float | None:
    try:
        return number(cell)
    except ValueError:
        raise VocabularyError(
            f"cannot be read: intensity of {name!r} is {cell!r}: it must be a number from 0 to 1"
        ) from None


def read_label(cell: object, order: LabelOrder | None = None) -> Expression:
    """The expression that a cell names, or, where the data set's order is known, the one it numbers.

    Raises:
        VocabularyError: no expression, or a number while nobody said whose numbers these are.
    """
    word = "" if cell is None else str(cell).strip()
    if word.casefold() in MISSING_WORDS:
        raise VocabularyError("no label")
    try:
        number = float(word)
    except ValueError:
        return _CODES.get(word.upper()) or Expression.parse(word)
    if order is None:
        raise VocabularyError(
            f"label {word} is a number, and data sets number differently: say which, by its kind"
        )
    if not number.is_integer():
        raise VocabularyError(f"label {word} is no whole number")
    return order.decode(int(number))


def read_label_cell(cell: object, order: LabelOrder | None = None) -> Expression:
    """As `read_label`; a number that the order does not have, or among words, is damage and not left out.

    Raises:
        VocabularyError: see `read_label`.
    """
    try:
        return read_label(cell, order)
    except VocabularyError as error:
        word = str(cell).strip()
        damaged = _is_number(word) and word.casefold() not in MISSING_WORDS
        raise VocabularyError(f"cannot be read: {error}" if damaged else str(error)) from None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def read_class(name: str, order: LabelOrder | None = None) -> Expression:
    """The expression that a class folder's name holds: `happy`; `0_angry`, `01-neutral`, `happy_faces` too.

    Raises:
        VocabularyError: it holds none, or only a number while nobody said whose numbers these are.
    """
    words = re.split(r"[\W_]+", name.strip())
    told = [word for word in words if word.casefold() not in _AROUND_CLASS]
    bare = [word for word in told if not word.isdecimal()]
    problem = VocabularyError("no label")
    for reading in (" ".join(part) for part in (words, told, bare) if part):
        try:
            return read_label(reading, order)
        except VocabularyError as error:
            problem = error
    raise problem


def is_code(name: str) -> bool:
    """Whether a name is only the letters of an expression, such as `AN`: other things are called so, too."""
    return name.strip().upper() in _CODES


def picture_size(path: str | os.PathLike[str]) -> int | None:
    """Bytes of a regular file; None if there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def find_picture(folder: Path, name: str) -> tuple[ImageRef | None, str]:
    """The picture `name` beside a table and its size as text; else None and the reason."""
    if is_url(name):
        return None, "the picture is a web address: download it and give the file"
    tried = (os.path.join(folder, written) for written in _spellings(name))
    path, size = next(
        ((path, size) for path in tried if (size := picture_size(path)) is not None), ("", None)
    )
    if size is None:
        return None, f"{NO_PICTURE} {name}"
    if problem := undecodable(path):
        return None, problem
    return ImageRef(path=path), str(size)


def _spellings(name: str) -> Iterator[str]:
    """A name as it stands, as Windows writes paths, and with its accents as another system writes them."""
    for written in dict.fromkeys((name, name.replace("\\", "/"))):
        yield written
        if not written.isascii():
            yield from (normalize("NFC", written), normalize("NFD", written))


def undecodable(path: str) -> str:
    """Why a path cannot be recorded; empty for almost every path."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "the file's name is not valid UTF-8: rename it"
    return ""
