"""Faces boxed by the detector before training, once: what was found is kept in a cache beside the run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from expllm.core.errors import ImageError
from expllm.data import image_bytes
from expllm.faces.box_cache import BoxCache, detector_identity
from expllm.faces.boxes import boxed
from expllm.faces.finder import FaceFinder
from expllm.files.progress import Progress
from expllm.train.training_sets import TrainingFace


def boxed_faces(
    faces: Sequence[TrainingFace], cache: Path, *, quiet: bool = False
) -> tuple[tuple[TrainingFace, ...], tuple[tuple[str, str], ...]]:
    """The faces with their boxes, and those that are left out, with the reason.

    A picture in which the detector sees no face is left out, never taken whole in silence.

    Raises:
        OutputError, RecordError: the cache cannot be used.
    """
    kept: list[TrainingFace] = []
    left_out: list[tuple[str, str]] = []
    with (
        BoxCache(cache, detector_identity()) as known,
        FaceFinder() as finder,
        Progress(len(faces), shown=not quiet, doing="boxing faces", things="pictures") as progress,
    ):
        for face in faces:
            try:
                box = boxed(image_bytes(face.image), finder, known, near=face.box)
            except ImageError as error:
                left_out.append((face.id, error.line))
            else:
                if box is None:
                    left_out.append((face.id, "no face was found"))
                else:
                    kept.append(replace(face, box=box))
            progress.step(len(left_out))
    return tuple(kept), tuple(left_out)
