"""Img2AU: the action units of a sample's picture, measured by this package's own reader."""

import threading
from collections.abc import Sequence
from typing import Final

from expllm.core.errors import NoFaceError
from expllm.core.licences import check_licence
from expllm.core.records import FaceAnalysis, Rect
from expllm.core.vocabulary import AUSource, AUVector
from expllm.data import Sample, image_bytes
from expllm.faces.boxes import nearest_box
from expllm.faces.pixel_reader import READ_WITH
from expllm.predict.predictor import Predictor

FACELESS: Final = "no face could be measured"
"""How the line begins where a picture shows no face that can be measured."""


class FaceReader:
    """Img2AU by this package's own reader, one predictor a thread.

    The face is the one that the data set has boxed, else the largest.

    Args:
        au_source: What action units are read from.
        licence: Which weights may be used; see `core.licences.chosen_licence`.
    """

    def __init__(self, au_source: AUSource | str = AUSource.BLENDSHAPES, licence: str | None = None) -> None:
        check_licence(licence, *READ_WITH[AUSource(au_source)])
        self._licence = licence
        self._source = AUSource(au_source)
        self._local = threading.local()
        self._opening = threading.Lock()
        self._all: list[Predictor] = []

    def __call__(self, sample: Sample) -> tuple[AUVector, str]:
        faces = self.faces(sample)
        measured = [face for face in faces if face.aus is not None]
        if not measured:
            raise NoFaceError(f"{FACELESS} ({faces[0].status if faces else 'no_face'})")
        face = nearest_face(measured, sample.box)
        if face is None:
            raise NoFaceError(f"{FACELESS} in the data set's box")
        assert face.aus is not None
        assert face.provenance is not None
        return face.aus, face.provenance.au_reader

    def faces(self, sample: Sample) -> list[FaceAnalysis]:
        """Every face of a sample's picture, largest first.

        Raises:
            NoFaceError: it has no picture.
            ImageError: the picture cannot be read.
        """
        if sample.image is None:
            raise NoFaceError("has neither action units nor a picture")
        with self._opening:
            if not hasattr(self._local, "predictor"):
                self._local.predictor = Predictor(
                    explain=False, au_source=self._source, licence=self._licence
                )
                self._all.append(self._local.predictor)
        found: list[FaceAnalysis] = self._local.predictor.analyze(image_bytes(sample.image), name=sample.id)
        return found

    def close(self) -> None:
        """Frees the native models of all threads."""
        for predictor in self._all:
            predictor.close()


def nearest_face(faces: Sequence[FaceAnalysis], near: Rect | None) -> FaceAnalysis | None:
    """The face that a data set means: as [`nearest_box`][expllm.faces.boxes.nearest_box]."""
    best = nearest_box([_rect(face) for face in faces], near)
    return None if best is None else faces[best]


def _rect(face: FaceAnalysis) -> Rect:
    box = face.box
    return (0.0, 0.0, 0.0, 0.0) if box is None else (box.x, box.y, box.width, box.height)
