"""What goes in and out of the endpoints, as records: they are checked, and described in `/openapi.json`."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from expllm.core.records import AUs, CoT, FaceAnalysis, Probability, Record
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.grounding import audit
from expllm.report.audit_html import audit_summary

Labels = Annotated[
    Literal[7, 8], Field(description="Expressions to tell apart, by the rules; 8 adds contempt.")
]
Intensity = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
Units = Annotated[
    dict[str, Intensity | None],
    Field(
        description="Intensities 0-1 of FEAFA's action units by name; null or left out: not measured.",
        examples=[{"left lip corner pull": 0.7, "right lip corner pull": 0.6}],
        json_schema_extra={"propertyNames": {"enum": list(AU_NAMES)}},
    ),
]


class AnalyzeQuery(BaseModel):
    """How a picture is to be analyzed."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, description="One of /v1/models; the first of them if left out.")
    labels: Literal["7", "8"] | None = Field(None, description="Expressions that the rules tell apart.")
    explain: bool = Field(True, description="False: labels and probabilities only, no text.")
    landmarks: bool = Field(False, description="Add the 478 landmarks of every face.")
    mirrored: bool = Field(False, description="The picture is a mirror image: swap the sides.")
    audit: bool = Field(
        False, description="Add the audit of every text: its claims, with verdicts and places."
    )


class TextAudit(Record):
    """A text and what the audit found in it; `claims` and `unread` are described in docs/grounding.md."""

    text: str
    claims: tuple[dict[str, Any], ...]
    unread: tuple[dict[str, Any], ...]
    summary: str

    @classmethod
    def of(cls, text: str, aus: AUVector) -> "TextAudit":
        """Audits a text."""
        report = audit(text, aus)
        found = report.to_dict()
        return cls(
            text=text,
            claims=tuple(found["claims"]),
            unread=tuple(found["unread"]),
            summary=audit_summary(report),
        )


class AnalysisReply(Record):
    """The faces of a picture, largest first."""

    object: Literal["analysis"] = "analysis"
    model: str
    faces: tuple[FaceAnalysis, ...]
    audits: Annotated[
        tuple[TextAudit | None, ...] | None,
        Field(description="Of each face, if asked for; null where there is no text."),
    ] = None
    warnings: tuple[str, ...] = ()


class ExplainRequest(BaseModel):
    """Action units, or the blendshapes that measure them, to be explained by rules or by a model."""

    model_config = ConfigDict(extra="forbid")

    aus: Units | None = None
    blendshapes: dict[str, Intensity] | None = Field(
        None, description="Instead of aus: the 52 scores of MediaPipe's Face Landmarker by name."
    )
    model: str | None = Field(
        None,
        description="Who explains: offline (the rules) if left out. A model that looks needs the picture.",
    )
    picture: str | None = Field(
        None,
        description="For such a model: a data URI; its largest face is explained, with these action units.",
    )
    expression: str | None = Field(
        None, description="The expression to explain; the most probable if left out."
    )
    labels: Labels | None = None


class ExplainReply(Record):
    """What action units show."""

    object: Literal["explanation"] = "explanation"
    model: str
    aus: AUs
    expression: Expression | None
    probabilities: dict[Expression, Probability] | None
    cot: CoT | None
    text: str | None
    claims: tuple[dict[str, Any], ...] = ()
    unread: tuple[dict[str, Any], ...] = ()
    summary: str | None = None
    warnings: tuple[str, ...] = ()


class CounterfactualRequest(BaseModel):
    """Action units whose label is to be changed."""

    model_config = ConfigDict(extra="forbid")

    aus: Units
    toward: str | None = Field(None, description="The label that is wanted; any other if left out.")
    labels: Labels | None = None


class UnitChange(Record):
    """An action unit before and after."""

    unit: str
    before: Probability
    after: Probability


class CounterfactualReply(Record):
    """The smallest change of at most three actions that gives another label, by the rules.

    Without one, `expression`, `probabilities` and `aus` are null.
    """

    object: Literal["counterfactual"] = "counterfactual"
    model: str
    changes: tuple[UnitChange, ...] = ()
    expression: Expression | None = None
    probabilities: dict[Expression, Probability] | None = None
    aus: AUs | None = None


def _strictly_read(faces: Any) -> Any:
    """Analyses as they are in JSON: a true is no number."""
    if not isinstance(faces, list):
        return faces
    return [FaceAnalysis.model_validate_json(json.dumps(face), strict=True) for face in faces]


class ExportedItem(BaseModel):
    """A picture, or none, and the analyses of its faces."""

    model_config = ConfigDict(extra="forbid")

    faces: Annotated[list[FaceAnalysis], BeforeValidator(_strictly_read), Field(min_length=1)]
    picture: str | None = Field(None, description="A data URI; it may be smaller than what was analyzed.")


class ExportRequest(BaseModel):
    """Analyses that `/v1/analyze` gave, to be written as `expllm analyze` writes them."""

    model_config = ConfigDict(extra="forbid")

    items: list[ExportedItem] = Field(min_length=1, max_length=64)


class ExportQuery(BaseModel):
    """What is to be written."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "html"] = Field(description="A table, or a page that holds all it shows.")
    columns: Literal["expllm", "pyfeat", "openface"] = Field("expllm", description="Columns of the table.")


class AuditRequest(BaseModel):
    """A text to be held against action units."""

    model_config = ConfigDict(extra="forbid")

    text: str
    aus: Units
    label: str | None = Field(None, description="The expression that the text should conclude with.")


class AuditReply(BaseModel):
    """What the audit found; see docs/grounding.md."""

    model_config = ConfigDict(extra="allow")

    object: Literal["audit"] = "audit"
    claims: list[dict[str, Any]]


class ErrorContent(Record):
    """An error."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(Record):
    """Every error has this shape."""

    error: ErrorContent


class ListedModel(Record):
    """A model that can be asked for by its id."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "expllm"


class ModelList(Record):
    """Every model, the default first."""

    object: Literal["list"] = "list"
    data: list[ListedModel]


ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorReply, "description": description}
    for status, description in {
        400: "The request makes no sense.",
        401: "The key is missing or wrong.",
        403: "A page of another site asks.",
        404: "There is no such model.",
        408: "The body did not arrive in time.",
        413: "The body is too large.",
        422: "The picture cannot be read, or shows no face.",
        429: "Too many requests of one client.",
        500: "The server had an error.",
        503: "The server is busy (see Retry-After), or a model cannot be used.",
        504: "It took too long.",
    }.items()
}
"""What any endpoint may answer."""


def analysis_json(
    model: str,
    analyses: Sequence[FaceAnalysis],
    warnings: Sequence[str],
    *,
    landmarks: bool,
    audits: Sequence[TextAudit | None] | None = None,
    extra: str = "",
) -> str:
    """An `AnalysisReply` as JSON, in one line.

    Args:
        landmarks: With the 478 landmarks of each face.
        audits: Of each face's text, where they were asked for.
        extra: Further fields, as JSON with a comma behind.
    """
    head = AnalysisReply(model=model, faces=(), warnings=tuple(warnings)).model_dump_json(
        include={"model", "warnings"}
    )
    faces = ",".join(one.to_json(landmarks=landmarks) for one in analyses)
    audited = ""
    if audits is not None:
        audited = ',"audits":[' + ",".join("null" if one is None else one.to_json() for one in audits) + "]"
    return f'{{"object":"analysis",{extra}{head[1:-1]},"faces":[{faces}]{audited}}}'


def text_audit(analysis: FaceAnalysis) -> TextAudit | None:
    """The text of a face with its audit; None where it has none."""
    text = None if analysis.cot is None else analysis.cot.text
    if analysis.explanation is not None:
        text = analysis.explanation.text
    return None if text is None else TextAudit.of(text, analysis.aus or AUVector())
