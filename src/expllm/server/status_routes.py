"""`/v1/models`, `/v1/vocabulary` and the page that describes the endpoints."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from expllm.server.analyzer import Analyzer
from expllm.server.reference import reference_page
from expllm.server.responses import ERRORS, ListedModel, ModelList
from expllm.server.unit_list import Vocabulary, vocabulary

PAGE_POLICY: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
}


def status_routes(analyzer: Analyzer) -> APIRouter:
    """The routes."""
    router, models = APIRouter(), analyzer.models

    @router.get("/v1/models", summary="The models that answer", responses=ERRORS)
    async def list_models() -> ModelList:
        return ModelList(data=[ListedModel(id=name, created=models.created) for name in models.names])

    @router.get("/v1/models/{model:path}", summary="One model", responses=ERRORS)
    async def one_model(model: str) -> ListedModel:
        models.check(model)
        return ListedModel(id=model, created=models.created)

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        schema: dict[str, Any] = request.app.openapi()
        return HTMLResponse(reference_page(schema), headers=PAGE_POLICY)

    @router.get(
        "/v1/vocabulary", summary="The action units and expressions that answers speak of", responses=ERRORS
    )
    async def words() -> Vocabulary:
        return vocabulary(analyzer.config.au_source)

    return router
