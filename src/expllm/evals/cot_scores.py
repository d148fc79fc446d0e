"""What explanations are worth, from saved answers alone: the grounding score, and the pairs for a judge.

The two are never mixed: grounding holds a text against measured action units, the Exp-CoT score against a
reference text.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from expllm.cot.formatting import WORD_LIMIT
from expllm.evals.answers import Answer
from expllm.evals.claim_comparison import AuditedText
from expllm.evals.intervals import Interval, mean_interval
from expllm.evals.judging import Pair
from expllm.grounding import Audit, audit
from expllm.grounding.emotions import label_in, read_emotions

NO_HEADINGS: Final = "the three headings are not there, once each and in order"
TOO_LONG: Final = f"more than {WORD_LIMIT} words"
CUT: Final = "cut off"


@dataclass(frozen=True)
class Grounding:
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

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def grounding(answers: Sequence[Answer]) -> Grounding:
    """Audits every explanation again."""
    told = [answer for answer in answers if answer.text is not None]
    audits = {one.id: audit(one.text or "", one.aus, one.label) for one in told if one.aus is not None}
    problems = {one.id: form_problem(one) for one in told}
    found = list(audits.values())
    return Grounding(
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
    )


def form_problem(answer: Answer) -> str | None:
    """What is wrong with the form of an explanation; None for nothing."""
    cot = answer.cot
    if cot is None:
        return CUT if answer.problem and "cut off" in answer.problem else NO_HEADINGS
    if answer.problem:
        return CUT
    return TOO_LONG if cot.word_count > WORD_LIMIT else None


def concludes(answer: Answer) -> bool:
    """Whether the conclusion of an explanation affirms the answered label."""
    if answer.cot is None or answer.label is None:
        return False
    return label_in(read_emotions(answer.text or ""), "conclusion", answer.label)


def pairs_of(answers: Sequence[Answer]) -> list[Pair]:
    """The explanations that can be compared, each with its reference, in the order of the answers."""
    return [
        Pair(one.id, one.reference, one.text)
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
