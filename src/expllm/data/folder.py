"""Pictures in folders that are named by class; a level above may name the split, one below the person."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from expllm.data.cells import picture_size, read_label, split_name, undecodable
from expllm.data.dataset import Source
from expllm.data.sample import ImageRef, Row, Sample
from expllm.errors import MissingData, VocabularyError
from expllm.faces import Expression, LabelOrder
from expllm.inputs import PICTURE_SUFFIXES, recorded_name

ASK_KIND: Final = "give the kind of the data set whose numbers they are, such as rafdb or affectnet8"


def load(
    root: Path,
    order: LabelOrder | None = None,
    kind: str = "folder",
    labels: tuple[Expression, ...] | None = None,
) -> Source:
    """Class folders under `root`, or under `train`, `valid`, `test` there.

    Args:
        root: The folder.
        order: What numbered class folders mean; without it they are an error, not a guess.
        kind: What the data set calls itself.
        labels: The label set; other labels are skipped. Without it, the order's, or those found.

    Raises:
        MissingData: no folder there is named by an expression.
    """
    if not is_class_tree(root, order):
        raise MissingData(f"{root}: no folder in it is named by an expression: {_seen(root)}")
    labels = labels or (order.labels if order else None)
    return Source(root.resolve().name, kind, lambda: _rows(root, order, labels), labels)


def is_class_tree(root: Path, order: LabelOrder | None = None) -> bool:
    """Whether a folder, or the split folders in it, hold folders named by class."""
    parents = [root, *(child for child in _folders(root) if split_name(child.name))]
    return any(_label(child.name, order) for parent in parents for child in _folders(parent))


def is_numbered_tree(root: Path) -> bool:
    """Whether class folders are named by numbers, so that nobody knows whose they are."""
    parents = [root, *(child for child in _folders(root) if split_name(child.name))]
    return any(child.name.isdecimal() for parent in parents for child in _folders(parent))


def _seen(root: Path) -> str:
    if is_numbered_tree(root):
        return f"they are numbers; {ASK_KIND}"
    names = [child.name for child in _folders(root)]
    return f"there are {', '.join(names[:8])}" if names else "there is no folder at all"


def _label(name: str, order: LabelOrder | None) -> Expression | None:
    try:
        return read_label(name.replace("_", " "), order)
    except VocabularyError:
        return None


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise MissingData(f"{folder}: cannot list the folder ({error.strerror})") from None


def _folders(folder: Path) -> list[Path]:
    return [child for child in _listed(folder) if child.is_dir()]


def _rows(root: Path, order: LabelOrder | None, labels: tuple[Expression, ...] | None) -> Iterator[Row]:
    for child in _listed(root):
        split = split_name(child.name)
        if not child.is_dir():
            yield from _stray(root, child, None)
        elif split is None:
            yield from _class_rows(root, child, order, labels, None)
        else:
            for inner in _listed(child):
                if inner.is_dir():
                    yield from _class_rows(root, inner, order, labels, split)
                else:
                    yield from _stray(root, inner, split)


def _stray(root: Path, path: Path, split: str | None) -> Iterator[Row]:
    if _is_picture(path):
        yield Row(_relative(root, path), reason="it lies in no class folder", split=split)


def _class_rows(
    root: Path,
    folder: Path,
    order: LabelOrder | None,
    labels: tuple[Expression, ...] | None,
    split: str | None,
) -> Iterator[Row]:
    try:
        label = read_label(folder.name.replace("_", " "), order)
    except VocabularyError as error:
        yield from _left_out(root, folder, str(error), split)
        return
    if labels is not None and label not in labels:
        yield from _left_out(root, folder, f"{label.value} is not among its labels", split)
        return
    for path in _files(folder):
        where = _relative(root, path)
        size = picture_size(path)
        if not _is_picture(path):
            yield Row(where, reason="not called like a picture", split=split)
        elif size is None:
            yield Row(where, reason="no readable file", split=split)
        elif problem := undecodable(str(path)):
            yield Row(where, reason=problem, split=split)
        else:
            between = path.relative_to(folder).parts[:-1]  # CLASS/PERSON/picture
            person = recorded_name(between[0]) if between else None
            image = ImageRef(path=str(path))
            sample = Sample(id=where, expression=label, image=image, split=split, identity=person)
            yield Row.of(where, sample, str(size))


def _left_out(root: Path, folder: Path, reason: str, split: str | None) -> Iterator[Row]:
    for path in _files(folder):
        if _is_picture(path):
            yield Row(_relative(root, path), reason=reason, split=split)


def _files(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise MissingData(f"{error.filename}: cannot list the folder ({error.strerror})") from None

    for parent, children, names in os.walk(folder, onerror=refuse):
        children[:] = sorted(child for child in children if not child.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(parent, name)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES


def _relative(root: Path, path: Path) -> str:
    return recorded_name(path.relative_to(root).as_posix())
