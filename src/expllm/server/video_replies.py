"""What goes in and out of `/v1/video` and `/v1/course`, as records."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from expllm.core.records import Record
from expllm.report.audit_html import audit_summary
from expllm.server.http_errors import bad_request
from expllm.server.responses import ErrorContent, Intensity
from expllm.server.video_jobs import State, VideoJob
from expllm.video.analysis import VideoAnalysis, VideoOptions
from expllm.video.clip import Sampling
from expllm.video.courses import Rest
from expllm.video.damage import damage_lines
from expllm.video.events import Episode, Event
from expllm.video.story import WRITER, audit_story, peaks_of
from expllm.video.timecode import parse_span, parse_spans
from expllm.video.video_files import FILES

_Pixels = Annotated[int, Field(ge=1, le=100_000)]
_Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
_Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class VideoQuery(BaseModel):
    """How a video is to be analysed."""

    model_config = ConfigDict(extra="forbid")

    labels: Literal["7", "8"] = Field("8", description="Expressions that the rules tell apart.")
    explain: bool = Field(True, description="False: labels and events only, no texts.")
    mirrored: bool = Field(False, description="The video is a mirror image: swap the sides.")
    fps: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | None = Field(
        None, description="Look at so many frames a second at most."
    )
    every: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1, description="Look at every so many-th frame; not together with fps."
    )
    start: _Seconds = Field(0.0, description="Begin at this second.")
    stop: _Seconds | None = Field(None, description="End before this second.")
    people: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="Keep so many people, those who are seen longest."
    )
    neutral: str | None = Field(None, description="FROM-TO: the faces are at rest there.", max_length=40)
    exclude: str | None = Field(
        None, description="FROM-TO,...: these seconds count for nothing.", max_length=4000
    )

    @property
    def options(self) -> VideoOptions:
        """The same for the analysis.

        Raises:
            ApiError: 400; it ends before it begins, or has both `fps` and `every`.
            UsageError: `neutral` or a part of `exclude` is no span.
        """
        if self.stop is not None and self.stop <= self.start:
            raise bad_request("stop must be later than start.", "stop")
        if self.fps is not None and self.every != 1:
            raise bad_request("Send either fps or every.", "every")
        rest = Rest(span=None if self.neutral is None else parse_span(self.neutral))
        return VideoOptions(
            Sampling(self.fps, self.every, self.start, self.stop), mirrored=self.mirrored, rest=rest,
            people=self.people, labels=int(self.labels), explain=self.explain,
            exclude=() if self.exclude is None else parse_spans(self.exclude),
        )  # fmt: skip


class VideoState(Record):
    """A video that was sent.

    Attributes:
        progress: Share that was analysed; null where the file does not say how long it is.
        eta_s: Seconds until it should be done.
        error: Why nothing came of it.
        files: Names under `/v1/video/{id}/files/`, once it is done.
    """

    object: Literal["video"] = "video"
    id: str
    name: str
    created: int
    state: State
    progress: float | None
    eta_s: float | None
    frames: int
    error: ErrorContent | None = None
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: VideoJob) -> "VideoState":
        """The state of a job."""
        error = None if job.failure is None else ErrorContent(**job.failure.content["error"])
        return cls(
            id=job.id, name=job.name, created=job.created, state=job.state, progress=job.progress,
            eta_s=job.eta_s, frames=job.frames, error=error,
            files=tuple(FILES) if job.state == "done" else (),
        )  # fmt: skip


class SeenPerson(Record):
    """Somebody who is seen: from when to when (seconds), and their median box in pixels."""

    name: str
    frames: int
    start: float
    end: float
    box: tuple[float, float, float, float]


class AuditedStory(Record):
    """The text of an episode with its claims about what moved (`claims`) and when (`times`)."""

    text: str
    claims: tuple[dict[str, Any], ...]
    unread: tuple[dict[str, Any], ...]
    times: tuple[dict[str, Any], ...]
    summary: str


class VideoReply(Record):
    """What moves when, and the explanations over time.

    Attributes:
        span: First and last time, in seconds.
        size: Width and height of the frames.
        audits: Of each episode's text; null where there is none.
        damage: What could not be decoded.
    """

    object: Literal["video.result"] = "video.result"
    name: str
    model: str
    span: tuple[float, float]
    frames: int
    size: tuple[int, int]
    people: tuple[SeenPerson, ...]
    events: tuple[Event, ...]
    episodes: tuple[Episode, ...]
    audits: tuple[AuditedStory | None, ...]
    warnings: tuple[str, ...]
    damage: tuple[str, ...]

    @classmethod
    def of(cls, name: str, analysis: VideoAnalysis) -> "VideoReply":
        """What came of a video."""
        return cls(
            name=name, model=WRITER, span=analysis.span, frames=analysis.frames, size=analysis.size,
            people=tuple(SeenPerson(**vars(person)) for person in analysis.people),
            events=tuple(analysis.events), episodes=tuple(analysis.episodes),
            audits=tuple(_audited(analysis, episode) for episode in analysis.episodes),
            warnings=tuple(analysis.warnings), damage=tuple(damage_lines(name, analysis.damage)),
        )  # fmt: skip


def _audited(analysis: VideoAnalysis, episode: Episode) -> AuditedStory | None:
    if episode.cot is None:
        return None
    text = episode.cot.text
    report, times = audit_story(text, episode, peaks_of(analysis.course_of(episode), episode))
    found = report.to_dict()
    return AuditedStory(
        text=text, claims=tuple(found["claims"]), unread=tuple(found["unread"]),
        times=tuple(one.to_dict() for one in times), summary=audit_summary(report),
    )  # fmt: skip


class CourseReading(BaseModel):
    """One measured picture of a camera."""

    model_config = ConfigDict(extra="forbid")

    time: _Seconds
    scores: list[Intensity] | None = Field(
        None, description="Of the blendshapes of `names`, in their order; null: there was no face."
    )
    box: tuple[_Number, _Number, _Number, _Number] | None = Field(
        None, description="x, y, width, height in pixels."
    )
    pose: tuple[_Number, _Number, _Number] | None = Field(None, description="Pitch, yaw, roll in degrees.")


class CourseRequest(BaseModel):
    """What a browser measured of one person: numbers alone."""

    model_config = ConfigDict(extra="forbid")

    names: list[str] = Field(description="MediaPipe's 52 blendshapes.", max_length=64)
    readings: list[CourseReading] = Field(min_length=1)
    size: tuple[_Pixels, _Pixels] = (640, 480)
    mirrored: StrictBool = False
    labels: Literal[7, 8] = 8
