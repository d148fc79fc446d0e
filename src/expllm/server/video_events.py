"""`/v1/video/{id}/events`: a video is watched while it is analysed, as server-sent events.

`progress` (a `VideoState`), `part` (a `VideoPart`, with its number as id), and at the end `done` or `failed`
(a `VideoState`). A client that lost its connection sends the last id, and is told the parts behind it.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from starlette.responses import StreamingResponse

from expllm.core.records import Record
from expllm.server.analyzer import Analyzer
from expllm.server.http_errors import ApiError, server_ending
from expllm.server.responses import ErrorContent
from expllm.server.video_jobs import VideoJob, VideoJobs, no_such_video
from expllm.server.video_replies import VideoState

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

EVENT_STREAM: Final = "text/event-stream"
LAST: Final = "end"
"""Id of the last event: who sends it back has been told everything."""
_HEADERS: Final = {"X-Accel-Buffering": "no"}
"""nginx would keep events back until it has some kilobytes of them."""
_RETRY: Final = "retry: 2000\n\n"
_QUIET: Final = ":\n\n"


class VideoWatch:
    """What one client is told of a video.

    Args:
        job: The video.
        last_id: Of the last event that the client knows; anything else than an id of ours begins anew.
    """

    def __init__(self, analyzer: Analyzer, job: VideoJob, last_id: str) -> None:
        self._analyzer, self._job = analyzer, job
        self._told = int(last_id) if last_id.isascii() and last_id.isdecimal() and len(last_id) < 10 else 0

    async def events(self) -> AsyncGenerator[str, None]:
        """The events; they end with the video, or with the server."""
        limits, before, quiet = self._analyzer.config.limits, None, 0.0
        yield _RETRY
        while True:
            state = self._state  # before the parts: a video that is done has them all
            while self._told < len(self._job.parts):
                part = self._job.parts[self._told]
                self._told += 1
                yield _event("part", part, str(self._told))
            if state.state in ("done", "failed"):
                yield _event(state.state, state, LAST)
                return
            if state != before:
                yield _event("progress", state)
                before, quiet = state, 0.0
            elif quiet >= limits.quiet_s:
                yield _QUIET
                quiet = 0.0
            await asyncio.sleep(limits.event_s)
            quiet += limits.event_s

    @property
    def _state(self) -> VideoState:
        """How far the video is; failed where nothing will come of it any more."""
        state = VideoState.of(self._job)
        if self._job.forgotten.is_set():
            return _ended(state, no_such_video())
        if self._analyzer.draining and state.state not in ("done", "failed"):
            return _ended(state, server_ending())
        return state


def _ended(state: VideoState, why: ApiError) -> VideoState:
    error = ErrorContent(**why.content["error"])
    return state.model_copy(update={"state": "failed", "error": error, "files": ()})


def _event(kind: str, content: Record, number: str | None = None) -> str:
    identity = "" if number is None else f"id: {number}\n"
    return f"event: {kind}\n{identity}data: {content.to_json()}\n\n"


class WatchStream(StreamingResponse):
    """The events, counted while they run."""

    def __init__(self, watch: VideoWatch, jobs: VideoJobs) -> None:
        super().__init__(watch.events(), headers=_HEADERS, media_type=EVENT_STREAM)
        self._jobs = jobs

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        self._jobs.watchers += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._jobs.watchers -= 1
