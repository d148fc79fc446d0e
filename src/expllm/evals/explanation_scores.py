"""What explanations are worth, from saved answers alone: the grounding score, and the pairs for a judge.

The two are never mixed: grounding holds a text against measured action units, the Exp-CoT score against a
reference text.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from expllm.cot.format_check import WORD_LIMIT
from expllm.evals.claim_comparison import AuditedText
from expllm.evals.judge.judge_run import TextPair
from expllm.evals.metrics.bootstrap import Interval, mean_interval
from expllm.evals.saved_answers import Answer
from expllm.grounding import Audit, audit
from expllm.grounding.emotions import label_in, read_emotions

NO_HEADINGS: Final = "the three headings are not there, once each and in order"
TOO_LONG: Final = f"more than {WORD_LIMIT} words"
CUT_OFF: Final = "cut off"


@dataclass(frozen=True)
class GroundingScore:
    """The grounding score of explanations. Intervals are over faces, by 10,000 draws under the seed 0.

    Attributes:
        texts: Faces with an explanation.
        unexplained: Status -> faces without one.
        unmeasured: Explained faces whose action units could not be measured: their claims are not checked.
        precision: Share of supported claims among those that could be checked: the mean over texts with
            such a claim; None without any.
        recall: Share of the active units, weighted by intensity, that a text tells: the mean over faces
            with an active unit; None without any.
        well_formed: Share of texts with the three headings, in at most 130 words, not cut off.
        agrees: Share of texts whose conclusion affirms the predicted label; one without a conclusion does
            not.
        labels_agree: Share of texts behind which the label is the same as without a text.
        problems: What is wrong with texts that are not well formed.
        verdicts: Claims by verdict.
        sentences: Sentences about the face, in all audited texts.
        unread: Those of them that no claim could be read from: nothing in them is checked.
        read: Share of a text's sentences about the face that were read: the mean over texts with such a
            sentence; None without any.
        as_written: The same texts before sentences that the audit refuted were written anew or left out; None
            where no text was audited while it was written. Of these texts as they are, no claim is refuted by
            construction: `precision` tells of unread sentences and of what was not measured only.
    """

    texts: int
    unexplained: dict[str, int]
    unmeasured: int
    precision: Interval | None
    recall: Interval | None
    well_formed: Interval | None
    agrees: Interval | None
    labels_agree: Interval | None
    problems: dict[str, int]
    verdicts: dict[str, int]
    sentences: int
    unread: int
    read: Interval | None
    as_written: "AsWritten | None" = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class AsWritten:
    """Audited texts as they were first written: every rejected sentence is back in its place.

    Attributes:
        texts: How many texts were audited while they were written.
        changed: Those of them with a rejected sentence.
        precision, recall: As in `GroundingScore`, over these texts.
        verdicts: Claims by verdict.
        rewritten: Rejected sentences that another version of the model's took the place of.
        by_rules: Those that could not be left out, so that rules wrote one.
        omitted: Those that were left out.
        extra_tokens: Tokens written for other versions, for each token of these texts; None if not known.
    """

    texts: int
    changed: int
    precision: Interval | None
    recall: Interval | None
    verdicts: dict[str, int]
    rewritten: int
    by_rules: int
    omitted: int
    extra_tokens: float | None


def as_written(answers: Sequence[Answer]) -> AsWritten | None:
    """What the audit found in texts before anything of them was changed; None if none was audited."""
    told = [one for one in answers if one.rejected is not None and one.aus is not None]
    if not told:
        return None
    found = [audit(one.first_text or "", one.aus or {}, one.label) for one in told]
    rejected = [one for answer in told for one in answer.rejected or ()]
    tokens = sum(one.tokens or 0 for one in told)
    return AsWritten(
        texts=len(told),
        changed=sum(bool(one.rejected) for one in told),
        precision=_mean([one.precision for one in found]),
        recall=_mean([one.recall for one in found]),
        verdicts=_verdicts(found),
        rewritten=sum(one.sample is not None for one in rejected),
        by_rules=sum(one.sample is None and one.replacement is not None for one in rejected),
        omitted=sum(one.replacement is None for one in rejected),
        extra_tokens=sum(one.sampled or 0 for one in told) / tokens if tokens else None,
    )


def grounding(answers: Sequence[Answer]) -> GroundingScore:
    """Audits every explanation again."""
    told = [answer for answer in answers if answer.text is not None]
    audits = {one.id: audit(one.text or "", one.aus, one.label) for one in told if one.aus is not None}
    problems = {one.id: form_problem(one) for one in told}
    found = list(audits.values())
    return GroundingScore(
        texts=len(told),
        unexplained=dict(Counter(str(one.status) for one in answers if one.text is None)),
        unmeasured=len(told) - len(audits),
        precision=_mean([one.precision for one in found]),
        recall=_mean([one.recall for one in found]),
        well_formed=_mean([problem is None for problem in problems.values()]),
        agrees=_mean([concludes(one) for one in told]),
        labels_agree=_mean([one.label is one.label_after for one in told if one.label_after]),
        problems=dict(Counter(problem for problem in problems.values() if problem)),
        verdicts=_verdicts(found),
        sentences=sum(one.sentences for one in found),
        unread=sum(len(one.unread) for one in found),
        read=_mean([1 - len(one.unread) / one.sentences for one in found if one.sentences]),
        as_written=as_written(answers),
    )


def form_problem(answer: Answer) -> str | None:
    """What is wrong with the form of an explanation; None for nothing."""
    cot = answer.cot
    if cot is None:
        return CUT_OFF if answer.problem and "cut off" in answer.problem else NO_HEADINGS
    if answer.problem:
        return CUT_OFF
    return TOO_LONG if cot.word_count > WORD_LIMIT else None


def concludes(answer: Answer) -> bool:
    """Whether the conclusion of an explanation affirms the answered label."""
    if answer.cot is None or answer.label is None:
        return False
    return label_in(read_emotions(answer.text or ""), "conclusion", answer.label)


def pairs_of(answers: Sequence[Answer]) -> list[TextPair]:
    """The explanations that can be compared, each with its reference, in the order of the answers."""
    return [
        TextPair(one.id, one.reference, one.text)
        for one in answers
        if one.text is not None and one.reference is not None
    ]


def audited_texts(answers: Sequence[Answer]) -> list[AuditedText]:
    """The explanations whose claims can be checked, for a model that reads them."""
    return [
        AuditedText(one.id, one.text, one.aus)
        for one in answers
        if one.text is not None and one.aus is not None
    ]


def _mean(values: Sequence[float | None]) -> Interval | None:
    known = [value for value in values if value is not None]
    return mean_interval(known) if known else None


def _verdicts(audits: Sequence[Audit]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in audits:
        total.update({verdict.value: count for verdict, count in one.counts.items()})
    return dict(sorted(total.items()))
