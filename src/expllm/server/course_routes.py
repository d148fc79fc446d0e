"""`/v1/course`: what a browser measured of a camera, explained over time. No picture comes here."""

from itertools import pairwise

from fastapi import APIRouter, Request
from starlette.responses import Response

from expllm.server.analyzer import Analyzer
from expllm.server.http_errors import bad_request
from expllm.server.responses import ERRORS
from expllm.server.video_replies import CourseRequest, VideoReply
from expllm.video.analysis import VideoOptions
from expllm.video.recorded_readings import RecordedReading, analysis_of

_NAME = "camera"


def course_routes(analyzer: Analyzer) -> APIRouter:
    """The routes."""
    router, limits = APIRouter(), analyzer.config.limits

    @router.post(
        "/v1/course",
        summary="Explain over time what was measured of one person, such as in a browser: numbers alone",
        responses={**ERRORS, 200: {"model": VideoReply}},
    )
    async def course(request: Request, asked: CourseRequest) -> Response:
        recorded = _recorded(asked, limits.course_readings)
        found = await analyzer.compute(request, lambda: _explained(asked, recorded))
        return Response(found.to_json(), media_type="application/json")

    return router


def _recorded(asked: CourseRequest, most: int) -> list[RecordedReading]:
    """The readings of a request.

    Raises:
        ApiError: 400; they are too many, not in order, or do not fit their names.
    """
    given = asked.readings
    if len(given) > most:
        raise bad_request(f"readings: at most {most:,}", "readings")
    if any(later.time <= earlier.time for earlier, later in pairwise(given)):
        raise bad_request("readings: each must be later than the one before", "readings")
    if any(one.scores is not None and len(one.scores) != len(asked.names) for one in given):
        raise bad_request("readings: scores must be as many as names", "readings")
    return [
        RecordedReading(
            one.time,
            None if one.scores is None else dict(zip(asked.names, one.scores, strict=True)),
            one.box or (0.0, 0.0, 0.0, 0.0), one.pose,
        )
        for one in given
    ]  # fmt: skip


def _explained(asked: CourseRequest, recorded: list[RecordedReading]) -> VideoReply:
    options = VideoOptions(mirrored=asked.mirrored, labels=asked.labels)
    try:
        return VideoReply.of(_NAME, analysis_of(_NAME, asked.size, recorded, options))
    except KeyError as error:
        raise bad_request(f"names: {error.args[0]} is missing", "names") from None
