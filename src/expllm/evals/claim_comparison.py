"""What the rules and a language model read out of the same text: claim by claim, checked alike."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from expllm.core.vocabulary import AUVector
from expllm.evals.claim_reading import ClaimReading
from expllm.grounding import Audit, Checked, Claim, TextReading, audit_reading, read_text

DIFFERENCE_KINDS: Final = ("another verdict", "read by the model only", "read by the rules only")
"""How rules and a model can disagree about words."""

_SENTENCE: Final = re.compile(r"(?:[^.!?\n]|\.(?=\d))+")


@dataclass(frozen=True)
class AuditedText:
    """A text with the measured units of its face.

    Attributes:
        name: Of the sample.
    """

    name: str
    text: str
    aus: AUVector

    @property
    def id(self) -> str:
        """Another one for another text: a reply about an earlier text of the sample is not taken for it."""
        return f"{self.name} {hashlib.sha256(self.text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


@dataclass(frozen=True)
class Disagreement:
    """Words that the rules and a model read differently.

    Attributes:
        sample: Whose text it is.
        words: The words.
        rules: What the rules read and found, such as `brow raise, left: supported`; None for nothing.
        model: The same of the model.
    """

    sample: str
    words: str
    rules: str | None
    model: str | None

    @property
    def kind(self) -> str:
        """One of `DIFFERENCE_KINDS`."""
        if self.rules is None:
            return DIFFERENCE_KINDS[1]
        return DIFFERENCE_KINDS[2] if self.model is None else DIFFERENCE_KINDS[0]


class AuditComparison:
    """Counts that grow with each text; attributes are those of `ModelAudit`."""

    def __init__(self) -> None:
        self.misquoted = self.malformed = self.sentences = self.same = 0
        self.unread: Counter[str] = Counter()
        self.verdicts: dict[str, Counter[str]] = {"rules": Counter(), "model": Counter()}
        self.disagreements: list[Disagreement] = []

    def add(self, text: AuditedText, found: ClaimReading) -> None:
        """Reads the text by the rules as well, checks both readings, and compares."""
        self.misquoted += found.misquoted
        self.malformed += found.malformed
        rules = read_text(text.text)
        for by_rules, by_model in _face_sentences(text.text, rules, found):
            self.sentences += 1
            self.unread.update(rules=not by_rules, model=not by_model, both=not (by_rules or by_model))
        self._compare(
            text.name,
            audit_reading(rules, text.text, text.aus),
            audit_reading(TextReading(found.claims, (), 0), text.text, text.aus),
        )

    def _compare(self, name: str, rules: Audit, model: Audit) -> None:
        for who, report in (("rules", rules), ("model", model)):
            self.verdicts[who].update(checked.verdict.value for checked in report.checked)
        for one, other in _pairs(rules.checked, model.checked):
            if one and other and one.verdict is other.verdict:
                self.same += 1
            elif words := one or other:
                by_rules, by_model = (None if found is None else told(found) for found in (one, other))
                self.disagreements.append(Disagreement(name, words.claim.text, by_rules, by_model))


def _face_sentences(text: str, rules: TextReading, model: ClaimReading) -> Iterator[tuple[bool, bool]]:
    """Whether the rules and the model read each sentence that either of them takes to speak of the face."""
    for sentence in _SENTENCE.finditer(text):
        by_rules, by_model, unread = (
            any(one.start < sentence.end() and one.end > sentence.start() for one in places)
            for places in (rules.claims, model.claims, rules.unread)
        )
        if by_rules or by_model or unread:
            yield by_rules, by_model


def _pairs(
    rules: Sequence[Checked], model: Sequence[Checked]
) -> Iterator[tuple[Checked | None, Checked | None]]:
    """Each claim of the rules with that of the model about the same words and action; the others alone."""
    left = list(model)
    for one in rules:
        fitting = [other for other in left if _alike(one, other)]
        best = max(fitting, key=lambda other: _likeness(one, other), default=None)
        if best is not None:
            left.remove(best)
        yield one, best
    for other in left:
        yield None, other


def _alike(one: Checked, other: Checked) -> bool:
    a, b = one.claim, other.claim
    shared = set(a.units) & set(b.units) or (a.outside and b.outside)
    return bool(a.start < b.end and b.start < a.end and shared)


def _likeness(one: Checked, other: Checked) -> tuple[bool, bool, bool]:
    a, b = one.claim, other.claim
    return a.negated == b.negated, a.side is b.side, one.verdict is other.verdict


def told(checked: Checked) -> str:
    """A claim and its verdict in short: `no brow raise, left: contradicted`."""
    claim = checked.claim
    what = " or ".join(claim.units) or claim.outside or "a movement"
    degree = f", {claim.degree}" if claim.degree else ""
    return f"{'no ' if claim.negated else ''}{what}{_where(claim)}{degree}: {checked.verdict.value}"


def _where(claim: Claim) -> str:
    if claim.both:
        return f", more on the {claim.side}" if claim.side else ", both sides"
    if claim.only:
        return f", only {claim.side}" if claim.side else ", one side only"
    return f", {claim.side}" if claim.side else ""
