"""Which format a row's columns or keys are, and what it says of a face."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final, get_args

from expllm.core.errors import VocabularyError
from expllm.core.records import Rect
from expllm.core.vocabulary import FEAFA_NAMES, AUVector
from expllm.faces.au_tables import blendshapes, facs
from expllm.files.tabular import number

Cells = Mapping[str, Any]

_TOLERANCE: Final = 1e-3
"""Share of a scale by which a number may overshoot it: rounding. Beyond that it is on another scale."""

_INPUTS: Final = (
    "input image_path video_path input_image_path image path file file_name filename file_path filepath img "
    "image_name img_name img_path"
).split()
_FRAMES: Final = "frame frame_idx frame_index frame_number".split()
_FACES: Final = "face_id face faceid".split()
_ONCE: Final = frozenset((
    *_INPUTS, *_FRAMES, *_FACES,
    *"success confidence status label labels expression emotion split usage subset id identity".split(),
))  # fmt: skip
"""Columns that no table may have twice: one of the two would be lost."""

_BOX: Final = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
_OF_OPENFACE3: Final = frozenset(
    "emotion gaze_yaw gaze_pitch face_detection landmarks image_path video_path".split()
)
_EMOTION: Final = frozenset(["emotion"])
_OF_PYFEAT: Final = frozenset("facerectx facescore anger happiness pitch identity input".split())


@dataclass(frozen=True)
class AURow:
    """One face of a table.

    Attributes:
        input: The picture that the table names, else ``table:row``.
        frame: Frame number, 0 if the table has none.
        face_id: Number of the face in the picture; counted where the table does not say it.
        aus: The action units.
        source: The format, for provenance.
        status: `ok`, or why the table has no measurement (as in `records.FaceStatus`).
        error: What was wrong with the input or with the row, where the status is `error`.
        box: Left, top, width, height of the face in pixels, if the table has them.
        named: The table says which picture it is.
    """

    input: str
    frame: int
    face_id: int
    aus: AUVector
    source: str
    status: str = "ok"
    error: str | None = None
    box: Rect | None = None
    named: bool = True


@dataclass(frozen=True)
class TableFormat:
    """How the rows of a table are read.

    Attributes:
        source: Its name in provenance.
        read: A row's cells, and what it is called if it names no picture -> the face. Raises ValueError,
            TypeError, KeyError or AttributeError where a cell is not what it must be.
        picture: The column or key that names the picture.
        own: An output of `expllm analyze` or `aus`: what it calls an expression is a guess.
        guesses: Columns that hold another tool's guess and no label.
        numbered: The table says which face of a picture a row is.
    """

    source: str
    read: Callable[[Cells, str], AURow] = field(repr=False)
    picture: str | None = None
    own: bool = False
    guesses: frozenset[str] = frozenset()
    numbered: bool = False


@lru_cache(maxsize=64)
def format_of(names: tuple[str, ...]) -> TableFormat | None:
    """The format that has these columns or keys; None for none that is known.

    Raises:
        VocabularyError: its columns of action units contradict themselves.
    """
    if "au" in names:
        return TableFormat("expllm-released", _read_released, "file_name")
    if "aus" in names:
        return _format_of_objects(names)
    found = _format_of_columns(names, _Places.among(names))
    if found is not None:
        _check_once(names, [name for name in names if name.strip().casefold() in _ONCE])
    return found


def _format_of_columns(names: tuple[str, ...], places: "_Places") -> TableFormat | None:
    if units := facs.unit_columns(names):
        _check_once(names, units.values())
        read = partial(_read_unit_columns, places, units)
        return TableFormat("expllm", read, places.input, own=_is_own(names), numbered=places.face is not None)
    if "action_units" in names:
        read = partial(_read_openface3, places)
        return TableFormat("openface3", read, places.input, guesses=_EMOTION, numbered=True)
    return _format_of_tools(names, places) or _format_of_blendshapes(names, places)


def _format_of_blendshapes(names: tuple[str, ...], places: "_Places") -> TableFormat | None:
    if columns := blendshapes.blendshape_columns(names):
        tool = blendshapes.blendshape_tool(names)
        read = partial(_read_blendshapes, places, tool, columns)
        return TableFormat(tool, read, places.input, numbered=places.face is not None)
    return None


def _format_of_objects(names: tuple[str, ...]) -> TableFormat:
    if "status" not in names:
        return TableFormat("expllm-reference", _read_named, "id", numbered=True)
    if "writer" in names:
        return TableFormat("expllm-reference", _read_export, "id", numbered=True)
    return TableFormat("expllm", _read_own, "input", own=True, numbered=True)


def _format_of_tools(names: tuple[str, ...], places: "_Places") -> TableFormat | None:
    lower = {name.casefold() for name in names}
    of_three = len(_OF_OPENFACE3 & lower) > len(_OF_PYFEAT & lower)
    for tool in (facs.OPENFACE2, facs.LIBREFACE, facs.OPENFACE3 if of_three else facs.PYFEAT):
        if columns := tool.columns(names):
            _check_once(names, columns.values())
            _check_numbers(columns)
            return TableFormat(
                tool.source, partial(_read_facs, places, tool, columns), places.input,
                guesses=_EMOTION if tool is facs.OPENFACE3 else frozenset(), numbered=places.face is not None,
            )  # fmt: skip
    return None


def _is_own(names: Sequence[str]) -> bool:
    return "input" in names and "status" in names


def _check_once(names: tuple[str, ...], columns: Iterable[str]) -> None:
    for column in columns:
        if names.count(column) > 1:
            raise VocabularyError(f"the column {column!r} is there twice")


def _check_numbers(columns: Mapping[int, str]) -> None:
    """Columns that were numbered by position would put a smile into the brows."""
    if {1, 2, 3, 4} <= columns.keys():  # FACS has no unit 3 of an adult's face
        raise VocabularyError(
            f"{columns[3]!r} is not a unit of FACS: the columns seem to be numbered by position, not by unit"
        )


@dataclass(frozen=True)
class _Places:
    """Which columns say what a row is about."""

    input: str | None
    frame: str | None
    face: str | None
    success: str | None
    confidence: str | None
    own_status: bool

    @classmethod
    def among(cls, names: Sequence[str]) -> "_Places":
        by_word = {name.strip().casefold(): name for name in reversed(names)}

        def first(*words: str) -> str | None:
            return next((by_word[word] for word in words if word in by_word), None)

        return cls(
            first(*_INPUTS), first(*_FRAMES), first(*_FACES), first("success"), first("confidence"),
            _is_own(names),
        )  # fmt: skip

    def row(self, cells: Cells, where: str, aus: AUVector, source: str) -> AURow:
        """The face, with the status that the table gives, or that what it measured gives."""
        name = str(cells.get(self.input or "") or "").strip()
        status, error = _status(cells, self, aus)
        return AURow(
            name or where, _whole(cells, self.frame), _whole(cells, self.face),
            aus if status == "ok" else AUVector(), source, status, error, _box(cells), bool(name),
        )  # fmt: skip


def _status(cells: Cells, places: _Places, aus: AUVector) -> tuple[str, str | None]:
    if places.own_status and (told := str(cells.get("status") or "").strip()):
        return _known_status(told), str(cells.get("error") or "") or None
    if _succeeded(cells, places.success) == 0:  # OpenFace writes zeros where it lost the face: not measured
        nothing = places.confidence is not None and not _cell(cells, places.confidence)
        return ("no_face" if nothing else "no_landmarks"), None
    return ("ok" if aus.measured else "no_face"), None


def _succeeded(cells: Cells, column: str | None) -> float | None:
    """0 or 1; pandas and R write truth values as words."""
    if column is None:
        return None
    word = str(cells.get(column)).strip().casefold()
    return float(word == "true") if word in ("true", "false") else _cell(cells, column)


def _known_status(told: str) -> str:
    from expllm.core.records import FaceStatus

    if told not in get_args(FaceStatus):
        raise VocabularyError(f"status is {told!r}: it must be one of {', '.join(get_args(FaceStatus))}")
    return told


def _read_facs(
    places: _Places, tool: facs.Tool, columns: Mapping[int, str], cells: Cells, where: str
) -> AURow:
    values = {number: _on_scale(cells, column, tool) for number, column in columns.items()}
    known = {number: value for number, value in values.items() if value is not None}
    return places.row(cells, where, facs.from_facs(known), tool.source)


def _on_scale(cells: Cells, column: str, tool: facs.Tool) -> float | None:
    return _share(cells, column, tool.full_scale, f"{tool.title} writes")


def _share(cells: Cells, column: str, full_scale: float, who: str) -> float | None:
    value = _cell(cells, column)
    if value is None:
        return None
    share = value / full_scale
    if not -_TOLERANCE <= share <= 1 + _TOLERANCE:
        raise VocabularyError(f"{column} is {value:g}: {who} 0 to {full_scale:g}")
    return min(max(share, 0.0), 1.0)


def _read_blendshapes(
    places: _Places, tool: str, columns: Mapping[str, str], cells: Cells, where: str
) -> AURow:
    scores = {name: _share(cells, column, 1.0, "blendshapes are") for name, column in columns.items()}
    known = {name: score for name, score in scores.items() if score is not None}
    return places.row(cells, where, blendshapes.from_blendshapes(known), tool)


def _read_openface3(places: _Places, cells: Cells, where: str) -> AURow:
    """Eight numbers in a list, as `openface detect` writes them: `[[0.0, 0.12, ...]]`."""
    listed = cells.get("action_units")
    if isinstance(listed, str):
        listed = json.loads(listed) if listed.strip() else None
    while isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], list):
        listed = listed[0]
    count = len(facs.OPENFACE3_UNITS)
    if listed is not None and (not isinstance(listed, list) or len(listed) != count):
        raise VocabularyError(f"action_units must be a list of {count} numbers")
    columns = {unit: f"AU{unit}" for unit in facs.OPENFACE3_UNITS}
    numbers = dict(zip(columns.values(), listed or [None] * count, strict=True))
    return _read_facs(places, facs.OPENFACE3, columns, {**cells, **numbers}, where)


def _read_unit_columns(places: _Places, units: Mapping[str, str], cells: Cells, where: str) -> AURow:
    aus = AUVector({name: _cell(cells, column) for name, column in units.items()})
    return places.row(cells, where, aus, "expllm")


def _read_own(cells: Cells, where: str) -> AURow:
    box = cells.get("box")
    sides = None if box is None else [_cell(box, side) for side in ("x", "y", "width", "height")]
    return AURow(
        str(cells.get("input") or where),
        _whole(cells, "frame"),
        _whole(cells, "face_id"),
        AUVector(_named_units(cells) or {}),
        "expllm",
        _known_status(str(cells["status"])),
        cells.get("error"),
        _rect(sides or []),
        bool(cells.get("input")),
    )


def _read_released(cells: Cells, where: str) -> AURow:
    if not isinstance(cells["au"], Sequence) or isinstance(cells["au"], str):
        raise VocabularyError(f"au must be a list of {len(FEAFA_NAMES)} numbers")
    values = [math.nan if value is None else value for value in cells["au"]]
    return _measured(cells, ("file_name",), where, AUVector.from_array(values), "expllm-released")


def _read_named(cells: Cells, where: str) -> AURow:
    units = _named_units(cells)
    aus = AUVector() if units is None else AUVector.from_positive(units)
    return _measured(cells, ("id", "file_name"), where, aus, "expllm-reference")


def _read_export(cells: Cells, where: str) -> AURow:
    """A row of `expllm cot export --to jsonl`: all units, null where not measured."""
    aus = AUVector(_named_units(cells) or {})
    return _measured(cells, ("id",), where, aus, str(cells.get("au_source") or "expllm"))


def _named_units(cells: Cells) -> Mapping[str, float | None] | None:
    units: Mapping[str, float | None] | None = cells["aus"]
    if units is not None and not isinstance(units, Mapping):
        raise VocabularyError('aus must be an object of names and intensities, such as {"jaw drop": 0.5}')
    return units


def _measured(cells: Cells, names: Sequence[str], where: str, aus: AUVector, source: str) -> AURow:
    name = next((str(cells[key]) for key in names if cells.get(key) is not None), "")
    return AURow(name or where, 0, 0, aus, source, "ok" if aus.measured else "no_face", named=bool(name))


def _cell(cells: Cells, column: str) -> float | None:
    try:
        return number(cells.get(column))
    except ValueError as error:
        raise VocabularyError(f"{column}: {error}") from None


def _whole(cells: Cells, column: str | None) -> int:
    value = 0.0 if column is None else _cell(cells, column) or 0.0
    if not value.is_integer() or abs(value) >= 2**31:
        raise VocabularyError(f"{column} is {value:g}: it must be a whole number")
    return int(value)


def _box(cells: Cells) -> Rect | None:
    return _rect([_cell(cells, column) for column in _BOX])


def _rect(sides: Sequence[float | None]) -> Rect | None:
    known = [side for side in sides if side is not None]
    if len(known) != len(_BOX):
        return None
    if min(known[2:]) < 0:
        raise VocabularyError(f"the face has a size of {known[2]:g} x {known[3]:g}")
    return known[0], known[1], known[2], known[3]
