"""The faces of a data set, cut out for whoever is evaluated as they were for training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from expllm.core.errors import ImageError
from expllm.core.records import Rect
from expllm.data import Sample, image_bytes
from expllm.evals.saved_answers import Answer, Status
from expllm.faces.box_cache import BoxCache, own_cache
from expllm.faces.boxes import boxed, crop
from expllm.files.images import open_image

if TYPE_CHECKING:
    from PIL import Image

    from expllm.faces.finder import FaceFinder
    from expllm.faces.landmarks import Face
    from expllm.files.images import Picture


class FaceCutter:
    """Opens pictures, and cuts out their faces.

    Args:
        boxes: Whether faces are boxed by the detector first; else by the data set, or not at all.
    """

    def __init__(self, boxes: bool) -> None:
        self.boxes = boxes
        self._finder: FaceFinder | None = None
        self._known: BoxCache | None = None

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Boxes that were found by earlier runs are known inside; the face detector is freed at the end."""
        try:
            self._known = own_cache() if self.boxes else None
            yield self
        finally:
            if self._known is not None:
                self._known.close()
            if self._finder is not None:
                self._finder.close()

    def picture(self, sample: Sample) -> "Image.Image | Answer":
        """The face of a sample, or why there is none."""
        try:
            data = sample_bytes(sample)
            box = boxed(data, self, self._known, near=sample.box) if self.boxes else sample.box
            if self.boxes and box is None:
                return refused(sample, "no_face", "no face was found")
            return face_picture(data, sample.id, box)
        except ImageError as error:
            return refused(sample, "unreadable", error.line)

    def find(self, picture: "Picture") -> "list[Face]":
        """All faces of a picture, by the detector, which is started when it is needed first."""
        if self._finder is None:
            from expllm.faces.finder import FaceFinder

            self._finder = FaceFinder()
        return self._finder.find(picture)


def sample_bytes(sample: Sample) -> bytes:
    """The encoded picture of a sample.

    Raises:
        ImageError: it has none, or it cannot be read.
    """
    if sample.image is None:
        raise ImageError(f"{sample.id}: the data set is handed out without pictures")
    return image_bytes(sample.image)


def face_picture(data: bytes, name: str, box: Rect | None) -> "Image.Image":
    """A picture as training sees it without augmentation: RGB, cut to the face if it has a box.

    Raises:
        ImageError: it cannot be read.
    """
    from PIL import Image

    if box is None:
        return Image.fromarray(open_image(data, name=name).pixels)
    return Image.fromarray(crop(open_image(data, name=name, analysis_side=None), box))


def refused(sample: Sample, status: Status, reason: str) -> Answer:
    """No answer, and why."""
    assert sample.expression is not None
    return Answer(id=sample.id, truth=sample.expression, status=status, reason=reason)
