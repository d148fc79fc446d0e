"""Sentences held against the measured action units while a text is written."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_BY_NAME, AUVector, Expression
from expllm.cot.format_check import PRONOUNS
from expllm.cot.rule_writer import write_cot
from expllm.grounding import Verdict, audit, concluded
from expllm.grounding.audit import WRONG
from expllm.grounding.emotions import read_emotions
from expllm.grounding.outline import last_part, split

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST: Final = 3
"""Words of a sentence that takes another one's place: "The jaw drops." has so many."""
REWRITTEN_VERDICTS: Final = (*WRONG, Verdict.UNSUPPORTED)
"""Verdicts with which a claim does not stand: a mere trace that is claimed as a movement is among them."""
LOOKED_AT: Final = ("brows", "eyes", "mouth")
"""Parts of a face of which something is known where it was measured at all."""
_COVERAGE: Final = re.compile(
    r"\b(?:only (?:a )?part|much|most|half|a large part|parts) of (?:the|this) face\b[^.]*\bmeasured\b"
    r"|\bmeasurements? covers? (?:only|just|no more than) (?:a )?part of (?:the|this) face\b",
    re.IGNORECASE,
)
"""Sentences of an earlier rule-based writer, from which models learned: it wrote them under every face."""
_OPEN: Final = "The measured movements leave the expression open."


@dataclass(frozen=True)
class SentenceVerifier:
    """Judges the sentences of a text about one face, as a
    [`Verifier`][expllm.model.inference.audited_decoding.TextVerifier].

    Attributes:
        aus: What was measured of the face.
    """

    aus: AUVector

    def refuted(self, before: str, sentence: str) -> str | None:
        """What the action units say against the claims of a sentence; None for nothing."""
        context = _context(before)
        found = audit(context + sentence, self.aus).checked
        new = [one for one in found if one.claim.end > len(context) and one.verdict in REWRITTEN_VERDICTS]
        reasons = [f'"{one.claim.text}": {one.reason}' for one in new]
        if (said := _COVERAGE.search(sentence)) and _is_whole(self.aus):
            reasons.append(f'"{said[0]}": {", ".join(LOOKED_AT[:-1])} and {LOOKED_AT[-1]} were measured')
        return "; ".join(reasons) or None

    def needless(self, sentence: str) -> bool:
        """Sentences on how much was measured say nothing of the face."""
        return _COVERAGE.search(sentence) is not None

    def replaceable(self, before: str, first: str, other: str) -> bool:
        """Another sentence must be new, of some words, impersonal, read by the audit, and name no further
        expression: in the conclusion, the same one.
        """
        words = re.findall(r"[^\W\d_]+", other.casefold())
        if other.strip() in before or len(words) < FEWEST or PRONOUNS & {*words}:
            return False
        return self._read(before, other) and _named_alike(before, first, other)

    def by_rules(self, before: str, first: str, *, alone: bool) -> str | None:
        """A sentence of the rule-based writer: for one that stands alone, or that names the conclusion."""
        part = _part(before)
        label = concluded(first) or next(iter(sorted(_names(first))), None)
        if not alone and (part != CoT.HEADINGS[2] or label is None):
            return None
        for sentence in self._sentences(part, label):
            fits = (alone and label is None) or _named_alike(before, first, sentence)
            if fits and self.refuted(before, sentence) is None:
                return sentence
        return _OPEN if label is None else f"Overall, the expression is {label.value}."

    def _read(self, before: str, sentence: str) -> bool:
        """Whether the audit reads a sentence: among observations it must find a claim in it."""
        context = _context(before)
        found = audit(context + sentence, self.aus)
        if any(one.end > len(context) for one in found.unread):
            return False
        claims = any(one.claim.end > len(context) for one in found.checked)
        return claims or _part(before) != CoT.HEADINGS[0]

    def _sentences(self, part: str, label: Expression | None) -> "Sequence[str]":
        """Those of the rules for a part, as far as they say nothing of an expression that nobody named."""
        if label is None and part != CoT.HEADINGS[0]:
            return []
        cot = write_cot(self.aus, label or Expression.NEUTRAL)
        written = cot.parts[CoT.HEADINGS.index(part)]
        return [one.strip() for one in split(written)]


def _is_whole(aus: AUVector) -> bool:
    """Whether something was measured in each part of the face, and no side of it is hidden."""
    measured = {*aus.measured}
    regions = {AU_BY_NAME[name].region for name in measured}
    return regions >= {*LOOKED_AT} and all(AU_BY_NAME[name].mirror in measured for name in measured)


def verifier(aus: AUVector | None) -> SentenceVerifier | None:
    """Who judges the sentences about a face; None where nothing was measured, so that nothing is refuted."""
    return None if aus is None or not aus.measured else SentenceVerifier(aus)


def _context(before: str) -> str:
    """The part of a text that is being written, from its heading on."""
    return last_part(before)[1]


def _part(before: str) -> str:
    """The heading under which a text goes on; the first one where it has none."""
    return last_part(before)[0] or CoT.HEADINGS[0]


def _named_alike(before: str, first: str, other: str) -> bool:
    names, others = _names(first), _names(other)
    return others == names if _part(before) == CoT.HEADINGS[2] else others <= names


def _names(sentence: str) -> set[Expression]:
    """The expressions that a sentence affirms."""
    return {one.expression for one in read_emotions(sentence) if not one.denied}
