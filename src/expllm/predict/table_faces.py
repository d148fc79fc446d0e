"""Faces whose action units are known already: measured by another tool, or by a data set's own reader."""

from typing import TYPE_CHECKING, Any, Final

from expllm.core.records import FaceAnalysis
from expllm.faces.measure import provenance_of
from expllm.predict.abstention import abstained
from expllm.predict.rules import RuleExplainer

if TYPE_CHECKING:
    from expllm.core.vocabulary import AUVector
    from expllm.faces.au_tables import AURow

OTHER_SCALE: Final = (
    "Another tool measured these action units: the probabilities were fitted on this package's own readings "
    "and are no more than a rough guide here."
)
"""Published FEAFA units of 2,070 RAF-DB faces: 51 % right, calibration error 0.16 (docs/experiments.md)."""


class Explainer:
    """Action units -> expression, probabilities, explanation, by rules. Needs no picture.

    Args:
        labels: Tell 7 or 8 expressions apart.
    """

    def __init__(self, labels: int = 8) -> None:
        self._rules = RuleExplainer(labels)

    def explain(
        self, aus: "AUVector", *, detector: str, au_reader: str, write: bool = True
    ) -> dict[str, Any]:
        """The fields `expression`, `probabilities`, `cot` and `provenance` of a FaceAnalysis.

        The first three are left out where too little was measured to say anything.
        """
        writer = self._rules.writer if write else "none"
        said = self._rules.of(aus, write=write)
        provenance = provenance_of(
            said.classifier or self._rules.identity,
            writer,
            detector=detector,
            au_reader=au_reader,
            licences=self._rules.licences,
        )
        return {**said.fields(), "provenance": provenance}


def measured_row(
    row: "AURow",
    explainer: Explainer | None,
    *,
    mirrored: bool = False,
    write: bool = True,
    abstain: float | None = None,
) -> FaceAnalysis:
    """The analysis of a face that another tool measured (see [`autables`][expllm.faces.au_tables]).

    Args:
        row: The face.
        explainer: None stops at the action units.
        mirrored: Swap left and right.
        write: False: no text.
        abstain: As for `Predictor`.
    """
    aus = row.aus.mirrored() if mirrored else row.aus
    box = row.box and dict(zip(("x", "y", "width", "height"), row.box, strict=True))
    face_id = None if row.status == "no_face" else row.face_id
    found = {"input": row.input, "frame": row.frame, "face_id": face_id, "aus": aus, "box": box}
    if row.status != "ok":
        return FaceAnalysis.from_dict({**found, "aus": None, "status": row.status, "error": row.error})
    found["status"] = row.status
    reader = f"table/{row.source}"
    if explainer is None:
        provenance = provenance_of(detector="none", au_reader=reader)
        return FaceAnalysis.from_dict({**found, "provenance": provenance})
    warnings = () if row.source == "expllm" else (OTHER_SCALE,)
    explained = explainer.explain(aus, detector="none", au_reader=reader, write=write)
    return abstained(FaceAnalysis.from_dict({**found, "warnings": warnings, **explained}), abstain)
