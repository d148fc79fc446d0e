"""What is measured of each face of each frame, and whether it can be relied on."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Final

from expllm.core.vocabulary import AU_BY_NAME, AU_NAMES, AUSource, AUVector
from expllm.faces.au_reader import FAR_TURNED
from expllm.faces.pixel_reader import PixelReading, UnitReader
from expllm.files.images import Picture
from expllm.video.follower import Followed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SMALLEST: Final = 60.0
"""Pixels of the longer side of a face below which its readings are not relied on."""

DARKEST, BRIGHTEST = 30.0, 225.0
"""Mean grey (0-255) of a face outside which its light is too poor."""

SHARPEST_BLUR: Final = 0.0003
"""Share of a face's contrast that is in its finest detail (128 pixels or more), below which it is blurred.
The example renders, the astronaut and rendered clips have 0.0058 and more; blurred with a radius of a
fortieth of the face 0.0001 to 0.0007, of a twentieth 0.0001 and less (faces of 100 pixels and more)."""


class Doubt(IntFlag):
    """Why a reading is not relied on; the names are those in the tables."""

    turned = 1
    small = 2
    dark = 4
    bright = 8
    blurred = 16
    covered = 32
    clock = 64
    gap = 128
    blink = 256
    excluded = 512

    @property
    def words(self) -> str:
        """Its names in a cell of a table: `turned small`; empty for none."""
        return " ".join(one.name or "" for one in Doubt if one in self)


@dataclass(frozen=True, eq=False)
class FaceReading:
    """One face of one frame.

    Attributes:
        track: Number of its track in the stretch.
        box: x, y, width, height in pixels of the upright frame.
        score: The detector's confidence, where it looked; else NaN.
        pose: Pitch, yaw, roll in degrees (signs as in `HeadPose`).
        units: Intensities 0-1 in the order of `AU_NAMES`, as measured; NaN where not.
        doubt: Why they are not relied on.
    """

    track: int
    box: tuple[float, float, float, float]
    score: float
    pose: tuple[float, float, float]
    units: tuple[float, ...]
    doubt: Doubt


class UnitMeter:
    """Followed faces -> readings.

    Args:
        mirrored: The videos are mirror images: swap left and right.
        source: What action units are read from.
        licence: `permissive` refuses to read pixels: the network's weights are for research only.

    Raises:
        UsageError: pixels are to be read, and only permissive weights are allowed.
    """

    def __init__(
        self, *, mirrored: bool = False, source: AUSource | str = AUSource.BLENDSHAPES,
        licence: str | None = None,
    ) -> None:  # fmt: skip
        self._reader = UnitReader(source, licence=licence)
        self._mirrored = mirrored
        self.identity = self._reader.identity

    def read(self, pixels: "NDArray[np.uint8]", faces: Sequence[Followed]) -> list[FaceReading]:
        """The readings of a frame's faces."""
        picture = Picture(pixels, "frame", (pixels.shape[1], pixels.shape[0]))
        found = self._reader.measure(picture, [one.face for one in faces], mirrored=self._mirrored)
        return [self._of(pixels, one, read) for one, read in zip(faces, found, strict=True)]

    def _of(self, pixels: "NDArray[np.uint8]", one: Followed, read: PixelReading | None) -> FaceReading:
        face = one.face
        assert read is not None
        assert face.pose is not None
        aus = self._of_one_source(read)
        units = tuple(float("nan") if (value := aus[name]) is None else value for name in AU_NAMES)
        doubt = posed(face.pose) | _seen(pixels, face.box)
        if face.hidden:
            doubt |= Doubt.covered
        score = float("nan") if face.score is None else face.score
        return FaceReading(one.track, face.box, score, face.pose, units, doubt)

    def _of_one_source(self, read: PixelReading) -> AUVector:
        """The units, less those that are read from pixels in other frames: sources differ, which would look
        like a movement where one frame is read by this and the next by that."""
        if self._reader.source is not AUSource.BOTH:
            return read.aus
        actions = self._reader.table.actions
        return read.aus.without(
            name
            for name, reading in read.readings.items()
            if reading.source is AUSource.BLENDSHAPES and actions[AU_BY_NAME[name].action].weights[1] > 0
        )


def posed(pose: tuple[float, float, float]) -> Doubt:
    """What the turn of a head speaks against."""
    turned = abs(pose[0]) > FAR_TURNED or abs(pose[1]) > FAR_TURNED
    return Doubt.turned if turned else Doubt(0)


def _seen(pixels: "NDArray[np.uint8]", box: tuple[float, float, float, float]) -> Doubt:
    """What of size, light and sharpness speaks against a face."""
    import numpy as np

    doubt = Doubt.small if max(box[2:]) < _SMALLEST else Doubt(0)
    x, y = max(0, int(box[0])), max(0, int(box[1]))
    stride = max(1, int(max(box[2:]) / 128))
    piece = pixels[y : int(box[1] + box[3]) : stride, x : int(box[0] + box[2]) : stride]
    if min(piece.shape[:2]) < 8:
        return doubt
    grey = piece.astype(np.float32).mean(axis=2)
    light = float(grey.mean())
    doubt |= Doubt.dark if light < DARKEST else Doubt.bright if light > BRIGHTEST else Doubt(0)
    return doubt | (Doubt.blurred if sharpness(grey) < SHARPEST_BLUR else Doubt(0))


def sharpness(grey: "NDArray[np.float32]") -> float:
    """How much of the contrast of a grey picture [H, W] is between neighbouring pixels."""
    fine = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(fine.var() / 20 / max(float(grey.var()), 1.0))
