"""From a picture to its faces with their action units, before anything is said of them."""

import os
from collections.abc import Mapping
from types import MappingProxyType

from expllm import __version__
from expllm.core.licences import licences_of
from expllm.core.records import Box, FaceAnalysis, HeadPose, Provenance
from expllm.core.vocabulary import AUSource, Side
from expllm.faces.au_reader import reading_warnings
from expllm.faces.finder import MAX_FACES, MIN_FACE_SIDE, FaceFinder, smallest_seen
from expllm.faces.landmarks import Face
from expllm.faces.pixel_reader import PixelReading, UnitReader
from expllm.faces.visibility import is_unseen, mirrored_parts
from expllm.files.images import Picture


class FaceMeasurer:
    """Finds faces and measures their action units. Not for two threads at once; close it.

    Args:
        detector: `"mediapipe"`, or the path of a SCRFD ONNX file.
        landmarker: Path of `face_landmarker.task`; found by itself when None.
        max_faces: At most so many faces a picture, the largest.
        au_source: What action units are read from.
        licence: `permissive` loads no weights for research only; see `FaceFinder`.

    Raises:
        UsageError: such weights are needed, and only permissive ones are allowed.
        MissingWeights: a model file is missing.
        MissingDependency: a package or system library is missing.
    """

    def __init__(
        self,
        detector: str | os.PathLike[str] = "mediapipe",
        *,
        landmarker: str | os.PathLike[str] | None = None,
        max_faces: int = MAX_FACES,
        au_source: AUSource | str = AUSource.BLENDSHAPES,
        licence: str | None = None,
    ) -> None:
        self._reader = UnitReader(au_source, licence=licence)
        self._finder = FaceFinder(detector, landmarker=landmarker, max_faces=max_faces, licence=licence)
        self._licences = licences_of((*self._finder.weights, *self._reader.weights))
        self._max_faces = max_faces

    def measure(self, picture: Picture, *, mirrored: bool = False) -> tuple[list[Face], list[FaceAnalysis]]:
        """The faces as they were found, largest first, and what was measured of each.

        Args:
            mirrored: Swap left and right.
        """
        found = self._finder.find_all(picture)
        faces = found[: self._max_faces]
        read = self._reader.measure(picture, faces, mirrored=mirrored)
        measured = [
            self._measured(picture, i, face, units, mirrored)
            for i, (face, units) in enumerate(zip(faces, read, strict=True))
        ]
        return faces, counted(measured, len(found))

    def close(self) -> None:
        """Frees the native models."""
        self._finder.close()

    def _measured(
        self, picture: Picture, face_id: int, face: Face, units: PixelReading | None, mirrored: bool
    ) -> FaceAnalysis:
        width, height = picture.full_size
        hidden = mirrored_parts(face.hidden) if mirrored else face.hidden
        return FaceAnalysis(
            input=picture.name,
            face_id=face_id,
            status=face.status,
            image_width=width,
            image_height=height,
            box=_box(face),
            score=None if face.score is None else round(face.score, 4),
            pose=_pose(face),
            aus=None if units is None else units.aus,
            au_readings=None if units is None else dict(units.readings),
            facs=_facs(units),
            hidden=tuple(sorted(hidden)),
            warnings=(*reading_warnings(face), *_hidden_warnings(hidden), *_status_warnings(face)),
            landmarks=None if face.landmarks is None else face.landmarks.round(2).tolist(),
            provenance=provenance_of(
                detector=self._finder.name, au_reader=self._reader.identity, licences=self._licences
            ),
        )


def _facs(units: PixelReading | None) -> dict[str, float] | None:
    if units is None or not units.facs:
        return None
    return {f"AU{number:02d}": value for number, value in units.facs.items()}


def missed_warnings(full_size: tuple[int, int]) -> tuple[str, ...]:
    """What may have been missed in a picture without a face, because it is too large to be searched whole."""
    smallest = smallest_seen(full_size)
    if smallest <= MIN_FACE_SIDE:
        return ()
    return (f"The picture is so large that faces under {smallest:.0f} pixels are missed: cut it into parts.",)


def counted(measured: list[FaceAnalysis], found: int) -> list[FaceAnalysis]:
    """The analyses with the number of faces that the picture shows; the last one warns of those left out."""
    numbered = [one.model_copy(update={"faces_found": found}) for one in measured]
    if numbered and len(numbered) < found:
        warning = f"{len(numbered)} of {found} faces: the smaller ones were left out (max_faces)."
        last = numbered[-1]
        numbered[-1] = last.model_copy(update={"warnings": (*last.warnings, warning)})
    return numbered


def provenance_of(
    classifier: str = "none",
    writer: str = "none",
    *,
    detector: str,
    au_reader: str,
    licences: Mapping[str, str] = MappingProxyType({}),
) -> Provenance:
    """With this version of the package."""
    return Provenance(
        expllm=__version__,
        detector=detector,
        au_reader=au_reader,
        classifier=classifier,
        writer=writer,
        licences=dict(licences),
    )


def _box(face: Face) -> Box:
    x, y, width, height = (round(value, 1) for value in face.box)
    return Box(x=x, y=y, width=max(width, 0.0), height=max(height, 0.0))


def _pose(face: Face) -> HeadPose | None:
    if face.pose is None:
        return None
    pitch, yaw, roll = (round(angle, 1) for angle in face.pose)
    return HeadPose(pitch=pitch, yaw=yaw, roll=roll)


def _hidden_warnings(parts: frozenset[str]) -> tuple[str, ...]:
    """Names what cannot be seen, both sides together."""
    if not parts:
        return ()
    if is_unseen(parts):
        return ("No part of a face can be seen: it is covered, or not a photograph of a face. Not measured.",)
    names = []
    for part, both in (("brow", "both brows"), ("eye", "both eyes"), ("mouth", "the mouth")):
        sides = [side for side in Side if f"{side} {part}" in parts]
        one = "the {} half of the mouth" if part == "mouth" else f"the {{}} {part}"
        names += [both] if len(sides) == 2 else [one.format(side) for side in sides]
    return (f"Covered or outside the picture, and therefore not measured: {', '.join(names)}.",)


def _status_warnings(face: Face) -> tuple[str, ...]:
    if face.status == "too_small":
        side = max(face.box[2], face.box[3])
        return (
            f"The face is {side:.0f} pixels long: at least {MIN_FACE_SIDE:.0f} are needed to measure it.",
        )
    if face.status == "no_landmarks":
        return ("A face was detected, but no landmarks fit it: it may be turned away, covered or blurred.",)
    return ()
