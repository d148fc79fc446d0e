"""Img2AU: a measured face -> the 24 FEAFA action units (paper, section III-B.1).

MediaPipe's blendshapes are raw network scores: several never leave zero, others rest at 0.1 on a
neutral face. Each action unit therefore has channels, a dead zone and a full scale of its own, derived
from real portraits and from renders with known weights by ``scripts/calibrate_aus.py`` and shipped, with
the figures of every unit, in ``assets/au_calibration.json``. A unit without a channel that works is
*not measured*.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from expllm.core.errors import RecordError
from expllm.core.vocabulary import ACTION_UNITS, FEAFA_NAMES, AUVector
from expllm.faces.visibility import hides

if TYPE_CHECKING:
    from expllm.faces.landmarks import Face

FAR_TURNED: Final = 35.0
"""Degrees of yaw or pitch beyond which half of the face is hidden and readings are unreliable."""

DECIMALS: Final = 4
"""Readings are rounded so: the FEAFA texts carry four decimals, and noise starts before."""


TRACE: Final = 0.05
"""Readings up to here are not worth a word: faces at rest show as much. They are kept, since together they
still tell expressions apart (FER+: 0.8 points of accuracy)."""


@dataclass(frozen=True)
class Channel:
    """How one action unit is read: from combined blendshapes, along two straight lines.

    Attributes:
        weights: Blendshape -> weight.
        combine: `sum` of the weighted scores, or the `max` of them.
        dead_zone: Combined score up to which the reading is no more than a trace (0.05).
        full_scale: Combined score from which the reading is 1.
    """

    weights: Mapping[str, float]
    combine: str
    dead_zone: float
    full_scale: float

    def read(self, blendshapes: Mapping[str, float]) -> float:
        parts = [weight * blendshapes[name] for name, weight in self.weights.items()]
        score = sum(parts) if self.combine == "sum" else max(parts)
        if score <= self.dead_zone:
            return TRACE * max(score, 0.0) / self.dead_zone if self.dead_zone else 0.0
        part = (score - self.dead_zone) / (self.full_scale - self.dead_zone)
        return TRACE + (1.0 - TRACE) * min(part, 1.0)


class BlendshapeReader:
    """MediaPipe blendshapes -> AUVector.

    Raises:
        RecordError: the calibration is not one, or names units that do not exist.
    """

    def __init__(self, calibration: Mapping[str, Any] | None = None) -> None:
        raw = load_calibration() if calibration is None else calibration
        try:
            entries = {name: raw["aus"][name] for name in FEAFA_NAMES}
            self._channels = {
                name: None if not entry["measured"] else channel_of(entry) for name, entry in entries.items()
            }
            self.identity = f"mediapipe-blendshapes/{raw['card']['date']}"
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"not an AU calibration: {error!r}") from None

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the units that this reader can measure."""
        return tuple(name for name, channel in self._channels.items() if channel is not None)

    def read(self, face: "Face", *, mirrored: bool = False) -> AUVector | None:
        """The action units of a face; None if it has no landmarks. What is hidden was not measured.

        Args:
            face: A face of [`FaceFinder`][expllm.faces.finder.FaceFinder].
            mirrored: The picture is a mirror image (a selfie preview): swap left and right.
        """
        if face.blendshapes is None:
            return None
        aus = self.read_blendshapes(face.blendshapes)
        if face.hidden:
            aus = aus.without(au.name for au in ACTION_UNITS if hides(face.hidden, au))
        return aus.mirrored() if mirrored else aus

    def read_blendshapes(self, blendshapes: Mapping[str, float], *, partly: bool = False) -> AUVector:
        """The same, from the 52 scores alone.

        Args:
            partly: Some may be missing: a unit that needs one of them was not measured.

        Raises:
            KeyError: a score is missing that a unit needs.
        """
        return AUVector(
            {
                name: round(channel.read(blendshapes), DECIMALS)
                for name, channel in self._channels.items()
                if channel is not None and (not partly or channel.weights.keys() <= blendshapes.keys())
            }
        )


def load_calibration() -> dict[str, Any]:
    """The shipped calibration with its card."""
    text = files("expllm").joinpath("assets", "au_calibration.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def channel_of(entry: Mapping[str, Any]) -> Channel:
    """The channel that an entry of an asset describes.

    Raises:
        KeyError, ValueError: it describes none.
    """
    channel = Channel(entry["channels"], entry["combine"], entry["dead_zone"], entry["full_scale"])
    if channel.combine not in ("sum", "max") or not channel.weights:
        raise ValueError(f"cannot combine {entry['channels']} by {entry['combine']!r}")
    if not channel.full_scale > channel.dead_zone:
        raise ValueError(f"full_scale {channel.full_scale} is not above dead_zone {channel.dead_zone}")
    return channel


def reading_warnings(face: "Face") -> tuple[str, ...]:
    """What makes the reading of a face less reliable, in sentences for its reader."""
    if face.pose is None:
        return ()
    pitch, yaw, roll = face.pose
    warnings = []
    if abs(yaw) > FAR_TURNED:
        side = "left" if yaw > 0 else "right"
        warnings.append(
            f"The head is turned {abs(yaw):.0f} degrees to its {side}: one side is partly hidden."
        )
    if abs(pitch) > FAR_TURNED:
        way = "up" if pitch > 0 else "down"
        warnings.append(
            f"The head is tilted {abs(pitch):.0f} degrees {way}: brows and eyes are foreshortened."
        )
    if abs(roll) > 100:
        warnings.append("The face is upside down: turn the picture for a reliable reading.")
    return tuple(warnings)
