"""What is read out of a text, and what becomes of it: claims and verdicts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from expllm.core.vocabulary import Side


class Verdict(StrEnum):
    """What the action units say to a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNSUPPORTED = "unsupported"
    WRONG_SIDE = "wrong side"
    WRONG_PLACE = "wrong place"
    WRONG_DEGREE = "wrong degree"
    NOT_MEASURABLE = "not measurable"
    OUTSIDE = "outside the vocabulary"


class Half(StrEnum):
    """A half of the face: brows and lids move in the upper one, nose, mouth and jaw in the lower one."""

    UPPER = "upper"
    LOWER = "lower"


class DegreeWord(StrEnum):
    """How much of a movement a text says there is; the order is that of intensity."""

    MINIMAL = "minimal"
    SLIGHT = "slight"
    MODERATE = "moderate"
    MARKED = "marked"
    STRONG = "strong"


@dataclass(frozen=True)
class Claim:
    """One statement about a movement of the face.

    Attributes:
        start: First character of the words it was read from, in the text that was given (of a `CoT`: its
            `text`).
        end: One past the last character.
        text: The characters between.
        part: ``"key_observations"``, ``"overall_emotional_interpretation"``, ``"conclusion"``, or
            ``"text"`` where there are no headings.
        units: Actions without their side that it may speak of, e.g. ``("brow lower",)``; it is borne out
            if one of them fits.
        side: The subject's side, or the direction of a slide; None where it is left unsaid.
        both: Both sides are said to move; together with `side`, that side more than the other.
        degree: How much, in words.
        value: How much, as a number that the text quotes, 0-1.
        negated: The movement is said to be absent.
        outside: A movement that the vocabulary lacks, e.g. ``"jaw clench"``; the words may mean it too
            where `units` is not empty.
        vague: Only some activity of the part is spoken of, not which one.
        half: The half of the face that the movement is said to lie in; None where it is left unsaid.
        only: The other side is said not to move; without `side`, one side is said to move, whichever.
        even: True where both sides are said to move alike, False where not; None where it is left unsaid.
    """

    start: int
    end: int
    text: str
    part: str
    units: tuple[str, ...]
    side: Side | None = None
    both: bool = False
    degree: DegreeWord | None = None
    value: float | None = None
    negated: bool = False
    outside: str | None = None
    vague: bool = False
    half: Half | None = None
    only: bool = False
    even: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "start": self.start, "end": self.end, "text": self.text, "part": self.part,
            "units": list(self.units), "side": self.side and self.side.value, "both": self.both,
            "degree": self.degree and self.degree.value, "value": self.value, "negated": self.negated,
            "outside": self.outside, "vague": self.vague, "half": self.half and self.half.value,
            "only": self.only, "even": self.even,
        }  # fmt: skip


@dataclass(frozen=True)
class Unread:
    """Words about the face that were not read as a claim: nothing in them is checked.

    Attributes:
        start: First character, in the text that was given (of a `CoT`: its `text`).
        end: One past the last character.
        text: The characters between.
        part: As for a `Claim`.
    """

    start: int
    end: int
    text: str
    part: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"start": self.start, "end": self.end, "text": self.text, "part": self.part}


@dataclass(frozen=True)
class Checked:
    """A claim and what the action units say to it.

    Attributes:
        units: Intensities (0-1, None where not measured) of the action units that back or refute it.
        reason: One sentence without a full stop, e.g. ``'says "strong", measured 0.08'``.
    """

    claim: Claim
    verdict: Verdict
    units: dict[str, float | None]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **self.claim.to_dict(),
            "verdict": self.verdict.value,
            "measured": self.units,
            "reason": self.reason,
        }
