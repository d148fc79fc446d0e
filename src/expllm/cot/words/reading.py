"""A label beside the movements: do they explain it, what speaks against it, what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

from expllm.cot.words.frames import ABSENCES, AS_STRONG, MISSING, NONE_TYPICAL, SHARED, USUAL, WEAKER
from expllm.cot.words.observations import Degree, Observation, Observations
from expllm.cot.words.phrases import Voice, join, say, sentence
from expllm.cot.words.sentences import reference
from expllm.faces import Expression

ENOUGH: Final = 0.15
"""Support (see `Observations.scores`) that a label needs at least to count as explained."""

NEAR: Final = 0.7
"""A label is explained by the movements if its support is at least this share of the strongest one."""


class Fit(Enum):
    """How far the movements explain a label."""

    UNMEASURED = "no unit was measured"
    QUIET = "nothing moves, and the label is neutral"
    EXPLAINED = "the movements speak for the label"
    PARTIAL = "some movements speak for the label, others more for another expression"
    SPARSE = "hardly anything moves, and the label is an emotion"
    UNEXPLAINED = "the movements point to another expression"


def fit(observations: Observations, expression: Expression) -> Fit:
    """How far the movements explain `expression`."""
    if not observations.measured:
        return Fit.UNMEASURED
    if expression is Expression.NEUTRAL:
        return _neutral_fit(observations)
    scores = observations.scores
    strongest = max(scores.values())
    if scores[expression] >= max(ENOUGH, NEAR * strongest):
        return Fit.EXPLAINED
    if observations.typical(expression):
        return Fit.PARTIAL
    return Fit.SPARSE if strongest <= scores[Expression.NEUTRAL] else Fit.UNEXPLAINED


def _neutral_fit(observations: Observations) -> Fit:
    """Neutral is explained where no emotion has more support, and not at all where one has twice as much."""
    if not observations.seen:
        return Fit.QUIET
    still = observations.scores[Expression.NEUTRAL]
    strongest = max(observations.scores.values())
    if strongest <= still:
        return Fit.EXPLAINED
    return Fit.PARTIAL if strongest < 2 * still else Fit.UNEXPLAINED


@dataclass(frozen=True)
class Case:
    """A label, what was seen, and what the text has told: all that a sentence about the label needs."""

    observations: Observations
    expression: Expression
    told: Sequence[Observation]

    @property
    def voice(self) -> Voice:
        return Voice(f"{self.observations.seed}|{self.expression}")

    @cached_property
    def kind(self) -> Fit:
        return fit(self.observations, self.expression)

    @cached_property
    def support(self) -> list[Observation]:
        """Told observations that speak for the label, the strongest first."""
        return [o for o in self.observations.typical(self.expression) if o in self.told]

    @cached_property
    def other(self) -> Expression:
        """The expression that the movements alone suggest."""
        return self.observations.leading

    @cached_property
    def against(self) -> list[Observation]:
        """Told observations that speak for `other` and not for the label."""
        return [o for o in self.observations.typical(self.other) if o in self.told and o not in self.support]

    @property
    def interpretation(self) -> str:
        """Key of `INTERPRETATIONS`."""
        if self.kind in (Fit.UNMEASURED, Fit.QUIET):
            return self.kind.name.lower()
        if not self.told:
            return "unspoken" if self.observations.seen else "still"
        if self.expression is Expression.NEUTRAL and (self.kind is not Fit.UNEXPLAINED or not self.against):
            return "partial neutral" if self.kind is Fit.PARTIAL and self.against else "explained neutral"
        return self._of_emotion()

    def _of_emotion(self) -> str:
        if not self.support:
            return "unexplained" if self.against else "sparse"
        if self.kind is Fit.EXPLAINED:
            return "explained many" if len(self.support) > 1 else "explained one"
        if self.other is Expression.NEUTRAL:
            return "partial sparse"
        return "partial" if self.against else "partial same"

    @property
    def conclusion(self) -> str:
        """Key of `CONCLUSIONS`."""
        if self.kind is Fit.UNMEASURED:
            return "unmeasured"
        if self.expression is Expression.NEUTRAL:
            return "other" if self.kind is Fit.UNEXPLAINED else "neutral"
        if not self.support:
            return "other"
        if self.kind is Fit.PARTIAL:
            return "partial"
        return "clear" if self.support[0].degree >= Degree.MARKED else "subtle"

    def fill(self, frame: str, **fields: str) -> str:
        """`frame` as a sentence; the verb agrees with the movements that it names."""
        groups = {
            "{S}": self.support[:3],
            "{S1}": self.support[:1],
            "{O}": self.against[:2],
            "{T}": self.told[:2],
        }
        names = {key: [reference(o) for o in group] for key, group in groups.items()}
        subject = next((names[key] for key in groups if key in frame), [])
        plural = len(subject) > 1 or any(many for _, many in subject)
        texts = {key.strip("{}"): join([text for text, _ in refs]) for key, refs in names.items()}
        common = {"label": self.expression.value, "e": noun_of(self.other)}
        return sentence(say(frame, plural, **{**common, **texts, **fields}))

    def contrast(self) -> str | None:
        """A sentence on the other emotions that the same face may hold; only where the label is explained."""
        if self.kind is not Fit.EXPLAINED or not self.support:
            return None
        scores = self.observations.scores
        shared = [e for o in self.support for e in o.emotions if 2 * scores[e] >= scores[self.expression]]
        nearest = max((e for e in shared if e is not self.expression), key=lambda e: scores[e], default=None)
        if nearest is self.other:
            return sentence(self.voice.pick("shared", SHARED).format(e=nearest))
        first = self.support[0]
        # A slight movement is worth telling, but hints at nothing beside the ones that explain the label.
        others = [o for o in self.told if o not in self.support and o.emotions and o.degree > Degree.SLIGHT]
        for o in (o for o in others if self.expression not in o.emotions):
            text, plural = reference(o)
            weaker = o.degree < first.degree and o.intensity < first.intensity
            frame = self.voice.pick("contrast", WEAKER if weaker else AS_STRONG)
            return sentence(say(frame, plural, O=text, e=o.emotions[0], label=self.expression.value))
        return sentence(self.voice.pick("shared", SHARED).format(e=nearest)) if nearest else None

    def absence(self, probabilities: Mapping[Expression, float] | None) -> str | None:
        """A sentence on a measured absence that matters for the label, if there is one."""
        if self.kind in (Fit.PARTIAL, Fit.SPARSE, Fit.UNEXPLAINED):
            return self._missing()
        for rival in (runner_up(self.expression, probabilities or {}), self._rival()):
            if rival and (np := self._absent(rival)):
                return self.fill(self.voice.pick("absence", ABSENCES), np=np, r=rival.value)
        return None

    def _missing(self) -> str | None:
        """What is usual in the label and was measured as absent, if nothing that is usual in it was seen."""
        usual = {movement for movement, _ in USUAL.get(self.expression, ())}
        if any(o.movement in usual for o in self.observations.seen):
            return None
        if np := self._absent(self.expression):
            return self.fill(self.voice.pick("missing", MISSING), np=np)
        if self.expression is Expression.NEUTRAL or self.observations.typical(self.expression):
            return None
        return self.fill(self.voice.pick("none typical", NONE_TYPICAL))

    def _absent(self, expression: Expression) -> str | None:
        """The first movement usual in `expression` that was measured as absent, as a noun."""
        usual = USUAL.get(expression, ())
        return next((noun for movement, noun in usual if movement in self.observations.absent), None)

    def _rival(self) -> Expression | None:
        """The second best expression by movements; for a neutral face, any one that can be ruled out."""
        scores = self.observations.scores
        rivals = [e for e in USUAL if e is not self.expression and scores[e] > 0]
        if rivals:
            return max(rivals, key=lambda e: scores[e])
        if self.expression is not Expression.NEUTRAL:
            return None
        ruled_out = [e.value for e in USUAL if e is not self.expression and self._absent(e)]
        return Expression(self.voice.pick("rival", ruled_out)) if ruled_out else None


def noun_of(expression: Expression) -> str:
    """The expression as a noun that stands alone."""
    return "a neutral face" if expression is Expression.NEUTRAL else expression.value


def runner_up(expression: Expression, probabilities: Mapping[Expression, float]) -> Expression | None:
    """The likeliest other expression; None where no other one has any probability."""
    others = [e for e in Expression if e is not expression and probabilities.get(e, 0.0) > 0]
    return max(others, key=lambda e: probabilities[e], default=None)
