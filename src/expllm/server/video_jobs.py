"""Videos that are analysed one after the other, in memory: nothing of them is ever on a disk."""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from expllm.core.errors import VideoError
from expllm.core.vocabulary import AUSource
from expllm.server.admission import AdmittedPlace, Queue
from expllm.server.bodies import Upload
from expllm.server.http_errors import ApiError, while_streaming
from expllm.server.server_config import ServerLimits
from expllm.server.video_parts import ToldStretches, VideoPart
from expllm.video.analysis import VideoAnalysis, VideoOptions
from expllm.video.clip import Clip, ClipInfo, VideoLimits
from expllm.video.stretches import StretchMeter

State = Literal["queued", "running", "done", "failed"]
NO_FRAME: Final = "there is no frame between start and stop"


def no_such_video() -> ApiError:
    """404."""
    return ApiError(404, "There is no such video: it may have been deleted.", "video_not_found")


class _Forgotten(Exception):  # noqa: N818 - no error
    """Somebody deleted the video while it was analysed."""


@dataclass(eq=False)
class VideoJob:
    """One video.

    Attributes:
        id: Nobody can guess it: who knows it may read and delete the job.
        name: What the client called the video.
        created: Unix time.
        duration: Seconds that the file claims; None where it does not.
        reached: Seconds of the video that were analysed.
        parts: What was measured so far.
        analysis: What came of it.
        failure: Why nothing came of it.
    """

    name: str
    options: VideoOptions
    data: bytes | None = field(repr=False)
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    created: int = field(default_factory=lambda: int(time.time()))
    state: State = "queued"
    duration: float | None = None
    reached: float = 0.0
    frames: int = 0
    parts: list[VideoPart] = field(default_factory=list, repr=False)
    analysis: VideoAnalysis | None = None
    failure: ApiError | None = None
    began: float = 0.0
    forgotten: threading.Event = field(default_factory=threading.Event, repr=False)
    future: "Future[None] | None" = field(default=None, repr=False)

    @property
    def progress(self) -> float | None:
        """Share that was analysed; None where the file does not say how long it is."""
        if self.state in ("done", "failed"):
            return 1.0
        start, stop = self.options.sampling.start, self.options.sampling.stop
        end = min(self.duration or stop or 0.0, stop or self.duration or 0.0)
        if end <= start:
            return None
        return round(min(max((self.reached - start) / (end - start), 0.0), 1.0), 4)

    @property
    def eta_s(self) -> float | None:
        """Seconds until it should be done, by the rate so far."""
        share = self.progress
        if self.state != "running" or not share:
            return None
        return round((time.monotonic() - self.began) * (1 - share) / share, 1)

    @property
    def finished(self) -> VideoAnalysis:
        """What came of it.

        Raises:
            ApiError: 409, it is not done yet; or why it failed.
        """
        if self.failure is not None:
            raise self.failure
        if self.analysis is None:
            raise ApiError(409, "The video is still analysed: ask for its state.", "not_ready")
        return self.analysis

    def watch(self, seconds: float, _: int) -> None:
        """Takes note of the progress; ends the analysis of a deleted video."""
        self.reached, self.frames = max(self.reached, seconds), self.frames + 1
        if self.forgotten.is_set():
            raise _Forgotten


class VideoJobs:
    """The videos of a server, for use on one event loop; a thread of their own analyses them.

    Args:
        limits: The server's.
        opening: Held while native models are opened.
        log: Takes the lines of the server's log.
        source: What action units are read from.

    Attributes:
        watchers: Clients that are told of videos as events.
    """

    def __init__(
        self, limits: ServerLimits, opening: threading.Lock, log: Callable[[str], object],
        source: AUSource = AUSource.BLENDSHAPES,
    ) -> None:  # fmt: skip
        self._limits, self._opening, self._log, self._source = limits, opening, log, source
        self._queue, self.watchers = Queue(1, limits.videos_waiting), 0
        self._jobs: dict[str, VideoJob] = {}
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="video")
        self._meters: dict[bool, StretchMeter] = {}
        self._video_limits = VideoLimits(limits.video_bytes, limits.video_side, limits.video_hours)

    @property
    def full(self) -> bool:
        """Whether no further video is taken."""
        return self._queue.full or len(self._jobs) >= self._limits.videos_kept

    def busy(self, headers: Mapping[str, str] | None = None) -> ApiError:
        """503, with the time to wait."""
        return self._queue.busy(headers)

    def enter(self) -> AdmittedPlace:
        """A place for one more video.

        Raises:
            ApiError: 503; there is none.
        """
        if self.full:
            raise self.busy()
        return self._queue.enter()

    def check(self, upload: Upload) -> ClipInfo:
        """What a file says of its video; takes milliseconds.

        Raises:
            VideoError: it is none, or too large.
        """
        with Clip(upload.data, name=upload.name, limits=self._video_limits) as clip:
            return clip.info

    def begin(self, place: AdmittedPlace, upload: Upload, options: VideoOptions) -> VideoJob:
        """Has a video analysed.

        Args:
            place: Of `enter`; it is given back when the video is through.
            upload: Its file.
        """
        job = VideoJob(upload.name, replace(options, au_source=self._source), upload.data)
        self._jobs[job.id] = job
        loop = asyncio.get_running_loop()

        def ended(_: object) -> None:
            with suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(self._ended, job, place)

        job.future = self._executor.submit(place.begun(lambda: self._work(job)))
        place.hold(job.future)
        job.future.add_done_callback(ended)
        return job

    def job(self, number: str) -> VideoJob:
        """A video by its id.

        Raises:
            ApiError: 404; there is none, or it was deleted.
        """
        found = self._jobs.get(number)
        if found is None:
            raise no_such_video()
        return found

    def forget(self, number: str) -> None:
        """Deletes a video and all that came of it; its analysis ends with the next frame."""
        job = self._jobs.pop(number, None)
        if job is None:
            return
        job.forgotten.set()
        if job.future is not None:
            job.future.cancel()
        job.data = job.analysis = None
        job.parts.clear()

    def close(self) -> None:
        """Forgets everything and waits for the thread."""
        for number in list(self._jobs):
            self.forget(number)
        self._executor.shutdown(wait=True, cancel_futures=True)
        for meter in self._meters.values():
            meter.close()

    def _ended(self, job: VideoJob, place: AdmittedPlace) -> None:
        place.leave()
        if job.id in self._jobs:
            asyncio.get_running_loop().call_later(self._limits.video_keep_s, self.forget, job.id)

    def _work(self, job: VideoJob) -> None:
        """On the thread: from the file to what came of it, or to why nothing did."""
        data, job.data = job.data, None
        if data is None or job.forgotten.is_set():
            return
        job.state, job.began = "running", time.monotonic()
        try:
            analysis = self._analysed(job, data)
        except _Forgotten:
            return
        except Exception as error:
            job.failure, job.state = while_streaming(error, self._log), "failed"
        else:
            job.analysis = None if job.forgotten.is_set() else analysis
            job.state = "done"

    def _analysed(self, job: VideoJob, data: bytes) -> VideoAnalysis:
        store = ToldStretches(lambda stretch: job.parts.append(VideoPart.of(job.name, stretch)))
        options = job.options
        with Clip(data, name=job.name, limits=self._video_limits) as clip:
            job.duration = clip.info.duration
            self._meter(options.mirrored).measure(clip, store, options.sampling, watch=job.watch)
            if not store.done():
                raise VideoError(f"{job.name}: {NO_FRAME}")
            return VideoAnalysis(store, clip.info, options)

    def _meter(self, mirrored: bool) -> StretchMeter:
        if mirrored not in self._meters:
            with self._opening:  # two that open at once would silence each other
                self._meters[mirrored] = StretchMeter(mirrored=mirrored, source=self._source)
        return self._meters[mirrored]
