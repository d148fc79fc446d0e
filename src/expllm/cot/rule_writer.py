"""Words without a model: a rule-based writer of the three headed parts (paper, section III-B).

`write_cot` is made of steps that the Exp-CoT engine can take one by one in place of an LLM:
`describe` (AUs to observations, no label known), `observe` (the Key Observations in words), `interpret`
and `conclude` (label and probabilities known). No text claims what the vector does not hold: a
movement below `MENTION`, a wrong side, a degree of another band, or anything of a unit that was
not measured. Where the movements do not explain the label, the text says so.

The same input always gives the same text; wordings vary by a hash of the vector and the label.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.format_check import WORD_LIMIT
from expllm.cot.words.interpretation import Fit, LabelCase, fit, is_behind, noun_of, runner_up
from expllm.cot.words.observations import (
    DEGREES,
    Degree,
    Observation,
    Observations,
    degree_of,
    degree_word,
    describe,
)
from expllm.cot.words.sentences import observe

__all__ = [
    "DEGREES",
    "Degree",
    "Fit",
    "conclude",
    "degree_of",
    "degree_word",
    "describe",
    "fit",
    "interpret",
    "observe",
    "write_cot",
]

PLANS: Final = ((3, False), (2, False), (2, True), (1, True), (0, True))
"""(movements told with their meaning, short interpretation?), the fullest first.

Only when even the last plan is too long, a movement is left out: the least telling one.
"""

_SURE: Final = 0.5
"""Below this probability of the label a conclusion is called tentative and names the runner-up."""


def write_cot(
    aus: AUVector, expression: Expression, probabilities: Mapping[Expression, float] | None = None
) -> CoT:
    """Explains `expression` by `aus` in at most `WORD_LIMIT` words.

    Args:
        aus: Intensities 0-1; what is None is never spoken of.
        expression: The label to explain; it need not be the one that the movements suggest.
        probabilities: One probability (0-1) an expression. Where that of `expression` is below
            `_SURE`, the conclusion is tentative and names the likeliest alternative. Where another
            expression is likelier, the text calls `expression` the label that was given.
    """
    observations = describe(aus)

    def draft(keep: int, leads: int, short: bool) -> CoT:
        told = observations.seen[:keep]
        return CoT(
            key_observations=observe(observations, leads, keep),
            overall_emotional_interpretation=interpret(observations, expression, probabilities, told, short),
            conclusion=conclude(observations, expression, probabilities, told),
        )

    def fits(cot: CoT) -> bool:
        return cot.word_count <= WORD_LIMIT

    if fits(fullest := draft(len(observations.seen), *PLANS[0])):  # saves most faces the search
        return fullest
    counts = range(len(observations.seen), -1, -1)
    keep = next(keep for keep in counts if fits(draft(keep, *PLANS[-1])))
    return next(cot for plan in PLANS if fits(cot := draft(keep, *plan)))


def interpret(
    observations: Observations,
    expression: Expression,
    probabilities: Mapping[Expression, float] | None = None,
    told: Sequence[Observation] | None = None,
    short: bool = False,
) -> str:
    """The Overall Emotional Interpretation: how the movements relate to the label and to each other.

    Args:
        observations: What `describe` found.
        expression: The label.
        probabilities: As for `write_cot`; they choose which alternative is ruled out.
        told: The observations that the text has named (default: all); no other one is referred to.
        short: One sentence instead of two or three.
    """
    told = observations.seen if told is None else told
    case = LabelCase(observations, expression, told)
    lines = [case.fill("interpretation", case.interpretation)]
    if not short:
        lines += [line for line in (case.contrast(probabilities), case.absence(probabilities)) if line]
    if unknown := case.unknown():
        lines.append(unknown)
    return " ".join(_turned(lines))


def conclude(
    observations: Observations,
    expression: Expression,
    probabilities: Mapping[Expression, float] | None = None,
    told: Sequence[Observation] | None = None,
) -> str:
    """The Conclusion: the label, what carries it, and how sure it is. Arguments as for `interpret`."""
    case = LabelCase(observations, expression, observations.seen if told is None else told)
    if probabilities is None or probabilities.get(expression, 0.0) >= _SURE:
        return case.fill("conclusion", case.conclusion)
    runner = runner_up(expression, probabilities)
    if runner and is_behind(expression, probabilities):
        frames = "behind_unmeasured" if case.kind is Fit.UNMEASURED else "behind"
        return case.fill("tentative", frames, r=noun_of(runner, case.voice))
    lines = [
        case.fill("tentative", "with_runner", r=noun_of(runner, case.voice))
        if runner
        else case.fill("tentative", "alone")
    ]
    if case.conclusion in ("other", "unmeasured"):
        lines.append(case.fill("tentative", "unsettled"))
    return " ".join(lines)


def _turned(lines: Sequence[str]) -> list[str]:
    """The sentences; a last one that rules out what the one before allowed begins with "Still"."""
    if len(lines) == 3 and any(
        e.value in lines[1].lower() and e.value in lines[2].lower() for e in Expression
    ):
        return [*lines[:2], f"Still, {lines[2][0].lower()}{lines[2][1:]}"]
    return list(lines)
