"""What the action units say to a text, unit by unit: each unit counts once, however often it is claimed.

Claims are counted by the units that they name and not by themselves. So a claim that is repeated, or split
into left, right and both, earns nothing more; and what is vague or denied supports no unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from expllm.core.vocabulary import AUVector
from expllm.cot.words.observations import Degree, degree_of
from expllm.grounding.audit import REFUTING_VERDICTS, UNCHECKABLE, audit, claim_units
from expllm.grounding.checking import MENTION
from expllm.grounding.claims import Checked, Claim, DegreeWord, Verdict

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


@dataclass(frozen=True)
class Evidence:
    """A text beside the action units of its face.

    Attributes:
        active: Units that move (from 0.05 on), with their intensity.
        supported: Units that the text claims to move, and that do.
        false: Units that it claims and that do not move, or not there; hardly measurable ones too.
        refuted: What the measurements refute: names of units, those of refuted denials with "no" before them.
        denials: Different denials that hold.
        degrees: How well the degree of each supported unit fits, 0-1; 0 where none is told.
        claims: Different claims, whatever was said to them.
        padding: Those of them that are vague or denied.
        sentences: Sentences about the face.
        unread: Those of them that no claim was read from.
    """

    active: Mapping[str, float]
    supported: frozenset[str]
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
    def precision(self) -> float:
        """Supported units / units that were claimed and measured, 0-1; 0 if none was."""
        claimed = len(self.supported) + len(self.false)
        return len(self.supported) / claimed if claimed else 0.0

    @property
    def recall(self) -> float:
        """Share of the active intensity that the text tells truly, 0-1; 0 if nothing moves."""
        told = sum(value for name, value in self.active.items() if name in self.supported)
        return told / sum(self.active.values()) if self.active else 0.0


@lru_cache(maxsize=4096)
def evidence(text: str, aus: AUVector) -> Evidence:
    """Audits a text, and counts what it earns by units.

    Args:
        text: As it was written, with or without headings.
        aus: What was measured; None is neither right nor wrong.
    """
    found = audit(text, aus)
    supported: set[str] = set()
    false: set[str] = set()
    refuted: set[str] = set()
    denials: set[object] = set()
    degrees: dict[str, float] = {}
    for one in found.checked:
        if one.claim.negated:
            _take_denial(one, denials, refuted)
            continue
        moving, wrong = _by_unit(one)
        supported |= moving
        false |= wrong
        refuted |= wrong if one.verdict in REFUTING_VERDICTS else set()
        for name in moving:
            degrees[name] = max(degrees.get(name, 0.0), _degree_score(one.claim, one.units))
    supported -= false  # a text that says both has said nothing
    keys = {_key(one.claim): one.claim.vague or one.claim.negated for one in found.checked}
    return Evidence(
        aus.active(MENTION), frozenset(supported), frozenset(false), frozenset(refuted), len(denials),
        {name: degrees[name] for name in sorted(supported)}, len(keys), sum(keys.values()),
        found.sentences, len(found.unread),
    )  # fmt: skip


def _take_denial(one: Checked, denials: set[object], refuted: set[str]) -> None:
    if one.verdict is Verdict.SUPPORTED:
        denials.add(_key(one.claim))
    elif one.verdict in REFUTING_VERDICTS:
        refuted.add(f"no {', '.join(one.claim.units)}")


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
    """How well the degree of a claim fits what was measured of it; of two sides either may be meant."""
    values = [value for name in claim_units(claim) if (value := units.get(name)) is not None]
    if claim.degree is None or not values:
        return 0.0
    low, high = _SCALE[claim.degree]
    off = min(max(low - degree_of(v), degree_of(v) - high, 0) for v in (max(values), min(values)))
    return 1.0 if off == 0 else _NEXT_STEP if off == 1 else 0.0


def _key(claim: Claim) -> object:
    """What makes two claims the same, however they are worded."""
    return claim.units, claim.side, claim.both, claim.only, claim.negated
