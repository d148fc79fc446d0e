"""JAFFE and KDEF: people in a laboratory, whose pictures' names say who shows what.

* JAFFE (Lyons et al., 1998): `KA.AN1.39.tiff` - the person, the expression, which take, the picture's number;
* KDEF (Lundqvist et al., 1998): `AF01AFS.JPG` - the session (A, B), sex and number of the person, the
  expression, the angle (`FL`, `HL`, `S`, `HR`, `FR`: full and half profiles, straight).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingData
from expllm.core.vocabulary import EXPRESSION_CODES, label_set
from expllm.data.dataset import DatasetSource
from expllm.data.readers.cells import picture_size
from expllm.data.readers.class_folders import is_picture_name
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.files.folders import below
from expllm.files.inputs import recorded_name

_LOOKED_AT: Final = 500
"""Files whose names say whether a folder is one of these data sets."""


@dataclass(frozen=True)
class Naming:
    """How a data set names its pictures.

    Attributes:
        kind: The data set.
        pattern: Of a name without its ending; the group `code` is the expression, `person` who is seen, and
            `angle` from where, if names say so.
        angles: What `angle` may be.
        example: A name, for messages.
    """

    kind: str
    pattern: re.Pattern[str]
    example: str
    angles: tuple[str, ...] = ()

    def why_unread(self, found: re.Match[str]) -> str:
        """What is wrong with a name that is built as the data set's are; empty if nothing is."""
        code, parts = found["code"].upper(), found.groupdict()
        if code not in EXPRESSION_CODES:
            return f"cannot be read: {code!r} is no expression: use one of {', '.join(EXPRESSION_CODES)}"
        angle = (parts.get("angle") or "").upper()
        if self.angles and angle not in self.angles:
            return f"cannot be read: {angle!r} is no angle: use one of {', '.join(self.angles)}"
        return ""


JAFFE: Final = Naming(
    "jaffe",
    re.compile(r"(?P<person>[A-Z]{2})\.(?P<code>[A-Z]{2})\d+\.\d+", re.I),
    "KA.AN1.39.tiff",
)
KDEF: Final = Naming(
    "kdef",
    re.compile(r"[AB](?P<person>[FM]\d{2})(?P<code>[A-Z]{2})(?P<angle>[A-Z]{1,2})", re.I),
    "AF01AFS.JPG",
    ("FL", "HL", "S", "HR", "FR"),
)


def is_named_files(root: Path, naming: Naming) -> bool:
    """Whether a folder, or one below it, holds pictures that are named so."""
    names = (Path(entry.path).stem for entry in islice(below(str(root)), _LOOKED_AT))
    return any((found := naming.pattern.fullmatch(name)) and not naming.why_unread(found) for name in names)


def load_named_files(root: Path, naming: Naming) -> DatasetSource:
    """Every picture below a folder, however deep.

    Raises:
        MissingData: none there is named so.
    """
    if not root.is_dir() or not is_named_files(root, naming):
        raise MissingData(f"{root}: no picture there is called like {naming.example}: see docs/data.md")
    return DatasetSource(naming.kind, naming.kind, lambda: _rows(root, naming), label_set(7))


def _rows(root: Path, naming: Naming) -> Iterator[DatasetRow]:
    for entry in below(str(root)):
        path = Path(entry.path)
        where = recorded_name(path.relative_to(root).as_posix())
        size = picture_size(path)
        if entry.error is not None:
            raise MissingData(f"{entry.path}: cannot list the folder ({entry.error.strerror})")
        if entry.left_out or not is_picture_name(path):
            yield DatasetRow(where, reason=entry.left_out or "not called like a picture")
        elif (found := naming.pattern.fullmatch(path.stem)) is None:
            yield DatasetRow(where, reason=f"not named as the data set does it, such as {naming.example}")
        elif size is None:
            yield DatasetRow(where, reason="no readable file")
        elif problem := naming.why_unread(found):
            yield DatasetRow(where, reason=problem)
        else:
            expression = EXPRESSION_CODES[found["code"].upper()]
            person, image = found["person"].upper(), ImageRef(path=str(path))
            sample = Sample(id=where, expression=expression, image=image, identity=person)
            yield DatasetRow.of(where, sample, str(size))
