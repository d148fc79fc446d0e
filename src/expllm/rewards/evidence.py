"""What the action units say to a text, unit by unit: each unit counts once, however often it is claimed.

Claims are counted by the units that they name and not by themselves. So a claim that is repeated, or split
into left, right and both, earns nothing more; and what is vague, denied or asked supports no unit. What a
text does not stand by ("may be", "some might say that") supports half a unit where it holds, and is as false
as any other claim where it does not.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from expllm.core.vocabulary import AUVector
from expllm.cot.words.observations import Degree, degree_of
from expllm.grounding.audit import REFUTING_VERDICTS, UNCHECKABLE, Audit, audit, claim_units
from expllm.grounding.checking import MENTION
from expllm.grounding.claims import Checked, Claim, DegreeWord, Verdict
from expllm.rewards.assertion import Stance, asked_words, reported, stacked_degrees, stance

_MOVES: Final = (Verdict.SUPPORTED, Verdict.WRONG_DEGREE)
_SCALE: Final = {
    DegreeWord.MINIMAL: (Degree.BARELY, Degree.BARELY),
    DegreeWord.SLIGHT: (Degree.SLIGHT, Degree.SLIGHT),
    DegreeWord.MODERATE: (Degree.MODERATE, Degree.MODERATE),
    DegreeWord.MARKED: (Degree.MARKED, Degree.MARKED),
    DegreeWord.STRONG: (Degree.STRONG, Degree.EXTREME),
}
"""Steps of the scale of intensities that a word stands for. The audit's own bands overlap: "moderate" fits
most intensities there, and a text of nothing else would earn as much as one that tells degrees apart."""
_NEXT_STEP: Final = 0.5
"""What a word one step off earns; further off it earns nothing."""
_HEDGED: Final = 0.5
"""What a unit counts that a text tells truly, and does not stand by."""


@dataclass(frozen=True)
class Evidence:
    """A text beside the action units of its face.

    Attributes:
        active: Units that move (from 0.05 on), with their intensity.
        supported: Units that the text claims to move, and that do.
        hedged: Those of them that it never claims without a hedge.
        false: Units that it claims and that do not move, or not there; hardly measurable ones too.
        refuted: What the measurements refute: names of units, those of refuted denials with "no" before them.
            A unit that is denied so is not supported, wherever else it is claimed.
        denials: Different denials that hold.
        degrees: How well the degree of each supported unit fits, 0-1; the worst where several are told, 0
            where none is.
        claims: Different claims, whatever was said to them.
        padding: Those of them that are vague, denied or asked.
        sentences: Sentences about the face.
        unread: Those of them that no claim was read from.
    """

    active: Mapping[str, float]
    supported: frozenset[str]
    hedged: frozenset[str]
    false: frozenset[str]
    refuted: frozenset[str]
    denials: int
    degrees: Mapping[str, float]
    claims: int
    padding: int
    sentences: int
    unread: int

    @property
    def at_rest(self) -> bool:
        """Whether nothing moves that was measured."""
        return not self.active

    @property
    def weight(self) -> float:
        """Supported units, hedged ones counted half."""
        return len(self.supported) - (1 - _HEDGED) * len(self.hedged)

    @property
    def precision(self) -> float:
        """Supported units / units that were claimed and measured, 0-1; 0 if none was."""
        claimed = len(self.supported) + len(self.false)
        return self.weight / claimed if claimed else 0.0

    @property
    def recall(self) -> float:
        """Share of the active intensity that the text tells truly, 0-1; 0 if nothing moves."""
        told = sum(
            value * (_HEDGED if name in self.hedged else 1.0)
            for name, value in self.active.items()
            if name in self.supported
        )
        return told / sum(self.active.values()) if self.active else 0.0


@lru_cache(maxsize=4096)
def evidence(text: str, aus: AUVector) -> Evidence:
    """Audits a text, and counts what it earns by units.

    Args:
        text: As it was written, with or without headings.
        aus: What was measured; None is neither right nor wrong.
    """
    found = audit(text, aus)
    tally = _Tally()
    for one in found.checked:
        tally.add(one, stance(text, one.claim.start, one.claim.end))
    for one in _passed_over(text, aus, found, reported(text)):
        tally.add(one, Stance.HEDGED)
    for one in _passed_over(text, aus, found, asked_words(text)):
        tally.add(one, Stance.ASKED)
    supported = (
        (tally.sure | tally.hedged) - tally.false - tally.denied
    )  # a text that says both has said nothing
    return Evidence(
        aus.active(MENTION), frozenset(supported), frozenset(supported - tally.sure), frozenset(tally.false),
        frozenset(tally.refuted), len(tally.denials),
        {name: min(tally.degrees[name], default=0.0) for name in sorted(supported)},
        len(tally.keys), sum(tally.keys.values()), found.sentences, len(found.unread),
    )  # fmt: skip


def _passed_over(
    text: str, aus: AUVector, found: Audit, places: Iterator[tuple[int, int]]
) -> Iterator[Checked]:
    """Claims that somebody else is made to say, or that are only asked, of which the audit reads none."""
    read = [(one.claim.start, one.claim.end) for one in found.checked]
    for start, end in places:
        if not any(first < end and last > start for first, last in read):
            yield from audit(text[start:end], aus).checked


@dataclass
class _Tally:
    """What the claims of a text add up to; see `Evidence`."""

    sure: set[str] = field(default_factory=set)
    hedged: set[str] = field(default_factory=set)
    false: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    refuted: set[str] = field(default_factory=set)
    denials: set[object] = field(default_factory=set)
    degrees: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[object, bool] = field(default_factory=dict)

    def add(self, one: Checked, how: Stance) -> None:
        """Takes up a claim that the text stands by in some way."""
        key = _key(one.claim)
        padding = one.claim.vague or one.claim.negated or how is Stance.ASKED
        self.keys[key] = padding and self.keys.get(key, True)  # asked once and claimed once: claimed
        if one.claim.negated:
            self._add_denial(one, how)
            return
        moving, wrong = _by_unit(one)
        self.false |= wrong
        self.refuted |= wrong if one.verdict in REFUTING_VERDICTS else set()
        if how is Stance.ASKED:
            return
        (self.sure if how is Stance.ASSERTED else self.hedged).update(moving)
        for name in moving if one.claim.degree is not None else ():
            self.degrees[name].append(
                _degree_score(one.claim, one.units) * (1.0 if how is Stance.ASSERTED else _HEDGED)
            )

    def _add_denial(self, one: Checked, how: Stance) -> None:
        if one.verdict is Verdict.SUPPORTED and how is Stance.ASSERTED:
            self.denials.add(_key(one.claim))
        elif one.verdict in REFUTING_VERDICTS:
            self.refuted.add(f"no {', '.join(one.claim.units)}")
            affirmed = claim_units(replace(one.claim, negated=False, vague=False))
            self.denied |= {name for name in affirmed if (one.units.get(name) or 0.0) >= MENTION}


def _by_unit(one: Checked) -> tuple[set[str], set[str]]:
    """The units of a claim that move as it says, and those that do not."""
    if one.verdict in UNCHECKABLE:
        return set(), set()
    named = {name for name in claim_units(one.claim) if name in one.units}
    moving = {name for name in named if (one.units[name] or 0.0) >= MENTION}
    if one.verdict in _MOVES:
        return moving, set()
    still = {name for name in named - moving if one.units[name] is not None}
    return set(), still or named or {one.claim.units[0]}


def _degree_score(claim: Claim, units: Mapping[str, float | None]) -> float:
    """How well the degree of a claim fits what was measured of it; of two sides either may be meant.

    Of several degrees in one heap the worst counts.
    """
    values = [value for name in claim_units(claim) if (value := units.get(name)) is not None]
    if claim.degree is None or not values:
        return 0.0
    told = stacked_degrees(claim.text) or (claim.degree,)
    return min(_fit(degree, (max(values), min(values))) for degree in told)


def _fit(degree: DegreeWord, values: Sequence[float]) -> float:
    """How well a word fits the best of some intensities."""
    low, high = _SCALE[degree]
    off = min(max(low - degree_of(value), degree_of(value) - high, 0) for value in values)
    return 1.0 if off == 0 else _NEXT_STEP if off == 1 else 0.0


def _key(claim: Claim) -> object:
    """What makes two claims the same, however they are worded."""
    return claim.units, claim.side, claim.both, claim.only, claim.negated
