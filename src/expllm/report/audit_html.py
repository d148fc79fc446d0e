"""Explanations as HTML with every claim marked as supported or refuted by the action units.

Sentences about the face that the audit could not read are hatched, as units that were not measured are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from expllm.grounding import Audit, Checked, Verdict, audit
from expllm.report.html_shell import render

if TYPE_CHECKING:
    from markupsafe import Markup

    from expllm.core.records import CoT
    from expllm.core.vocabulary import AUVector

SEVERITY: Final = (
    Verdict.CONTRADICTED,
    Verdict.WRONG_SIDE,
    Verdict.WRONG_PLACE,
    Verdict.WRONG_DEGREE,
    Verdict.UNSUPPORTED,
    Verdict.NOT_MEASURABLE,
    Verdict.OUTSIDE,
    Verdict.SUPPORTED,
)
"""Where claims share words, the mark is that of the first of these."""

_UNREAD: Final = "not read: nothing in this sentence was checked"


@dataclass(frozen=True)
class MarkedPiece:
    """A piece of a text as the page shows it.

    Attributes:
        text: Word for word.
        mark: The style of its mark; empty where nothing is claimed.
        title: What the mark says: verdicts with their reasons.
        emotion: Whether it names an expression.
    """

    text: str
    mark: str = ""
    title: str = ""
    emotion: bool = False


def audited_html(cot: "CoT", aus: "AUVector", *, emotions: bool = False) -> "Markup":
    """The three parts under their headings, each claim marked, and a line on what the audit found.

    Args:
        emotions: Words that name an expression are marked too.
    """
    report = audit(cot, aus)
    parts = []
    at = 0
    for heading, part in zip(cot.HEADINGS, cot.parts, strict=True):
        at = cot.text.index(part, cot.text.index(f"**{heading}:**", at))
        parts.append((heading, list(_marked(part, at, report, emotions))))
        at += len(part)
    return marked_html(parts, audit_summary(report))


def marked_text(text: str, aus: "AUVector") -> "Markup":
    """The same of a text that lacks the three parts, as it stands, words for expressions marked."""
    report = audit(text, aus)
    return marked_html([("", list(_marked(text, 0, report, True)))], audit_summary(report))


def marked_html(parts: Sequence[tuple[str, Sequence[MarkedPiece]]], found: str) -> "Markup":
    """The HTML of a marked text.

    Args:
        parts: (heading or nothing, pieces) in their order.
        found: A line on what the audit found.
    """
    return render("audited.html", parts=parts, found=found)


def audit_summary(report: Audit) -> str:
    """A summary of the audit in a few sentences."""
    return " ".join(filter(None, (_claims(report), _missed(report), unread_text(report))))


def unread_text(report: Audit) -> str:
    """How many sentences about the face could not be read; empty where all could."""
    count = len(report.unread)
    if not count:
        return ""
    were = "sentence about the face was" if report.sentences == 1 else "sentences about the face were"
    return f"{count} of {report.sentences} {were} not read: nothing in {_them(count)} was checked."


def _them(count: int) -> str:
    return "it" if count == 1 else "them"


def _claims(report: Audit) -> str:
    count = len(report.checked)
    if not count:
        return "No claim was read from the text." if report.unread else "The text claims no movement."
    fine = report.counts.get(Verdict.SUPPORTED, 0)
    text = f"{fine} of {count} claims are supported by the action units." if count > 1 else (
        "The only claim is supported by the action units." if fine else "The only claim is not supported."
    )  # fmt: skip
    wrong = {v.value: n for v in SEVERITY[:-1] if (n := report.counts.get(v, 0))}
    if wrong:
        text += f" Of the others: {', '.join(f'{n} {verdict}' for verdict, n in wrong.items())}."
    return text


def _missed(report: Audit) -> str:
    if not report.missed or not report.checked:
        return ""
    return f"Not mentioned: {', '.join(f'{name} {value:.2f}' for name, value in report.missed.items())}."


def _marked(part: str, offset: int, report: Audit, emotions: bool) -> Iterator[MarkedPiece]:
    """The part in pieces; a piece that claims cover is marked with the gravest verdict among them.

    A piece of a sentence that could not be read is marked as such.
    """
    end = offset + len(part)
    inside = [c for c in report.checked if c.claim.start < end and c.claim.end > offset]
    named = [m for m in report.emotions if emotions and m.start < end and m.end > offset]
    unread = [u for u in report.unread if u.start < end and u.end > offset]
    cuts = {offset, end}
    spans = [(c.claim.start, c.claim.end) for c in inside] + [(m.start, m.end) for m in named]
    spans += [(u.start, u.end) for u in unread]
    for start, stop in spans:
        cuts |= {max(offset, start), min(end, stop)}
    for start, stop in pairwise(sorted(cuts)):
        mark, title = _mark([c for c in inside if c.claim.start <= start and stop <= c.claim.end])
        if not mark and any(u.start <= start and stop <= u.end for u in unread):
            mark, title = "unread", _UNREAD
        emotion = any(m.start <= start and stop <= m.end for m in named)
        yield MarkedPiece(part[start - offset : stop - offset], mark, title, emotion)


def _mark(covering: list[Checked]) -> tuple[str, str]:
    """Style and title of the mark over words that claims share; nothing where there is no claim."""
    if not covering:
        return "", ""
    gravest = min((c.verdict for c in covering), key=SEVERITY.index)
    told = "; ".join(f"{c.verdict.value}: {c.reason}" for c in covering)
    return gravest.value.replace(" ", "-"), told
