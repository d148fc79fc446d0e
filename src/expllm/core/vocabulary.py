"""The vocabulary of faces: action units, expressions, label orders, synonyms.

Names become numbers, and numbers names, only here. Left and right are the subject's own.

The first 24 action units are those of FEAFA (Yan et al., 2019), in its order, which is also the order of
the released ExpLLM texts. Behind them stand seven units of FACS (Ekman & Friesen) that FEAFA does not have,
without sides. ARKit names are the blendshapes that MediaPipe's Face Landmarker prints.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from expllm.core.errors import VocabularyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Side(StrEnum):
    """A side of the face, as its owner names it."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> "Side":
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


class AUSource(StrEnum):
    """What action units are read from."""

    BLENDSHAPES = "blendshapes"
    PIXELS = "pixels"
    BOTH = "both"


@dataclass(frozen=True)
class ActionUnit:
    """One movement of the face, of FEAFA or of FACS alone.

    Attributes:
        number: FEAFA number, 1-24; None for a unit that only FACS has.
        name: Lower case, e.g. ``"left brow lower"``.
        action: The name without its side, ``"brow lower"``: both sides share it.
        side: The subject's side, or None for an action of the whole face.
        direction: For a slide of the jaw, where it goes (subject's side); otherwise None.
        region: Part of the face: eyes, brows, nose, cheeks, mouth or jaw.
        facs: FACS action unit numbers that it stands for.
        arkit: Blendshapes that measure it, as MediaPipe names them.
    """

    number: int | None
    name: str
    action: str
    side: Side | None
    direction: Side | None
    region: str
    facs: tuple[int, ...]
    arkit: tuple[str, ...]

    @property
    def mirror(self) -> str:
        """The name of the action unit seen after the picture is flipped left to right."""
        if self.side is not None:
            return f"{self.side.other} {self.action}"
        return self.name if self.direction is None else f"{self.action} {self.direction.other}"


def _pair(number: int, action: str, region: str, facs: tuple[int, ...], *arkit: str) -> list[ActionUnit]:
    """The left and the right unit of a sided action; ``*`` in an ARKit name stands for the side."""
    return [
        ActionUnit(
            number + i, f"{side} {action}", action, side, None, region, facs,
            tuple(name.replace("*", side.capitalize()) for name in arkit),
        )
        for i, side in enumerate(Side)
    ]  # fmt: skip


def _whole(number: int | None, action: str, region: str, facs: tuple[int, ...], *arkit: str) -> ActionUnit:
    return ActionUnit(number, action, action, None, None, region, facs, arkit)


def _slide(number: int, side: Side) -> ActionUnit:
    arkit = (f"jaw{side.capitalize()}",)
    return ActionUnit(number, f"jaw slide {side}", "jaw slide", None, side, "jaw", (30,), arkit)


ACTION_UNITS: Final[tuple[ActionUnit, ...]] = (
    *_pair(1, "eye close", "eyes", (43, 45), "eyeBlink*"),
    *_pair(3, "lid raise", "eyes", (5,), "eyeWide*"),
    *_pair(5, "brow lower", "brows", (4,), "browDown*"),
    *_pair(7, "brow raise", "brows", (1, 2), "browOuterUp*", "browInnerUp"),
    _whole(9, "jaw drop", "jaw", (26, 27), "jawOpen"),
    _slide(10, Side.LEFT),
    _slide(11, Side.RIGHT),
    *_pair(12, "lip corner pull", "mouth", (12,), "mouthSmile*"),
    *_pair(14, "lip corner stretch", "mouth", (20,), "mouthStretch*"),
    _whole(16, "upper lip suck", "mouth", (28,), "mouthRollUpper"),
    _whole(17, "lower lip suck", "mouth", (28,), "mouthRollLower"),
    _whole(18, "jaw thrust", "jaw", (29,), "jawForward"),
    _whole(19, "upper lip raise", "mouth", (10,), "mouthUpperUpLeft", "mouthUpperUpRight"),
    _whole(20, "lower lip depress", "mouth", (16,), "mouthLowerDownLeft", "mouthLowerDownRight"),
    _whole(21, "chin raise", "mouth", (17,), "mouthShrugLower"),
    _whole(22, "lip pucker", "mouth", (18,), "mouthPucker", "mouthFunnel"),
    _whole(23, "cheeks puff", "cheeks", (34,), "cheekPuff"),
    _whole(24, "nose wrinkle", "nose", (9,), "noseSneerLeft", "noseSneerRight"),
    _whole(None, "cheek raiser", "cheeks", (6,), "cheekSquintLeft", "cheekSquintRight"),
    _whole(None, "lid tightener", "eyes", (7,), "eyeSquintLeft", "eyeSquintRight"),
    _whole(None, "dimpler", "mouth", (14,), "mouthDimpleLeft", "mouthDimpleRight"),
    _whole(None, "lip corner depressor", "mouth", (15,), "mouthFrownLeft", "mouthFrownRight"),
    _whole(None, "lip tightener", "mouth", (23,)),
    _whole(None, "lip pressor", "mouth", (24,), "mouthPressLeft", "mouthPressRight"),
    _whole(None, "lips part", "mouth", (25,)),
)
AU_NAMES: Final[tuple[str, ...]] = tuple(au.name for au in ACTION_UNITS)
"""All 31, FEAFA's first."""
FEAFA_NAMES: Final[tuple[str, ...]] = tuple(au.name for au in ACTION_UNITS if au.number is not None)
"""The 24 of FEAFA in its order: the arrays of the released ExpLLM texts."""
AU_BY_NAME: Final[Mapping[str, ActionUnit]] = MappingProxyType({au.name: au for au in ACTION_UNITS})


DID_YOU_MEAN: Final = "did you mean"
"""How the reason of a word goes on that is almost one that is known."""


class Expression(StrEnum):
    """The eight expressions of AffectNet; sets with seven leave out contempt."""

    NEUTRAL = "neutral"
    HAPPINESS = "happiness"
    SADNESS = "sadness"
    SURPRISE = "surprise"
    FEAR = "fear"
    DISGUST = "disgust"
    ANGER = "anger"
    CONTEMPT = "contempt"

    @classmethod
    def parse(cls, text: str) -> "Expression":
        """The expression that `text` names: any case, any synonym of the table, or VocabularyError."""
        key = " ".join(text.split()).casefold()
        if key not in _EXPRESSION_BY_SYNONYM:
            near = _near(key)
            hint = f"{DID_YOU_MEAN} {near!r}?" if near else f"use one of {', '.join(cls)}"
            raise VocabularyError(f"unknown expression {text!r}: {hint}")
        return _EXPRESSION_BY_SYNONYM[key]


EXPRESSION_SYNONYMS: Final[Mapping[Expression, tuple[str, ...]]] = MappingProxyType(
    {
        Expression.NEUTRAL: ("neutrality", "calm", "calmness", "no expression", "expressionless"),
        Expression.HAPPINESS: ("happy", "joy", "joyful", "enjoyment", "amusement"),
        Expression.SADNESS: ("sad", "sorrow", "unhappiness", "unhappy"),
        Expression.SURPRISE: ("surprised", "astonished", "astonishment", "amazed", "amazement"),
        Expression.FEAR: ("fearful", "afraid", "scared", "frightened", "terrified"),
        Expression.DISGUST: ("disgusted", "revulsion", "aversion"),
        Expression.ANGER: ("angry", "rage", "fury", "furious"),
        Expression.CONTEMPT: ("contemptuous", "disdain", "scorn"),
    }
)
_EXPRESSION_BY_SYNONYM: Final = {
    word: label for label, words in EXPRESSION_SYNONYMS.items() for word in (label.value, *words)
}

EXPRESSION_CODES: Final[Mapping[str, Expression]] = MappingProxyType(
    {
        "AF": Expression.FEAR,  # afraid: KDEF
        "AN": Expression.ANGER,
        "DI": Expression.DISGUST,
        "FE": Expression.FEAR,  # JAFFE
        "HA": Expression.HAPPINESS,
        "NE": Expression.NEUTRAL,
        "SA": Expression.SADNESS,
        "SU": Expression.SURPRISE,
    }
)
"""Two letters of a file's name, as JAFFE and KDEF write them."""


@cache
def _near(word: str) -> str | None:
    """The word that a misspelt one most likely stands for; None if it is like none."""
    from difflib import get_close_matches

    alike = [known for known in _EXPRESSION_BY_SYNONYM if abs(len(known) - len(word)) <= 2]
    return next(iter(get_close_matches(word, alike, n=1, cutoff=0.75)), None)


@dataclass(frozen=True)
class LabelOrder:
    """How a data set numbers its labels: ``labels[0]`` has the number `first`."""

    dataset: str
    labels: tuple[Expression, ...]
    first: int = 0

    def decode(self, number: int) -> Expression:
        """The expression that the data set writes as `number`.

        Raises:
            VocabularyError: the data set has no such number.
        """
        index = number - self.first
        if not 0 <= index < len(self.labels):
            labels = f"{self.first}-{self.first + len(self.labels) - 1}"
            raise VocabularyError(f"{self.dataset} has no label {number}: labels are {labels}")
        return self.labels[index]

    def encode(self, expression: Expression) -> int:
        """The number that the data set writes for `expression`.

        Raises:
            VocabularyError: the data set does not have it.
        """
        if expression not in self.labels:
            raise VocabularyError(f"{self.dataset} has no label {expression.value!r}")
        return self.labels.index(expression) + self.first


def _order(dataset: str, labels: str, first: int = 0) -> LabelOrder:
    return LabelOrder(dataset, tuple(Expression(label) for label in labels.split()), first)


_ORDERS = (
    _order("rafdb", "surprise fear disgust happiness sadness anger neutral", first=1),
    _order("affectnet7", "neutral happiness sadness surprise fear disgust anger"),
    _order("affectnet8", "neutral happiness sadness surprise fear disgust anger contempt"),
    _order("expw", "anger disgust fear happiness sadness surprise neutral"),
    _order("fer2013", "anger disgust fear happiness sadness surprise neutral"),
    _order("ckplus", "neutral anger contempt disgust fear happiness sadness surprise"),
    # CK+ as a table of pixels, ckextended.csv: FER-2013's numbers, and contempt behind them.
    _order("ckextended", "anger disgust fear happiness sadness surprise neutral contempt"),
    # FER+ goes on with two columns that are no expression: unknown, NF (not a face).
    _order("ferplus", "neutral happiness surprise sadness anger disgust fear contempt"),
)
LABEL_ORDERS: Final[Mapping[str, LabelOrder]] = MappingProxyType({order.dataset: order for order in _ORDERS})


def label_set(count: int) -> tuple[Expression, ...]:
    """The seven or eight expressions that a classifier tells apart, in AffectNet's order.

    Raises:
        VocabularyError: `count` is neither 7 nor 8.
    """
    if count not in (7, 8):
        raise VocabularyError(f"there are sets of 7 and of 8 expressions, not of {count}")
    return LABEL_ORDERS[f"affectnet{count}"].labels


class AUVector(Mapping[str, float | None]):
    """Intensities of the 31 action units, by name: 0-1, or None where not measured.

    An unknown intensity is not zero, but None; NaN in arrays, null in JSON.

    Raises:
        VocabularyError: an unknown name, or a value outside 0-1.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, float | None] = MappingProxyType({})) -> None:
        checked = {
            name if name in AU_BY_NAME else _au_name(name): (
                value if value is None or _is_intensity(value) else _intensity(name, value)
            )
            for name, value in values.items()
        }
        if len(checked) != len(values):
            raise VocabularyError(f"an action unit is given twice: {', '.join(values)}")
        self._values = {name: checked.get(name) for name in AU_NAMES}

    @classmethod
    def from_positive(cls, values: Mapping[str, float | None]) -> "AUVector":
        """From the positive units alone: FEAFA's others were measured and are 0; one given as None was not.

        Of units that only FACS has, those that are not given were not measured.
        """
        given = cls(values)
        known = {**dict.fromkeys(FEAFA_NAMES, 0.0), **{_au_name(name): given[name] for name in values}}
        given._values = {name: known.get(name) for name in AU_NAMES}
        return given

    @classmethod
    def from_array(cls, array: "Iterable[float]") -> "AUVector":
        """From 24 numbers in FEAFA order, or from 31 with those of FACS alone; NaN means not measured."""
        values = [None if math.isnan(number) else number for number in map(float, array)]
        if len(values) not in (len(FEAFA_NAMES), len(AU_NAMES)):
            raise VocabularyError(
                f"an AU array has {len(FEAFA_NAMES)} or {len(AU_NAMES)} numbers, not {len(values)}"
            )
        return cls(dict(zip(AU_NAMES, values, strict=False)))

    def to_array(self) -> "NDArray[np.float64]":
        """Shape [31], in the order of `AU_NAMES`, NaN where not measured."""
        import numpy as np

        return np.array([math.nan if v is None else v for v in self._values.values()], dtype=np.float64)

    def __getitem__(self, name: str) -> float | None:
        values = self._values
        return values[name] if name in values else values[_au_name(name)]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, AUVector) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._values.values()))

    def __repr__(self) -> str:
        positive = ", ".join(f"{n!r}: {v:.3g}" for n, v in self.active().items())
        return f"AUVector({{{positive}}}, not measured: {len(AU_NAMES) - len(self.measured)})"

    def to_dict(self) -> dict[str, float | None]:
        """All units by name, in the order of `AU_NAMES`."""
        return self._values.copy()

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the measured units, in the order of `AU_NAMES`."""
        return tuple(name for name, value in self._values.items() if value is not None)

    def active(self, above: float = 0.0) -> dict[str, float]:
        """Measured units with an intensity greater than `above`, in the order of `AU_NAMES`."""
        return {n: v for n, v in self._values.items() if v is not None and v > above}

    def without(self, names: Iterable[str]) -> "AUVector":
        """The same vector with some units not measured."""
        return AUVector({**self._values, **dict.fromkeys(map(_au_name, names))})

    def mirrored(self) -> "AUVector":
        """The vector of the same picture flipped left to right."""
        return AUVector({AU_BY_NAME[name].mirror: value for name, value in self._values.items()})


def _au_name(name: str) -> str:
    """The canonical name for any case and spacing (the released JSON writes "Left Eye Close")."""
    if name in AU_BY_NAME:
        return name
    canonical = " ".join(name.replace("_", " ").split()).casefold()
    if canonical not in AU_BY_NAME:
        from difflib import get_close_matches

        sides = [f"{side} {canonical}" for side in Side if f"{side} {canonical}" in AU_BY_NAME]
        near = get_close_matches(canonical, AU_NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "'expllm aus --list' prints the names"
        if sides:
            hint = f"each side has its own: {' and '.join(map(repr, sides))}"
        raise VocabularyError(f"unknown action unit {name!r}: {hint}")
    return canonical


def _is_intensity(value: object) -> bool:
    """Whether a value plainly is one, as nearly all are; `_intensity` reads and refuses the others."""
    return type(value) is float and 0.0 <= value <= 1.0


def _intensity(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # `true` says nothing of how strongly
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0.0 <= number <= 1.0:  # also false for NaN
        told = (repr(value) if isinstance(value, str | bool) else str(value))[:40]
        raise VocabularyError(f"intensity of {name!r} is {told}: it must be 0-1, or null if not measured")
    return number
