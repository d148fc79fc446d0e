"""RAF-DB, basic expressions (Li et al., 2017), as its authors hand it out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from expllm.data.cells import picture_size, read_label
from expllm.data.dataset import NO_PICTURE, Source
from expllm.data.sample import ImageRef, Row, Sample
from expllm.errors import MissingData, RecordError, VocabularyError
from expllm.faces import LABEL_ORDERS

ORDER: Final = LABEL_ORDERS["rafdb"]
LIST: Final = Path("EmoLabel", "list_patition_label.txt")  # spelled so by its authors
PICTURES: Final = (Path("Image", "aligned"), Path("Image", "aligned", "aligned"))
HOW: Final = "RAF-DB is given on request, see docs/data.md"


def is_rafdb(root: Path) -> bool:
    """Whether a folder looks like RAF-DB, whole or with a part missing."""
    return any((base / part).exists() for base in (root, root / "basic") for part in (LIST, PICTURES[0]))


def load(root: Path) -> Source:
    """`basic/` or the folder that holds it.

    Raises:
        MissingData: the list of labels or the aligned pictures are not there.
    """
    base = root if not (root / "basic").is_dir() else root / "basic"
    if not (base / LIST).is_file():
        raise MissingData(f"no 'basic/{LIST.as_posix()}' under {root}: {HOW}")
    folders = [base / folder for folder in PICTURES if (base / folder).is_dir()]
    if not folders:
        raise MissingData(f"no 'basic/{PICTURES[0].as_posix()}' under {root}: {HOW}")
    return Source("rafdb", "rafdb", lambda: _rows(base / LIST, folders), ORDER.labels)


def _rows(path: Path, folders: list[Path]) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path.name} line {number}"
        name, _, label = line.strip().rpartition(" ")
        split = next((word for word in ("train", "test") if name.startswith(f"{word}_")), None)
        try:
            expression = read_label(label, ORDER)
        except VocabularyError as error:
            yield Row(where, reason=str(error), split=split)
            continue
        if split is None or Path(name).name != name:
            yield Row(where, reason=f"{name!r} is not called train_... or test_...", split=split)
            continue
        aligned = f"{Path(name).stem}_aligned{Path(name).suffix}"
        found = [(folder / aligned, picture_size(folder / aligned)) for folder in folders]
        picture, size = next((pair for pair in found if pair[1] is not None), found[0])
        if size is None:
            yield Row(where, reason=f"{NO_PICTURE} {picture.parent.name}/{aligned}", split=split)
        else:
            image = ImageRef(path=str(picture))
            yield Row.of(
                where, Sample(id=aligned, expression=expression, image=image, split=split), str(size)
            )


def _lines(path: Path) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read ({error})") from None
