"""MediaPipe's Face Landmarker: 478 landmarks, 52 blendshapes and the head's rotation of each face."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from expllm.core.records import Rect
from expllm.faces.visibility import covered_parts
from expllm.files.native import close_at_last, load_mediapipe, native_silence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a picture; coordinates are pixels of the upright, full-size picture.

    Attributes:
        status: `ok`, `too_small` (see `facefinder.MIN_FACE_SIDE`) or `no_landmarks`.
        box: x, y, width, height.
        score: The detector's confidence, 0-1; None where only the landmark model saw the face.
        landmarks: [478, 3] float32: x, y, and depth in the scale of x (smaller is nearer). None if not `ok`.
        blendshapes: MediaPipe's 52 ARKit scores, 0-1. None if not `ok`.
        rotation: [3, 3] head rotation: columns are the head's right-in-picture, up and forward axes.
        hidden: Names of the parts that cannot be seen (see [`visibility`][expllm.faces.visibility]).
    """

    status: Literal["ok", "too_small", "no_landmarks"]
    box: Rect
    score: float | None = None
    landmarks: "NDArray[np.float32] | None" = None
    blendshapes: Mapping[str, float] | None = None
    rotation: "NDArray[np.float32] | None" = None
    hidden: frozenset[str] = frozenset()

    @property
    def pose(self) -> tuple[float, float, float] | None:
        """Pitch, yaw, roll in degrees (signs as in [`HeadPose`][expllm.core.records.HeadPose])."""
        if self.rotation is None:
            return None
        right, forward = self.rotation[:, 0], self.rotation[:, 2]
        return (
            math.degrees(math.asin(max(-1.0, min(1.0, float(forward[1]))))),
            math.degrees(math.atan2(forward[0], forward[2])),
            math.degrees(math.atan2(-right[1], right[0])),
        )

    def holds(self, point: tuple[float, float]) -> bool:
        """Whether a point lies in the box."""
        x, y, width, height = self.box
        return x <= point[0] <= x + width and y <= point[1] <= y + height


@dataclass(frozen=True)
class Placement:
    """Where a searched piece lies in its picture: turn it, scale it, then move it.

    Attributes:
        turns: Quarter turns clockwise that bring the piece upright again.
        size: Width and height of the piece as it was searched, in its own pixels.
        scale: Picture pixels a piece pixel, along the picture's x and y.
        offset: Where the upright piece's corner lies in the picture, in picture pixels.
    """

    turns: int = 0
    size: tuple[int, int] = (0, 0)
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    def points(self, xy: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Points [n, 2] of the piece as points of the picture."""
        import numpy as np

        width, height = self.size
        x, y = xy[:, 0], xy[:, 1]
        upright = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))[self.turns % 4]
        scale, offset = np.array(self.scale, np.float32), np.array(self.offset, np.float32)
        return np.stack(upright, axis=1) * scale + offset

    def face(self, face: Face) -> Face:
        """A face of the piece as a face of the picture."""
        import numpy as np

        x, y, width, height = face.box
        corners = self.points(np.array([(x, y), (x + width, y + height)], np.float32))
        low, high = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        box = (low[0], low[1], high[0] - low[0], high[1] - low[1])
        if face.landmarks is None or face.rotation is None:
            return replace(face, box=box)
        depth = face.landmarks[:, 2:] * np.float32(self.scale[0])
        landmarks = np.concatenate([self.points(face.landmarks[:, :2]), depth], axis=1)
        return replace(face, box=box, landmarks=landmarks, rotation=self._turn() @ face.rotation)

    def _turn(self) -> "NDArray[np.float32]":
        """[3, 3] rotation about the axis towards the camera (y points up there)."""
        import numpy as np

        cosine, sine = ((1, 0), (0, -1), (-1, 0), (0, 1))[self.turns % 4]
        return np.array([(cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1)], np.float32)


class Landmarker:
    """[H, W, 3] uint8 RGB in, every face that fits out, in pixels of that array.

    Args:
        bundle: Path of `face_landmarker.task`.
        max_faces: At most so many faces.
        permissive: Load no weights for research only: what covers a face is then not found out.
    """

    def __init__(self, bundle: Path, max_faces: int, *, permissive: bool = False) -> None:
        self._network = not permissive
        self._mediapipe = load_mediapipe()
        vision = self._mediapipe.tasks.vision
        options = vision.FaceLandmarkerOptions(
            base_options=self._mediapipe.tasks.BaseOptions(model_asset_path=str(bundle)),
            num_faces=max_faces,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        with native_silence():
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        close_at_last(self, self._landmarker.close)
        self._met_a_face = False

    def fit(self, pixels: "NDArray[np.uint8]") -> list[Face]:
        """Every face that it finds and fits; status `ok`, no score; with the parts that something covers."""
        return [
            replace(face, hidden=covered_parts(pixels, _points(face), network=self._network))
            for face in self.fit_blindly(pixels)
        ]

    def fit_blindly(self, pixels: "NDArray[np.uint8]") -> list[Face]:
        """The same without a look at what is covered."""
        image = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=pixels)
        if self._met_a_face:
            result = self._landmarker.detect(image)
        else:  # the first face makes the native code log about its memory
            with native_silence():
                result = self._landmarker.detect(image)
            self._met_a_face = bool(result.face_landmarks)
        height, width = pixels.shape[:2]
        triples = zip(
            result.face_landmarks, result.face_blendshapes, result.facial_transformation_matrixes, strict=True
        )
        return [_face(points, shapes, matrix, width, height) for points, shapes, matrix in triples]

    def close(self) -> None:
        """Frees the native model."""
        with native_silence():
            self._landmarker.close()


def _points(face: Face) -> "NDArray[np.float32]":
    assert face.landmarks is not None, "a face that fits has landmarks"
    return face.landmarks


def _face(
    points: Sequence[Any], shapes: Sequence[Any], matrix: "NDArray[np.float32]", width: int, height: int
) -> Face:
    import numpy as np

    landmarks = np.array([(p.x * width, p.y * height, p.z * width) for p in points], dtype=np.float32)
    (left, top), (right, bottom) = (
        landmarks[:, :2].min(axis=0).tolist(),
        landmarks[:, :2].max(axis=0).tolist(),
    )
    axes = np.asarray(matrix, dtype=np.float32)[:3, :3]
    return Face(
        "ok",
        (left, top, right - left, bottom - top),
        landmarks=landmarks,
        blendshapes={shape.category_name: min(max(float(shape.score), 0.0), 1.0) for shape in shapes},
        rotation=axes / np.linalg.norm(axes, axis=0, keepdims=True),
    )
