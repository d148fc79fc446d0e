"""Action units from the pixels of a face, and how they join those from blendshapes.

`assets/au_units.json` says for every action which sources measure it, how, with what error, and on what
evidence (`scripts/fit_au_reader.py` writes it). The network behind the pixels (`facenet`) learned from
readings of the published OpenFace models: it is for academic use only.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from expllm.core.errors import RecordError
from expllm.core.licences import check_licence
from expllm.core.records import UnitReading
from expllm.core.vocabulary import ACTION_UNITS, AU_BY_NAME, AUSource, AUVector
from expllm.faces.au_reader import DECIMALS, TRACE, BlendshapeReader, Channel, channel_of
from expllm.faces.crops import upright_crop
from expllm.faces.landmarks import Face
from expllm.faces.unit_network import CROP_SIDE, FACS, FaceNet, face_net
from expllm.faces.visibility import hides
from expllm.files.images import Picture

_ASSET: Final = "au_units.json"
MOST_TURNED: Final = 30.0
"""Degrees of yaw or pitch beyond which pixels are not read: the network learned from frontal faces."""
MOST_APART: Final = 0.5
"""Where sources differ by more, the band of the reading reaches from one to the other. Drawn and rendered
faces need it, as the network knows photographs alone."""


@dataclass(frozen=True)
class Ramp:
    """How the network's value becomes an intensity: along two straight lines, as for blendshapes.

    Attributes:
        facs: Units of FACS whose weighted sum is the action, by their numbers.
        floor: Value up to which nothing is read: the lower end of faces at rest.
        dead_zone: Value up to which the reading is no more than a trace (0.05).
        full_scale: Value from which the reading is 1.
    """

    facs: Mapping[int, float]
    floor: float
    dead_zone: float
    full_scale: float

    def value(self, units: NDArray[Any]) -> NDArray[Any]:
        """The action's value of faces: [..., 17] -> [...]."""
        chosen = units[..., [FACS.index(number) for number in self.facs]]
        value: NDArray[Any] = chosen @ np.array([*self.facs.values()], chosen.dtype)
        return value

    def intensity(self, units: NDArray[Any]) -> NDArray[Any]:
        """The action's intensity, 0-1: [..., 17] -> [...]."""
        points = [self.floor, self.dead_zone, self.full_scale]
        read: NDArray[Any] = np.interp(self.value(units), points, [0.0, TRACE, 1.0])
        return read


@dataclass(frozen=True)
class Action:
    """How an action is measured.

    Attributes:
        pixels: How the network measures it; None where it cannot.
        channel: How blendshapes measure it where the calibration of FEAFA's units does not say so.
        weights: Of blendshapes and of pixels where both are there; 0 for a source that cannot be trusted.
        error: Typical difference from the published models on people that nobody learned from, as an
            intensity; None where nothing is known.
        bands: By source: how far the published models read from such a reading.
        parts: Units of FACS that the action joins and the network tells apart, by their numbers; empty where
            the action is one unit.
    """

    pixels: Ramp | None
    channel: Channel | None
    weights: tuple[float, float]
    error: float | None
    bands: "Mapping[AUSource, ErrorBand]"
    parts: Mapping[int, Ramp]

    def source(self, *, seen: bool) -> AUSource:
        """What a reading comes from.

        Args:
            seen: The network read the face.
        """
        if not seen or not self.weights[1]:
            return AUSource.BLENDSHAPES
        return AUSource.BOTH if self.weights[0] else AUSource.PIXELS


@dataclass(frozen=True)
class ErrorBand:
    """How far a reading may be off: 10 % and 90 % of the differences on held-out faces, by the reading.

    Attributes:
        levels: Readings, rising.
        low: What the published models read less than that, negative, at each level.
        high: What they read more.
    """

    levels: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def around(self, reading: float) -> tuple[float, float]:
        """The ends of the band around a reading, 0-1; the reading lies within."""
        ends = (float(np.interp(reading, self.levels, end)) for end in (self.low, self.high))
        low, high = (min(1.0, max(0.0, reading + end)) for end in ends)
        return round(min(low, reading), 2), round(max(high, reading), 2)


@dataclass(frozen=True)
class PixelReading:
    """The action units of a face.

    Attributes:
        aus: Their intensities.
        readings: Of those that were measured, the source and the band.
        facs: Intensities of units of FACS that an action joins (inner and outer brow raise, AU 1 and 2), by
            their numbers, where the network told them apart.
    """

    aus: AUVector
    readings: Mapping[str, UnitReading]
    facs: Mapping[int, float]


class UnitTable:
    """The asset: how each action is measured.

    Raises:
        RecordError: it is damaged.
    """

    def __init__(self, raw: Mapping[str, Any] | None = None) -> None:
        raw = load_units() if raw is None else raw
        try:
            self.actions: Mapping[str, Action] = MappingProxyType(
                {au.action: _action(raw["actions"][au.action]) for au in ACTION_UNITS}
            )
            self.least_clear = float(raw["least_clear"])
            self.identity = f"face-pixels/{raw['card']['date']}"
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{_ASSET} is not a table of action units: {error!r}") from None

    def intensities(self, units: NDArray[Any]) -> dict[str, float]:
        """The actions of one face that pixels measure, from the 17 values of the network."""
        return {
            name: round(float(action.pixels.intensity(units)), DECIMALS)
            for name, action in self.actions.items()
            if action.pixels is not None and action.weights[1] > 0
        }

    def parts(self, units: NDArray[Any]) -> dict[int, float]:
        """How far each unit of FACS that an action joins lies from their mean, on the scale of 0 to 1."""
        found: dict[int, float] = {}
        for action in self.actions.values():
            if action.parts and action.weights[1] > 0:
                read = {number: float(ramp.intensity(units)) for number, ramp in action.parts.items()}
                mean = sum(read.values()) / len(read)
                found |= {number: value - mean for number, value in read.items()}
        return found


@dataclass(frozen=True)
class SeenUnits:
    """What pixels say of a face.

    Attributes:
        actions: The intensity of each action that they measure; empty where the face cannot be read.
        parts: As `UnitTable.parts` gives them.
    """

    actions: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[int, float] = field(default_factory=dict)


class PixelReader:
    """Reads action units from the pixels of faces.

    Args:
        table: How the network's values become intensities; the one that ships when None.
        net: The network; the one that ships when None.
    """

    def __init__(self, table: UnitTable | None = None, net: FaceNet | None = None) -> None:
        self.table = table or UnitTable()
        self._given = net

    @cached_property
    def _net(self) -> FaceNet:
        return self._given or face_net()

    def read(self, picture: Picture, faces: Sequence[Face]) -> list[SeenUnits]:
        """What pixels say of each face; nothing where it cannot be read.

        Args:
            picture: The picture that the faces were found in.
            faces: Those found, with their landmarks.
        """
        read = [SeenUnits()] * len(faces)
        places = [place for place, face in enumerate(faces) if _looks_ahead(face)]
        crops = [upright_crop(picture, faces[at].box, _roll(faces[at]), CROP_SIDE) for at in places]
        seen = self._net(crops)
        for at, units, clear in zip(places, seen.units, seen.clear, strict=True):
            if clear >= self.table.least_clear:
                read[at] = SeenUnits(self.table.intensities(units), self.table.parts(units))
        return read


READ_WITH: Final[Mapping[AUSource, tuple[str, ...]]] = {
    AUSource.BLENDSHAPES: ("blendshapes",),
    AUSource.PIXELS: ("seeing",),
    AUSource.BOTH: ("blendshapes", "seeing"),
}
"""Weights that each source needs, by the names of `core.licences`."""


class UnitReader:
    """Reads action units from blendshapes, from pixels, or from both.

    Args:
        source: What to read from.
        licence: `permissive` refuses to read pixels: the network's weights are for research only.

    Raises:
        UsageError: pixels are to be read, and only permissive weights are allowed.
    """

    def __init__(self, source: AUSource | str = AUSource.BLENDSHAPES, *, licence: str | None = None) -> None:
        self.source = AUSource(source)
        self.weights = READ_WITH[self.source]
        check_licence(licence, *self.weights)
        self._blendshapes = BlendshapeReader()
        self.table = UnitTable()
        self._pixels = None if self.source is AUSource.BLENDSHAPES else PixelReader(self.table)

    @property
    def identity(self) -> str:
        """For provenance."""
        names = [self._blendshapes.identity] if self.source is not AUSource.PIXELS else []
        return "+".join([*names, *([self.table.identity] if self._pixels else [])])

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the units that this source can measure."""
        if self._pixels is None:
            return self._blendshapes.measured
        first = 0 if self.source is AUSource.BOTH else 1
        actions = self.table.actions
        return tuple(au.name for au in ACTION_UNITS if sum(actions[au.action].weights[first:]) > 0)

    def read(
        self, picture: Picture, faces: Sequence[Face], *, mirrored: bool = False
    ) -> list[AUVector | None]:
        """The action units of each face alone; see `measure`."""
        return [None if one is None else one.aus for one in self.measure(picture, faces, mirrored=mirrored)]

    def measure(
        self, picture: Picture, faces: Sequence[Face], *, mirrored: bool = False
    ) -> list[PixelReading | None]:
        """The action units of each face; None of one without landmarks. What is hidden was not measured.

        Args:
            picture: The picture that the faces were found in.
            faces: Those found in it.
            mirrored: The picture is a mirror image (a selfie preview): swap left and right.
        """
        seen: Sequence[SeenUnits] = [SeenUnits()] * len(faces)
        if self._pixels is not None:
            seen = self._pixels.read(picture, faces)
        return [self._measure(face, units, mirrored) for face, units in zip(faces, seen, strict=True)]

    def _measure(self, face: Face, seen: SeenUnits, mirrored: bool) -> PixelReading | None:
        if face.blendshapes is None:
            return None
        aus, apart = self._joined(face.blendshapes, seen.actions)
        if face.hidden:
            aus = aus.without(au.name for au in ACTION_UNITS if hides(face.hidden, au))
        aus = aus.mirrored() if mirrored else aus
        readings = {name: self._reading(name, aus, seen.actions, apart) for name in aus.measured}
        return PixelReading(aus, readings, _parts(aus, seen.parts))

    def _reading(
        self, name: str, aus: AUVector, seen: Mapping[str, float], apart: Mapping[str, tuple[float, float]]
    ) -> UnitReading:
        action = self.table.actions[AU_BY_NAME[name].action]
        source = action.source(seen=AU_BY_NAME[name].action in seen)
        if self.source is AUSource.PIXELS:
            source = AUSource.PIXELS
        value, band = aus[name], action.bands.get(source)
        if value is None or band is None:
            return UnitReading(source=source)
        low, high = band.around(value)
        if ends := apart.get(AU_BY_NAME[name].action):
            low, high = min(low, value, *ends), max(high, value, *ends)
            source = AUSource.BOTH
        return UnitReading(source=source, low=round(low, 2), high=round(high, 2))

    def of(self, blendshapes: Mapping[str, float], seen: Mapping[str, float]) -> AUVector:
        """The action units of a face that hides nothing.

        Args:
            blendshapes: The 52 scores.
            seen: The actions that pixels measure, as `PixelReader.intensities` gives them; empty where the
                face cannot be read from pixels.
        """
        return self._joined(blendshapes, seen)[0]

    def _joined(
        self, blendshapes: Mapping[str, float], seen: Mapping[str, float]
    ) -> tuple[AUVector, dict[str, tuple[float, float]]]:
        """The units, and what each source reads of the actions on which both contradict each other."""
        calibrated = self._blendshapes.read_blendshapes(blendshapes)
        if self._pixels is None:
            return calibrated, {}
        joined: dict[str, float | None] = {}
        apart: dict[str, tuple[float, float]] = {}
        for name, action in self.table.actions.items():
            sides = [au.name for au in ACTION_UNITS if au.action == name]
            shapes: list[float | None] = [None] * len(sides)
            if self.source is AUSource.BOTH:  # how sides differ, they know even where their level is no good
                shapes = [calibrated[side] for side in sides]
                if action.channel is not None:
                    shapes = [round(action.channel.read(blendshapes), DECIMALS)] * len(sides)
            ends = _contradiction(shapes, seen.get(name))
            if ends is not None:
                apart[name] = ends
            joined |= dict(zip(sides, join_sides(shapes, seen.get(name), action.weights), strict=True))
        if (joined["lips part"] or 0.0) > TRACE and joined["lip pressor"] is not None:
            joined["lip pressor"] = 0.0  # FACS: lips that part are not pressed together
        return AUVector(joined), apart


def _contradiction(sides: Sequence[float | None], seen: float | None) -> tuple[float, float] | None:
    """What blendshapes and pixels read of an action, if both read it and are far apart."""
    known = [side for side in sides if side is not None]
    if seen is None or not known or len(known) < len(sides):
        return None
    mean = sum(known) / len(known)
    return (mean, seen) if abs(mean - seen) > MOST_APART else None


def join_sides(
    sides: Sequence[float | None], seen: float | None, weights: tuple[float, float]
) -> list[float | None]:
    """The sides of an action from what blendshapes say of each and pixels of both.

    The level is the weighted mean of both sources; how much the sides differ, only blendshapes know.

    Args:
        sides: Intensity of each side by blendshapes, None where they do not measure it.
        seen: Intensity of the action by pixels, None where they do not measure it.
        weights: Of blendshapes and of pixels.
    """
    known = [side for side in sides if side is not None]
    if seen is None:
        return list(sides)
    if len(known) < len(sides):
        return [seen] * len(sides)
    mean = sum(known) / len(known)
    level = (weights[0] * mean + weights[1] * seen) / sum(weights)
    return [round(min(1.0, max(0.0, level + side - mean)), DECIMALS) for side in known]


def _parts(aus: AUVector, parts: Mapping[int, float]) -> dict[int, float]:
    """Intensities of units of FACS that an action joins: its level, and how far each lies from it.

    The level is the action's stronger side; of a hidden action there is none.
    """
    found = {}
    for number, apart in parts.items():
        sides = [aus[au.name] for au in ACTION_UNITS if number in au.facs]
        known = [side for side in sides if side is not None]
        if known:
            found[number] = round(min(1.0, max(0.0, max(known) + apart)), DECIMALS)
    return found


def load_units() -> dict[str, Any]:
    """The shipped table with its card and figures."""
    text = files("expllm").joinpath("assets", _ASSET).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _action(raw: Mapping[str, Any]) -> Action:
    pixels, channel = raw["pixels"], raw["channel"]
    weights = (float(raw["weights"]["blendshapes"]), float(raw["weights"]["pixels"]))
    if min(weights) < 0 or (weights[1] > 0) > (pixels is not None):
        raise ValueError(f"weights {weights} for what cannot be measured")
    bands = {AUSource(name): _band(band) for name, band in raw.get("bands", {}).items()}
    ramp = pixels and _ramp(pixels)
    parts = _part_ramps(ramp, raw.get("parts", {})) if ramp else {}
    return Action(ramp, channel and channel_of(channel), weights, raw["error"], bands, parts)


def _part_ramps(whole: Ramp, raw: Mapping[str, Any]) -> dict[int, Ramp]:
    """The ramp of each unit of FACS that an action joins: its own, or in earlier tables that of the action.

    A unit with a negative share is no part: it is taken out.
    """
    numbers = [number for number, share in whole.facs.items() if share > 0]
    if len(numbers) < 2:
        return {}
    points = {"floor": whole.floor, "dead_zone": whole.dead_zone, "full_scale": whole.full_scale}
    return {number: _ramp({**points, **raw.get(str(number), {}), "facs": {number: 1}}) for number in numbers}


def _band(raw: Mapping[str, Any]) -> ErrorBand:
    band = ErrorBand(tuple(raw["levels"]), tuple(raw["low"]), tuple(raw["high"]))
    if not len(band.levels) == len(band.low) == len(band.high) > 0 or list(band.levels) != sorted(
        band.levels
    ):
        raise ValueError(f"not a band: {raw}")
    return band


def _ramp(raw: Mapping[str, Any]) -> Ramp:
    facs = {int(number): float(weight) for number, weight in raw["facs"].items()}
    ramp = Ramp(facs, raw["floor"], raw["dead_zone"], raw["full_scale"])
    if not ramp.floor < ramp.dead_zone < ramp.full_scale or not {*facs} <= {*FACS}:
        raise ValueError(f"cannot read {raw}")
    return ramp


def _looks_ahead(face: Face) -> bool:
    if face.status != "ok" or face.pose is None:
        return False
    pitch, yaw, _ = face.pose
    return max(abs(pitch), abs(yaw)) <= MOST_TURNED


def _roll(face: Face) -> float:
    return 0.0 if face.pose is None else face.pose[2]
