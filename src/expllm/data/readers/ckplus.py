"""CK+, extended Cohn-Kanade (Lucey et al., 2010): sequences from neutral to the peak of an expression.

As its authors hand it out, the last frame of a labelled sequence has its label, and the first one is neutral.
Copies on the web are class folders (`CK+48`) or a table of pixels (`ckextended.csv`).
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingData, VocabularyError
from expllm.core.vocabulary import LABEL_ORDERS, Expression
from expllm.data.dataset import NO_PICTURE, DatasetSource
from expllm.data.readers import class_folders, fer2013
from expllm.data.readers.cells import picture_size, read_label
from expllm.data.sample import DatasetRow, ImageRef, Sample

_ORDER: Final = LABEL_ORDERS["ckplus"]
_PICTURES: Final = ("cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images")
EMOTIONS: Final = ("Emotion", "Emotion_labels/Emotion", "Emotion_Labels/Emotion")
CLASS_FOLDERS: Final = ("", "CK+48", "CKPlus")
_NAME: Final = re.compile(r"(?P<person>S\d{3})_\d{3}_\d{8}")
_LOOKED_AT: Final = 200
"""Files of class folders whose names say whether they are of CK+."""


def is_ckplus(root: Path) -> bool:
    """Whether a folder holds the authors' sequences, or class folders of frames from them."""
    return bool(_first(root, _PICTURES) or _class_folder(root))


def load_ckplus(root: Path) -> DatasetSource:
    """The authors' layout, class folders of frames, or a table of pixels.

    Raises:
        MissingData: it is none of them, or the labels are not there.
    """
    pictures, emotions = _first(root, _PICTURES), _first(root, EMOTIONS)
    if pictures and emotions:
        return DatasetSource("ckplus", "ckplus", lambda: _rows(pictures, emotions), _ORDER.labels)
    if pictures:
        raise MissingData(f"no {EMOTIONS[0]!r} beside {pictures}: unpack the archive of CK+'s labels there")
    if base := _class_folder(root):
        return class_folders.load_class_folders(base, kind="ckplus", labels=_ORDER.labels, person=_person)
    if fer2013.find_pixel_table(root):
        return fer2013.load_fer2013(root, "ckplus")
    raise MissingData(f"no {_PICTURES[0]!r}, class folder or table of pixels under {root}: see docs/data.md")


def _first(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _class_folder(root: Path) -> Path | None:
    for base in (root / name for name in CLASS_FOLDERS if (root / name).is_dir()):
        if any(_NAME.match(path.name) for path in islice(class_folders.class_files(base), _LOOKED_AT)):
            return base
    return None


def _person(name: str) -> str | None:
    found = _NAME.match(name)
    return found["person"] if found else None


def _rows(pictures: Path, emotions: Path) -> Iterator[DatasetRow]:
    """Every frame of every sequence, and labels without one."""
    sequences = {
        path.relative_to(base) for base in (pictures, emotions) for path in base.glob("S*/*") if path.is_dir()
    }
    for sequence in sorted(sequences):
        frames = sorted(path for path in (pictures / sequence).glob("*.png") if not path.name.startswith("."))
        labels = sorted((emotions / sequence).glob("*_emotion.txt"))
        if frames:
            yield from _sequence_rows(pictures, frames, labels[0] if labels else None)
        elif labels:
            yield DatasetRow(
                sequence.as_posix(), reason=f"{NO_PICTURE} {pictures.name}/{sequence.as_posix()}"
            )


def _sequence_rows(pictures: Path, frames: list[Path], label: Path | None) -> Iterator[DatasetRow]:
    try:
        expression = _read(label)
    except VocabularyError as error:
        yield from (DatasetRow(_where(pictures, frame), reason=str(error)) for frame in frames)
        return
    peak = frames[-1] if label is None else frames[0].with_name(label.name.replace("_emotion.txt", ".png"))
    if peak not in frames:
        yield DatasetRow(_where(pictures, peak), reason=f"{NO_PICTURE} {_where(pictures, peak)}")
    for frame in frames:
        where = _where(pictures, frame)
        shown = {frames[0]: Expression.NEUTRAL, peak: expression}.get(frame)
        if shown is None:
            yield DatasetRow(where, reason="between neutral and the peak")
            continue
        image = ImageRef(path=str(frame))
        sample = Sample(id=where, expression=shown, image=image, identity=frame.parent.parent.name)
        yield DatasetRow.of(where, sample, str(picture_size(frame)))


def _where(pictures: Path, frame: Path) -> str:
    return frame.relative_to(pictures).as_posix()


def _read(label: Path | None) -> Expression:
    """The expression of a sequence: its file holds a number such as `3.0000000e+00`."""
    if label is None:
        raise VocabularyError("its sequence has no label")
    try:
        return read_label(label.read_text(encoding="ascii"), _ORDER)
    except (OSError, UnicodeDecodeError, VocabularyError) as error:
        raise VocabularyError(f"its label cannot be read ({error})") from None
