"""Faces with boxes as YOLO reads them: `images/`, `labels/*.txt`, and `data.yaml`, which names the numbers.

Copies of AffectNet go round in this layout, with the classes in alphabetical order: their numbers are not
AffectNet's, and only `data.yaml` says what they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.core.errors import ImageError, MissingData, RecordError, VocabularyError
from expllm.core.records import Rect
from expllm.core.vocabulary import Expression
from expllm.data.dataset import NO_PICTURE, DatasetSource
from expllm.data.readers.cells import picture_size, read_class, split_name, undecodable
from expllm.data.readers.class_folders import is_picture_name
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.files.images import upright_size
from expllm.files.inputs import recorded_name
from expllm.files.tabular import encoding_of

NAMES: Final = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_LISTS: Final = ("classes.txt", "obj.names", "_darknet.labels")
"""Names of the numbers one a line, the first of 0, as labelImg, Darknet and Roboflow write them."""
_PICTURES, _LABELS = "images", "labels"
_LONGEST_NAMES: Final = 1 << 16
_EDGE: Final = 1e-3
"""Part of a side that a box may reach over it: coordinates are rounded."""
_SMALLEST_POLYGON: Final = 3
"""Corners."""


@dataclass(frozen=True)
class _Names:
    """Number -> name, and the file that says so."""

    file: str
    by_number: Mapping[int, str]


@dataclass(frozen=True)
class _Part:
    """Pictures and their labels, and the split that they are."""

    split: str | None
    pictures: Path
    labels: Path


def is_yolo(root: Path) -> bool:
    """Whether a folder, or the only one in it, has pictures and labels side by side."""
    return bool(_parts(_base(root)))


def load_yolo(root: Path, kind: str = "yolo", labels: tuple[Expression, ...] | None = None) -> DatasetSource:
    """Every box of every picture.

    Args:
        root: The folder that holds `data.yaml` or `classes.txt`.
        kind: What the data set calls itself.
        labels: The label set; other labels are skipped. Without it, those that are found.

    Raises:
        MissingData: the layout, or the names of the numbers, are not there.
        RecordError: the names cannot be read.
    """
    base = _base(root)
    parts = _parts(base)
    if not parts:
        raise MissingData(f"no '{_PICTURES}' with '{_LABELS}' beside it under {root}: see docs/data.md")
    path = _names_file(base, parts)
    if path is None:
        raise MissingData(
            f"no 'data.yaml' or 'classes.txt' in {base}: its labels are numbers, and nothing says what they "
            "mean"
        )
    names = _Names(path.name, _listed_names(path) if path.name in _LISTS else _names(path))
    return DatasetSource(kind, kind, lambda: _rows(base, parts, names, labels), labels)


def _base(root: Path) -> Path:
    if not root.is_dir() or any((root / name).is_file() for name in NAMES):
        return root
    inside = [child for child in sorted(root.iterdir()) if any((child / name).is_file() for name in NAMES)]
    return inside[0] if len(inside) == 1 else root


def _parts(base: Path) -> list[_Part]:
    """`train/images` with `train/labels`, `images/train` with `labels/train`, or `images` with `labels`."""
    if not base.is_dir():
        return []
    inside = [child for child in sorted(base.iterdir()) if child.is_dir() and split_name(child.name)]
    parts = [_Part(split_name(one.name), one / _PICTURES, one / _LABELS) for one in inside]
    below = sorted((base / _PICTURES).iterdir()) if (base / _PICTURES).is_dir() else []
    parts += [
        _Part(split_name(one.name), one, base / _LABELS / one.name) for one in below if split_name(one.name)
    ]
    found = [part for part in parts if part.pictures.is_dir() and part.labels.is_dir()]
    whole = _Part(None, base / _PICTURES, base / _LABELS)
    return found or ([whole] if whole.pictures.is_dir() and whole.labels.is_dir() else [])


def _names_file(base: Path, parts: list[_Part]) -> Path | None:
    """What names the numbers: YAML, under any name if it is the only one, or a list of names."""
    own = sorted(path for path in base.iterdir() if path.suffix.lower() in (".yaml", ".yml"))
    beside = [folder for part in parts for folder in (part.labels, part.labels.parent)]
    known = [base / name for name in NAMES]
    lists = [folder / name for folder in (base, base / _LABELS, *beside) for name in _LISTS]
    return next((path for path in (*known, *lists, *(own if len(own) == 1 else ())) if path.is_file()), None)


def _listed_names(path: Path) -> dict[int, str]:
    """Number -> name, of a list."""
    try:
        lines = path.read_text(encoding=encoding_of(path)).strip().splitlines()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from None
    return {number: line.strip() for number, line in enumerate(lines)}


def _names(path: Path) -> dict[int, str]:
    """Number -> name."""
    import yaml

    try:
        with open(path, encoding=encoding_of(path)) as file:
            found = yaml.safe_load(file.read(_LONGEST_NAMES))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())[:200]})") from None
    names = found.get("names") if isinstance(found, dict) else None
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, Mapping) and all(isinstance(number, int) for number in names):
        return {number: str(name) for number, name in names.items()}
    raise RecordError(f"{path}: has no 'names' of its numbers: a list, or numbers with names")


def _rows(
    base: Path, parts: list[_Part], names: _Names, labels: tuple[Expression, ...] | None
) -> Iterator[DatasetRow]:
    for part in parts:
        pictures = {path.stem: path for path in sorted(part.pictures.iterdir()) if is_picture_name(path)}
        for path in sorted(part.labels.glob("*.txt")):
            if path.stem not in pictures and path.name not in _LISTS:
                missing = f"{NO_PICTURE} {_where(base, part.pictures / path.stem)}"
                yield DatasetRow(_where(base, path), reason=missing, split=part.split)
        for stem, path in pictures.items():
            yield from _faces(base, path, part.labels / f"{stem}.txt", part.split, names, labels)


def _faces(
    base: Path,
    path: Path,
    boxes: Path,
    split: str | None,
    names: _Names,
    labels: tuple[Expression, ...] | None,
) -> Iterator[DatasetRow]:
    where = _where(base, path)
    try:
        lines = [line.split() for line in boxes.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        if problem := undecodable(str(path)) or ("" if lines else "no face is labelled in it"):
            raise ImageError(problem)
        width, height = upright_size(path)
    except FileNotFoundError:
        yield DatasetRow(where, reason=f"no label at {_where(base, boxes)}", split=split)
        return
    except (OSError, UnicodeDecodeError, ImageError) as error:
        yield DatasetRow(where, reason=str(error).removeprefix(f"{path}: "), split=split)
        return
    for number, cells in enumerate(lines):
        key = where if len(lines) == 1 else f"{where}#{number}"
        try:
            expression, box = _read(cells, names, width, height)
            if labels is not None and expression not in labels:
                raise VocabularyError(f"{expression.value} is not among its labels")
        except VocabularyError as error:
            yield DatasetRow(key, reason=str(error), split=split)
            continue
        image = ImageRef(path=str(path))
        sample = Sample(id=key, expression=expression, image=image, box=box, split=split)
        yield DatasetRow.of(key, sample, str(picture_size(path)))


def _read(cells: list[str], names: _Names, width: int, height: int) -> tuple[Expression, Rect]:
    """The expression and the box, in pixels, of a line.

    Raises:
        VocabularyError: it is not a class and a box or an outline, or the class names no expression.
    """
    try:
        number, (left, top, wide, high) = int(cells[0]), _box([float(cell) for cell in cells[1:]])
    except (ValueError, IndexError):
        raise VocabularyError(f"cannot be read as a class and a box: {' '.join(cells)[:60]!r}") from None
    if not (wide > 0 < high and min(left, top) >= -_EDGE and max(left + wide, top + high) <= 1 + _EDGE):
        raise VocabularyError("cannot be read: its box is empty, or reaches out of the picture")
    if number not in names.by_number:
        raise VocabularyError(f"cannot be read: {names.file} has no name for the class {number}")
    return read_class(names.by_number[number]), (left * width, top * height, wide * width, high * height)


def _box(numbers: list[float]) -> Rect:
    """Left, top, width and height as parts of the picture, from a box or from an outline's corners.

    Args:
        numbers: Centre x and y, width, height, and the certainty where a detector wrote the file; or x and y
            of each corner, as files for segmentation have them.

    Raises:
        ValueError: the numbers are neither.
    """
    if len(numbers) in (4, 5):
        x, y, wide, high = numbers[:4]
        return x - wide / 2, y - high / 2, wide, high
    xs, ys = numbers[::2], numbers[1::2]
    if len(xs) != len(ys) or len(xs) < _SMALLEST_POLYGON:
        raise ValueError(f"{len(numbers)} numbers are neither a box nor an outline")
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def _where(base: Path, path: Path) -> str:
    return recorded_name(path.relative_to(base).as_posix())
