"""`/v1/analyze` and `/v1/analyze/batch`: pictures in, analyses out."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from expllm.server.admission import AdmittedPlace
from expllm.server.analyzer import AnalysisOptions, AnalyzedPicture, Analyzer
from expllm.server.bodies import Upload, attended, read_uploads
from expllm.server.http_errors import bad_request, while_streaming
from expllm.server.responses import ERRORS, AnalysisReply, AnalyzeQuery, analysis_json, text_audit

_FILE: Final = {"type": "string", "format": "binary"}
_PICTURE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": _FILE},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"image": _FILE}, "required": ["image"]}
            },
        },
    }
}
_PICTURES: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "array", "items": _FILE}},
                    "required": ["image"],
                }
            }
        },
    }
}
NDJSON: Final = "application/x-ndjson"


def analysis_routes(analyzer: Analyzer) -> APIRouter:
    """The routes."""
    router, limits = APIRouter(), analyzer.config.limits

    @router.post(
        "/v1/analyze",
        summary="Explain the faces of a picture",
        responses={**ERRORS, 200: {"model": AnalysisReply}},
        openapi_extra=_PICTURE,
    )
    async def analyze(request: Request, query: Annotated[AnalyzeQuery, Query()]) -> Response:
        options, name = _options(analyzer, query)
        uploads = await read_uploads(request, 1)
        if len(uploads) > 1:
            raise bad_request("Send one picture, or several to /v1/analyze/batch.", "image")
        with analyzer.queue.enter() as place:
            work = analyzer.analyze(place, uploads[0], options)
            found = await attended(request, work, limits.work_s)
        return Response(_reply(name, found, query), media_type="application/json")

    @router.post(
        "/v1/analyze/batch",
        summary="Explain the faces of several pictures, one line each, in their order",
        responses={**ERRORS, 200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
        openapi_extra=_PICTURES,
        response_class=Response,
    )
    async def batch(request: Request, query: Annotated[AnalyzeQuery, Query()]) -> Response:
        options, name = _options(analyzer, query)
        uploads = await read_uploads(request, limits.batch_pictures)
        batch = BatchAnswer(
            analyzer, uploads, options, lambda found, number: _reply(name, found, query, number)
        )
        return BatchStream(batch, analyzer.queue.enter())

    return router


def _options(analyzer: Analyzer, query: AnalyzeQuery) -> tuple[AnalysisOptions, str]:
    """How a picture is to be analyzed, and who will explain it."""
    labels = None if query.labels is None else int(query.labels)
    options = AnalysisOptions(query.model, labels, query.explain, query.mirrored)
    return options, analyzer.models.name(options.model, options.labels)


def _reply(model: str, found: AnalyzedPicture, query: AnalyzeQuery, extra: str = "") -> str:
    audits = [text_audit(one) for one in found.analyses] if query.audit else None
    return analysis_json(
        model, found.analyses, found.warnings, landmarks=query.landmarks, audits=audits, extra=extra
    )


class BatchAnswer:
    """The pictures of one request, several of them under way, their lines in order."""

    def __init__(
        self,
        analyzer: Analyzer,
        uploads: list[Upload],
        options: AnalysisOptions,
        reply: Callable[[AnalyzedPicture, str], str],
    ) -> None:
        self._analyzer, self._uploads, self._options = analyzer, uploads, options
        self._reply = reply

    async def lines(self, first: AdmittedPlace) -> AsyncGenerator[str, None]:
        """One line of JSON for each picture.

        Args:
            first: The first picture's place; the others wait for theirs.
        """
        ahead = self._analyzer.config.workers + 1
        under_way: deque[asyncio.Task[str]] = deque()
        try:
            for index in range(len(self._uploads)):
                place = first if index == 0 else None
                under_way.append(asyncio.ensure_future(self._line(index, place)))
                if len(under_way) >= ahead:
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()

    async def _line(self, index: int, place: AdmittedPlace | None) -> str:
        upload, analyzer = self._uploads[index], self._analyzer
        number = f'"index":{index},"input":{json.dumps(upload.name)},'
        try:
            async with asyncio.timeout(analyzer.config.limits.work_s):
                with place or await analyzer.queue.wait() as held:
                    found = await analyzer.analyze(held, upload, self._options)
        except Exception as error:
            failure = while_streaming(error, analyzer.config.log)
            return f'{{"object":"error",{number}{json.dumps(failure.content)[1:]}\n'
        return self._reply(found, number) + "\n"


class BatchStream(StreamingResponse):
    """Lines as they are done. The first picture's place is given back whatever happens."""

    def __init__(self, batch: BatchAnswer, first: AdmittedPlace) -> None:
        super().__init__(batch.lines(first), media_type=NDJSON)
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._first:
            await super().__call__(scope, receive, send)
