"""Results of face trackers as JSON, one object a picture: MediaPipe's face landmarker, ARKit's anchors.

MediaPipe's hold a list of faces, each a list of categories with a name and a score; its Python writes
`category_name` where its JavaScript writes `categoryName`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from expllm.files.tabular import TableRow

_HOLDERS: Final = frozenset(("faceblendshapes", "blendshapes", "categories"))
"""Keys that hold them, without case and marks."""
_NAMES: Final = ("categoryName", "category_name", "displayName", "display_name")
_FACE: Final = "face_id"

Scores = Mapping[str, Any]


def one_row_a_face(row: TableRow) -> Iterator[TableRow]:
    """A row for each face of such a result, its blendshapes as columns; any other row as it is."""
    holder = next((key for key in row.cells if _plain(key) in _HOLDERS), None)
    faces = None if holder is None else _faces(row.cells[holder])
    if faces is None:
        yield row
        return
    rest = {key: value for key, value in row.cells.items() if key != holder and not _is_nested(value)}
    if not faces:  # MediaPipe saw nobody
        yield replace(row, cells={**rest, _FACE: 0, "jawOpen": None})
    for number, scores in enumerate(faces):
        yield replace(row, cells={_FACE: number, **rest, **scores})


def _faces(held: Any) -> list[Scores] | None:
    """The scores of each face; None where this holds no blendshapes."""
    if isinstance(held, Mapping):
        if "categories" in held:
            return _faces(held["categories"])
        return [held] if held and all(_is_score(value) for value in held.values()) else None
    if not isinstance(held, list):
        return None
    if held and all(_category(one) is not None for one in held):
        return [dict(pair for one in held if (pair := _category(one)) is not None)]
    found = [_faces(one) for one in held]
    known = [scores for one in found if one is not None for scores in one]
    return known if all(one is not None and len(one) == 1 for one in found) else None


def _category(value: Any) -> tuple[str, Any] | None:
    """Name and score of one category."""
    if not isinstance(value, Mapping) or "score" not in value:
        return None
    name = next((value[key] for key in _NAMES if value.get(key)), None)
    return None if name is None else (str(name), value["score"])


def _is_score(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str))


def _plain(key: str) -> str:
    return re.sub(r"[\W_]", "", key).casefold()
