"""Picture -> faces: box, score, 478 landmarks, blendshapes, head pose. Largest face first.

MediaPipe's Face Landmarker finds and measures large faces in one pass. What it misses is searched for:
small faces in overlapping tiles, faces that fill the frame behind a border, faces of a picture that lies on
its side or its head. A face that a detector sees but the landmark model cannot fit is reported as such, and
never dropped in silence.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from expllm.core.closing import Closing
from expllm.core.errors import UsageError
from expllm.core.licences import check_licence, chosen_licence
from expllm.faces.detectors import Detection, FaceDetector, MediaPipeDetector, ScrfdDetector, suppress
from expllm.faces.landmarks import Face, Landmarker, Placement
from expllm.faces.mosaics import PIECES, in_picture, mosaic, piece_around
from expllm.faces.small_faces import FacePlace, places
from expllm.faces.visibility import covered_by_points, is_unseen, parts_outside
from expllm.files.weights import FACE_LANDMARKER, locate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from expllm.files.images import Picture

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

SURE_IN_PIECE: Final = 0.6
"""Score that a face in a close look needs to be tried: texture fools the detector there."""

PORTRAIT_SIDE: Final = 320
"""Pixels of the longer side up to which a picture that one face fills is not searched for small ones."""

_MOST_PIXELS: Final = 12_600_000
"""Of a picture that is searched for small faces (4096 x 3072): larger ones are brought down to that."""

MOST_LOOKS: Final = 200
"""Close looks a picture, each at four places, 3 ms."""

PATIENCE: Final = 2
"""Close looks in vain, one after the other, and as many more a megapixel, after which the search ends: places
come in the order of their likelihood."""

FINEST_IN_PORTRAIT: Final = 4
"""How many times smaller a picture is first searched that one face fills, for faces from 42 pixels: at a half
the search would take a sixth of the time of the whole. There one look in vain ends it."""

LIKELY_IN_PORTRAIT: Final = 0.6
"""Probability of a place that is looked at in such a picture."""

PATIENCE_WITHOUT_A_FACE: Final = 8
"""The same while the picture has shown no face at all: to miss the only one is worse than 25 ms."""

BETTER_SIDE: Final = 64
"""Faces of fewer pixels are measured again where the full picture has more of them."""

ONE_PASS_FACES: Final = 20
"""Faces that the landmark model looks for in the whole picture; the others are found by close looks."""

CLEARLY: Final = 0.1
"""How much higher a turned face must score than the upright one: of a face seen from below both score low.
Of 200 upright portraits none is turned by mistake; of the same upside down 150 are found out, and 33 read as
a face that is not there (benchmarks/faces.py)."""

MAX_FACES: Final = 100
"""Faces of a picture that are analysed unless another number is given."""

CERTAIN: Final = 0.9
"""Score that it needs to be reported although no landmarks fit."""

CONFIRMED: Final = 0.65
"""Mean score that a face without landmarks needs in a picture larger than a portrait, seen closely and
mirrored: texture reaches it by chance in one view, seldom in two."""


class FaceFinder(Closing):
    """Finds and measures faces. Open it once, use it for many pictures, close it (or use `with`).

    Not for two threads at once: give each thread its own.

    Args:
        detector: `"mediapipe"`, or the path of a SCRFD ONNX file.
        landmarker: Path of `face_landmarker.task`; found by itself when None.
        max_faces: `find` gives at most so many faces a picture, the largest.
        licence: As for `chosen_licence`; `permissive` loads no weights for research only: fewer small faces
            are found, and what covers a face is not.

    Attributes:
        name: The detector, for provenance.
        weights: What it loads, by the names of `core.licences`.

    Raises:
        UsageError: weights of SCRFD, where only permissive ones are allowed.
        MissingWeights: a model file is missing.
        MissingDependency: a package or system library is missing.
    """

    def __init__(
        self,
        detector: str | os.PathLike[str] = "mediapipe",
        *,
        landmarker: str | os.PathLike[str] | None = None,
        max_faces: int = MAX_FACES,
        licence: str | None = None,
    ) -> None:
        if max_faces < 1:
            raise UsageError(f"max_faces is {max_faces}: it must be at least 1")
        one_pass = os.fspath(detector) == "mediapipe"
        check_licence(licence, "mediapipe" if one_pass else "scrfd")
        self._permissive = chosen_licence(licence) == "permissive"
        bundle = locate(FACE_LANDMARKER, landmarker)
        self._detector: FaceDetector = MediaPipeDetector(bundle) if one_pass else ScrfdDetector(detector)
        self._landmarker = Landmarker(bundle, ONE_PASS_FACES, permissive=self._permissive)
        self._find = self._find_in_one_pass if one_pass else self._find_then_measure
        self._max_faces = max_faces
        self.name = self._detector.name
        networks = () if self._permissive else ("small_faces", "face_parts")
        self.weights = ("mediapipe", *(() if one_pass else ("scrfd",)), *networks)

    def find(self, picture: "Picture") -> list[Face]:
        """The faces of a picture, largest first, at most `max_faces`; an empty list if it shows none.

        Raises:
            ImageError: the picture has to be opened in a larger size, and cannot be read again.
        """
        return self.find_all(picture)[: self._max_faces]

    def find_all(self, picture: "Picture") -> list[Face]:
        """The same without a limit.

        Raises:
            ImageError: as `find`.
        """
        faces = self._find(picture)
        faces.sort(key=lambda face: face.box[2] * face.box[3], reverse=True)
        scale = picture.scale_x, picture.scale_y
        if scale != (1.0, 1.0):
            faces = [Placement(scale=scale).face(face) for face in faces]
        return [_in_sight(face, picture.full_size) for face in faces]

    def close(self) -> None:
        """Frees the native models; left to the garbage collector they print an error at exit."""
        self._landmarker.close()
        self._detector.close()

    def _find_then_measure(self, picture: "Picture") -> list[Face]:
        pixels = picture.pixels
        faces = [_sized(self._measure(pixels, one)) for one in self._detector.detect(pixels)]
        return self._with_small(picture, faces) or self._look_again(pixels, upright=False)

    def _find_in_one_pass(self, picture: "Picture") -> list[Face]:
        pixels = picture.pixels
        if max(pixels.shape[:2]) < ENLARGED_SIDE:
            return self._look_again(pixels, upright=False) or [
                _sized(_unfitted(pixels, found, not self._permissive))
                for found in self._detector.detect(pixels)
            ]
        faces = self._landmarker.fit(pixels)
        seen = self._detector.detect(pixels)
        if _best(seen) < SURE:
            behind_border = self._credible(pixels, self._look_again(pixels, upright=bool(faces)))
            if behind_border:
                return self._with_small(picture, behind_border)
        faces = [_sized(face) for face in self._merge(pixels, faces, seen)]
        faces = self._with_small(picture, self._credible(pixels, faces))
        if any(face.status == "ok" for face in faces):
            return faces
        return self._credible(pixels, self._look_again(pixels, upright=False)) or faces

    def _with_small(self, picture: "Picture", faces: list[Face]) -> list[Face]:
        """The faces of the searched picture and the small ones, which may need it in a larger size."""
        pixels = picture.pixels
        portrait = len(faces) == 1 and _fills(faces[0], pixels)
        if portrait and max(pixels.shape[:2]) <= PORTRAIT_SIDE:
            return faces
        larger = picture if portrait else picture.larger(_searched_side(picture.full_size))
        detail = larger.pixels
        scale = pixels.shape[1] / detail.shape[1], pixels.shape[0] / detail.shape[0]
        back, there = Placement(scale=scale), Placement(scale=(1 / scale[0], 1 / scale[1]))
        known = [there.face(face) for face in faces]
        if larger is not picture:
            sharper = [self._sharper(detail, face, scale[0]) for face in known]
            faces = [back.face(new) if new else old for old, new in zip(faces, sharper, strict=True)]
        patience = 0 if portrait else PATIENCE if known else PATIENCE_WITHOUT_A_FACE
        if self._permissive:
            likely = []
        elif not portrait:
            likely = places(detail)
        else:
            likely = [one for one in places(detail, FINEST_IN_PORTRAIT) if one.likely >= LIKELY_IN_PORTRAIT]
        return faces + [back.face(face) for face in self._small(detail, known, likely, patience)]

    def _sharper(self, detail: "NDArray[np.uint8]", face: Face, scale: float) -> Face | None:
        """A face measured again, if it had few pixels and has more here; None if not."""
        if max(face.box[2:]) * scale >= BETTER_SIDE:
            return None
        measured = self._measure(detail, Detection(face.box, face.score or 0.0))
        return replace(_sized(measured), score=face.score) if measured.status == "ok" else None

    def _credible(self, pixels: "NDArray[np.uint8]", faces: list[Face]) -> list[Face]:
        """The faces without landmarks that fit nothing, and, in larger pictures, what only one view shows."""
        faces = [face for face in faces if not _is_chance(face)]
        if max(pixels.shape[:2]) <= PORTRAIT_SIDE:
            return faces
        return [face for face in faces if face.status != "no_landmarks" or self._confirmed(pixels, face)]

    def _confirmed(self, pixels: "NDArray[np.uint8]", face: Face) -> bool:
        """Whether a face without landmarks is seen in two more views of it."""
        import numpy as np

        crop, _ = _crop(pixels, Detection(face.box, face.score or 0.0))
        views = (crop, np.ascontiguousarray(crop[:, ::-1]))
        scores = [_best(self._detector.detect(view)) for view in views]
        return (face.score or 0.0) >= CERTAIN or sum(scores) / 2 >= CONFIRMED

    def _small(
        self, pixels: "NDArray[np.uint8]", known: list[Face], likely: list[FacePlace], patience: int
    ) -> list[Face]:
        """Faces that are not known yet, found by close looks at where they may be."""
        new: list[Face] = []
        for found in self._look_closely(pixels, known, likely, patience):
            if not any(face.holds(found.centre) for face in (*known, *new)):
                face = self._measure(pixels, found)
                if _is_real(face):
                    new.append(_sized(face))
        return new

    def _look_closely(
        self, pixels: "NDArray[np.uint8]", known: list[Face], likely: list[FacePlace], patience: int
    ) -> list[Detection]:
        """What the detector sees of faces around the places where small ones may be, best first."""
        import numpy as np

        found: list[Detection] = []
        in_vain, looks, size = 0, 0, 1 + pixels.shape[0] * pixels.shape[1] / 1e6
        left = [place for place in likely if not any(face.holds(place.middle) for face in known)]
        while left and looks < MOST_LOOKS and in_vain <= patience * size:
            seen = self._look_at(pixels, left[:PIECES])
            left = [one for one in left[PIECES:] if not any(face.holds(one.middle) for face in seen)]
            in_vain, patience = (0, min(patience, PATIENCE)) if seen else (in_vain + 1, patience)
            found, looks = found + seen, looks + 1
        corners = [(x, y, x + w, y + h) for x, y, w, h in (one.box for one in found)]
        scores = np.array([one.score for one in found], np.float32)
        kept = suppress(np.array(corners, np.float32).reshape(-1, 4), scores, max_overlap=0.3)
        return [found[i] for i in kept]

    def _look_at(self, pixels: "NDArray[np.uint8]", some: Sequence[FacePlace]) -> list[Detection]:
        """What the detector sees of faces at four places, in one look."""
        size = pixels.shape[1], pixels.shape[0]
        pieces = [piece_around(*place.middle, place.side, size) for place in some]
        seen = [one for one in self._detector.detect(mosaic(pixels, pieces)) if one.score >= SURE_IN_PIECE]
        return [face for one in seen if (face := in_picture(one, pieces)) is not None]

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
            return _unfitted(pixels, found, not self._permissive)
        return replace(fits[0], score=found.score)

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
        faces = self._merge(view, self._landmarker.fit(view), seen[best])
        return [_sized(place.face(face)) for face in faces]


def _unfitted(pixels: "NDArray[np.uint8]", found: Detection, network: bool) -> Face:
    """A face without landmarks, with what the detector's points tell of it."""
    hidden = covered_by_points(pixels, found.points, network=network) if found.points else frozenset()
    return Face("no_landmarks", found.box, found.score, hidden=hidden)


def _in_sight(face: Face, size: tuple[int, int]) -> Face:
    """The face with the parts outside the picture among those that are hidden."""
    if face.landmarks is None:
        return face
    return replace(face, hidden=face.hidden | parts_outside(size, face.landmarks))


def _best(found: list[Detection]) -> float:
    """The best score, 0 if nothing was found."""
    return max((one.score for one in found), default=0.0)


def _fills(face: Face, pixels: "NDArray[np.uint8]") -> bool:
    """Whether a face is so large (a tenth of the picture) that the picture is a portrait of it.

    Searching such a picture for small faces costs more than it finds.
    """
    return bool(face.box[2] * face.box[3] >= 0.1 * pixels.shape[0] * pixels.shape[1])


def _is_real(face: Face) -> bool:
    """Whether a face found in a tile is more than texture: something of it is measured, or it is certain."""
    measured = face.status == "ok" and not is_unseen(face.hidden)
    return measured or (face.score or 0.0) >= CERTAIN


def _is_chance(face: Face) -> bool:
    """Whether landmarks fit something of which no part is seen, and the detector is not sure of it either."""
    return face.status == "ok" and is_unseen(face.hidden) and (face.score or 0.0) < SURE


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


def smallest_seen(full_size: tuple[int, int]) -> float:
    """The longer side of the smallest face that is found in a picture of this size, in its own pixels."""
    return MIN_FACE_SIDE * max(full_size) / _searched_side(full_size)


def _searched_side(full_size: tuple[int, int]) -> int:
    """The longer side of a picture that small faces are searched in."""
    width, height = full_size
    return int(max(full_size) * min(1.0, (_MOST_PIXELS / (width * height)) ** 0.5))


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
