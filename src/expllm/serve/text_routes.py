"""`/v1/explain` and `/v1/audit`: action units and texts, no picture."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from expllm.cot.offline import write_cot
from expllm.errors import VocabularyError
from expllm.explainers.rules import RuleExplainer
from expllm.faces import AUVector, Expression
from expllm.grounding import audit
from expllm.serve.analyzer import Analyzer
from expllm.serve.bodies import attended
from expllm.serve.errors import bad_request
from expllm.serve.replies import ERRORS, AuditReply, AuditRequest, ExplainReply, ExplainRequest
from expllm.shipped import OFFLINE

TOO_LITTLE = "Too little was measured to name an expression."


def text_routes(analyzer: Analyzer) -> APIRouter:
    """The routes."""
    router, limits = APIRouter(), analyzer.config.limits

    @router.post(
        "/v1/explain",
        summary="Explain action units, by rules",
        responses={**ERRORS, 200: {"model": ExplainReply}},
    )
    async def explain(request: Request, asked: ExplainRequest) -> Response:
        aus, expression = _units(asked.aus), _expression(asked.expression, "expression")
        with analyzer.queue.enter() as place:
            work = analyzer.run(place, lambda: explained(aus, expression, asked.labels or 8))
            found = await attended(request, work, limits.work_s)
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
        with analyzer.queue.enter() as place:
            work = analyzer.run(place, lambda: audit(asked.text, aus, label).to_dict())
            found: dict[str, Any] = await attended(request, work, limits.work_s)
        return Response(AuditReply(**found).model_dump_json(), media_type="application/json")

    return router


def explained(aus: AUVector, expression: Expression | None, labels: int) -> ExplainReply:
    """What action units show, by rules.

    Args:
        expression: The one to explain; the most probable if None.
        labels: 7 or 8 expressions.
    """
    said = RuleExplainer(labels).of(aus)
    cot = said.cot
    if expression is not None and said.probabilities is not None:
        cot = write_cot(aus, expression, dict(said.probabilities))
    claims = () if cot is None else audit(cot, aus).to_dict()["claims"]
    return ExplainReply(
        model=OFFLINE,
        expression=said.expression,
        probabilities=None if said.probabilities is None else dict(said.probabilities),
        cot=cot,
        text=None if cot is None else cot.text,
        claims=tuple(claims),
        warnings=(TOO_LITTLE,) if said.expression is None else (),
    )


def _units(given: dict[str, float | None]) -> AUVector:
    try:
        return AUVector(given)
    except VocabularyError as error:
        raise bad_request(f"aus: {error.line}", "aus") from None


def _expression(given: str | None, param: str) -> Expression | None:
    try:
        return None if given is None else Expression.parse(given)
    except VocabularyError as error:
        raise bad_request(f"{param}: {error.line}", param) from None
