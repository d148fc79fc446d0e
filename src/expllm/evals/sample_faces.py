"""The faces of a data set's samples: cut out as for training, and measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from expllm.core.errors import ExpllmError, ImageError, NoFaceError
from expllm.core.vocabulary import AUSource, AUVector
from expllm.data import Sample, image_bytes
from expllm.evals.references import References
from expllm.faces.box_cache import BoxCache, own_cache
from expllm.faces.boxes import boxed
from expllm.faces.crops import training_crop
from expllm.predict.base import FaceInput
from expllm.predict.img2au import FaceReader, nearest_face

if TYPE_CHECKING:
    from PIL import Image

    from expllm.faces.finder import FaceFinder
    from expllm.faces.landmarks import Face
    from expllm.files.images import Picture

MeasuredUnits = AUVector | ExpllmError
"""The action units of a face, or why it has none."""


class SampleFaces:
    """Opens the pictures of samples, and cuts out or measures their faces.

    The face is the one in the data set's box, else the largest. Nothing heavy is loaded before the first.

    Args:
        boxes: Whether faces are boxed by the detector before they are cut out; else by the data set, or not
            at all.
        au_source: What action units are measured from.

    Raises:
        UsageError: the weights that this needs may not be used.
    """

    def __init__(self, boxes: bool, au_source: AUSource | str = AUSource.BLENDSHAPES) -> None:
        self._boxes, self.au_source = boxes, AUSource(au_source)
        self._reader = FaceReader(self.au_source)
        self._finder: FaceFinder | None = None
        self._known: BoxCache | None = None

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Boxes that were found by earlier runs are known inside; native models are freed at the end."""
        try:
            self._known = own_cache() if self._boxes else None
            yield self
        finally:
            self._reader.close()
            if self._known is not None:
                self._known.close()
            if self._finder is not None:
                self._finder.close()

    def crop(self, sample: Sample) -> "Image.Image":
        """The face, RGB.

        Raises:
            ImageError: there is no picture, or it cannot be read.
            NoFaceError: the detector finds no face.
        """
        if sample.image is None:
            raise ImageError(f"{sample.id}: the data set is handed out without pictures")
        data = image_bytes(sample.image)
        box = boxed(data, self, self._known, near=sample.box) if self._boxes else sample.box
        if self._boxes and box is None:
            raise NoFaceError("no face was found")
        return training_crop(data, sample.id, box)

    def aus(self, sample: Sample, references: References) -> MeasuredUnits:
        """The action units that the data set or a reference text brings; else they are measured."""
        brought = sample.aus or references.aus(sample)
        if brought is not None:
            return brought
        try:
            return self._reader(sample)[0]
        except ExpllmError as error:
            return error

    def measured(self, sample: Sample) -> FaceInput:
        """The face as `analyze` measures it, for an explainer that needs no image.

        Raises:
            ImageError: there is no picture, or it cannot be read.
            NoFaceError: there is no face, or it cannot be measured.
        """
        if sample.image is None:
            raise ImageError(f"{sample.id}: the data set is handed out without pictures")
        face = nearest_face(self._reader.faces(sample), sample.box)
        if face is None:
            raise NoFaceError("no face was found")
        if face.aus is None:
            raise NoFaceError(f"the face cannot be measured ({face.status})")
        return FaceInput(None, face.aus, bool(face.hidden))

    def find(self, picture: "Picture") -> "list[Face]":
        """All faces of a picture, by the detector, which is started when it is needed first."""
        if self._finder is None:
            from expllm.faces.finder import FaceFinder

            self._finder = FaceFinder()
        return self._finder.find(picture)
