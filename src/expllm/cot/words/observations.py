"""What an AU vector shows, as a structured list: which movement, where, how much, and what may stand behind.

No sentence is written here, and no label is known here. `describe` turns the numbers into observations,
which also say how much they speak for each expression. All of this is plain arithmetic on documented tables,
so that every claim of a text can be traced to the number it came from.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from types import MappingProxyType
from typing import Final

from expllm.core.vocabulary import AU_BY_NAME, AU_NAMES, AUVector, Expression, Side
from expllm.cot.words.word_tables import meanings
from expllm.grounding.checking import MENTION


class Degree(IntEnum):
    """How much of a movement there is; the order is that of intensity."""

    BARELY = 0
    SLIGHT = 1
    MODERATE = 2
    MARKED = 3
    STRONG = 4
    EXTREME = 5


DEGREES: Final[tuple[tuple[float, Degree], ...]] = (
    (0.00, Degree.BARELY),
    (0.05, Degree.SLIGHT),
    (0.20, Degree.MODERATE),
    (0.40, Degree.MARKED),
    (0.65, Degree.STRONG),
    (0.85, Degree.EXTREME),
)
"""(lowest intensity, degree): a degree holds from its own bound up to the next one, which is excluded.

The bounds divide the positive intensities of the 2,070 published RAF-DB vectors (median 0.2, 90th percentile
0.6) so that "slight" and "moderate" are common and "extreme" is rare.
"""

AT_REST: Final = 0.03
"""A measured movement below this may be called absent. Between this and `MENTION` nothing is said."""

CLEAR: Final = 0.3
"""Movements from this intensity on are told before weaker ones, however much the weaker ones may mean."""

_STILL: Final = 0.25
"""Score of neutral: what the support of the strongest emotion has to exceed."""

_TYPICAL: Final = 0.3
"""Evidence from which a movement may be called typical of an expression."""

_TOLERANCE: Final = 0.08
"""Two sides that differ by no more are "both", without a comparison: about the error of an AU reader."""


def degree_of(intensity: float) -> Degree:
    """The degree of an intensity between 0 and 1."""
    return next(degree for bound, degree in reversed(DEGREES) if intensity >= bound)


def degree_word(intensity: float) -> str:
    """The plain adjective for an intensity between 0 and 1, e.g. ``"moderate"`` for 0.3."""
    degree = degree_of(intensity)
    return "barely perceptible" if degree is Degree.BARELY else degree.name.lower()


def _movement(name: str) -> tuple[str, str]:
    """The movement that an action unit belongs to, and its place there ("" for a single one)."""
    unit = AU_BY_NAME[name]
    if unit.action.endswith("lip suck"):
        return "lip suck", unit.action.split()[0]
    return unit.action, str(unit.side or unit.direction or "")


MOVEMENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        movement: tuple(name for name in AU_NAMES if _movement(name)[0] == movement)
        for movement in dict.fromkeys(_movement(name)[0] for name in AU_NAMES)
    }
)
"""Movements that are told in one breath (both brows, both lips, the jaw to either side) -> names of units."""


@dataclass(frozen=True)
class Site:
    """An active unit: name, place in the movement (left, right, upper, lower or "") and intensity."""

    name: str
    place: str
    intensity: float

    @property
    def degree(self) -> Degree:
        return degree_of(self.intensity)


@dataclass(frozen=True)
class Observation:
    """One movement that was seen.

    Attributes:
        movement: Key of `MOVEMENTS`, e.g. ``"brow lower"``.
        sites: The active units, the stronger first; an even pair stands as left, right or upper, lower.
        alone: The other half of the pair was measured and is at rest.
        emotions: Expressions that it may stand for here, the likeliest first.
    """

    movement: str
    sites: tuple[Site, ...]
    alone: bool = False
    emotions: tuple[Expression, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(site.name for site in self.sites)

    @cached_property
    def intensity(self) -> float:
        """Of the stronger site, 0-1."""
        return max(site.intensity for site in self.sites)

    @cached_property
    def degree(self) -> Degree:
        return degree_of(self.intensity)

    @cached_property
    def even(self) -> bool:
        """Both sites are equal within `_TOLERANCE`, or there is only one; of two lips a degree is enough."""
        if self.intensity - min(site.intensity for site in self.sites) <= _TOLERANCE:
            return True
        return self.sites[0].place not in (*Side,) and len(self.degrees) == 1

    @cached_property
    def degrees(self) -> tuple[Degree, ...]:
        """Distinct degrees of the sites, the lowest first."""
        return tuple(sorted({site.degree for site in self.sites}))

    @cached_property
    def one_sided(self) -> bool:
        """One side moves, and the other was measured at rest or moves slightly and less than half as much."""
        if self.sites[0].place not in (*Side,):
            return False
        low = min(site.intensity for site in self.sites)
        return self.alone or (degree_of(low) <= Degree.SLIGHT and low < self.intensity / 2 and not self.even)

    @property
    def salience(self) -> float:
        return self.intensity * meanings()[self.movement].weight

    def mirrored(self) -> "Observation":
        """The observation of the same picture flipped left to right."""
        units = [replace(s, name=AU_BY_NAME[s.name].mirror) for s in self.sites]
        sites = _ordered(replace(s, place=_movement(s.name)[1]) for s in units)
        return replace(self, sites=sites)


@dataclass(frozen=True)
class Observations:
    """All that is known before a word is written.

    Attributes:
        seen: Movements at `MENTION` or above: those that are `CLEAR` first, then by salience.
        absent: Movements of which every unit was measured and is below `AT_REST`.
        known: Actions of which any unit was measured.
        traces: Some measured unit lies between `AT_REST` and `MENTION`.
        seed: Hash of the vector; a vector and its mirror image share it, so that their texts differ in
            nothing but left and right.
    """

    seen: tuple[Observation, ...]
    absent: frozenset[str]
    known: frozenset[str]
    traces: bool
    seed: str

    @cached_property
    def evidence(self) -> tuple[Mapping[Expression, float], ...]:
        """What each of `seen` speaks for at full intensity, beside the others."""
        return tuple(expression_evidence(o, self.seen) for o in self.seen)

    @cached_property
    def scores(self) -> Mapping[Expression, float]:
        """Support of the movements for each expression, any scale; a face that hardly moves is neutral."""
        totals = dict.fromkeys(Expression, 0.0)
        for observation, weights in zip(self.seen, self.evidence, strict=True):
            for expression, weight in weights.items():
                totals[expression] += weight * observation.intensity
        totals[Expression.NEUTRAL] = _STILL
        return totals

    @property
    def measured(self) -> bool:
        """Whether any unit was measured."""
        return bool(self.known)

    @property
    def leading(self) -> Expression:
        """The expression that the movements alone suggest."""
        return max(self.scores, key=lambda e: self.scores[e])

    def typical(self, expression: Expression) -> list[Observation]:
        """Observations that are typical of `expression` here, the strongest evidence first."""
        weighed = [(w.get(expression, 0.0), o) for o, w in zip(self.seen, self.evidence, strict=True)]
        found = [(weight * o.intensity, o) for weight, o in weighed if weight >= _TYPICAL]
        return [o for _, o in sorted(found, key=lambda pair: -pair[0])]


def describe(aus: AUVector) -> Observations:
    """Reads a vector: what moves, what is at rest, what nobody measured. No label is involved."""
    found = [observation for movement in MOVEMENTS if (observation := _observe(aus, movement))]
    seen = [replace(o, emotions=_emotions(o, found)) for o in found]
    absent = {
        movement
        for movement, names in MOVEMENTS.items()
        if all((value := aus[name]) is not None and value < AT_REST for name in names)
    }
    return Observations(
        seen=tuple(sorted(seen, key=lambda o: (o.intensity < CLEAR, -o.salience))),
        absent=frozenset(absent),
        known=frozenset(AU_BY_NAME[name].action for name in aus.measured),
        traces=any(AT_REST <= value < MENTION for value in aus.active().values()),
        seed=_seed(aus),
    )


def _observe(aus: AUVector, movement: str) -> Observation | None:
    values = {name: aus[name] for name in MOVEMENTS[movement]}
    sites = [
        Site(name, _movement(name)[1], value)
        for name, value in values.items()
        if value is not None and value >= MENTION
    ]
    others = [value for value in values.values() if value is None or value < MENTION]
    alone = bool(sites and others) and all(value is not None and value < AT_REST for value in others)
    return Observation(movement, _ordered(sites), alone) if sites else None


def _ordered(sites: Iterable[Site]) -> tuple[Site, ...]:
    """Stronger first; an even pair in FEAFA order."""
    pair = sorted(sites, key=lambda site: AU_NAMES.index(site.name))
    if len(pair) == 2 and abs(pair[0].intensity - pair[1].intensity) > _TOLERANCE:
        pair.sort(key=lambda site: -site.intensity)
    return tuple(pair)


def expression_evidence(observation: Observation, seen: Iterable[Observation]) -> Mapping[Expression, float]:
    """How much a full movement of this kind speaks for each expression, given the movements beside it."""
    return meanings()[observation.movement].evidence(company(observation, seen))


def company(observation: Observation, seen: Iterable[Observation]) -> tuple[str, ...]:
    """What changes the meaning of a movement: that it is one-sided, or clear movements beside it."""
    others = (
        o.movement
        for o in seen
        if o.degree >= Degree.MODERATE and not o.one_sided and o.movement != observation.movement
    )
    return ("one-sided", *others) if observation.one_sided else tuple(others)


def _emotions(observation: Observation, seen: Iterable[Observation]) -> tuple[Expression, ...]:
    """At most two expressions: the likeliest, and another one that is at least half as likely."""
    weights = sorted(expression_evidence(observation, seen).items(), key=lambda pair: -pair[1])
    return tuple(expression for expression, weight in weights if weight >= weights[0][1] / 2)[:2]


def _seed(aus: AUVector) -> str:
    pictures = (aus, aus.mirrored())
    keys = [";".join("-" if v is None else f"{v:.4f}" for v in picture.values()) for picture in pictures]
    return hashlib.sha256(min(keys).encode()).hexdigest()
