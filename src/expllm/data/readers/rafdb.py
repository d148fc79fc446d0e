"""RAF-DB, basic expressions (Li et al., 2017), as its authors hand it out."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingData, RecordError, VocabularyError
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data.dataset import NO_PICTURE, DatasetSource
from expllm.data.readers import class_folders
from expllm.data.readers.cells import picture_size, read_label
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.files.tabular import encoding_of

RAFDB_ORDER: Final = LABEL_ORDERS["rafdb"]
_LIST: Final = Path("EmoLabel", "list_patition_label.txt")  # spelled so by its authors
_PICTURES: Final = (Path("Image", "aligned"), Path("Image", "aligned", "aligned"))
KAGGLE: Final = ("DATASET", "")
"""Where a copy on the web has its folders `train/1` to `test/7`."""

_CELLS = re.compile(r"[\s,;]+")
_ALIGNED = re.compile(r"(train|test)_\d+_aligned\.\w+")
_LOOKED_AT: Final = 50
"""Files of numbered folders whose names say whether they are RAF-DB's."""

HOW: Final = "RAF-DB is given on request, see docs/data.md"


def is_rafdb(root: Path) -> bool:
    """Whether a folder looks like RAF-DB, whole or with a part missing."""
    parts = ((base, part) for base in (root, root / "basic") for part in (_LIST, _PICTURES[0]))
    return any((base / part).exists() for base, part in parts) or _kaggle_folder(root) is not None


def _kaggle_folder(root: Path) -> Path | None:
    """The folder above `train/1`, where the pictures' names are RAF-DB's own."""
    for base in (root / name for name in KAGGLE if (root / name).is_dir()):
        if class_folders.is_numbered_tree(base):
            names = islice(class_folders.class_files(base, RAFDB_ORDER), _LOOKED_AT)
            if any(_ALIGNED.fullmatch(path.name) for path in names):
                return base
    return None


def load_rafdb(root: Path) -> DatasetSource:
    """`basic/` or the folder that holds it; or a copy with folders `1` to `7`.

    Raises:
        MissingData: the list of labels or the aligned pictures are not there.
    """
    if copy := _kaggle_folder(root):
        return class_folders.load_class_folders(copy, RAFDB_ORDER, "rafdb")
    base = root if not (root / "basic").is_dir() else root / "basic"
    if not (base / _LIST).is_file():
        raise MissingData(f"no 'basic/{_LIST.as_posix()}' under {root}: {HOW}")
    folders = [base / place for place in _PICTURES if (base / place).is_dir()]
    if not folders:
        raise MissingData(f"no 'basic/{_PICTURES[0].as_posix()}' under {root}: {HOW}")
    return DatasetSource("rafdb", "rafdb", lambda: _rows(base / _LIST, folders), RAFDB_ORDER.labels)


def _rows(path: Path, folders: list[Path]) -> Iterator[DatasetRow]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path.name} line {number}"
        name, label = [*_CELLS.split(line.strip()), ""][:2]  # never the last: some copies have more columns
        split = next((word for word in ("train", "test") if name.startswith(f"{word}_")), None)
        try:
            expression = read_label(label, RAFDB_ORDER)
        except VocabularyError as error:
            yield DatasetRow(where, reason=f"cannot be read as a name and a label: {error}", split=split)
            continue
        if split is None or Path(name).name != name:
            yield DatasetRow(
                where, reason=f"cannot be read: {name!r} is not called train_... or test_...", split=split
            )
            continue
        stem = Path(name).stem.removesuffix("_aligned")  # copies of the list name the aligned pictures
        aligned = f"{stem}_aligned{Path(name).suffix}"
        found = [(place / aligned, picture_size(place / aligned)) for place in folders]
        picture, size = next((pair for pair in found if pair[1] is not None), found[0])
        if size is None:
            yield DatasetRow(where, reason=f"{NO_PICTURE} {picture.parent.name}/{aligned}", split=split)
        else:
            image = ImageRef(path=str(picture))
            yield DatasetRow.of(
                where, Sample(id=aligned, expression=expression, image=image, split=split), str(size)
            )


def _lines(path: Path) -> Iterator[str]:
    try:
        with open(path, encoding=encoding_of(path)) as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read ({error})") from None
