"""Pictures in folders that are named by class; a level above may name the split, one below the person."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingData, VocabularyError
from expllm.core.vocabulary import DID_YOU_MEAN, Expression, LabelOrder
from expllm.data.dataset import DatasetSource
from expllm.data.readers.cells import (
    SPLIT_WORDS,
    is_code,
    picture_size,
    read_class,
    split_name,
    undecodable,
)
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.files import formats
from expllm.files.folders import Entry, below
from expllm.files.inputs import PICTURE_SUFFIXES, recorded_name

ASK_KIND: Final = "give the kind of the data set whose numbers they are, such as rafdb or affectnet8"
_FEWEST_CODES: Final = 2
"""Folders that are called by codes alone: one of them, such as `NE`, may be a place or a language."""


def load_class_folders(
    root: Path,
    order: LabelOrder | None = None,
    kind: str = "folder",
    labels: tuple[Expression, ...] | None = None,
    person: Callable[[str], str | None] | None = None,
) -> DatasetSource:
    """Class folders under `root`, or under `train`, `valid`, `test` there.

    Args:
        root: The folder.
        order: What numbered class folders mean; without it they are an error, not a guess.
        kind: What the data set calls itself.
        labels: The label set; other labels are skipped. Without it, the order's, or those found.
        person: Who is seen, by a file's name, for data sets whose names say so.

    Raises:
        MissingData: no folder there is named by an expression.
    """
    if not is_class_tree(root, order):
        raise MissingData(f"{root}: no folder in it is named by an expression: {_seen(root)}")
    labels = labels or (order.labels if order else None)
    tree = _Tree(root, order, labels, person)
    return DatasetSource(root.resolve().name, kind, tree.rows, labels)


def is_class_tree(root: Path, order: LabelOrder | None = None) -> bool:
    """Whether a folder, or the split folders in it, hold folders named by class: a word, or two codes."""
    named = {
        child.name.upper()
        for parent in _parents(root)
        for child in _folders(parent)
        if _label(child.name, order)
    }
    return len(named) >= _FEWEST_CODES or not all(map(is_code, named))


def is_numbered_tree(root: Path) -> bool:
    """Whether class folders are named by numbers, so that nobody knows whose they are."""
    return any(child.name.isdecimal() for parent in _parents(root) for child in _folders(parent))


def class_files(root: Path, order: LabelOrder | None = None) -> Iterator[Path]:
    """Files of the folders that are named by class, in order."""
    for parent in _parents(root):
        for child in _folders(parent):
            if _label(child.name, order):
                yield from _files(child)


def _parents(root: Path) -> list[Path]:
    return [root, *(child for child in _folders(root) if split_name(child.name))]


def _seen(root: Path) -> str:
    if is_numbered_tree(root):
        return f"they are numbers; {ASK_KIND}"
    names = [
        f"{child.relative_to(root).as_posix()} {asked_class(child.name)}".rstrip()
        for parent in _parents(root)
        for child in _folders(parent)
    ]
    return f"there are {', '.join(names[:8])}" if names else "there is no folder at all"


def asked_class(name: str) -> str:
    """The question that a misspelt name of a class raises, in brackets; empty for any other name."""
    try:
        read_class(name)
    except VocabularyError as error:
        _, asked, question = str(error).partition(DID_YOU_MEAN)
        return f"({asked}{question})" if asked else ""
    return ""


def asked_split(folder: Path) -> str:
    """The same of a folder of class folders, misspelt or not, that is almost called like a split."""
    classes = any(_label(child.name, None) or asked_class(child.name) for child in _folders(folder))
    return f"({DID_YOU_MEAN} {near!r}?)" if classes and (near := _near_split(folder.name)) else ""


def _label(name: str, order: LabelOrder | None) -> Expression | None:
    try:
        return read_class(name, order)
    except VocabularyError:
        return None


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise MissingData(f"{folder}: cannot list the folder ({error.strerror})") from None


def _folders(folder: Path) -> list[Path]:
    return [child for child in _listed(folder) if child.is_dir()]


def _entries(folder: Path) -> Iterator[Entry]:
    for entry in below(str(folder)):
        if entry.error is not None:
            raise MissingData(f"{entry.path}: cannot list the folder ({entry.error.strerror})")
        yield entry


def _files(folder: Path) -> Iterator[Path]:
    return (Path(entry.path) for entry in _entries(folder) if not entry.left_out)


@dataclass(frozen=True)
class _Tree:
    """Class folders, and what reads them."""

    root: Path
    order: LabelOrder | None
    labels: tuple[Expression, ...] | None
    person: Callable[[str], str | None] | None

    def rows(self) -> Iterator[DatasetRow]:
        for child in _listed(self.root):
            split = split_name(child.name)
            if not child.is_dir():
                yield from self._stray(child, None)
            elif split is None:
                yield from self._class_rows(child, None)
            else:
                for inner in _listed(child):
                    yield from self._class_rows(inner, split) if inner.is_dir() else self._stray(inner, split)

    def _class_rows(self, folder: Path, split: str | None) -> Iterator[DatasetRow]:
        try:
            label = read_class(folder.name, self.order)
        except VocabularyError as error:
            yield from self._left_out(folder, _misspelt_split(folder, self.order) or str(error), split)
            return
        if self.labels is not None and label not in self.labels:
            yield from self._left_out(folder, f"{label.value} is not among its labels", split)
            return
        for entry in _entries(folder):
            path = Path(entry.path)
            if entry.left_out:
                yield DatasetRow(self._relative(path), reason=entry.left_out, split=split)
            else:
                yield self._row(folder, path, label, split)

    def _row(self, folder: Path, path: Path, label: Expression, split: str | None) -> DatasetRow:
        where, size = self._relative(path), picture_size(path)
        if size is None:
            return DatasetRow(where, reason="no readable file", split=split)
        if problem := _why_no_picture(path) or undecodable(str(path)):
            return DatasetRow(where, reason=problem, split=split)
        between = path.relative_to(folder).parts[:-1]  # CLASS/PERSON/picture
        person = recorded_name(between[0]) if between else self.person and self.person(path.name)
        image = ImageRef(path=str(path))
        return DatasetRow.of(
            where, Sample(id=where, expression=label, image=image, split=split, identity=person), str(size)
        )

    def _stray(self, path: Path, split: str | None) -> Iterator[DatasetRow]:
        if is_picture_name(path):
            yield DatasetRow(self._relative(path), reason="it lies in no class folder", split=split)

    def _left_out(self, folder: Path, reason: str, split: str | None) -> Iterator[DatasetRow]:
        for path in _files(folder):
            if is_picture_name(path):
                yield DatasetRow(self._relative(path), reason=reason, split=split)

    def _relative(self, path: Path) -> str:
        return recorded_name(path.relative_to(self.root).as_posix())


def _misspelt_split(folder: Path, order: LabelOrder | None) -> str:
    """Why a folder that holds class folders is none itself; empty if it holds none."""
    if not any(_label(child.name, order) or asked_class(child.name) for child in _folders(folder)):
        return ""
    near = _near_split(folder.name)
    hint = f"{DID_YOU_MEAN} {near!r}?" if near else "call it train, valid or test"
    return f"a folder of classes with an unknown name, {folder.name!r}: {hint}"


def _near_split(name: str) -> str | None:
    return next(iter(get_close_matches(name.casefold(), SPLIT_WORDS, n=1, cutoff=0.7)), None)


def is_picture_name(path: Path) -> bool:
    """Whether a file is called like a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def _why_no_picture(path: Path) -> str:
    """Why a file is no picture that can be read; empty if it may be one, by its name or first bytes."""
    if is_picture_name(path):
        return ""
    kind = formats.file_kind(formats.first_bytes(str(path)), path.name)
    if kind in formats.PLUGINS and not os.path.splitext(path.name)[1]:
        return ""
    return formats.advice(kind, path.name) if kind in formats.UNREAD else "not called like a picture"
