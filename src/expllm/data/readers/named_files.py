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
        pattern: Of a name without its ending; the group `code` is the expression, `person` who is seen.
        example: A name, for messages.
    """

    kind: str
    pattern: re.Pattern[str]
    example: str


JAFFE: Final = Naming(
    "jaffe",
    re.compile(r"(?P<person>[A-Z]{2})\.(?P<code>AN|DI|FE|HA|NE|SA|SU)\d+\.\d+", re.I),
    "KA.AN1.39.tiff",
)
KDEF: Final = Naming(
    "kdef",
    re.compile(r"[AB](?P<person>[FM]\d{2})(?P<code>AF|AN|DI|HA|NE|SA|SU)(?:FL|HL|S|HR|FR)", re.I),
    "AF01AFS.JPG",
)


def is_named_files(root: Path, naming: Naming) -> bool:
    """Whether a folder, or one below it, holds pictures that are named so."""
    return any(
        naming.pattern.fullmatch(Path(entry.path).stem) for entry in islice(below(str(root)), _LOOKED_AT)
    )


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
        else:
            expression = EXPRESSION_CODES[found["code"].upper()]
            person, image = found["person"].upper(), ImageRef(path=str(path))
            sample = Sample(id=where, expression=expression, image=image, identity=person)
            yield DatasetRow.of(where, sample, str(size))
