"""Explanations as HTML with every claim marked as supported or refuted by the action units.

Sentences about the face that the audit could not read are hatched, as units that were not measured are.
"""

from collections.abc import Iterator
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from expllm.core.errors import one_line
from expllm.grounding import Audit, Checked, Verdict, audit

if TYPE_CHECKING:
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

LEGEND: Final = (
    '<mark class="supported">supported by the action units</mark> '
    '<mark class="contradicted">contradicted, or on the wrong side or half of the face</mark> '
    '<mark class="unsupported">not supported, or of another degree</mark> '
    '<mark class="not-measurable">cannot be measured</mark> '
    f'<mark class="unread">{_UNREAD}</mark>'
)
"""What the marks mean, as HTML."""


def audited_html(cot: "CoT", aus: "AUVector", *, emotions: bool = False) -> str:
    """The three parts under their headings, each claim marked, and a line on what the audit found.

    Args:
        emotions: Words that name an expression are marked too.
    """
    report = audit(cot, aus)
    parts = []
    at = 0
    for heading, part in zip(cot.HEADINGS, cot.parts, strict=True):
        at = cot.text.index(part, cot.text.index(f"**{heading}:**", at))
        marked = "".join(_marked(part, at, report, emotions))
        parts.append(f'<div class="part"><h4>{_escaped(heading)}</h4><p>{marked}</p></div>')
        at += len(part)
    return "".join(parts) + _found(report)


def marked_text(text: str, aus: "AUVector") -> str:
    """The same of a text that lacks the three parts, as it stands, words for expressions marked."""
    report = audit(text, aus)
    return f'<div class="part"><p>{"".join(_marked(text, 0, report, True))}</p></div>{_found(report)}'


def _found(report: Audit) -> str:
    return f'<p class="audit">{_escaped(audit_summary(report))}</p>'


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


def _marked(part: str, offset: int, report: Audit, emotions: bool) -> Iterator[str]:
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
    ordered = sorted(cuts)
    for start, stop in pairwise(ordered):
        text = _escaped(part[start - offset : stop - offset])
        if any(m.start <= start and stop <= m.end for m in named):
            text = f'<b class="emotion">{text}</b>'
        covering = [c for c in inside if c.claim.start <= start and stop <= c.claim.end]
        if covering:
            yield _mark(text, covering)
        elif any(u.start <= start and stop <= u.end for u in unread):
            yield f'<mark class="unread" title="{_UNREAD}">{text}</mark>'
        else:
            yield text


def _mark(text: str, covering: list[Checked]) -> str:
    gravest = min((c.verdict for c in covering), key=SEVERITY.index)
    told = "; ".join(f"{c.verdict.value}: {c.reason}" for c in covering)
    return f'<mark class="{gravest.value.replace(" ", "-")}" title="{_escaped(told)}">{text}</mark>'


def _escaped(text: str) -> str:
    return escape(one_line(text), quote=True)
