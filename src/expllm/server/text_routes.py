"""`/v1/explain`, `/v1/counterfactual` and `/v1/audit`: action units and texts."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from expllm.core.errors import VocabularyError
from expllm.core.vocabulary import AUVector, Expression, label_set
from expllm.cot.rule_writer import write_cot
from expllm.faces.au_classifier import classifier_for
from expllm.faces.au_reader import BlendshapeReader
from expllm.faces.counterfactuals import smallest_change
from expllm.grounding import audit
from expllm.model.shipped import OFFLINE
from expllm.predict.base import rounded
from expllm.predict.rules import RuleExplainer
from expllm.server.admission import AdmittedPlace
from expllm.server.analyzer import AnalysisOptions, Analyzer
from expllm.server.bodies import Upload, attended
from expllm.server.chat_requests import picture_of
from expllm.server.http_errors import bad_request
from expllm.server.responses import (
    ERRORS,
    AuditReply,
    AuditRequest,
    CounterfactualReply,
    CounterfactualRequest,
    ExplainReply,
    ExplainRequest,
    TextAudit,
    UnitChange,
    text_audit,
)

TOO_LITTLE = "Too little was measured to name an expression."


def text_routes(analyzer: Analyzer) -> APIRouter:
    """The routes."""
    router, limits = APIRouter(), analyzer.config.limits

    @router.post(
        "/v1/explain",
        summary="Explain action units, by rules or by a model that looks at the picture, too",
        responses={**ERRORS, 200: {"model": ExplainReply}},
    )
    async def explain(request: Request, asked: ExplainRequest) -> Response:
        aus, expression = _measured(asked), _expression(asked.expression, "expression", asked.labels or 8)
        model = _model(analyzer, asked)
        with analyzer.queue.enter() as place:
            if asked.picture is None:
                work = analyzer.run(place, lambda: rules_explanation(aus, expression, asked.labels or 8))
            else:
                work = _seen(analyzer, place, picture_of(asked.picture, param="picture"), aus, model)
            found = await attended(request, work, limits.work_s)
        return Response(found.to_json(), media_type="application/json")

    @router.post(
        "/v1/counterfactual",
        summary="The smallest change of action units that flips the label, by rules",
        responses={**ERRORS, 200: {"model": CounterfactualReply}},
    )
    async def counterfactual(request: Request, asked: CounterfactualRequest) -> Response:
        aus, toward = _units(asked.aus), _expression(asked.toward, "toward", asked.labels or 8)
        found = await analyzer.compute(request, lambda: flipped(aus, toward, asked.labels or 8))
        return Response(found.to_json(), media_type="application/json")

    @router.post(
        "/v1/audit",
        summary="Hold a text against action units",
        responses={**ERRORS, 200: {"model": AuditReply}},
    )
    async def audited(request: Request, asked: AuditRequest) -> Response:
        if len(asked.text) > limits.text_characters:
            raise bad_request(f"text: at most {limits.text_characters:,} characters", "text")
        aus, label = _units(asked.aus), _expression(asked.label, "label")
        found = await analyzer.compute(request, lambda: audit(asked.text, aus, label).to_dict())
        return Response(AuditReply(**found).model_dump_json(), media_type="application/json")

    return router


def rules_explanation(aus: AUVector, expression: Expression | None, labels: int) -> ExplainReply:
    """What action units show, by rules.

    Args:
        expression: The one to explain; the most probable if None.
        labels: 7 or 8 expressions.
    """
    said = RuleExplainer(labels).of(aus)
    cot = said.cot
    if expression is not None and said.probabilities is not None:
        cot = write_cot(aus, expression, dict(said.probabilities))
    return ExplainReply(
        model=OFFLINE,
        aus=aus,
        expression=said.expression,
        probabilities=None if said.probabilities is None else dict(said.probabilities),
        cot=cot,
        warnings=(TOO_LITTLE,) if said.expression is None else (),
        **_text_fields(None if cot is None else TextAudit.of(cot.text, aus)),
    )


def flipped(aus: AUVector, toward: Expression | None, labels: int) -> CounterfactualReply:
    """The smallest change that gives another label, by rules."""
    classifier = classifier_for(aus, labels)
    found = smallest_change(classifier, aus, toward)
    if found is None:
        return CounterfactualReply(model=OFFLINE)
    changes = tuple(UnitChange(**vars(change)) for change in found.changes)
    return CounterfactualReply(
        model=OFFLINE, changes=changes, expression=found.expression,
        probabilities=rounded(found.probabilities), aus=found.aus,
    )  # fmt: skip


async def _seen(
    analyzer: Analyzer, place: AdmittedPlace, picture: Upload, aus: AUVector, model: str
) -> ExplainReply:
    """What a model writes that looks at the largest face of a picture and is given other action units.

    Raises:
        NoFaceError: there is no face.
        ApiError, ImageError: as `Analyzer.analyze`.
    """
    options = AnalysisOptions(model)
    measured = await analyzer.look(place, picture, options)
    face = measured.largest.measured_as(aus)
    (analysis,) = await analyzer.explain(place, measured.of([face]), options)
    analyzer.count(place, [analysis])
    return ExplainReply(
        model=model,
        aus=aus,
        expression=analysis.expression,
        probabilities=analysis.probabilities,
        cot=analysis.cot,
        warnings=analysis.warnings,
        **_text_fields(text_audit(analysis)),
    )


def _text_fields(audited: TextAudit | None) -> dict[str, Any]:
    return {"text": None} if audited is None else dict(audited)


def _measured(asked: ExplainRequest) -> AUVector:
    """The action units of a request, or those that its blendshapes measure.

    Raises:
        ApiError: 400; it has neither or both, or lacks blendshapes.
    """
    if (asked.aus is None) == (asked.blendshapes is None):
        raise bad_request("Send either aus or blendshapes.", "aus")
    if asked.aus is not None:
        return _units(asked.aus)
    assert asked.blendshapes is not None
    try:
        return BlendshapeReader().read_blendshapes(asked.blendshapes)
    except KeyError as error:
        raise bad_request(f"blendshapes: {error.args[0]} is missing", "blendshapes") from None


def _model(analyzer: Analyzer, asked: ExplainRequest) -> str:
    """Who explains.

    Raises:
        ApiError: 404, there is no such model; 400, it needs a picture or has labels of its own.
    """
    if asked.picture is None and asked.model in (None, OFFLINE):
        return OFFLINE
    model = analyzer.models.name(asked.model, asked.labels)
    if asked.picture is None:
        raise bad_request(
            f"{model} looks at the face: send its picture as a data URI.", "picture", "missing_image"
        )
    if asked.expression is not None:
        raise bad_request("With a picture the expression cannot be given.", "expression")
    return model


def _units(given: dict[str, float | None]) -> AUVector:
    try:
        return AUVector(given)
    except VocabularyError as error:
        raise bad_request(f"aus: {error.line}; see GET /v1/vocabulary", "aus") from None


def _expression(given: str | None, param: str, labels: int = 8) -> Expression | None:
    try:
        found = None if given is None else Expression.parse(given)
    except VocabularyError as error:
        raise bad_request(f"{param}: {error.line}", param) from None
    if found is not None and found not in label_set(labels):
        raise bad_request(f"{param}: {found.value} is none of the {labels} labels", param)
    return found
