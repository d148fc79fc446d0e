"""The ladder test: can a judge tell good texts from bad ones?

Each face's own text is the reference. Five texts about it are compared with the reference, from bad to good;
a judge that can be trusted scores each better than the one before, and nothing for padding.
"""

import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Final

from expllm.core.errors import UsageError
from expllm.core.records import AUs, CoT, Record
from expllm.core.vocabulary import Expression
from expllm.evals.judge.judge_run import TextPair
from expllm.evals.metrics.bootstrap import Interval, mean_interval
from expllm.grounding import audit
from expllm.grounding.emotions import read_emotions

OTHER_FACE: Final = "another face's text"
SWAPPED: Final = "label swapped"
PADDED: Final = "label swapped, padded"
PARAPHRASE: Final = "paraphrase"
SAME: Final = "the same text"
RUNGS: Final = (OTHER_FACE, SWAPPED, PADDED, PARAPHRASE, SAME)

FILLER: Final = (
    "All of this has been looked at with great care, and more than once.",
    "It is said here in full, so that nothing that is of interest may be passed over.",
)
"""Sentences that tell nothing; they stand behind each part of a padded text."""

_ADJECTIVES: Final = {
    Expression.NEUTRAL: "neutral", Expression.HAPPINESS: "happy", Expression.SADNESS: "sad",
    Expression.SURPRISE: "surprised", Expression.FEAR: "fearful", Expression.DISGUST: "disgusted",
    Expression.ANGER: "angry", Expression.CONTEMPT: "contemptuous",
}  # fmt: skip
_DESCRIBES: Final = frozenset(_ADJECTIVES.values()) | {"joyful", "unhappy", "afraid", "scared", "surprising"}


@dataclass(frozen=True)
class Told:
    """A face with a text that is held to be right."""

    id: str
    label: Expression
    aus: AUs | None
    text: str


class Ladder(Record):
    """The texts about one face.

    Attributes:
        label: Of the face.
        aus: What was measured; the audit needs it.
        reference: The face's own text.
        texts: By the names of the rungs.
    """

    id: str
    label: Expression
    aus: AUs | None
    reference: str
    texts: dict[str, str]

    def pairs(self) -> list[TextPair]:
        """What a judge compares, from the bottom up."""
        return [TextPair(pair_id(self.id, rung), self.reference, self.texts[rung]) for rung in RUNGS]


def pair_id(face: str, rung: str) -> str:
    return f"{face}: {rung}"


def ladders(faces: Sequence[Told]) -> list[Ladder]:
    """The five texts of each face. Left out are faces whose text never affirms their label: nothing to swap.

    Raises:
        UsageError: all faces have the same label, or none can be used.
    """
    usable = [face for face in faces if _affirmations(face.text, face.label) and _cot(face.text)]
    if len({face.label for face in usable}) < 2:
        raise UsageError("the ladder needs texts of two labels or more that name their label, under headings")
    paraphrased = _Paraphrase()
    found = []
    for place, face in enumerate(usable):
        behind = itertools.chain(usable[place + 1 :], usable[:place])
        other = next(one for one in behind if one.label is not face.label)
        swapped = swap_label(face.text, face.label, other.label)
        texts = (other.text, swapped, padded(swapped), paraphrased(face.text), face.text)
        found.append(
            Ladder(
                id=face.id, label=face.label, aus=face.aus, reference=face.text,
                texts=dict(zip(RUNGS, texts, strict=True)),
            )
        )  # fmt: skip
    return found


def swap_label(text: str, label: Expression, other: Expression) -> str:
    """The text with another label wherever it affirms its own."""
    for start, end in reversed(_affirmations(text, label)):
        word = _ADJECTIVES[other] if text[start:end].lower() in _DESCRIBES else other.value
        text = text[:start] + (word.capitalize() if text[start].isupper() else word) + text[end:]
    return text


def padded(text: str) -> str:
    """The text with `FILLER` behind each of its parts."""
    cot = CoT.parse(text)
    filled = {name: f"{part} {' '.join(FILLER)}" for name, part in cot.to_dict().items()}
    return CoT.from_dict(filled).text


class _Paraphrase:
    """Says the same in other words, by a table of words and phrases."""

    def __init__(self) -> None:
        shipped = files("expllm").joinpath("assets", "judge", "paraphrase.toml").read_text(encoding="utf-8")
        self._instead: dict[str, str] = tomllib.loads(shipped)["instead"]
        words = sorted(map(re.escape, self._instead), key=len, reverse=True)
        self._words = re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        cot = CoT.parse(text)
        return CoT.from_dict({name: self._part(part) for name, part in cot.to_dict().items()}).text

    def _part(self, text: str) -> str:
        return self._words.sub(self._other, text)

    def _other(self, match: re.Match[str]) -> str:
        word = self._instead[match[0].lower()]
        return word[0].upper() + word[1:] if match[0][0].isupper() else word


def _affirmations(text: str, label: Expression) -> list[tuple[int, int]]:
    return [(m.start, m.end) for m in read_emotions(text) if m.expression is label and not m.denied]


def _cot(text: str) -> bool:
    try:
        CoT.parse(text)
    except ValueError:
        return False
    return True


def audit_score(ladder: Ladder, rung: str) -> float | None:
    """The audit in a judge's place, 0-1: the mean of precision, recall, and whether the label is concluded.

    Never part of an Exp-CoT score: it compares no texts. What it does not know is left out of the mean.
    """
    if ladder.aus is None:
        return None
    found = audit(ladder.texts[rung], ladder.aus, ladder.label)
    known = [one for one in (found.precision, found.recall, found.label_in_conclusion) if one is not None]
    return sum(known) / len(known) if known else None


def audited(faces: Sequence[Ladder]) -> "Climbed | None":
    """What the audit makes of the ladder; None where no face was measured."""
    scores = {
        pair_id(one.id, rung): found
        for one in faces
        for rung in RUNGS
        if (found := audit_score(one, rung)) is not None
    }
    return climbed(faces, scores) if scores else None


@dataclass(frozen=True)
class LadderStep:
    """Two rungs, on the faces for which both were scored.

    Attributes:
        lower: The worse text; `upper` the better one.
        difference: Mean score of the better one less that of the worse one.
        higher: Share of faces where the better one scores higher.
        equal: Share of faces where both score the same.
        holds: Whether the judge passes.
    """

    lower: str
    upper: str
    faces: int
    difference: Interval
    higher: float
    equal: float
    holds: bool


@dataclass(frozen=True)
class Climbed:
    """What a judge made of the ladder.

    Attributes:
        faces: How many there are.
        rungs: Mean score of each rung, 0-1; None where nothing was scored.
        steps: Each rung against the one below, and padding.
        unscored: Share of texts without a score.
        trusted: All steps hold, and at most one text in ten is unscored.
    """

    faces: int
    rungs: dict[str, Interval | None]
    steps: tuple[LadderStep, ...]
    unscored: float
    trusted: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


MOST_UNSCORED: Final = 0.1
_STEPS: Final = ((OTHER_FACE, SWAPPED, "above"), (SWAPPED, PARAPHRASE, "above"),
                 (PARAPHRASE, SAME, "not below"), (SWAPPED, PADDED, "not above"))  # fmt: skip


def climbed(faces: Sequence[Ladder], totals: Mapping[str, float]) -> Climbed:
    """How a judge scored the rungs.

    A step up holds if the 95 % interval of its difference lies above 0. A paraphrase says the same as the
    text, so that step holds unless the interval lies below 0; padding, unless it lies above 0.

    Args:
        faces: The ladders.
        totals: Score, 0-1, by `pair_id`.
    """
    scores = {rung: [totals.get(pair_id(face.id, rung)) for face in faces] for rung in RUNGS}
    known = {rung: [one for one in scores[rung] if one is not None] for rung in RUNGS}
    found = [_step(scores, lower, upper, rule) for lower, upper, rule in _STEPS]
    steps = tuple(step for step in found if step is not None)
    unscored = 1 - sum(map(len, known.values())) / (len(RUNGS) * len(faces))
    return Climbed(
        faces=len(faces),
        rungs={rung: mean_interval(values) if values else None for rung, values in known.items()},
        steps=steps,
        unscored=unscored,
        trusted=len(steps) == len(_STEPS) and all(s.holds for s in steps) and unscored <= MOST_UNSCORED,
    )


def _step(
    scores: Mapping[str, Sequence[float | None]], lower: str, upper: str, rule: str
) -> LadderStep | None:
    both = [
        b - a for a, b in zip(scores[lower], scores[upper], strict=True) if a is not None and b is not None
    ]
    if not both:
        return None
    sure = mean_interval(both)
    holds = {"above": sure.low > 0, "not below": sure.high >= 0, "not above": sure.low <= 0}[rule]
    higher, equal = sum(one > 0 for one in both), sum(one == 0 for one in both)
    return LadderStep(lower, upper, len(both), sure, higher / len(both), equal / len(both), holds)
