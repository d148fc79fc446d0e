"""Faults put into published explanations, and whether the audit notices; the action units stay as they are.

Words of claims that the audit has read and found supported are changed, sentences are taken out or put in
from other texts, and labels replaced.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from grounding_faults import PHRASES, Fault, Row, names, noticed, peak

from expllm.core.vocabulary import Expression
from expllm.grounding import Checked, Claim, DegreeWord, Verdict, audit
from expllm.grounding.audit import WRONG


def text_faults(row: Row, strangers: Sequence[tuple[str, str]]) -> Iterator[Fault]:
    """Faults of the text: the units stay as they were published."""
    report = audit(row.text, row.aus)
    supported = [c for c in report.checked if c.verdict is Verdict.SUPPORTED and not c.claim.vague]
    for checked in supported:
        yield from _changed_words(row, checked)
        yield from _affirm(row, checked)
    yield from _cut_out(row, [c.claim for c in report.checked])
    yield from _put_in(row, strangers)
    for label in Expression:
        if label is not row.label and label is not Expression.CONTEMPT:
            found = audit(row.text, row.aus, label)
            caught = not found.label_in_conclusion or bool(found.label_conflicts)
            yield Fault("label replaced", row.id, f"{row.label} -> {label}", caught)


def _changed_words(row: Row, checked: Checked) -> Iterator[Fault]:
    claim = checked.claim
    changes = (
        ("side swapped", _swap(row, claim), Verdict.WRONG_SIDE),
        ("degree moved", _other_degree(checked), Verdict.WRONG_DEGREE),
        ("negation flipped", _deny(row, checked), Verdict.CONTRADICTED),
    )
    for kind, words, verdict in changes:
        if words is None:
            continue
        text = row.text[: claim.start] + words + row.text[claim.end :]
        span = (claim.start, claim.start + len(words))
        yield Fault(kind, row.id, words, noticed(text, row.aus, span, [verdict]))


def _swap(row: Row, claim: Claim) -> str | None:
    """The other side, where only the named one moves."""
    if claim.side is None or claim.both or claim.negated or len(claim.units) != 1:
        return None
    if claim.degree is DegreeWord.MINIMAL:  # true of a side that does not move, too
        return None
    unit = claim.units[0]
    if unit == "jaw slide":
        here, there = (row.aus[f"{unit} {s}"] or 0.0 for s in (claim.side, claim.side.other))
    else:
        here, there = (row.aus[f"{s} {unit}"] or 0.0 for s in (claim.side, claim.side.other))
    if here < 0.05 or there >= 0.01 or not re.search(rf"\b{claim.side}\b", claim.text, re.IGNORECASE):
        return None
    return re.sub(rf"\b{claim.side}\b", claim.side.other, claim.text, flags=re.IGNORECASE)


SLIGHT: Final = "slight|subtle|mild|minor|small|gentle"
STRONG: Final = "strong|pronounced|significant|prominent|notable|marked"


def _other_degree(checked: Checked) -> str | None:
    claim, value = checked.claim, max((v or 0.0 for v in checked.units.values()), default=0.0)
    if claim.negated or len(claim.units) != 1 or claim.value is not None:
        return None
    least = min(v or 0.0 for v in checked.units.values())
    if claim.degree is DegreeWord.SLIGHT and value <= 0.1:
        changed = re.sub(rf"\b(?:{SLIGHT})(ly)?\b", r"strong\1", claim.text, count=1, flags=re.IGNORECASE)
    elif claim.degree in (DegreeWord.MARKED, DegreeWord.STRONG) and least >= 0.65:
        changed = re.sub(rf"\b(?:{STRONG})(ly)?\b", r"slight\1", claim.text, count=1, flags=re.IGNORECASE)
    else:
        return None
    return changed if changed != claim.text else None


def _deny(row: Row, checked: Checked) -> str | None:
    """An affirmed movement denied."""
    claim, value = checked.claim, max((v or 0.0 for v in checked.units.values()), default=0.0)
    if claim.negated or value < 0.2 or len(claim.units) != 1 or claim.value is not None or claim.side:
        return None
    if claim.degree is not None and value < 0.6:  # "no strong closure" may be true
        return None
    predicate = re.search(r"\b(?:is|are|remains?|appears?)\b", claim.text)
    if predicate:
        return f"{claim.text[: predicate.end()]} not{claim.text[predicate.end() :]}"
    before = row.text[max(0, claim.start - 12) : claim.start].lower()
    if re.search(r"\b(?:the|a|an|both|their|its)\s$", before) or " " not in claim.text or claim.both:
        return None  # "the no raised brows" is not what anybody writes
    return f"no {claim.text}"


def _affirm(row: Row, checked: Checked) -> Iterator[Fault]:
    """A denied movement affirmed: "no brow lowering" becomes "clear brow lowering"."""
    claim, value = checked.claim, max((v or 0.0 for v in checked.units.values()), default=0.0)
    before = row.text[: claim.start]
    found = re.search(
        r"\b(?:no|without|lack of|absence of)(?: (?:any|signs? of|a))* $", before, re.IGNORECASE
    )
    if not claim.negated or value >= 0.01 or len(claim.units) != 1 or found is None:
        return
    text = f"{before[: found.start()]}clear {claim.text}{row.text[claim.end :]}"
    span = (found.start(), found.start() + len(claim.text) + 6)
    caught = noticed(text, row.aus, span, WRONG)
    yield Fault("negation flipped", row.id, f"clear {claim.text}", caught)


def _cut_out(row: Row, claims: Sequence[Claim]) -> Iterator[Fault]:
    """Every sentence that speaks of an action is taken out."""
    for action in PHRASES:
        if peak(row.aus, action) < 0.1 or not any(action in c.units and not c.vague for c in claims):
            continue
        gone = {
            start
            for start, sentence in row.sentences
            if any(action in c.units and start <= c.start < start + len(sentence) for c in claims)
        }
        text = "".join(sentence for start, sentence in row.sentences if start not in gone)
        active = {name for name in names(action) if (row.aus[name] or 0.0) >= 0.1}
        yield Fault("action left out", row.id, action, active <= set(audit(text, row.aus).missed))


def _put_in(row: Row, strangers: Sequence[tuple[str, str]]) -> Iterator[Fault]:
    """A sentence of another text about an action that does not take place here."""
    for action, sentence in strangers:
        if peak(row.aus, action) == 0.0:
            text = f"{row.text} {sentence.strip()}"
            span = (len(row.text), len(text))
            yield Fault("action invented", row.id, sentence.strip()[:90], noticed(text, row.aus, span, WRONG))
            return
