"""What goes in and out of the endpoints, as records: they are checked, and described in `/openapi.json`."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from expllm.faces import AU_NAMES, Expression
from expllm.records import CoT, FaceAnalysis, Probability, Record

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


class AnalysisReply(Record):
    """The faces of a picture, largest first."""

    object: Literal["analysis"] = "analysis"
    model: str
    faces: tuple[FaceAnalysis, ...]
    warnings: tuple[str, ...] = ()


class ExplainRequest(BaseModel):
    """Action units to be explained by rules."""

    model_config = ConfigDict(extra="forbid")

    aus: Units
    expression: str | None = Field(
        None, description="The expression to explain; the most probable if left out."
    )
    labels: Labels | None = None


class ExplainReply(Record):
    """What action units show, by the rules."""

    object: Literal["explanation"] = "explanation"
    model: str
    expression: Expression | None
    probabilities: dict[Expression, Probability] | None
    cot: CoT | None
    text: str | None
    claims: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


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


class ServedModel(Record):
    """A model that can be asked for by its id."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "expllm"


class ModelList(Record):
    """Every model, the default first."""

    object: Literal["list"] = "list"
    data: list[ServedModel]


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
    model: str, analyses: Sequence[FaceAnalysis], warnings: Sequence[str], *, landmarks: bool, extra: str = ""
) -> str:
    """An `AnalysisReply` as JSON, in one line.

    Args:
        landmarks: With the 478 landmarks of each face.
        extra: Further fields, as JSON with a comma behind.
    """
    head = AnalysisReply(model=model, faces=(), warnings=tuple(warnings)).model_dump_json(
        include={"model", "warnings"}
    )
    faces = ",".join(one.to_json(landmarks=landmarks) for one in analyses)
    return f'{{"object":"analysis",{extra}{head[1:-1]},"faces":[{faces}]}}'
