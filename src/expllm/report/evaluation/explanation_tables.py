"""Table III, the Exp-CoT score by a judge; the grounding score, which needs none; what audit models read."""

from collections.abc import Iterator, Sequence
from typing import Final

from expllm.evals.claim_comparison import DIFFERENCE_KINDS
from expllm.evals.explanation_scores import AsWritten, GroundingScore, audited_texts, grounding, pairs_of
from expllm.evals.judge.judge_run import JudgeRun
from expllm.evals.judge.judge_scores import Judged, judged
from expllm.evals.judge.rubric import RUBRIC_PARTS
from expllm.evals.metrics.bootstrap import Interval
from expllm.evals.model_audit import ModelAudit, all_model_audits
from expllm.report.evaluation.evaluated_runs import EvalRuns, ScoredRun
from expllm.report.evaluation.paper_tables import (
    NOTHING,
    Column,
    ReportTable,
    figure,
    percent_interval,
    published,
)

DISAGREEMENTS: Final = 10
"""Of each audit model that a page quotes; the JSON of the run has all."""


def text_tables(material: EvalRuns) -> Iterator[ReportTable]:
    """Table III and the grounding of explanations, as far as there are runs for them."""
    names = material.names()
    runs = [run for run in material.runs if run.texts]
    verdicts = [(run, found) for run in runs for found in _judged(run)]
    if verdicts:
        yield _exp_cot(verdicts, names)
    if runs:
        yield _grounding([(run, grounding(run.answers)) for run in runs], names)
    read = [(run, one) for run in runs for one in all_model_audits(run.path, audited_texts(run.answers))]
    if read:
        yield _readings(read, names)


def _judged(run: ScoredRun) -> list[Judged]:
    return [judged(one, pairs_of(run.answers)) for one in JudgeRun.all_in(run.path)]


def _exp_cot(verdicts: Sequence[tuple[ScoredRun, Judged]], names: dict[str, str]) -> ReportTable:
    paper = published()["III"]
    heads = [Column("Method"), Column("Judge")]
    for name in paper["columns"]:
        heads += [Column(name, "paper"), Column(name, "here")]
    rows, own = [], []
    for method, *figures in paper["rows"]:
        cells = [cell for value in figures for cell in (figure(value), "")]
        rows.append((method, "GPT-4o", *cells))
        own.append(False)
    for run, found in verdicts:
        parts = found.parts or {}
        mine = [*(parts.get(part) for part in RUBRIC_PARTS), found.score]
        cells = [cell for value in mine for cell in ("", _points(value))]
        rows.append((f"{names[run.settings.digest]} on {run.dataset}", found.passport.judge, *cells))
        own.append(True)
    notes = [
        "Points of the three parts: 0-5; the score is their sum over the most that it can be. The paper "
        "takes 100 faces of RAF-DB and AffectNet and prints neither its prompt nor an interval.",
        "The paper has 0.76 here and 0.78 in Table IV for the same training.",
        *(_passport(run, names[run.settings.digest], found) for run, found in verdicts),
    ]
    title = "Exp-CoT score of explanations, by a judge"
    return ReportTable("III", title, tuple(heads), tuple(rows), tuple(own), tuple(notes))


def _passport(run: ScoredRun, name: str, found: Judged) -> str:
    passport, explained = found.passport, run.settings.explained
    others = [model for model in found.models if model != passport.judge]
    models = f" (the server says {', '.join(others)})" if others else ""
    beside = f" (reference: {explained.reference})" if explained else ""
    alpha = "not known" if found.alpha is None else f"{found.alpha:.2f}"
    times = "once" if passport.repeats == 1 else f"{passport.repeats} times"
    text = (
        f"{name}{beside}, judged by {passport.judge}{models}: {len(found.totals):,} of {found.pairs:,} texts "
        f"scored, {times} in both orders, agreement with itself (Krippendorff's alpha) {alpha}, prompt "
        f"{passport.prompt_hash[:12]}"
    )
    unscored = sum(found.unscored.values())
    if unscored or found.open:
        text += f"; without a score: {unscored:,} replies, not asked: {found.open:,}"
    return f"{text}."


def _grounding(found: Sequence[tuple[ScoredRun, GroundingScore]], names: dict[str, str]) -> ReportTable:
    heads = (
        "Method", "Texts", "Precision as first written %", "Precision of claims %", "Recall of units %",
        "Sentences read %", "Well-formed %",
        "Conclusion is the label %", "Label is the same after the text %",
    )  # fmt: skip
    rows = tuple(
        (
            f"{names[run.settings.digest]} on {run.dataset}", f"{one.texts:,}",
            _share(one.as_written.precision) if one.as_written else NOTHING,
            *map(_share, (one.precision, one.recall, one.read)),
            *map(_share, (one.well_formed, one.agrees, one.labels_agree)),
        )
        for run, one in found
    )  # fmt: skip
    notes = (
        "Texts are held against measured action units, without a judge. Precision: claims that are borne out "
        "among those that can be checked. Recall: active units that are told, weighted by their intensity. "
        "Sentences read: those about the face that the audit could read; nothing in the others is checked. "
        "Well-formed: three headings, at most 130 words. "
        "As first written: where texts were audited while they were written, with every refuted sentence "
        "back in its place.",
        *(_rewritten(names[run.settings.digest], one.as_written) for run, one in found if one.as_written),
    )
    title = "Grounding of explanations, without a judge"
    return ReportTable("grounding", title, tuple(map(Column, heads)), rows, (False,) * len(rows), notes)


def _rewritten(name: str, first: AsWritten) -> str:
    """What audited decoding changed: a precision as shipped says little without it."""
    return (
        f"{name}: {first.changed:,} of {first.texts:,} texts had a refuted sentence; {first.rewritten:,} "
        f"rewritten, {first.by_rules:,} by rules, {first.omitted:,} left out."
    )


def _readings(found: Sequence[tuple[ScoredRun, ModelAudit]], names: dict[str, str]) -> ReportTable:
    """What audit models read beside the rules, and the first of what they read differently."""
    heads = (
        "Method", "Audit model", "Texts read", "Claims, model", "Claims, rules", "Same verdict",
        "Other verdict", "Model only", "Rules only", "Sentences unread, model", "Sentences unread, rules",
    )  # fmt: skip
    rows = []
    notes = [
        "A language model reads the claims of the same texts; both readings are checked alike against the "
        "measured action units."
    ]
    for run, one in found:
        name, counts = f"{names[run.settings.digest]} on {run.dataset}", one.counts()
        read = one.texts - one.open - sum(one.unscored.values())
        figures = (
            *(sum(one.verdicts[who].values()) for who in ("model", "rules")), one.same,
            *(counts.get(kind, 0) for kind in DIFFERENCE_KINDS),
            *(one.unread[who] for who in ("model", "rules")),
        )  # fmt: skip
        rows.append((name, one.passport.model, f"{read:,} of {one.texts:,}", *(f"{n:,}" for n in figures)))
        notes += [
            f'{one.passport.model}, {other.sample}: "{other.words}": rules {other.rules or "nothing"}; '
            f"model {other.model or 'nothing'}."
            for other in one.disagreements[:DISAGREEMENTS]
        ]
    title = "Claims read by a language model, beside the rules"
    return ReportTable(
        "readings", title, tuple(map(Column, heads)), tuple(rows), (False,) * len(rows), tuple(notes)
    )


def _points(value: Interval | None) -> str:
    return NOTHING if value is None else f"{value.estimate:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _share(value: Interval | None) -> str:
    return NOTHING if value is None else percent_interval(value)
