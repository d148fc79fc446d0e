"""FaceAnalysis -> rows of a table, in the columns that a field's tools expect.

* `expllm`: everything, sides kept, names spelled out;
* `pyfeat`: the columns of a py-feat ``Fex`` (FACS numbers, 0-1, no sides);
* `openface`: those of an OpenFace 2 CSV (``AU12_r`` on 0-5, ``AU12_c`` 0 or 1).

Units that were not measured stay empty, and so does 11, which has no unit here: unknown is not zero. So do
columns that the other tools' readers ask for and nobody knows here: times, identities, where the head is.
"""

from collections.abc import Callable, Mapping
from typing import Final

from expllm.core.errors import UsageError
from expllm.core.records import Explanation, FaceAnalysis, Grounding
from expllm.core.vocabulary import AUVector, Expression
from expllm.faces.au_reader import TRACE
from expllm.faces.au_tables import OPENFACE_FULL_SCALE, to_facs

Cell = str | float | int | None
OutputRow = dict[str, Cell]

PYFEAT_AUS: Final = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
OPENFACE_AUS: Final = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
OPENFACE_PRESENCES: Final = tuple(sorted((*OPENFACE_AUS, 28)))
"""OpenFace says of one unit only whether it is there."""

PYFEAT_EMOTIONS: Final = tuple(
    Expression(name) for name in ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
)


INTEGER_COLUMNS: Final = frozenset(
    "frame face_id faces_found FaceID success uncertain agree face_sentences unread_sentences".split()
)
TEXT_COLUMNS: Final = frozenset(
    (
        "input status Identity approx_time expression key_observations overall_emotional_interpretation "
        "conclusion text text_problem concluded second_label "
        "warnings error detector au_reader classifier writer expllm_version"
    ).split()
)
"""Every other column holds floats, except OpenFace's ``_c``."""


def expllm_row(analysis: FaceAnalysis) -> OutputRow:
    """Everything that is known of a face, one column each."""
    return {
        **_identity(analysis),
        "status": analysis.status,
        **_rectangle(analysis),
        **_pose(analysis),
        **(analysis.aus or AUVector()),
        "expression": analysis.expression,
        "uncertain": int(analysis.uncertain) if analysis.probabilities or analysis.uncertain else None,
        **{f"prob_{label}": _probability(analysis, label) for label in Expression},
        **_explanation(analysis),
        **_checks(analysis),
        "faces_found": analysis.faces_found,
        "warnings": " ".join(analysis.warnings) or None,
        "error": analysis.error,
        **_sources(analysis),
    }


def au_row(analysis: FaceAnalysis) -> OutputRow:
    """A face without its expression and explanation, for `expllm aus`."""
    left_out = {
        "expression", "uncertain", "classifier", "writer", *_explanation(analysis), *_checks(analysis),
    }  # fmt: skip
    row = expllm_row(analysis)
    return {name: row[name] for name in row if name not in left_out and not name.startswith("prob_")}


def pyfeat_row(analysis: FaceAnalysis) -> OutputRow:
    """The columns of a py-feat ``Fex``; contempt has no column there."""
    facs = _facs(analysis)
    return {
        **_rectangle(analysis),
        **_pose(analysis),
        **dict.fromkeys(("X", "Y", "Z")),
        **{f"AU{number:02d}": facs.get(number) for number in PYFEAT_AUS},
        **{label.value: _probability(analysis, label) for label in PYFEAT_EMOTIONS},
        "input": analysis.input,
        "frame": analysis.frame,
        "FaceID": analysis.face_id,
        "Identity": None,
        "approx_time": None,
        **_outcome(analysis),
    }


def openface_row(analysis: FaceAnalysis) -> OutputRow:
    """The columns of OpenFace 2 that this tool can fill (no gaze, no 68 landmarks), and some of its own."""
    facs = _facs(analysis)
    known = {number: facs.get(number) for number in OPENFACE_AUS}
    present = {number: facs.get(number) for number in OPENFACE_PRESENCES}
    return {
        "frame": analysis.frame,
        "face_id": analysis.face_id,
        "timestamp": None,
        "confidence": analysis.score,
        "success": int(analysis.status == "ok"),
        **{f"AU{n:02d}_r": None if v is None else v * OPENFACE_FULL_SCALE for n, v in known.items()},
        **{f"AU{n:02d}_c": None if v is None else int(v > TRACE) for n, v in present.items()},
        "input": analysis.input,
        **_outcome(analysis),
    }


def _facs(analysis: FaceAnalysis) -> dict[int, float | None]:
    """Intensities by FACS number: as they were read where one of our units joins several."""
    apart = {int(name.removeprefix("AU")): value for name, value in (analysis.facs or {}).items()}
    return {**to_facs(analysis.aus or AUVector()), **apart}


COLUMN_LAYOUTS: Final[Mapping[str, Callable[[FaceAnalysis], OutputRow]]] = {
    "expllm": expllm_row,
    "pyfeat": pyfeat_row,
    "openface": openface_row,
}


def row_maker(columns: str, *, explain: bool = True) -> Callable[[FaceAnalysis], OutputRow]:
    """The function that makes the rows of a column set.

    Raises:
        UsageError: there is no such set.
    """
    if columns not in COLUMN_LAYOUTS:
        raise UsageError(f"no column set {columns!r}: use one of {', '.join(COLUMN_LAYOUTS)}")
    return COLUMN_LAYOUTS[columns] if explain or columns != "expllm" else au_row


def _identity(analysis: FaceAnalysis) -> OutputRow:
    return {"input": analysis.input, "frame": analysis.frame, "face_id": analysis.face_id}


def _outcome(analysis: FaceAnalysis) -> OutputRow:
    """What the other tools have no column for: a damaged picture would read as one without a face."""
    return {"status": analysis.status, "error": analysis.error}


def _rectangle_names() -> tuple[str, ...]:
    return "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"


def _rectangle(analysis: FaceAnalysis) -> OutputRow:
    box = analysis.box
    values = (None,) * 4 if box is None else (box.x, box.y, box.width, box.height)
    return dict(zip(_rectangle_names(), (*values, analysis.score), strict=True))


def _pose(analysis: FaceAnalysis) -> OutputRow:
    pose = analysis.pose
    return {
        "Pitch": None if pose is None else pose.pitch,
        "Roll": None if pose is None else pose.roll,
        "Yaw": None if pose is None else pose.yaw,
    }


def _probability(analysis: FaceAnalysis, label: Expression) -> float | None:
    return None if analysis.probabilities is None else analysis.probabilities.get(label)


def _explanation(analysis: FaceAnalysis) -> OutputRow:
    parts = (None, None, None) if analysis.cot is None else analysis.cot.parts
    names = ("key_observations", "overall_emotional_interpretation", "conclusion")
    return dict(zip(names, parts, strict=True))


def _checks(analysis: FaceAnalysis) -> OutputRow:
    """A model's text word for word, and what was found of it; empty for a text composed by rules."""
    found = analysis.explanation or Explanation(text=None)
    grounding = found.grounding
    return {
        "text": found.text,
        "text_problem": found.problem,
        "concluded": found.concluded,
        "second_label": found.second_label,
        "agree": None if found.agree is None else int(found.agree),
        "grounding_precision": None if grounding is None else grounding.precision,
        "grounding_recall": None if grounding is None else grounding.recall,
        "face_sentences": None if grounding is None else grounding.sentences,
        "unread_sentences": _unread(grounding),
    }


def _unread(grounding: Grounding | None) -> int | None:
    return None if grounding is None or grounding.sentences is None else len(grounding.unread)


def _sources(analysis: FaceAnalysis) -> OutputRow:
    p = analysis.provenance
    return {
        "detector": None if p is None else p.detector,
        "au_reader": None if p is None else p.au_reader,
        "classifier": None if p is None else p.classifier,
        "writer": None if p is None else p.writer,
        "expllm_version": None if p is None else p.expllm,
    }
