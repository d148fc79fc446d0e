"""A text held against action units, claim by claim."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from expllm.core.vocabulary import AU_BY_NAME, AUVector, Expression
from expllm.grounding.checking import MENTION, check_claim
from expllm.grounding.claims import Checked, Claim, Unread, Verdict
from expllm.grounding.emotions import EmotionMention, conflicts, label_in, read_emotions
from expllm.grounding.reader import TextReading, read_text

if TYPE_CHECKING:
    from expllm.core.records import CoT

UNCHECKABLE: Final = (Verdict.NOT_MEASURABLE, Verdict.OUTSIDE)
REFUTING_VERDICTS: Final = (Verdict.CONTRADICTED, Verdict.WRONG_SIDE, Verdict.WRONG_PLACE)
"""What is claimed does not take place, or not there."""

WRONG: Final = (*REFUTING_VERDICTS, Verdict.WRONG_DEGREE)

_CLEAR_BY_PART: Final = frozenset({"chin raise", "nose wrinkle", "cheeks puff", "jaw drop"})
"""Actions that "activity" of their part already names."""


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        checked: Each claim with its verdict, in the order of the text.
        precision: Supported claims / claims that could be checked, 0-1; None if there was none.
        recall: Share of the active units (from 0.05 on, weighted by intensity) that the text tells, 0-1;
            None if none is active.
        side_errors: Claims of the wrong side.
        missed: Active units that the text never tells, with their intensity 0-1, the strongest first.
        label_in_conclusion: Whether the conclusion affirms the label, by name or a word near it; without
            headings the whole text counts. None without a label.
        label_conflicts: Sentences without a full stop: parts that name another expression and not the label.
        emotions: Every expression that the text names.
        counts: Claims by verdict.
        unread: Sentences about the face that no claim was read from: nothing in them is checked.
        sentences: Sentences about the face, read or unread.
    """

    checked: tuple[Checked, ...]
    precision: float | None
    recall: float | None
    side_errors: int
    missed: dict[str, float]
    label_in_conclusion: bool | None = None
    label_conflicts: tuple[str, ...] = ()
    emotions: tuple[EmotionMention, ...] = ()
    counts: Mapping[Verdict, int] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    sentences: int = 0

    @property
    def problems(self) -> tuple[str, ...]:
        """What a writer should correct, one sentence each; nothing of it names the label."""
        wrong = [f'"{c.claim.text}": {c.reason}.' for c in self.checked if c.verdict in WRONG]
        missed = [f"Not described: {name} ({value:.2f})." for name, value in self.missed.items()]
        return (*wrong, *missed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "claims": [checked.to_dict() for checked in self.checked],
            "counts": {verdict.value: self.counts.get(verdict, 0) for verdict in Verdict},
            "precision": self.precision,
            "recall": self.recall,
            "side_errors": self.side_errors,
            "missed": self.missed,
            "label_in_conclusion": self.label_in_conclusion,
            "label_conflicts": list(self.label_conflicts),
            "emotions": [mention.to_dict() for mention in self.emotions],
            "unread": [one.to_dict() for one in self.unread],
            "sentences": self.sentences,
        }


def audit(text: "str | CoT", aus: Mapping[str, float | None], label: Expression | str | None = None) -> Audit:
    """Checks each claim of a text against the action units, and its conclusion against the label.

    Args:
        text: Plain text, with or without the three headings, or a `CoT`.
        aus: Intensities 0-1 by name, an `AUVector` or a plain mapping; None, or a name that is left out, is
            not measured.
        label: The expression that the text should conclude with, or its name.

    Raises:
        VocabularyError: `aus` has an unknown name or a value outside 0-1, or `label` is unknown.

    >>> audit("Only the right mouth corner goes up.", {"left lip corner pull": 0.6}).sentences
    1
    """
    whole = text if isinstance(text, str) else text.text
    return audit_reading(read_text(whole), whole, aus, label)


def audit_reading(
    reading: TextReading, text: str, aus: Mapping[str, float | None], label: Expression | str | None = None
) -> Audit:
    """Checks claims that were read from a text before, by rules or by a model; otherwise as `audit`.

    Args:
        reading: What was read.
        text: What it was read from.
        aus: As for `audit`.
        label: As for `audit`.
    """
    aus = aus if isinstance(aus, AUVector) else AUVector(aus)
    label = Expression.parse(label) if isinstance(label, str) else label
    checked = tuple(check_claim(claim, aus) for claim in reading.claims)
    counts = Counter(one.verdict for one in checked)
    checkable = len(checked) - sum(counts[verdict] for verdict in UNCHECKABLE)
    active = aus.active(MENTION)
    told = _told(one.claim for one in checked) & set(active)
    missed = {n: v for n, v in sorted(active.items(), key=lambda pair: -pair[1]) if n not in told}
    mentions = read_emotions(text)
    return Audit(
        checked=checked,
        precision=counts[Verdict.SUPPORTED] / checkable if checkable else None,
        # In FEAFA's order: that of a set changes from process to process, and the last digit with it.
        recall=sum(v for n, v in active.items() if n in told) / sum(active.values()) if active else None,
        side_errors=counts[Verdict.WRONG_SIDE],
        missed=missed,
        label_in_conclusion=None if label is None else _names_label(mentions, label),
        label_conflicts=() if label is None else conflicts(mentions, label),
        emotions=mentions,
        counts=dict(counts),
        unread=reading.unread,
        sentences=reading.sentences,
    )


def _names_label(mentions: tuple[EmotionMention, ...], label: Expression) -> bool:
    headed = any(mention.part != "text" for mention in mentions)
    return label_in(mentions, "conclusion" if headed else "text", label)


def _told(claims: Any) -> set[str]:
    """Names of the units that a text tells; activity of a whole region tells none of them."""
    told: set[str] = set()
    for claim in claims:
        told.update(claim_units(claim))
    return told


def claim_units(claim: Claim) -> list[str]:
    """Names of the units that a claim tells; none if it denies, or speaks of a whole region only."""
    if claim.negated:
        return []
    actions = claim.units
    if claim.vague:
        # "lip movement" may be any of eight: no unit is told by it.
        actions = tuple(a for a in claim.units if a in _CLEAR_BY_PART and len(claim.units) <= 3)
    one_side = claim.side if not claim.both else None
    return [
        unit.name
        for unit in AU_BY_NAME.values()
        if unit.action in actions
        and (one_side in (None, unit.side, unit.direction) or unit.side is unit.direction is None)
    ]
