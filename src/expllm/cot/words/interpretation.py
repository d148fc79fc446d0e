"""A label beside the movements: do they explain it, what speaks against it, what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

from expllm.core.vocabulary import ACTION_UNITS, Expression
from expllm.cot.words import word_tables
from expllm.cot.words.grammar import Voice, join_items, say, sentence, with_article
from expllm.cot.words.naming import part_name, short_name
from expllm.cot.words.observations import Degree, Observation, Observations, expression_evidence

_ENOUGH: Final = 0.15
"""Support (see `Observations.scores`) that a label needs at least to count as explained."""

NEAR: Final = 0.7
"""A label is explained by the movements if its support is at least this share of the strongest one."""

TELLING: Final = 0.3
"""A movement fits a label better than another one if its evidence is larger by at least this."""


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
    if scores[expression] >= max(_ENOUGH, NEAR * strongest):
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
class LabelCase:
    """A label, what was seen, and what the text has told: all that a sentence about the label needs."""

    observations: Observations
    expression: Expression
    told: Sequence[Observation]

    @cached_property
    def voice(self) -> Voice:
        return Voice(f"{self.observations.seed}|{self.expression}")

    @cached_property
    def names(self) -> Voice:
        """The voice of the first part, which named the movements."""
        return Voice(self.observations.seed)

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
        """Which frames of the interpretation fit."""
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
        """Which frames of the conclusion fit."""
        if self.kind is Fit.UNMEASURED:
            return "unmeasured"
        if self.expression is Expression.NEUTRAL:
            return "other" if self.kind is Fit.UNEXPLAINED else "neutral"
        if not self.support:
            return "other"
        if self.kind is Fit.PARTIAL:
            return "partial"
        return "clear" if self.support[0].degree >= Degree.MARKED else "subtle"

    def fill(self, part: str, name: str, *, sign: tuple[str, bool] | None = None, **fields: str) -> str:
        """A frame as a sentence; the verb agrees with the movements that it names first.

        Args:
            part: A part of ``frames.toml``, `name` a row of it.
            sign: What ``{np}`` stands for, and whether it is plural.
            fields: What other gaps stand for.
        """
        frame = self.voice.pick(name, word_tables.frames(part)[name])
        names = {key: [short_name(o, self.names) for o in group] for key, group in self._groups.items()}
        if sign:
            noun, several = sign
            names |= {"np": [sign], "a_np": [(noun if several else with_article(noun), several)]}
        first = min((key for key in names if f"{{{key}}}" in frame), key=frame.index, default="")
        subject = names.get(first, [])
        plural = len(subject) > 1 or any(many for _, many in subject)
        texts = {key: join_items([text for text, _ in refs]) for key, refs in names.items()}
        common = {"label": self.expression.value, "e": noun_of(self.other, self.voice)}
        return sentence(say(frame, plural, **{**common, **texts, **fields}))

    @property
    def _groups(self) -> Mapping[str, Sequence[Observation]]:
        """The movements that the gaps of a frame stand for."""
        return {
            "S": self.support[:3],
            "S1": self.support[:1],
            "O": self.against[:2],
            "T": self.told[:2],
        }

    def contrast(self, probabilities: Mapping[Expression, float] | None = None) -> str | None:
        """A sentence on the other emotions that the same face may hold; only where the label is explained.

        None that puts them behind the label where another expression is likelier.
        """
        if self.kind is not Fit.EXPLAINED or not self.support:
            return None
        scores = self.observations.scores
        shared = [e for o in self.support for e in o.emotions if 2 * scores[e] >= scores[self.expression]]
        nearest = max((e for e in shared if e is not self.expression), key=lambda e: scores[e], default=None)
        if nearest is self.other:
            return self.fill("contrast", "shared", e=nearest.value)
        if is_behind(self.expression, probabilities):
            return None
        first = self.support[0]
        # A slight movement is worth telling, but hints at nothing beside the ones that explain the label.
        others = [o for o in self.told if o not in self.support and o.emotions and o.degree > Degree.SLIGHT]
        for o in (o for o in others if self.expression not in o.emotions):
            text, plural = short_name(o, self.names)
            weaker = o.degree < first.degree and o.intensity < first.intensity
            name = "weaker" if weaker else "as_strong"
            frame = self.voice.pick(name, word_tables.frames("contrast")[name])
            return sentence(say(frame, plural, O=text, e=o.emotions[0].value, label=self.expression.value))
        return self.fill("contrast", "shared", e=nearest.value) if nearest else None

    def absence(self, probabilities: Mapping[Expression, float] | None) -> str | None:
        """Why the label is likelier than another one, or what is missing for it, if the movements say so."""
        if self.kind in (Fit.PARTIAL, Fit.SPARSE, Fit.UNEXPLAINED):
            return self._missing()
        rivals = [r for r in (runner_up(self.expression, probabilities or {}), self._rival()) if r]
        for rival in rivals:
            if np := self._absent(rival):
                return self.fill("absence", "ruled_out", sign=np, r=noun_of(rival, self.voice))
        if any(self._fits_better(rival) for rival in rivals[:1]):
            return self.fill("absence", "less_fitting", r=noun_of(rivals[0], self.voice))
        return None

    def _fits_better(self, rival: Expression) -> bool:
        """Whether the first movement that speaks for the label speaks much less for `rival`."""
        if self.kind is not Fit.EXPLAINED or not self.support or rival is Expression.NEUTRAL:
            return False
        weights = expression_evidence(self.support[0], self.observations.seen)
        return weights.get(self.expression, 0.0) - weights.get(rival, 0.0) >= TELLING

    def _missing(self) -> str | None:
        """What is usual in the label and was measured as absent, if nothing that is usual in it was seen."""
        usual = {sign.movement for sign in word_tables.usual_signs().get(self.expression, ())}
        if any(o.movement in usual for o in self.observations.seen):
            return None
        if np := self._absent(self.expression):
            return self.fill("absence", "missing", sign=np)
        if self.expression is Expression.NEUTRAL or self.observations.typical(self.expression):
            return None
        return self.fill("absence", "none_typical")

    def _absent(self, expression: Expression) -> tuple[str, bool] | None:
        """A movement usual in `expression` that was measured as absent: a noun, and whether it is plural."""
        for sign in word_tables.usual_signs().get(expression, ()):
            if sign.movement in self.observations.absent:
                slot = f"sign {expression}"
                place = self.voice.pick(slot, [str(i) for i in range(len(sign.nouns))])
                wording, several = sign.nouns[int(place)]
                noun = self.voice.pick(f"{slot} noun", [wording])
                return noun.format(**{name: self._part(name) for name in _gaps(noun)}), several
        return None

    def _part(self, gap: str) -> str:
        """The part of the face that a gap such as ``{brows}`` stands for, as this text calls it."""
        singular = gap if gap in word_tables.part_names() else gap.removesuffix("s")
        one, several = part_name(singular, self.names)
        return one if gap == singular else several

    def unknown(self) -> str | None:
        """A sentence on a region that nobody measured, if the label would show there first of all."""
        if self.kind is Fit.UNMEASURED:
            return None
        signs = word_tables.usual_signs().get(self.expression, ())
        regions = {unit.action: unit.region for unit in ACTION_UNITS}
        region = regions.get(signs[0].movement) if signs else None
        here = {o for o, r in regions.items() if r == region}
        if region is None or here & self.observations.known:
            return None
        return self.fill("absence", "unknown", region=f"the {region}")

    def _rival(self) -> Expression | None:
        """The second best expression by movements; for a neutral face, any one that can be ruled out."""
        scores, signs = self.observations.scores, word_tables.usual_signs()
        rivals = [e for e in signs if e is not self.expression and scores[e] > 0]
        if rivals:
            return max(rivals, key=lambda e: scores[e])
        if self.expression is not Expression.NEUTRAL:
            return None
        ruled_out = [e.value for e in signs if e is not self.expression and self._absent(e)]
        return Expression(self.voice.pick("rival", ruled_out)) if ruled_out else None


def _gaps(wording: str) -> list[str]:
    return [name for name in wording.replace("}", "{").split("{")[1::2] if name]


def noun_of(expression: Expression, voice: Voice) -> str:
    """The expression as a noun that stands alone."""
    nouns = word_tables.frames("labels").get(expression.value)
    return voice.pick(f"noun of {expression}", nouns) if nouns else expression.value


def is_behind(expression: Expression, probabilities: Mapping[Expression, float] | None) -> bool:
    """Whether another expression is likelier; False where no probabilities are known."""
    if not probabilities:
        return False
    return max(probabilities.values()) > probabilities.get(expression, 0.0)


def runner_up(expression: Expression, probabilities: Mapping[Expression, float]) -> Expression | None:
    """The likeliest other expression; None where no other one has any probability."""
    others = [e for e in Expression if e is not expression and probabilities.get(e, 0.0) > 0]
    return max(others, key=lambda e: probabilities[e], default=None)
