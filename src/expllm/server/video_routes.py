"""`/v1/video`: a video is sent, analysed meanwhile, asked for, and deleted."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from expllm.server.analyzer import Analyzer
from expllm.server.bodies import VIDEO_UPLOAD, read_uploads
from expllm.server.http_errors import ApiError
from expllm.server.responses import ERRORS, ErrorReply
from expllm.server.video_events import EVENT_STREAM, LAST, VideoWatch, WatchStream
from expllm.server.video_jobs import VideoJobs
from expllm.server.video_replies import VideoQuery, VideoReply, VideoState
from expllm.video.video_files import FILES

VIDEO_PATH: Final = "/v1/video"
_FILE: Final = {"type": "string", "format": "binary"}
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "video/*": {"schema": _FILE},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"video": _FILE}, "required": ["video"]}
            },
        },
    }
}
NOT_READY: Final[dict[int | str, dict[str, Any]]] = {
    409: {"model": ErrorReply, "description": "The video is still analysed."}
}

WATCHED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events: `progress`, `part`, and at the end `done` or `failed`.",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    },
    204: {"description": "The client was told the end before."},
}


def video_routes(analyzer: Analyzer, jobs: VideoJobs) -> APIRouter:
    """The routes, of a server that takes videos."""
    router = APIRouter()
    _add_jobs(router, analyzer, jobs)
    _add_events(router, analyzer, jobs)
    _add_results(router, analyzer, jobs)
    return router


def _add_jobs(router: APIRouter, analyzer: Analyzer, jobs: VideoJobs) -> None:
    """To begin, watch and delete."""

    @router.post(
        VIDEO_PATH,
        status_code=202,
        summary="Have a video analysed: what moves when, and explanations over time",
        responses=ERRORS,
        openapi_extra=BODY,
    )
    async def begin(request: Request, query: Annotated[VideoQuery, Query()]) -> VideoState:
        options = query.options
        (upload,) = await read_uploads(request, 1, VIDEO_UPLOAD)
        place = jobs.enter()
        try:
            await analyzer.compute(request, lambda: jobs.check(upload))
        except BaseException:
            place.leave()
            raise
        return VideoState.of(jobs.begin(place, upload, options))

    @router.get(VIDEO_PATH + "/{number}", summary="How far a video is", responses=ERRORS)
    async def state(number: str) -> VideoState:
        return VideoState.of(jobs.job(number))

    @router.delete(
        VIDEO_PATH + "/{number}",
        status_code=204,
        summary="Forget a video and all that came of it",
        responses=ERRORS,
    )
    async def delete(number: str) -> Response:
        jobs.job(number)
        jobs.forget(number)
        return Response(status_code=204)


def _add_events(router: APIRouter, analyzer: Analyzer, jobs: VideoJobs) -> None:
    """To watch without asking again and again."""

    @router.get(
        VIDEO_PATH + "/{number}/events",
        summary="Watch a video while it is analysed, as server-sent events",
        responses={**ERRORS, **WATCHED},
        response_class=Response,
    )
    async def events(number: str, last_event_id: Annotated[str, Header()] = "") -> Response:
        job = jobs.job(number)
        if last_event_id == LAST and job.state in ("done", "failed"):
            return Response(status_code=204)  # tells a browser not to come back
        if jobs.watchers >= analyzer.config.limits.video_streams:
            raise jobs.busy()
        return WatchStream(VideoWatch(analyzer, job, last_event_id), jobs)


def _add_results(router: APIRouter, analyzer: Analyzer, jobs: VideoJobs) -> None:
    """What came of a video."""

    @router.get(
        VIDEO_PATH + "/{number}/result",
        summary="People, events, episodes and audited texts of a video",
        responses={**ERRORS, **NOT_READY, 200: {"model": VideoReply}},
    )
    async def result(request: Request, number: str) -> Response:
        job = jobs.job(number)
        analysis = job.finished
        found = await analyzer.compute(request, lambda: VideoReply.of(job.name, analysis).to_json())
        return Response(found, media_type="application/json")

    @router.get(
        VIDEO_PATH + "/{number}/files/{name}",
        summary="A file of a video, as 'expllm video' writes it",
        responses={**ERRORS, **NOT_READY},
        response_class=Response,
    )
    async def file(request: Request, number: str, name: str) -> Response:
        job = jobs.job(number)
        if name not in FILES:
            raise ApiError(404, f"There is no such file: use one of {', '.join(FILES)}.", "not_found")
        analysis, (kind, make) = job.finished, FILES[name]
        data = await analyzer.compute(request, lambda: make(job.name, analysis))
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(data, headers=headers, media_type=kind)
