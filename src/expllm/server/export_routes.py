"""`/v1/export`: analyses in, the table or the page that `expllm analyze` writes of them out."""

import io
from contextlib import closing
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from expllm.files.images import ImageLimits, Picture, open_frames
from expllm.report.output_writers import writer_for
from expllm.server.analyzer import Analyzer
from expllm.server.chat_requests import picture_of
from expllm.server.responses import ERRORS, ExportedItem, ExportQuery, ExportRequest

_TYPES: Final = {"csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}
TEXT: Final = {"schema": {"type": "string"}}


def export_routes(analyzer: Analyzer) -> APIRouter:
    """The routes."""
    router, limits = APIRouter(), analyzer.config.limits

    @router.post(
        "/v1/export",
        summary="Write analyses as a table, or as a page that holds all it shows",
        responses={**ERRORS, 200: {"content": {"text/csv": TEXT, "text/html": TEXT}}},
        response_class=Response,
    )
    async def export(
        request: Request, query: Annotated[ExportQuery, Query()], asked: ExportRequest
    ) -> Response:
        text = await analyzer.compute(request, lambda: exported(asked.items, query, limits.image))
        disposition = {"Content-Disposition": f'attachment; filename="expllm.{query.format}"'}
        return Response(text, headers=disposition, media_type=_TYPES[query.format])

    return router


def exported(items: list[ExportedItem], query: ExportQuery, limits: ImageLimits) -> str:
    """The file.

    Raises:
        ApiError, ImageError: a picture is none.
    """
    file = io.StringIO()
    with writer_for(query.format, file, columns=query.columns, render=str) as writer:
        for item in items:
            writer.write(item.faces, _picture(item, limits) if query.format == "html" else None)
    return file.getvalue()


def _picture(item: ExportedItem, limits: ImageLimits) -> Picture | None:
    """The picture, as large as it was when its faces were found."""
    if item.picture is None:
        return None
    data, face = picture_of(item.picture, param="picture").data, item.faces[0]
    with closing(open_frames(data, name=face.input, limits=limits)) as frames:
        picture = next(iter(frames))
    if face.image_width and face.image_height:
        return replace(picture, full_size=(face.image_width, face.image_height))
    return picture
