"""The six processes of the Exp-CoT Engine (paper, section III-B), one small function each.

Each takes what it needs and returns what it found; `engine` puts them in order. A step asks again where an
answer has the wrong form, and says so where none has the right one.
"""

from dataclasses import dataclass, replace
from typing import Final

from expllm.core.records import CoT
from expllm.core.vocabulary import Expression
from expllm.cot.case import Case, Feedback, Rules
from expllm.cot.course_writer import audit_case
from expllm.cot.format_check import format_problems
from expllm.cot.sample_session import SampleSession
from expllm.cot.writers import CotWriter
from expllm.grounding import Audit, Verdict
from expllm.grounding.audit import WRONG

COVER: Final = 0.1
"""Units from this intensity on must be described; weaker ones may be."""

_DECORATION: Final = " \t\r\n*_`'\"“”‘’.!#:"
_WRONG: Final = (Verdict.CONTRADICTED, Verdict.WRONG_SIDE, Verdict.WRONG_PLACE, Verdict.NOT_MEASURABLE)


class NoAnswer(Exception):  # noqa: N818 - an ending of a sample, not a fault of the program
    """A writer gave no answer of the form that was asked for; the text says what came instead."""


@dataclass(frozen=True)
class Verification:
    """What Result Verification found in the three views of the paper, and whether everything could be read.

    A view is None where nobody could say: an LLM answers for all at once, a face without a label has
    no right one, and an answer that nobody could read is no verdict.

    Attributes:
        readable: Whether the audit could read every sentence about the face; what it cannot read it cannot
            check.
    """

    passed: bool
    by: str
    units: bool | None = None
    degrees: bool | None = None
    label: bool | None = None
    readable: bool | None = None
    problems: tuple[str, ...] = ()


async def au2des(writer: CotWriter, session: SampleSession, case: Case, feedback: Feedback | None) -> str:
    """AU2Des Generation, and after feedback Feedback Reflection: the face in words, and their audit."""
    before = session.refusals
    session.description = await writer.describe(session, case, feedback)
    session.report = None
    if session.refusals == before:  # a refusal describes nothing
        session.report, session.mistimed = audit_case(session.description, case)
        counts = audit_counts(session.report)
        clean = not counts["refuted"] and not counts["unread"] and not session.mistimed
        await session.verdict("AU2Des" if feedback is None else "Feedback Reflection", clean, audit=counts)
    return session.description


async def des2exp(writer: CotWriter, session: SampleSession, case: Case, rules: Rules) -> Expression:
    """Des2Exp Generation: exactly one expression of the label set.

    Raises:
        NoAnswer: not one of the answers was.
    """
    for attempt in range(rules.retries + 1):
        answer = await writer.express(session, case, attempt > 0)
        expression = read_expression(answer, case.labels)
        if expression:
            return expression
    raise NoAnswer(f"no expression of the label set was named, the last answer was {answer[:60]!r}")


async def verify(
    writer: CotWriter, session: SampleSession, case: Case, rules: Rules, expression: Expression
) -> Verification:
    """Result Verification: are the units covered, are the degrees right, is the label right?"""
    found = Verification(passed=True, by="none")
    if session.report is None:
        found = Verification(False, "refusal", problems=("The answer does not describe the face.",))
    elif rules.verify in ("rules", "both"):
        found = verify_by_rules(session.report, case, expression, session.mistimed)
    if found.passed and rules.verify in ("llm", "both"):
        found = await _verify_by_llm(writer, session, case, rules, found)
    if found.passed and case.truth is not None and expression is not case.truth:
        # A judge that lets a wrong label pass is not believed.
        found = Verification(False, "label", label=False, problems=(WRONG_LABEL,))
    views = {"units": found.units, "degrees": found.degrees, "label": found.label, "readable": found.readable}
    await session.verdict(
        "Result Verification", found.passed, by=found.by, **views, problems=list(found.problems)
    )
    return found


def audit_counts(report: Audit) -> dict[str, int]:
    """What the ledger adds up of an audited text."""
    return {
        "claims": len(report.checked), "refuted": sum(report.counts.get(verdict, 0) for verdict in WRONG),
        "sentences": report.sentences, "unread": len(report.unread),
    }  # fmt: skip


WRONG_LABEL: Final = "The expression does not fit the face."


def verify_by_rules(
    report: Audit, case: Case, expression: Expression, mistimed: tuple[str, ...] = ()
) -> Verification:
    """The audit of a description in the views of the paper; the problems never name the true label.

    Args:
        report: The audit.
        mistimed: What it says wrongly about time, where the face is one of a video.
    """
    missed = {name: value for name, value in report.missed.items() if value >= COVER}
    wrong = [checked for checked in report.checked if checked.verdict in _WRONG]
    degrees = [checked for checked in report.checked if checked.verdict is Verdict.WRONG_DEGREE]
    problems = [f"Not described: {name} ({value:.2g})." for name, value in missed.items()]
    problems += [f'"{checked.claim.text}": {checked.reason}.' for checked in (*wrong, *degrees)]
    problems += [*mistimed, *unread_problems(report)]
    label = None if case.truth is None else expression is case.truth
    if label is False:
        problems.append(WRONG_LABEL)
    return Verification(
        passed=not problems,
        by="rules",
        units=not missed and not wrong,
        degrees=not degrees,
        label=label,
        readable=not report.unread,
        problems=tuple(problems),
    )


def unread_problems(report: Audit) -> list[str]:
    """Each sentence about the face that could not be read, and what a writer can do about it."""
    if not report.unread:
        return []
    told = [
        f'"{unread.text}": it cannot be checked which movement this claims or denies.'
        for unread in report.unread
    ]
    return [*told, "Say plainly which part of the face moves, how, on which side and how strongly."]


async def _verify_by_llm(
    writer: CotWriter, session: SampleSession, case: Case, rules: Rules, so_far: Verification
) -> Verification:
    for attempt in range(rules.retries + 1):
        verdict = read_verdict(await writer.judge(session, case, attempt > 0))
        if verdict is not None:
            return replace(so_far, passed=verdict, by="both" if so_far.by == "rules" else "llm")
    problems = ("The verification gave no readable verdict.",)
    return replace(so_far, passed=False, by="unreadable", problems=problems)


def reflect(case: Case, rules: Rules, verification: Verification, finished_round: int) -> Feedback:
    """Feedback Reflection: what the next round is told, past the threshold with the label."""
    told = rules.verify != "llm"
    hint = case.truth if finished_round >= rules.hint_after else None
    return Feedback(verification.problems if told else (), hint)


async def refine(
    writer: CotWriter, session: SampleSession, case: Case, rules: Rules, expression: Expression
) -> tuple[CoT, Audit]:
    """Format Refinement, held against the rules of the format and once more against the action units.

    Raises:
        NoAnswer: no text broke none of them.
    """
    text = session.description
    problems: tuple[str, ...] = ()
    for _ in range(rules.retries + 1):
        text = await writer.refine(session, case, expression, text, problems)
        cot, problems = format_problems(text, expression)
        report, mistimed = audit_case(text if cot is None else cot.text, case, expression)
        problems = problems or (*added_claims(report), *mistimed)
        await session.verdict(
            "Format Refinement", not problems, problems=list(problems), audit=audit_counts(report)
        )
        if cot is not None and not problems:
            return cot, report
    raise NoAnswer(f"no refined text kept to the format: {' '.join(problems)}")


def added_claims(report: Audit) -> tuple[str, ...]:
    """What a refined text claims and the action units refute, or nobody can check, as sentences."""
    wrong = [c for c in report.checked if c.verdict in (*_WRONG, Verdict.WRONG_DEGREE)]
    # An interpretation may honestly say that the movements point elsewhere; a conclusion may not.
    conflicts = (f"{c[0].upper()}{c[1:]}." for c in report.label_conflicts if c.startswith("the conclusion"))
    refuted = (f'"{checked.claim.text}": {checked.reason}.' for checked in wrong)
    return (*refuted, *unread_problems(report), *conflicts)


def read_expression(answer: str, labels: tuple[Expression, ...]) -> Expression | None:
    """The one expression that an answer is, whatever its case and decoration; None for anything else."""
    word = answer[:200].strip(_DECORATION).casefold()
    return next((label for label in labels if label.value == word), None)


def read_verdict(answer: str) -> bool | None:
    """True for 'Correct', False for 'Incorrect', None for anything else."""
    word = answer[:200].strip(_DECORATION).casefold()
    return {"correct": True, "incorrect": False}.get(word)


def worth_telling(case: Case) -> bool:
    """Whether anything was measured at all; a face without measurements has no explanation."""
    return bool(case.aus.measured)
