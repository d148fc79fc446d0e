"""Picture -> faces: box, score, 478 landmarks, blendshapes, head pose. Largest face first.

MediaPipe's Face Landmarker finds and measures large faces in one pass. What it misses is searched for:
small faces in overlapping tiles, faces that fill the frame behind a border, faces of a picture that lies on
its side or its head. A face that a detector sees but the landmark model cannot fit is reported as such, and
never dropped in silence.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from expllm.detectors import Detection, FaceDetector, MediaPipeDetector, ScrfdDetector, suppress
from expllm.errors import UsageError
from expllm.landmarks import Face, Landmarker, Placement
from expllm.weights import FACE_LANDMARKER, locate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from expllm.images import Picture

MIN_FACE_SIDE: Final = 24.0
"""Pixels of the searched picture; below them a face is too small to be measured. In 100 portraits shrunk to
faces of 48, 32, 24 and 16 pixels, lip corner pull kept r = 0.98, 0.93, 0.82 and 0.61 with the original."""

CROP_MARGIN: Final = 0.6
"""Part of the box's longer side added on each side of a crop; the landmark model wants the whole head."""

PAD: Final = 0.25
"""Part of the longer side added as a black border when nothing is found: a face that fills the frame is
missed without it (of 300 FER+ faces 89 % are found as they are, 98 % enlarged and padded)."""

ENLARGED_SIDE: Final = 192
"""Pixels that the longer side of a small picture is enlarged to, at once. Read so, FER+ faces (48 pixels)
give the right expression a point more often, and 3 % fewer of them go unmeasured."""

SURE: Final = 0.7
"""Detector score from which a face certainly stands upright. Of 200 portraits turned upside down, 21 gave
landmarks - of a face that is not there - and all but one of those scored less."""

TILES: Final = (480, 240)
"""Sides of the overlapping tiles in which small faces are searched, in pixels. The detector sees faces from
about a tenth of what it is shown."""

SURE_IN_TILE: Final = 0.7
"""Score that a face in a tile needs to be tried: texture fools the detector there."""

CLEARLY: Final = 0.1
"""How much higher a turned face must score than the upright one: of a face seen from below both score low.
Of 200 upright portraits none is turned by mistake; of the same upside down 150 are found out, and 33 read as
a face that is not there (benchmarks/faces.py)."""

CERTAIN: Final = 0.9
"""Score that it needs to be reported although no landmarks fit."""


class FaceFinder:
    """Finds and measures faces. Open it once, use it for many pictures, close it (or use `with`).

    Not for two threads at once: give each thread its own.

    Args:
        detector: `"mediapipe"`, or the path of a SCRFD ONNX file.
        landmarker: Path of `face_landmarker.task`; found by itself when None.
        max_faces: At most so many faces a picture, the largest.

    Raises:
        MissingWeights: a model file is missing.
        MissingDependency: a package or system library is missing.
    """

    def __init__(
        self,
        detector: str | os.PathLike[str] = "mediapipe",
        *,
        landmarker: str | os.PathLike[str] | None = None,
        max_faces: int = 20,
    ) -> None:
        if max_faces < 1:
            raise UsageError(f"max_faces is {max_faces}: it must be at least 1")
        bundle = locate(FACE_LANDMARKER, landmarker)
        one_pass = os.fspath(detector) == "mediapipe"
        self._detector: FaceDetector = MediaPipeDetector(bundle) if one_pass else ScrfdDetector(detector)
        self._landmarker = Landmarker(bundle, max_faces)
        self._find = self._find_in_one_pass if one_pass else self._find_then_measure
        self._max_faces = max_faces
        self.name = self._detector.name

    def find(self, picture: "Picture") -> list[Face]:
        """All faces of a picture, largest first; an empty list if it shows none."""
        faces = [_sized(face) for face in self._find(picture.pixels)]
        faces.sort(key=lambda face: face.box[2] * face.box[3], reverse=True)
        full_size = Placement(scale=(picture.scale_x, picture.scale_y))
        return [full_size.face(face) for face in faces[: self._max_faces]]

    def close(self) -> None:
        """Frees the native models; left to the garbage collector they print an error at exit."""
        self._landmarker.close()
        self._detector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find_then_measure(self, pixels: "NDArray[np.uint8]") -> list[Face]:
        found = self._detector.detect(pixels)
        return [self._measure(pixels, one) for one in found] or self._look_again(pixels, upright=False)

    def _find_in_one_pass(self, pixels: "NDArray[np.uint8]") -> list[Face]:
        if max(pixels.shape[:2]) < ENLARGED_SIDE:
            return self._look_again(pixels, upright=False) or [
                Face("no_landmarks", found.box, found.score) for found in self._detector.detect(pixels)
            ]
        faces = self._landmarker.fit(pixels)
        seen = self._detector.detect(pixels)
        if _best(seen) < SURE:
            behind_border = self._look_again(pixels, upright=bool(faces))
            if behind_border:
                return behind_border
        faces = self._merge(pixels, faces, seen)
        if not (len(faces) == 1 and _fills(faces[0], pixels)):
            faces = self._add_small(pixels, faces)
        if any(face.status == "ok" for face in faces):
            return faces
        return self._look_again(pixels, upright=False) or faces

    def _add_small(self, pixels: "NDArray[np.uint8]", faces: list[Face]) -> list[Face]:
        """Adds the faces found in tiles: finer ones only where the coarser showed that there are more."""
        for side in TILES:
            merged = self._merge(pixels, faces, self._detect_in_tiles(pixels, side))
            more = [face for face in merged[len(faces) :] if _is_real(face)]
            known, faces = faces, merged[: len(faces)] + more
            if known and not more:
                break
        return faces

    def _merge(self, pixels: "NDArray[np.uint8]", faces: list[Face], seen: list[Detection]) -> list[Face]:
        """Gives measured faces the detector's scores, and adds the faces that only the detector saw."""
        result = list(faces)
        for found in seen:
            known = [i for i, face in enumerate(result) if face.holds(found.centre)]
            if not known:
                result.append(self._measure(pixels, found))
            elif result[known[0]].score is None:
                result[known[0]] = replace(result[known[0]], score=found.score)
        return result

    def _measure(self, pixels: "NDArray[np.uint8]", found: Detection) -> Face:
        """Landmarks of one detected face from a crop around it; without them if none fits."""
        crop, (left, top) = _crop(pixels, found)
        place = Placement(offset=(left, top))
        fits = [place.face(face) for face in self._landmarker.fit(crop)]
        fits = [face for face in fits if face.holds(found.centre)]
        if not fits:
            return Face("no_landmarks", found.box, found.score)
        return replace(fits[0], score=found.score)

    def _detect_in_tiles(self, pixels: "NDArray[np.uint8]", side: int) -> list[Detection]:
        """Faces too small for a detector that sees the whole picture at 128 pixels."""
        import numpy as np

        found = [
            Detection((box.box[0] + left, box.box[1] + top, box.box[2], box.box[3]), box.score)
            for left, top, tile in _tiles(pixels, side)
            for box in self._detector.detect(tile)
            if box.score >= SURE_IN_TILE
        ]
        if not found:
            return []
        corners = np.array([(x, y, x + w, y + h) for x, y, w, h in (one.box for one in found)], np.float32)
        scores = np.array([one.score for one in found], np.float32)
        return [found[i] for i in suppress(corners, scores, max_overlap=0.3)]

    def _look_again(self, pixels: "NDArray[np.uint8]", *, upright: bool) -> list[Face]:
        """A look behind a border, enlarged if small; turned by quarters where no sure face stands upright.

        Args:
            pixels: The picture.
            upright: Something was measured in it as it stands: only a face in another turn beats that.
        """
        padded, place = _behind_border(pixels)
        seen = [self._detector.detect(padded)]
        views = [(padded, place)]
        if _best(seen[0]) < SURE:
            views += [_turned(padded, place, turns) for turns in (1, 2, 3)]
            views += [_turned(pixels, Placement(), turns) for turns in (1, 2, 3)]
            seen += [self._detector.detect(view) for view, _ in views[1:]]
        scores = [_best(found) for found in seen]
        best = max(range(len(views)), key=scores.__getitem__)
        if scores[best] < max(SURE, scores[0] + CLEARLY):
            best = 0
        if scores[best] == 0.0 or (best == 0 and upright):
            return []
        view, place = views[best]
        return [place.face(face) for face in self._merge(view, self._landmarker.fit(view), seen[best])]


def _best(found: list[Detection]) -> float:
    """The best score, 0 if nothing was found."""
    return max((one.score for one in found), default=0.0)


def _fills(face: Face, pixels: "NDArray[np.uint8]") -> bool:
    """Whether a face is so large (a tenth of the picture) that the picture is a portrait of it.

    Searching such a picture for small faces costs more than it finds.
    """
    return bool(face.box[2] * face.box[3] >= 0.1 * pixels.shape[0] * pixels.shape[1])


def _is_real(face: Face) -> bool:
    """Whether a face found in a tile is more than texture: measured, or certain."""
    return face.status == "ok" or (face.score or 0.0) >= CERTAIN


def _turned(
    pixels: "NDArray[np.uint8]", place: Placement, turns: int
) -> "tuple[NDArray[np.uint8], Placement]":
    """A piece turned by quarters against the clock, and how it goes back."""
    import numpy as np

    view = np.ascontiguousarray(np.rot90(pixels, turns))
    return view, replace(place, turns=turns, size=(view.shape[1], view.shape[0]))


def _sized(face: Face) -> Face:
    """Marks a face that had too few pixels to be measured."""
    if max(face.box[2], face.box[3]) >= MIN_FACE_SIDE:
        return face
    return Face("too_small", face.box, face.score)


def _crop(pixels: "NDArray[np.uint8]", found: Detection) -> "tuple[NDArray[np.uint8], tuple[int, int]]":
    """A square around a detected face, black beyond the picture, and where its corner lies."""
    import numpy as np

    reach = max(found.box[2:]) * (0.5 + CROP_MARGIN)
    left, top = (round(centre - reach) for centre in found.centre)
    side = max(2, round(2 * reach))
    crop = np.zeros((side, side, 3), np.uint8)
    x1, x2 = max(left, 0), min(left + side, pixels.shape[1])
    y1, y2 = max(top, 0), min(top + side, pixels.shape[0])
    if x2 > x1 and y2 > y1:
        crop[y1 - top : y2 - top, x1 - left : x2 - left] = pixels[y1:y2, x1:x2]
    return crop, (left, top)


def _tiles(pixels: "NDArray[np.uint8]", side: int) -> "Iterator[tuple[int, int, NDArray[np.uint8]]]":
    """Left, top and pixels of overlapping square tiles that cover the picture; none if it is no larger."""
    import numpy as np

    height, width = pixels.shape[:2]
    if max(height, width) <= side:
        return
    for top in _starts(height, side):
        for left in _starts(width, side):
            yield left, top, np.ascontiguousarray(pixels[top : top + side, left : left + side])


def _starts(length: int, side: int) -> list[int]:
    """Where tiles of a side begin so that they cover a length and overlap by at least a third."""
    if length <= side:
        return [0]
    steps = -(-(length - side) // (side * 2 // 3))
    return [round(i * (length - side) / steps) for i in range(steps + 1)]


def _behind_border(pixels: "NDArray[np.uint8]") -> "tuple[NDArray[np.uint8], Placement]":
    """The picture on a black square with a border, enlarged if small, and where that lies in the picture."""
    import numpy as np
    from PIL import Image

    height, width = pixels.shape[:2]
    zoom = max(1.0, ENLARGED_SIDE / max(height, width))
    wide, high = max(1, round(width * zoom)), max(1, round(height * zoom))
    image = Image.fromarray(pixels)
    larger = image if zoom == 1.0 else image.resize((wide, high), Image.Resampling.BICUBIC)
    border = round(PAD * max(wide, high))
    side = max(wide, high) + 2 * border
    square = np.zeros((side, side, 3), np.uint8)
    square[border : border + high, border : border + wide] = np.asarray(larger)
    scale = width / wide, height / high
    return square, Placement(scale=scale, offset=(-border * scale[0], -border * scale[1]))
