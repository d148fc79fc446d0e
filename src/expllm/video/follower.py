"""Faces followed from frame to frame: a full search now and then, crops around the last places in between.

Nothing is kept from one stretch of video to the next (`begin`), so that stretches can be measured in any
order and always give the same. A track is a face that was seen without a doubt who it is: where two faces
meet, or one appears where another was lost, a track ends and a new one begins. Who they are is decided
afterwards ([`persons`][expllm.video.persons]).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

from expllm.core.closing import Closing
from expllm.core.records import Rect
from expllm.faces.boxes import overlap
from expllm.faces.detectors import Detection, MediaPipeDetector
from expllm.faces.finder import FaceFinder
from expllm.faces.landmarks import Face, Landmarker, Placement
from expllm.faces.visibility import covered_parts, is_unseen, parts_outside
from expllm.files.images import Picture
from expllm.files.weights import FACE_LANDMARKER, locate
from expllm.video.faceshape import FaceShape, difference, shape_of

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

_CROP_SIDE: Final = 2.0
"""Side of the square that a face is looked for in, in sides of its last box."""

_CUT: Final = 12.0
"""Mean difference of grey (0-255) between two frames from which they belong to two takes."""

DETECT_EVERY: Final = 0.5
"""Seconds between looks of the detector at the whole frame; each costs 1.7 ms."""

COVERED_EVERY: Final = 0.5
"""Seconds between looks at what of a face is covered; each costs 1.1 ms."""

SEARCH_EVERY: Final = 2.0
"""Least seconds between full searches after a loss: one of an empty frame takes 200 ms."""

GONE_AFTER: Final = 1.0
"""Seconds after which a lost face is no longer looked for where it was."""

REMEMBERED: Final = 2.0
"""Seconds that a lost face counts when another appears near its place."""

SAME_PLACE: Final = 0.3
"""Overlap of two boxes from which they may be the same face."""

TOUCHING: Final = 0.05
"""Overlap of two faces' boxes from which each of them may be taken for the other."""

NEARER: Final = 0.5
"""How much less a face must have moved from its own last box than from another face's (1 - overlap)."""

CLEARER: Final = 1.5
"""How many times better a shape must fit another face to doubt whose it is."""

_REACH: Final = 1.5
"""Two faces whose boxes touch when they grow by this may soon be taken for each other."""

_STEP: Final = 0.03
"""Least seconds between two looks at faces that are so near: at 0.08 two who cross were five, at 0.04 two."""

OTHER_SHAPE: Final = 0.06
"""Difference of shapes from which a face that comes back is not taken for the one that was lost there. A head
that turns by 8 degrees, speaks and blinks differs by 0.019 from itself (99 %: 0.053), from others by 0.06."""


@dataclass(frozen=True, eq=False)
class Followed:
    """One face of a frame.

    Attributes:
        track: Number of its track, from 0 in each stretch.
        face: In pixels of the frame.
        shape: Of its rigid parts (see `faceshape`); never written into results.
    """

    track: int
    face: Face
    shape: FaceShape


@dataclass(frozen=True)
class FollowedFrame:
    """The faces of a frame, and how they were come by.

    Attributes:
        faces: Those with landmarks.
        cut: A new take begins here.
        searched: The whole frame was searched.
        unfitted: Faces that were found in a search and that no landmarks fit, or of too few pixels.
    """

    faces: tuple[Followed, ...]
    cut: bool = False
    searched: bool = False
    unfitted: int = 0


@dataclass(eq=False)
class _Track:
    number: int
    box: Rect
    seen: float
    shape: FaceShape
    hidden: frozenset[str] = frozenset()
    hidden_at: float = float("-inf")
    misses: int = 0

    @property
    def centre(self) -> tuple[float, float]:
        return self.box[0] + self.box[2] / 2, self.box[1] + self.box[3] / 2


class Follower(Closing):
    """Follows every face through a stretch of video. Not for two threads at once; close it.

    Args:
        landmarker: Path of `face_landmarker.task`; found by itself when None.

    Raises:
        MissingWeights: a model file is missing.
        MissingDependency: a package or system library is missing.
    """

    def __init__(self, landmarker: "str | os.PathLike[str] | None" = None) -> None:
        bundle = locate(FACE_LANDMARKER, landmarker)
        self._finder = FaceFinder(landmarker=landmarker)
        self._near = Landmarker(bundle, 3)
        self._detector = MediaPipeDetector(bundle)
        self.detector_name = self._finder.name
        self.begin()

    def begin(self) -> None:
        """Forgets everything: the next frame begins a new stretch."""
        self._tracks: list[_Track] = []
        self._next = 0
        self._grey: NDArray[np.int16] | None = None
        self._detected = self._searched = self._followed = float("-inf")

    def follow(self, pixels: "NDArray[np.uint8]", time: float, name: str = "frame") -> FollowedFrame:
        """The faces of the next frame.

        Args:
            pixels: [H, W, 3] uint8 RGB, contiguous.
            time: Seconds, not before those of the last frame.
            name: How messages call it.
        """
        self._followed = time
        first, cut = self._grey is None, self._is_cut(pixels)
        if cut:
            self._tracks = []
        self._tracks = [one for one in self._tracks if time - one.seen <= REMEMBERED]
        unfitted = 0
        searched = first or cut or self._should_search(time)
        if searched:
            found = self._finder.find_all(Picture(pixels, name, (pixels.shape[1], pixels.shape[0])))
            fitted = [face for face in found if face.status == "ok" and not is_unseen(face.hidden)]
            unfitted = len(found) - len(fitted)
            faces = self._as_followed(pixels, fitted)
            self._searched = self._detected = time
        else:
            faces = self._looked_up(pixels, time)
        return FollowedFrame(tuple(self._assign(pixels, faces, time)), cut, searched, unfitted)

    def needs(self, time: float) -> bool:
        """Whether a frame that nobody wants must be followed, too: people pass each other meanwhile."""
        if time - self._followed < _STEP:
            return False
        boxes = [_grown(one.box) for one in self._tracks if time - one.seen <= REMEMBERED]
        return any(overlap(a, b) > 0 for a, b in combinations(boxes, 2))

    def close(self) -> None:
        """Frees the native models."""
        self._near.close()
        self._detector.close()
        self._finder.close()

    def _is_cut(self, pixels: "NDArray[np.uint8]") -> bool:
        import numpy as np

        height, width = pixels.shape[:2]
        grey = pixels[:: max(1, height // 36), :: max(1, width // 64)].astype(np.int16).mean(axis=2)
        before, self._grey = self._grey, grey
        if before is None or before.shape != grey.shape:
            return before is not None
        return bool(np.abs(grey - before).mean() > _CUT)

    def _should_search(self, time: float) -> bool:
        """Whether a face was lost twice, and the last search is some time ago."""
        lost = any(one.misses == 2 for one in self._tracks)
        return lost and time - self._searched >= SEARCH_EVERY

    def _looked_up(self, pixels: "NDArray[np.uint8]", time: float) -> list[Face]:
        """Faces near where faces were, and those that the detector sees besides."""
        faces: list[Face] = []
        for track in self._tracks:
            if time - track.seen <= GONE_AFTER:
                side = _CROP_SIDE * max(track.box[2:])
                _add(faces, self._fitted(pixels, track.centre, side))
        if time - self._detected >= DETECT_EVERY:
            self._detected = time
            for found in self._detector.detect(pixels):
                if not any(face.holds(found.centre) for face in faces):
                    _add(faces, self._around(pixels, found))
        return faces

    def _as_followed(self, pixels: "NDArray[np.uint8]", found: Sequence[Face]) -> list[Face]:
        """Faces of a full search, fitted again in crops: measured in the whole frame they read otherwise."""
        faces: list[Face] = []
        for one in found:
            centre = one.box[0] + one.box[2] / 2, one.box[1] + one.box[3] / 2
            near = [face for face in self._fitted(pixels, centre, _CROP_SIDE * max(one.box[2:]))
                    if overlap(face.box, one.box) > SAME_PLACE]  # fmt: skip
            _add(faces, [replace(near[0], score=one.score)] if near else [one])
        return faces

    def _around(self, pixels: "NDArray[np.uint8]", found: Detection) -> list[Face]:
        """The faces that fit where the detector saw one."""
        faces = self._fitted(pixels, found.centre, _CROP_SIDE * max(found.box[2:]))
        return [replace(face, score=found.score) for face in faces if face.holds(found.centre)]

    def _fitted(self, pixels: "NDArray[np.uint8]", centre: tuple[float, float], side: float) -> list[Face]:
        crop, offset = _crop(pixels, centre, side)
        place = Placement(offset=offset)
        return [place.face(face) for face in self._near.fit_blindly(crop)]

    def _assign(self, pixels: "NDArray[np.uint8]", faces: Sequence[Face], time: float) -> list[Followed]:
        """Faces to tracks; one of which it is not clear whose it is begins a new track."""
        shapes = [shape_of(face) for face in faces]
        pairs = sorted(
            (
                (overlap(track.box, face.box), -i, track)
                for i, face in enumerate(faces)
                for track in self._tracks
                if overlap(track.box, face.box) > SAME_PLACE
            ),
            key=lambda pair: (-pair[0], pair[2].number),
        )
        owner: dict[int, _Track] = {}
        for _, negative, track in pairs:
            if -negative not in owner and track not in owner.values():
                owner[-negative] = track
        doubtful = [i for i, track in owner.items() if not self._is_sure(track, faces[i], shapes[i])]
        for i in doubtful:
            self._tracks.remove(owner.pop(i))
        followed = [
            self._continued(owner.get(i), pixels, face, shape, time)
            for i, (face, shape) in enumerate(zip(faces, shapes, strict=True))
        ]
        seen = {one.track for one in followed}
        for track in self._tracks:
            track.misses = 0 if track.number in seen else track.misses + 1
        return followed

    def _is_sure(self, track: _Track, face: Face, shape: FaceShape) -> bool:
        """Whether a face is that of a track: no other was as near, and its shape speaks for no other."""
        own = difference(track.shape, shape)
        if track.misses and own > OTHER_SHAPE:
            return False
        moved = 1 - overlap(track.box, face.box)
        for other in self._tracks:
            if other is track or overlap(other.box, face.box) <= TOUCHING:
                continue
            theirs = difference(other.shape, shape)
            nearer = moved < NEARER * (1 - overlap(other.box, face.box))
            if not nearer or theirs * CLEARER < own:
                return False
        return True

    def _continued(
        self, track: _Track | None, pixels: "NDArray[np.uint8]", face: Face, shape: FaceShape, time: float
    ) -> Followed:
        if track is None:
            track = _Track(self._next, face.box, time, shape)
            self._next += 1
            self._tracks.append(track)
        if time - track.hidden_at >= COVERED_EVERY:
            track.hidden, track.hidden_at = _hidden(pixels, face), time
        track.box, track.seen = face.box, time
        track.shape = track.shape.blended(shape)
        return Followed(track.number, replace(face, hidden=track.hidden), shape)


def _grown(box: Rect) -> Rect:
    x, y, width, height = box
    more = _REACH - 1
    return x - more * width / 2, y - more * height / 2, _REACH * width, _REACH * height


def _add(faces: list[Face], new: Sequence[Face]) -> None:
    """Adds faces that are not there yet: crops overlap."""
    faces += [face for face in new if not any(overlap(face.box, known.box) > 0.5 for known in faces)]


def _hidden(pixels: "NDArray[np.uint8]", face: Face) -> frozenset[str]:
    assert face.landmarks is not None
    size = pixels.shape[1], pixels.shape[0]
    return covered_parts(pixels, face.landmarks) | parts_outside(size, face.landmarks)


def _crop(
    pixels: "NDArray[np.uint8]", centre: tuple[float, float], side: float
) -> "tuple[NDArray[np.uint8], tuple[int, int]]":
    """A square around a point, black beyond the frame, and where its corner is."""
    import numpy as np

    whole = max(2, round(side))
    left, top = round(centre[0] - side / 2), round(centre[1] - side / 2)
    height, width = pixels.shape[:2]
    x1, x2 = min(max(left, 0), width), min(max(left + whole, 0), width)
    y1, y2 = min(max(top, 0), height), min(max(top + whole, 0), height)
    if (x2 - x1, y2 - y1) == (whole, whole):
        return np.ascontiguousarray(pixels[y1:y2, x1:x2]), (left, top)
    crop = np.zeros((whole, whole, 3), np.uint8)
    crop[y1 - top : y2 - top, x1 - left : x2 - left] = pixels[y1:y2, x1:x2]
    return crop, (left, top)
