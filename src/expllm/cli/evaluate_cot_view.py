"""What `expllm eval cot` and `expllm eval ladder` print: grounding and judges, each for itself."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import RenderableType
from rich.table import Table

from expllm.cli.audit_model import model_audit_view
from expllm.cli.cot_view import Foreign, Narrow
from expllm.cli.evaluate_view import bounds, percent_cell, scores_view, table_of
from expllm.evals.explanation_scores import GroundingScore, pairs_of
from expllm.evals.judge.judge_scores import Judged
from expllm.evals.judge.rubric import RUBRIC_PARTS
from expllm.evals.ladder import Climbed, LadderStep
from expllm.evals.ladder_runs import LadderSettings
from expllm.evals.metrics.bootstrap import Interval
from expllm.evals.model_audit import ModelAudit
from expllm.evals.saved_answers import Answer
from expllm.evals.scores import RunScores

_PARTS: Final = dict(
    zip(RUBRIC_PARTS, ("key observations, 0-5", "interpretation, 0-5", "conclusion, 0 or 5"), strict=True)
)


def cot_view(
    scores: RunScores, grounded: GroundingScore, judges: Sequence[Judged], audits: Sequence[ModelAudit],
    answers: Sequence[Answer], run: Path,
) -> RenderableType:  # fmt: skip
    """A run with explanations: grounding, each audit model, each judge, then the labels."""
    asked = scores.settings
    title = f"{asked.model} on {asked.dataset}: explanations of {grounded.texts:,} faces, seed {asked.seed}"
    parts: list[RenderableType] = [Foreign(title, "bold"), _grounding(grounded)]
    parts.append(Foreign(_claims(grounded), ""))
    parts += [Foreign(line, "") for line in _rejected(grounded)]
    parts += [Foreign(line, "yellow") for line in _left_out(grounded, answers)]
    for audit in audits:
        parts += model_audit_view(audit)
    for judged in judges:
        parts += _judged(judged)
    if not judges:
        parts.append(Foreign("no judge was asked: --judge chat:NAME gives the Exp-CoT score", ""))
    return Narrow((*parts, Foreign("", ""), scores_view(scores, run)))


def _grounding(found: GroundingScore) -> Table:
    table = table_of(("grounding, by the audit", False), ("%", True), ("95 % interval", True))
    first = found.as_written
    for name, interval in (
        *([] if first is None else [("claims that hold, as first written", first.precision)]),
        ("claims supported by the action units", found.precision),
        ("active action units mentioned, by intensity", found.recall),
        ("claims read, of the sentences about the face", found.read),
        ("texts with three headings, in 130 words", found.well_formed),
        ("conclusions that affirm the answered label", found.agrees),
        ("labels that are the same behind the text", found.labels_agree),
    ):
        known = ("-", "") if interval is None else (percent_cell(interval.estimate), bounds(interval))
        table.add_row(name, *known)
    return table


def _claims(found: GroundingScore) -> str:
    """Every claim by its verdict, the most frequent first."""
    return _claims_of(found.verdicts)


def _claims_of(verdicts: Mapping[str, int]) -> str:
    counts = sorted(((count, verdict) for verdict, count in verdicts.items() if count), reverse=True)
    told = ", ".join(f"{count:,} {verdict}" for count, verdict in counts)
    return f"claims: {told}" if told else "claims: none"


def _rejected(found: GroundingScore) -> Iterator[str]:
    """What audited decoding changed, so that no figure is 100 % by construction without a word."""
    first = found.as_written
    if first is None:
        return
    count = first.rewritten + first.by_rules + first.omitted
    done = f"{first.rewritten:,} rewritten, {first.by_rules:,} by rules, {first.omitted:,} left out"
    more = "" if first.extra_tokens is None else f"; {percent_cell(first.extra_tokens)} % more tokens decoded"
    yield (
        f"audited while written: {count:,} refuted sentences in {first.changed:,} of {first.texts:,} texts "
        f"({done}){more}"
    )
    yield f"as first written, {_claims_of(first.verdicts)}"


def _left_out(found: GroundingScore, answers: Sequence[Answer]) -> Iterator[str]:
    for status, count in found.unexplained.items():
        yield f"not explained ({status.replace('_', ' ')}): {count:,} faces"
    for problem, count in found.problems.items():
        yield f"not well formed: {count:,} of {found.texts:,} texts: {problem}"
    if found.unread:
        unread = f"{found.unread:,} of {found.sentences:,} sentences about the face"
        yield f"not read, so that nothing in them is checked: {unread}"
    if found.unmeasured:
        yield f"not measured, so that claims cannot be checked: {found.unmeasured:,} explained faces"
    if without := found.texts - len(pairs_of(answers)):
        yield f"without a text to compare with, so that no judge sees them: {without:,} explained faces"


def _judged(found: Judged) -> list[RenderableType]:
    """The Exp-CoT score by one judge, and its passport."""
    who = found.passport
    named = f" (the server says {', '.join(found.models)})" if found.models not in ((), (who.judge,)) else ""
    table = table_of((f"Exp-CoT score by {who.judge}", False), ("points", True), ("95 % interval", True))
    for part, heading in _PARTS.items():
        interval = None if found.parts is None else found.parts[part]
        table.add_row(heading, *_points(interval))
    table.add_row("Exp-CoT score, 0-1", *_points(found.score))
    lines = [
        Foreign(line, "yellow")
        for line in (
            f"{count:,} of {found.readings:,} readings unscored: {why}{_said(found, why)}"
            for why, count in found.unscored.items()
        )
    ]
    if found.open:
        lines.append(Foreign(f"{found.open:,} of {found.readings:,} readings not asked yet", "yellow"))
    if len(found.totals) < found.pairs:
        rest = found.pairs - len(found.totals)
        lines.append(Foreign(f"{rest:,} of {found.pairs:,} texts unscored; they count in no mean", "yellow"))
    return [Foreign("", ""), table, *lines, *(Foreign(line, "") for line in _passport(found, named))]


def _said(found: Judged, why: str) -> str:
    return f' (for example: "{found.said[why]}")' if why in found.said else ""


def _passport(found: Judged, named: str) -> Iterator[str]:
    who = found.passport
    alpha = "not defined" if found.alpha is None else f"{found.alpha:.2f}"
    yield (
        f"judge: {who.judge}{named}, asked {who.begun}, prompt {who.prompt_hash[:12]}, both orders, "
        f"{who.repeats} time{'s' if who.repeats > 1 else ''} each"
    )
    gap = found.order_gap
    between = (
        ""
        if gap is None
        else f"; reference first gives {gap.estimate:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
    )
    yield f"agreement of its readings: Krippendorff's alpha {alpha}{between}"
    if found.cost:
        yield f"cost: {found.cost:.4f} USD"


def _points(interval: Interval | None) -> tuple[str, str]:
    if interval is None:
        return "-", ""
    return f"{interval.estimate:.2f}", f"{interval.low:.2f} to {interval.high:.2f}"


def ladder_view(
    settings: LadderSettings,
    faces: int,
    audit: Climbed | None,
    climbs: Sequence[tuple[Judged, Climbed]],
    run: Path,
) -> RenderableType:
    """What each judge made of the ladder."""
    parts: list[RenderableType] = [
        Foreign(f"ladder of {faces:,} faces of {settings.source}, seed {settings.seed}", "bold")
    ]
    if left := settings.faces - faces:
        parts.append(Foreign(f"left out, as their text does not name its label: {left:,} faces", "yellow"))
    if settings.unmeasured:
        lost = f"left out, as they could not be measured and have no text: {settings.unmeasured:,} faces"
        parts.append(Foreign(lost, "yellow"))
    if audit is None:
        parts.append(Foreign("the audit needs action units, and there are none", "yellow"))
    else:
        parts += _climbed("the audit", audit)
    for judged, climb in climbs:
        parts += _climbed(judged.passport.judge, climb)
        parts += _judged(judged)[2:]
    parts.append(Foreign(f"saved in {run}: 'expllm eval rescore {run}' prints this again", ""))
    return Narrow(parts)


def _climbed(name: str, found: Climbed) -> list[RenderableType]:
    rungs = table_of((f"text, as {name} scores it", False), ("0-1", True), ("95 % interval", True))
    for rung, interval in found.rungs.items():
        rungs.add_row(rung, *_points(interval))
    steps = table_of(
        ("step", False), ("difference", True), ("95 % interval", True), ("higher %", True), ("equal %", True),
        ("holds", False),
    )  # fmt: skip
    for step in found.steps:
        steps.add_row(*_step(step))
    verdict = f"{name} can be trusted on these texts" if found.trusted else f"{name} can not be trusted"
    unscored = f", {percent_cell(found.unscored)} % of the texts unscored" if found.unscored else ""
    style = "bold green" if found.trusted else "bold red"
    return [Foreign("", ""), rungs, steps, Foreign(f"{verdict}{unscored}", style)]


def _step(step: LadderStep) -> tuple[str, ...]:
    sure = step.difference
    return (
        f"{step.lower} -> {step.upper}", f"{sure.estimate:+.3f}", f"{sure.low:+.3f} to {sure.high:+.3f}",
        percent_cell(step.higher), percent_cell(step.equal), "yes" if step.holds else "NO",
    )  # fmt: skip
