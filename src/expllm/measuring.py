"""From a picture to its faces with their action units, before anything is said of them."""

import os

from expllm import __version__
from expllm.aureaders import BlendshapeReader, reading_warnings
from expllm.facefinder import MIN_FACE_SIDE, FaceFinder
from expllm.images import Picture
from expllm.landmarks import Face
from expllm.records import Box, FaceAnalysis, HeadPose, Provenance


class FaceMeasurer:
    """Finds faces and measures their action units. Not for two threads at once; close it.

    Args:
        detector: `"mediapipe"`, or the path of a SCRFD ONNX file.
        landmarker: Path of `face_landmarker.task`; found by itself when None.
        max_faces: At most so many faces a picture, the largest.
        mirrored: Swap left and right.

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
        mirrored: bool = False,
    ) -> None:
        self._reader = BlendshapeReader()
        self._mirrored = mirrored
        self._finder = FaceFinder(detector, landmarker=landmarker, max_faces=max_faces)

    def measure(self, picture: Picture) -> tuple[list[Face], list[FaceAnalysis]]:
        """The faces as they were found, largest first, and what was measured of each."""
        faces = self._finder.find(picture)
        return faces, [self._measured(picture, i, face) for i, face in enumerate(faces)]

    def close(self) -> None:
        """Frees the native models."""
        self._finder.close()

    def _measured(self, picture: Picture, face_id: int, face: Face) -> FaceAnalysis:
        width, height = picture.full_size
        return FaceAnalysis(
            input=picture.name,
            face_id=face_id,
            status=face.status,
            image_width=width,
            image_height=height,
            box=_box(face),
            score=None if face.score is None else round(face.score, 4),
            pose=_pose(face),
            aus=self._reader.read(face, mirrored=self._mirrored),
            warnings=(*reading_warnings(face), *_status_warnings(face)),
            landmarks=None if face.landmarks is None else face.landmarks.round(2).tolist(),
            provenance=provenance_of(detector=self._finder.name, au_reader=self._reader.identity),
        )


def provenance_of(
    classifier: str = "none", writer: str = "none", *, detector: str, au_reader: str
) -> Provenance:
    """With this version of the package."""
    return Provenance(
        expllm=__version__,
        detector=detector,
        au_reader=au_reader,
        classifier=classifier,
        writer=writer,
    )


def _box(face: Face) -> Box:
    x, y, width, height = (round(value, 1) for value in face.box)
    return Box(x=x, y=y, width=max(width, 0.0), height=max(height, 0.0))


def _pose(face: Face) -> HeadPose | None:
    if face.pose is None:
        return None
    pitch, yaw, roll = (round(angle, 1) for angle in face.pose)
    return HeadPose(pitch=pitch, yaw=yaw, roll=roll)


def _status_warnings(face: Face) -> tuple[str, ...]:
    if face.status == "too_small":
        side = max(face.box[2], face.box[3])
        return (
            f"The face is {side:.0f} pixels long: at least {MIN_FACE_SIDE:.0f} are needed to measure it.",
        )
    if face.status == "no_landmarks":
        return ("A face was detected, but no landmarks fit it: it may be turned away, covered or blurred.",)
    return ()
