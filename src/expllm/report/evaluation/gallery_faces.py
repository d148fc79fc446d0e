"""The faces of a gallery: opened from their data set, cut out, blurred where they may not be shown."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from expllm.core.errors import ExpllmError, ImageError
from expllm.data import Sample, image_bytes
from expllm.data.about import ABOUT, About
from expllm.data.roots import open_named
from expllm.evals.saved_answers import Settings
from expllm.faces.box_cache import BoxCache, own_cache
from expllm.faces.boxes import boxed
from expllm.faces.crops import training_crop

if TYPE_CHECKING:
    from PIL import Image

    from expllm.faces.landmarks import Face
    from expllm.files.images import Picture

Shown = Literal["blur", "show", "none"]
_SIDE: Final = 208
"""Pixels of a face in the page."""
PATCHES: Final = 6
"""Patches of colour that are left of a blurred face, across and down: no expression and nobody is seen."""


@dataclass(frozen=True)
class GalleryFaces:
    """Faces by the ids of their samples, and what the page has to say of them.

    Attributes:
        pictures: Those that can be shown.
        note: Why there are none, or what was done to them and under which terms they stand.
    """

    pictures: Mapping[str, "Image.Image"]
    note: str


def open_faces(settings: Settings, ids: Iterable[str], shown: Shown, root: str | None = None) -> GalleryFaces:
    """The faces with these ids, as squares of 208 pixels.

    Whatever stands in the way of a face - no data set, another one than was evaluated, a damaged picture - is
    told in the note: a report can be made without the data.

    Args:
        settings: Of the run that the faces belong to.
        ids: Of samples.
        shown: `blur` leaves 6 by 6 patches of colour of a face, `none` opens nothing.
        root: Where data sets lie; by default as for `open_named`.
    """
    if shown == "none":
        return GalleryFaces({}, "Faces are left out, as was asked for.")
    wanted = set(ids)
    try:
        dataset = open_named(settings.dataset, root)
        samples = [sample for sample in dataset if sample.id in wanted]
    except ExpllmError as error:
        return GalleryFaces({}, f"Faces are left out: the data set cannot be opened ({error.line}).")
    if dataset.fingerprint != settings.fingerprint:
        return GalleryFaces({}, f"Faces are left out: {settings.dataset} is another data set now.")
    known = own_cache() if settings.boxes else None
    try:
        found = {sample.id: _face(sample, known) for sample in samples}
    finally:
        if known is not None:
            known.close()
    pictures = {name: _blurred(face) if shown == "blur" else face for name, face in found.items() if face}
    return GalleryFaces(pictures, _note(ABOUT.get(dataset.kind), shown, len(wanted) - len(pictures)))


def _note(about: About | None, shown: Shown, absent: int) -> str:
    what = "Faces are blurred." if shown == "blur" else "Faces are shown."
    terms = about.terms if about else "They come from a data set whose terms are not known here."
    told = f"{what} {terms} Anyone who shares this page is responsible for it." if shown == "show" else what
    if shown == "blur" and about:
        told += f" {terms}"
    return f"{told} {absent} cannot be read or found." if absent else told


class _NoFinder:
    """Faces that no run has found before are shown with their whole picture."""

    def find(self, picture: "Picture") -> "list[Face]":
        return []


def _face(sample: Sample, known: BoxCache | None) -> "Image.Image | None":
    """The square that the model saw, or the whole picture; None if it cannot be read."""
    from PIL import ImageOps

    if sample.image is None:
        return None
    try:
        data = image_bytes(sample.image)
        box = sample.box
        if known is not None and known.get(hashlib.sha256(data).digest()) is not None:
            box = boxed(data, _NoFinder(), known, near=sample.box)
        picture = training_crop(data, sample.id, box)
    except ImageError:
        return None
    return ImageOps.pad(picture.convert("RGB"), (_SIDE, _SIDE), color="#d8d6d0")


def _blurred(face: "Image.Image") -> "Image.Image":
    from PIL import Image

    few = face.resize((PATCHES, PATCHES), Image.Resampling.BOX)
    return few.resize(face.size, Image.Resampling.BICUBIC)
