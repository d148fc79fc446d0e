"""Stretches of ten seconds: measured one by one, each kept in a file of its own as soon as it is whole.

A stretch depends on the file and the settings alone, not on the stretches before it. So a run that was killed
goes on with the first stretch that has no file, and several processes share the work: each decodes the whole
video, which costs a sixteenth of measuring it, and measures its own stretches.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from expllm.core.closing import Closing
from expllm.core.vocabulary import AU_NAMES, AUSource
from expllm.files.signals import raise_pending
from expllm.video.clip import Clip, Frame, Sampling
from expllm.video.damage import Damage
from expllm.video.faceshape import FaceShape
from expllm.video.follower import Followed, Follower
from expllm.video.readings import FaceReading, UnitMeter
from expllm.video.stretch_store import Stretch, Stretches

if TYPE_CHECKING:
    pass

SECONDS: Final = 10.0
"""Length of a stretch: what is measured again at most after a run was killed."""


Sighting = tuple[float, float, float, float, float]
"""Seconds, and x, y, width, height in pixels."""

_AT_THE_ENDS: Final = 8
"""Sightings at the beginning and at the end of a track that say how it moved there."""


@dataclass
class StretchDraft:
    """A stretch that is being measured.

    Attributes:
        frames: Number, time, in order, cut of each: see `Stretch`.
        faces: Each with the row of its frame.
        seen: When and where each track was, also in frames that are not measured.
        passed: How many of these were followed.
        cut: A new take began in one of them; the next frame that is measured says so.
    """

    index: int
    frames: list[tuple[int, float, bool, bool]] = field(default_factory=list)
    faces: list[tuple[int, FaceReading]] = field(default_factory=list)
    shapes: dict[int, FaceShape] = field(default_factory=dict)
    seen: dict[int, list[Sighting]] = field(default_factory=dict)
    passed: int = 0
    cut: bool = False
    unfitted: int = 0
    searched: int = 0
    size: tuple[int, int] = (0, 0)

    def know(self, faces: Sequence[Followed], time: float) -> None:
        """Takes note of the shapes and places of faces."""
        for one in faces:
            self.seen.setdefault(one.track, []).append((time, *one.face.box))
            known = self.shapes.get(one.track)
            self.shapes[one.track] = one.shape if known is None else known.blended(one.shape)

    def finished(self, damage: Sequence[Damage]) -> Stretch:
        """The stretch, whole."""
        import numpy as np

        frames = list(zip(*self.frames, strict=True)) or [(), (), (), ()]
        readings = [reading for _, reading in self.faces]
        shapes = [self.shapes[track].values for track in range(len(self.shapes))]
        notes: dict[str, Any] = {
            "size": self.size, "unfitted": self.unfitted, "searched": self.searched,
            "damage": [asdict(one) for one in damage],
        }  # fmt: skip
        if self.passed:  # else the rows of the faces say the same
            notes["seen"] = [_ends(self.seen[track]) for track in range(len(self.shapes))]
        return Stretch(
            self.index,
            np.array(frames[0], np.int64), np.array(frames[1], np.float64),
            np.array(frames[2], np.bool_), np.array(frames[3], np.bool_),
            np.array([row for row, _ in self.faces], np.int32),
            np.array([one.track for one in readings], np.int32),
            np.array([one.box for one in readings], np.float32).reshape(-1, 4),
            np.array([one.score for one in readings], np.float32),
            np.array([one.pose for one in readings], np.float32).reshape(-1, 3),
            np.array([one.units for one in readings], np.float32).reshape(-1, len(AU_NAMES)),
            np.array([one.doubt for one in readings], np.int32),
            np.array(shapes, np.float32).reshape(-1, 20),
            notes,
        )  # fmt: skip


def _ends(sightings: Sequence[Sighting]) -> dict[str, Any]:
    """How often a track was seen, and where first and last."""
    rounded = [tuple(round(float(value), 3) for value in one) for one in sightings]
    return {"times": len(rounded), "first": rounded[:_AT_THE_ENDS], "last": rounded[-_AT_THE_ENDS:]}


@dataclass(frozen=True)
class StretchShare:
    """Which stretches a process measures: of every `of` the one with the number `mine`."""

    mine: int = 0
    of: int = 1


Watcher = Callable[[float, int], None]
"""Is told the time that is reached, in seconds, and how many faces the frame has."""


class StretchMeter(Closing):
    """Measures the stretches of videos. Not for two threads at once; close it (or use `with`).

    Args:
        mirrored: The videos are mirror images: swap left and right.
        source: What action units are read from.
        licence: `permissive` refuses to read pixels.
        landmarker: Path of `face_landmarker.task`; found by itself when None.

    Raises:
        UsageError: pixels are to be read, and only permissive weights are allowed.
    """

    def __init__(
        self, *, mirrored: bool = False, source: AUSource | str = AUSource.BLENDSHAPES,
        licence: str | None = None, landmarker: str | None = None,
    ) -> None:  # fmt: skip
        self._meter = UnitMeter(mirrored=mirrored, source=source, licence=licence)
        self._follower = Follower(landmarker)
        self.au_reader = self._meter.identity
        self.detector = self._follower.detector_name

    def measure(
        self, clip: Clip, folder: Stretches, sampling: Sampling, share: StretchShare | None = None,
        watch: Watcher = lambda *_: None,
    ) -> None:  # fmt: skip
        """Measures what of a video has no file yet, and writes it.

        Raises:
            VideoError: nothing of it can be decoded.
            OutputError: a stretch cannot be written.
        """
        share = share or StretchShare()
        done = folder.done()
        draft: StretchDraft | None = None
        told = 0
        latest = sampling.start
        for frame in clip.frames(sampling, between=True):
            if not frame.wanted:
                self._pass(draft, frame, done, share, clip.name)
                continue
            raise_pending()
            latest = max(latest, frame.time)
            index = int((latest - sampling.start) / SECONDS)
            if draft is None or index != draft.index:
                told = self._finish(draft, clip, folder, done, told, share)
                draft = StretchDraft(index)
                self._follower.begin()
            if index % share.of == share.mine and index not in done:
                self._take(draft, frame, latest, clip.name)
                watch(frame.time, sum(row == len(draft.frames) - 1 for row, _ in draft.faces[-32:]))
            else:
                watch(frame.time, 0)
        self._finish(draft, clip, folder, done, told, share)

    def close(self) -> None:
        """Frees the native models."""
        self._follower.close()

    def _pass(
        self, draft: StretchDraft | None, frame: Frame, done: set[int], share: StretchShare, name: str
    ) -> None:
        """Follows people through a frame that is not measured, where they would be mixed up without it."""
        if draft is None or draft.index in done or draft.index % share.of != share.mine:
            return
        if frame.in_order and self._follower.needs(frame.time):
            found = self._follower.follow(frame.pixels(), frame.time, name)
            draft.know(found.faces, frame.time)
            draft.passed += 1
            draft.cut |= found.cut

    def _take(self, draft: StretchDraft, frame: Frame, latest: float, name: str) -> None:
        """Measures one frame."""
        pixels = frame.pixels()
        found = self._follower.follow(pixels, latest, name)
        draft.size = pixels.shape[1], pixels.shape[0]
        draft.unfitted += found.unfitted
        draft.searched += found.searched
        row = len(draft.frames)
        draft.frames.append((frame.number, frame.time, frame.in_order, found.cut or draft.cut))
        draft.cut = False
        draft.faces += [(row, reading) for reading in self._meter.read(pixels, found.faces)]
        draft.know(found.faces, latest)

    def _finish(
        self,
        draft: StretchDraft | None,
        clip: Clip,
        folder: Stretches,
        done: set[int],
        told: int,
        share: StretchShare,
    ) -> int:
        """Writes a stretch, if it was this process's, with the damage since the last one; gives its end."""
        if draft is None:
            return told
        if draft.index % share.of == share.mine and draft.index not in done:
            folder.write(draft.finished(clip.damage[told:]))
        return len(clip.damage)
