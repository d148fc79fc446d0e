"""The one door from a picture to its analyses: API, command line and reports all come through here.

A picture becomes faces (`facefinder`), a face becomes action units (`aureaders`), and those become an
expression with probabilities (`auclassifier`) and an explanation (`cot.offline`).
"""

import os
import threading
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from expllm import __version__
from expllm.auclassifier import AUClassifier
from expllm.aureaders import BlendshapeReader, reading_warnings
from expllm.cot.offline import write_cot
from expllm.facefinder import MIN_FACE_SIDE, FaceFinder
from expllm.images import ImageSource, Picture, open_image
from expllm.landmarks import Face
from expllm.records import Box, FaceAnalysis, HeadPose, Provenance

if TYPE_CHECKING:
    from expllm.autables import AURow
    from expllm.faces import AUVector

WRITER: Final = "offline"
"""Who writes the explanations: rules over the action units, no language model."""

OTHER_SCALE: Final = (
    "Another tool measured these action units: the probabilities were fitted on this package's own readings "
    "and are no more than a rough guide here."
)
"""Published FEAFA units of 2,070 RAF-DB faces: 51 % right, calibration error 0.16 (docs/experiments.md)."""


class Predictor:
    """Explains faces. Open it once, use it for many pictures, close it (or use `with`).

    Not for two threads at once: give each thread its own.

    Args:
        detector: `"mediapipe"`, or the path of a SCRFD ONNX file.
        labels: Tell 7 or 8 expressions apart (8 adds contempt).
        mirrored: Pictures are mirror images, as selfie previews are: swap left and right.
        landmarker: Path of `face_landmarker.task`; found by itself when None.
        max_faces: At most so many faces a picture, the largest.
        explain: False stops at the action units: no expression, no text.

    Raises:
        MissingWeights: a model file is missing.
        MissingDependency: a package or system library is missing.
    """

    def __init__(
        self,
        *,
        detector: str | os.PathLike[str] = "mediapipe",
        labels: int = 8,
        mirrored: bool = False,
        landmarker: str | os.PathLike[str] | None = None,
        max_faces: int = 20,
        explain: bool = True,
    ) -> None:
        self._explainer = Explainer(labels) if explain else None
        self._reader = BlendshapeReader()
        self._mirrored = mirrored
        self._finder = FaceFinder(detector, landmarker=landmarker, max_faces=max_faces)

    def analyze(self, image: ImageSource, *, name: str | None = None) -> list[FaceAnalysis]:
        """Every face of a picture, largest first; an empty list if it shows none.

        Args:
            image: Path, encoded bytes, NumPy array [H, W, 3] uint8 RGB, or a Pillow image.
            name: How to call it in the results; made from the source when None.

        Raises:
            ImageError: the picture cannot be read.
        """
        return self.analyze_picture(open_image(image, name=name))

    def analyze_picture(self, picture: Picture) -> list[FaceAnalysis]:
        """The same, for a picture that is already open."""
        faces = self._finder.find(picture)
        return [self._analysis(picture, i, face) for i, face in enumerate(faces)]

    def close(self) -> None:
        """Frees the native models."""
        self._finder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _analysis(self, picture: Picture, face_id: int, face: Face) -> FaceAnalysis:
        width, height = picture.full_size
        aus = self._reader.read(face, mirrored=self._mirrored)
        found: dict[str, Any] = {
            "input": picture.name,
            "face_id": face_id,
            "status": face.status,
            "image_width": width,
            "image_height": height,
            "box": _box(face),
            "score": None if face.score is None else round(face.score, 4),
            "pose": _pose(face),
            "aus": aus,
            "warnings": (*reading_warnings(face), *_status_warnings(face)),
            "landmarks": None if face.landmarks is None else face.landmarks.round(2).tolist(),
        }
        sources = {"detector": self._finder.name, "au_reader": self._reader.identity}
        if self._explainer is None or aus is None:
            return FaceAnalysis(**found, provenance=_provenance(None, **sources))
        return FaceAnalysis(**found, **self._explainer.explain(aus, **sources))


class Explainer:
    """Action units -> expression, probabilities, explanation. Needs no picture and no native library.

    Args:
        labels: Tell 7 or 8 expressions apart.
    """

    def __init__(self, labels: int = 8) -> None:
        self._classifier = AUClassifier.from_asset(labels)

    def explain(self, aus: "AUVector", *, detector: str, au_reader: str) -> dict[str, Any]:
        """The fields `expression`, `probabilities`, `cot` and `provenance` of a FaceAnalysis.

        The first three are None where too little was measured to say anything.
        """
        provenance = _provenance(self._classifier.identity, detector=detector, au_reader=au_reader)
        probabilities = self._classifier.probabilities(aus)
        if probabilities is None:
            return {"provenance": provenance}
        expression = max(probabilities, key=probabilities.__getitem__)
        return {
            "expression": expression,
            "probabilities": {label: round(p, 6) for label, p in probabilities.items()},
            "cot": write_cot(aus, expression, probabilities),
            "provenance": provenance,
        }


def measured_row(row: "AURow", explainer: Explainer | None, *, mirrored: bool = False) -> FaceAnalysis:
    """The analysis of a face that another tool measured (see [`autables`][expllm.autables]).

    Args:
        row: The face.
        explainer: None stops at the action units.
        mirrored: Swap left and right.
    """
    aus = row.aus.mirrored() if mirrored else row.aus
    found: dict[str, Any] = {"input": row.input, "frame": row.frame, "face_id": row.face_id, "aus": aus}
    if row.status != "ok":
        return FaceAnalysis.from_dict({**found, "aus": None, "status": row.status, "error": row.error})
    found["status"] = row.status
    sources = {"detector": "none", "au_reader": f"table/{row.source}"}
    if explainer is None:
        return FaceAnalysis(**found, provenance=_provenance(None, **sources))
    warnings = () if row.source == "expllm" else (OTHER_SCALE,)
    return FaceAnalysis(**found, warnings=warnings, **explainer.explain(aus, **sources))


def analyze(image: ImageSource, **options: Any) -> list[FaceAnalysis]:
    """Explains every face of a picture, largest first; an empty list if it shows none.

    The models stay loaded between calls. For many pictures in several threads, give each thread a
    [`Predictor`][expllm.predict.Predictor] of its own.

    Args:
        image: Path, encoded bytes, NumPy array [H, W, 3] uint8 RGB, or a Pillow image.
        **options: As for [`Predictor`][expllm.predict.Predictor].

    Raises:
        ImageError: the picture cannot be read.
        MissingWeights: a model file is missing.
        MissingDependency: a package or system library is missing.
    """
    with _LOCK:
        return _shared_predictor(**options).analyze(image)


_LOCK: Final = threading.Lock()


@lru_cache(maxsize=4)
def _shared_predictor(**options: Any) -> Predictor:
    return Predictor(**options)


def _provenance(classifier: str | None, *, detector: str, au_reader: str) -> Provenance:
    return Provenance(
        expllm=__version__,
        detector=detector,
        au_reader=au_reader,
        classifier=classifier or "none",
        writer="none" if classifier is None else WRITER,
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
