"""A judge by rules, to try things without a language model; it compares what can be read out of two texts.

* **Key observations**: movements that either text tells, anywhere in it. One that both tell counts 1, or 0.5
  where they differ in how much; one that a single text tells counts 0. The mean, times 5, rounded.
* **Interpretation**: expressions that either interpretation affirms; the share that both affirm, times 5,
  rounded.
* **Conclusion**: 5 if both conclusions affirm an expression in common, else 0.

Where neither text tells anything they agree. A text without the three headings gets 0 for all. Words that
name no movement and no expression count for nothing, however many there are.
"""

from collections.abc import Set
from typing import Final

from expllm.core.errors import RecordError
from expllm.core.records import CoT
from expllm.core.vocabulary import Expression
from expllm.grounding import Claim, DegreeWord, read_claims
from expllm.grounding.audit import claim_units
from expllm.grounding.emotions import read_emotions

NAME: Final = "scripted"


def reply(first: str, second: str) -> str:
    """What the judge says to two texts, in the form that the shipped judge's file reads."""
    if not (_headed(first) and _headed(second)):
        return _verdict(0, 0, 0)
    here, there = _told(first), _told(second)
    observed = _mean([_alike(here, there, unit) for unit in sorted(here.keys() | there.keys())])
    interpreted = _shared(*(_affirmed(text, "overall_emotional_interpretation") for text in (first, second)))
    ends = [_affirmed(text, "conclusion") for text in (first, second)]
    same = ends[0] & ends[1] or not (ends[0] or ends[1])
    return _verdict(round(5 * observed), round(5 * interpreted), 5 if same else 0)


def _verdict(observations: int, interpretation: int, conclusion: int) -> str:
    return (
        f"VERDICT: key observations {observations}, interpretation {interpretation}, conclusion {conclusion}"
    )


def _headed(text: str) -> bool:
    try:
        CoT.parse(text)
    except RecordError:
        return False
    return True


def _told(text: str) -> dict[str, set[DegreeWord | None]]:
    """Units that a text tells, and in which degrees."""
    told: dict[str, set[DegreeWord | None]] = {}
    claims: tuple[Claim, ...] = tuple(read_claims(text))
    for claim in claims:
        for unit in claim_units(claim):
            told.setdefault(unit, set()).add(claim.degree)
    return told


def _alike(
    here: dict[str, set[DegreeWord | None]], there: dict[str, set[DegreeWord | None]], unit: str
) -> float:
    if unit not in here or unit not in there:
        return 0.0
    return 1.0 if here[unit] & there[unit] else 0.5


def _affirmed(text: str, part: str) -> set[Expression]:
    return {one.expression for one in read_emotions(text) if one.part == part and not one.denied}


def _shared(one: Set[Expression], other: Set[Expression]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 1.0
