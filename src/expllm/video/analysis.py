"""The door: a video in; people, events, episodes and a row a face and frame out.

Measuring comes first and is kept stretch by stretch, so that an analysis can be resumed; everything else is
derived from that within seconds, and may be derived again with another baseline.
"""

import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expllm.core.closing import Closing
from expllm.core.errors import UsageError, VideoError
from expllm.core.vocabulary import AUSource, AUVector
from expllm.faces.au_classifier import AUClassifier
from expllm.video.clip import Clip, ClipInfo, Sampling
from expllm.video.courses import Course, Rest, courses_of
from expllm.video.damage import Damage
from expllm.video.episodes import episodes_of, vector_of
from expllm.video.events import Episode, Event
from expllm.video.persons import Joiner, Person, frame_counts, most_seen
from expllm.video.readings import Doubt
from expllm.video.story import WRITER, peaks_of, write_story
from expllm.video.stretch_store import Stretches, StretchFace, StretchFolder
from expllm.video.stretches import StretchMeter, StretchShare, Watcher

if TYPE_CHECKING:
    import os

_UNMEASURED: Final = (
    "Faces that no landmarks fitted, or of too few pixels, were seen {count} times in {searches} searches of "
    "whole frames: they have no rows."
)


@dataclass(frozen=True)
class VideoOptions:
    """How a video is analysed.

    Attributes:
        sampling: Which frames are looked at.
        stream: Which video stream of the file, from 0.
        mirrored: The video is a mirror image: swap left and right.
        rest: How resting values are found.
        people: Keep only so many people, those seen in the most frames.
        names: Of people, by number from 0.
        labels: Tell 7 or 8 expressions apart.
        explain: Write a text about each episode.
        exclude: Spans in seconds that keep their rows, marked `excluded`, and count for nothing.
        au_source: What action units are read from.
    """

    sampling: Sampling = field(default_factory=Sampling)
    stream: int = 0
    mirrored: bool = False
    rest: Rest = field(default_factory=Rest)
    people: int | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    labels: int = 8
    explain: bool = True
    exclude: tuple[tuple[float, float], ...] = ()
    au_source: AUSource = AUSource.BLENDSHAPES

    @property
    def classifier(self) -> AUClassifier:
        """What names expressions from units of this source."""
        return AUClassifier.from_asset(self.labels, self.au_source)

    def measuring(self) -> dict[str, Any]:
        """What the measuring depends on: a run is not resumed with anything else."""
        return {
            "fps": self.sampling.fps, "every": self.sampling.every, "from": self.sampling.start,
            "to": self.sampling.stop, "stream": self.stream, "mirrored": self.mirrored,
        }  # fmt: skip


@dataclass(frozen=True)
class VideoRow:
    """One face of one frame; or a frame without a measured face, which has no person.

    Attributes:
        frame: Number of the frame in the file, from 0.
        time: When it is shown, in seconds.
        person: Name of the person; None without a face, or where somebody is seen too shortly to have one.
        box: x, y, width, height in pixels of the upright frame.
        score: The detector's confidence, 0-1; None where it did not look.
        pose: Pitch, yaw, roll in degrees, signs as in `HeadPose`.
        aus: As measured; in blinks the eyes only. None without a face.
        change: The same above rest and smoothed over time.
        reliable: Nothing speaks against the reading.
        unreliable_because: What does.
    """

    frame: int
    time: float
    person: str | None = None
    box: tuple[float, float, float, float] | None = None
    score: float | None = None
    pose: tuple[float, float, float] | None = None
    aus: AUVector | None = None
    change: AUVector | None = None
    reliable: bool | None = None
    unreliable_because: str = ""


class VideoAnalysis:
    """What is known of a video that was measured. Iterating gives its rows, a frame after the other.

    Memory holds the readings of one stretch and the curves of all people: 20 MB an hour and person.

    Args:
        folder: With the stretches of the video.
        info: Of the file.
        options: How to derive people, events and episodes.
    """

    def __init__(self, folder: Stretches, info: ClipInfo, options: VideoOptions) -> None:
        self._folder = folder
        self.info = info
        self.options = options
        pieces = people_of(folder, options.people)
        self._pieces = pieces
        self.courses: list[Course] = courses_of(
            folder.all(), pieces, options.rest, options.names, options.exclude
        )
        self.events: list[Event] = sorted(
            (event for course in self.courses for event in course.events()),
            key=lambda one: (one.onset, one.person, one.unit),
        )
        self.damage, self.frames, self.size, self.span, self.warnings = self._looked_over()
        self.episodes: list[Episode] = episodes_of(self.courses, self.events, options.classifier)
        if options.explain:
            self.episodes = [self._told(episode) for episode in self.episodes]

    @property
    def people(self) -> list[Person]:
        return [course.person for course in self.courses]

    def __iter__(self) -> Iterator[VideoRow]:
        """The rows: one a face and frame, and one for every frame without a face."""
        course_of = {piece: self.courses[number] for piece, number in self._pieces.items()}
        reached = {course.person.name: 0 for course in self.courses}
        for stretch in self._folder.all():
            first = 0
            for i, (number, time) in enumerate(
                zip(stretch.number.tolist(), stretch.time.tolist(), strict=True)
            ):
                rows = []
                while first < len(stretch.frame) and stretch.frame[first] == i:
                    course = course_of.get((stretch.index, int(stretch.track[first])))
                    if course is None:
                        rows.append(_unnamed_row(stretch, first, number, time))
                    else:
                        rows.append(_row(course, reached[course.person.name]))
                        reached[course.person.name] += 1
                    first += 1
                yield from sorted(rows, key=_by_person) or [VideoRow(number, time)]

    def course_of(self, episode: Episode) -> Course:
        """The course of the person of an episode."""
        return next(course for course in self.courses if course.person.name == episode.person)

    def _told(self, episode: Episode) -> Episode:
        """An episode with its text by rules."""
        cot = write_story(episode, peaks_of(self.course_of(episode), episode))
        return episode if cot is None else episode.model_copy(update={"cot": cot, "writer": WRITER})

    def _looked_over(self) -> tuple[list[Damage], int, tuple[int, int], tuple[float, float], list[str]]:
        """Damage, number of frames, size of the upright frames, first and last time, and warnings."""
        damage: list[Damage] = []
        frames = unfitted = searched = 0
        size = (0, 0)
        times: list[float] = []
        for stretch in self._folder.all():
            damage += stretch.damage
            frames += len(stretch.number)
            unfitted += stretch.notes["unfitted"]
            searched += stretch.notes["searched"]
            size = max(size, tuple(stretch.notes["size"]))
            times = [*times[:1], *stretch.time[[0, -1]].tolist()]
        warnings = [warning for course in self.courses for warning in course.warnings]
        if unfitted:
            warnings.append(_UNMEASURED.format(count=unfitted, searches=searched))
        damage.sort(key=lambda one: one.time or 0.0)
        return damage, frames, size, (times[0], times[-1]), warnings


def people_of(folder: Stretches, most: int | None) -> dict[StretchFace, int]:
    """Number of the person of each track; found out once, and kept beside the stretches without shapes.

    Args:
        most: Only so many, those seen in the most frames.
    """
    people = folder.people()
    if people is None:
        joiner = Joiner()
        for stretch in folder.all():
            joiner.add(stretch)
        people = joiner.people()
        folder.keep_people(people)
    folder.forget_shapes()
    return people if most is None else most_seen(people, frame_counts(folder.all()), most)


def measure_video(
    clip: Clip, folder: Stretches, options: VideoOptions, meter: StretchMeter,
    share: StretchShare | None = None, watch: Watcher = lambda *_: None,
) -> None:  # fmt: skip
    """Measures what of a video is not measured yet."""
    meter.measure(clip, folder, options.sampling, share, watch)


class TemporaryAnalysis(VideoAnalysis, Closing):
    """A `VideoAnalysis` whose measurements go away with it."""

    def __init__(self, path: Path, info: ClipInfo, options: VideoOptions) -> None:
        self._path = path
        super().__init__(StretchFolder(path), info, options)

    def close(self) -> None:
        """Deletes the measurements."""
        shutil.rmtree(self._path, ignore_errors=True)

    def __del__(self) -> None:
        self.close()


def analyze_video(
    source: "str | os.PathLike[str] | bytes", *, name: str | None = None, fps: float | None = None,
    every: int = 1, start: float = 0.0, stop: float | None = None, mirrored: bool = False,
    neutral: tuple[float, float] | None = None, baseline: bool = True, people: int | None = None,
    labels: int = 8, explain: bool = True, exclude: Sequence[tuple[float, float]] = (),
    au_source: AUSource | str = AUSource.BLENDSHAPES, licence: str | None = None,
    watch: Watcher = lambda *_: None,
) -> TemporaryAnalysis:  # fmt: skip
    """Follows every face through a video: people, events, episodes with their texts, and rows.

    >>> analysis = expllm.analyze_video("clip.mp4")     # doctest: +SKIP
    >>> for row in analysis:                            # doctest: +SKIP
    ...     print(row.time, row.person, row.aus)

    Args:
        source: A path, or the bytes of a file.
        name: How to call it.
        fps, every: Look at so many frames a second, or at every so many-th.
        start, stop: From and to, in seconds.
        mirrored: The video is a mirror image: swap left and right.
        neutral: From and to in seconds: the faces are at rest there.
        baseline: Take resting values off the events.
        people: Keep only so many people.
        labels: Tell 7 or 8 expressions apart.
        explain: Write a text about each episode.
        exclude: Spans in seconds that keep their rows, marked `excluded`, and count for nothing.
        au_source: Read action units from `blendshapes`, `pixels` or `both`.
        licence: `permissive` refuses to read pixels: the network's weights are for research only.
        watch: Is told the time that is reached, and the number of faces.

    Raises:
        VideoError: the video cannot be read.
        UsageError: an argument makes no sense, or the licence forbids a source.
        MissingDependency: a package is missing.
    """
    _check(people, exclude)
    options = VideoOptions(
        Sampling(fps, every, start, stop), mirrored=mirrored, rest=Rest(baseline, neutral), people=people,
        labels=labels, explain=explain, exclude=tuple(exclude), au_source=AUSource(au_source),
    )  # fmt: skip
    path = Path(tempfile.mkdtemp(prefix="expllm-video-"))
    try:
        meter = StretchMeter(mirrored=mirrored, source=options.au_source, licence=licence)
        with meter, Clip(source, name=name) as clip:
            measure_video(clip, StretchFolder(path), options, meter, watch=watch)
            return TemporaryAnalysis(path, clip.info, options)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _check(people: int | None, exclude: Sequence[tuple[float, float]]) -> None:
    """Refuses arguments that make no sense."""
    if people is not None and people < 1:
        raise UsageError(f"people is {people}: it must be at least 1")
    for span in exclude:
        if span[1] <= span[0]:
            raise UsageError(f"exclude: {span[0]:g} to {span[1]:g} ends before it begins")


def check_measured(folder: Stretches, name: str) -> None:
    """Sees to it that something was measured.

    Raises:
        VideoError: there is no frame in the chosen stretch of the video.
    """
    if not folder.done():
        raise VideoError(f"{name}: there is no frame between --from and --to")


def _by_person(row: VideoRow) -> tuple[bool, int, str]:
    name = row.person or ""
    return row.person is None, len(name), name


def _row(course: Course, i: int) -> VideoRow:
    doubt = Doubt(int(course.doubt[i]))
    score = float(course.score[i])
    return VideoRow(
        int(course.number[i]), float(course.time[i]), course.person.name, _floats(course.box[i], 1),
        _known(score), _angles(course.pose[i]), vector_of(course.units[i]),
        vector_of(course.change[i]), bool(course.reliable_rows[i]), doubt.words,
    )  # fmt: skip


def _unnamed_row(stretch: Any, i: int, number: int, time: float) -> VideoRow:
    """A face that was seen too shortly to be anybody."""
    score = float(stretch.score[i])
    return VideoRow(
        number, time, None, _floats(stretch.box[i], 1), _known(score),
        _angles(stretch.pose[i]), vector_of(stretch.units[i]), None, False, "short",
    )  # fmt: skip


def _known(score: float) -> float | None:
    return None if math.isnan(score) else round(score, 4)


def _floats(values: Any, decimals: int) -> tuple[float, float, float, float]:
    x, y, width, height = (round(float(value), decimals) for value in values)
    return x, y, width, height


def _angles(values: Any) -> tuple[float, float, float]:
    pitch, yaw, roll = (round(float(value), 1) for value in values)
    return pitch, yaw, roll
