"""Which expressions a text names, and whether it affirms them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from expllm.core.vocabulary import EXPRESSION_SYNONYMS, Expression
from expllm.grounding.tags import headed

E = Expression
_NEAR: Final = {
    E.NEUTRAL: "neutrally calmly tranquil tranquility serene serenity emotionless impassive composure "
    "composed unemotional equilibrium",
    E.HAPPINESS: "happily joyous joyfulness joyfully delight delighted delightful cheer cheerful "
    "cheerfulness pleasure elation glee gleeful contentment amused merriment mirth positivity",
    E.SADNESS: "sadly sorrowful grief melancholy melancholic despair dejection dejected despondency mournful "
    "gloom gloomy distress",
    E.SURPRISE: "surprising astonished amazed shock shocked startled startle awe disbelief",
    E.FEAR: "fright frightened terror terrified dread alarm alarmed panic anxiety anxious apprehension "
    "apprehensive",
    E.DISGUST: "disgusting distaste distasteful repulsion repulsed repugnance loathing",
    E.ANGER: "angrily furious irate wrath hostility hostile outrage frustration irritation",
    E.CONTEMPT: "contemptuously disdainful scornful derision",
}
"""Words that stand close to an expression without being its name."""

_CORE: Final = {word: label for label in E for word in (label.value, *EXPRESSION_SYNONYMS[label])}
"""Names of expressions."""

_WORD_OF: Final = {word: label for label, near in _NEAR.items() for word in near.split()} | _CORE
NAMED: Final = frozenset(_WORD_OF) | frozenset(
    "worry concern doubt pride amusement annoyance resentment suspicion curiosity interest confusion unease "
    "nervousness discomfort tiredness fatigue boredom pain embarrassment shame guilt relief hope longing "
    "regret "
    "nostalgia tenderness affection warmth love admiration mockery irony sarcasm smugness defiance resolve "
    "determination feeling feelings emotion emotions mood humour humor mischief wistfulness scepticism "
    "skepticism disapproval displeasure satisfaction triumph pity compassion sympathy envy jealousy "
    "impatience bitterness weariness vulnerability uncertainty unhappiness".split()
)
"""Words for expressions, moods and feelings."""

_EMOTION: Final = re.compile(
    rf"\b(?:{'|'.join(sorted(map(re.escape, _WORD_OF), key=len, reverse=True))})\b", re.IGNORECASE
)
_LETTERS: Final = re.compile(r"[A-Za-z]+")
_FIRST: Final = frozenset(re.split(r"[^a-z]", word, maxsplit=1)[0] for word in _WORD_OF)
_DENIES: Final = re.compile(
    r"\b(?:no|not|without|absence of|absent|lack(?:s|ing)? (?:of )?|devoid of|free (?:from|of)|neither|nor|"
    r"never|rather than|instead of|as opposed to|contrary to|unlike|ruling out|rules? out|eliminat\w+|"
    r"exclud\w+|\w+n't|differentiat\w+|distinguish\w+|contrast\w* with|detract\w*|negat\w+|"
    r"contradict\w*|despite(?!.*,)|distinct from|other than|transcend\w*|minimi[sz]ing|"
    r"against)\b",
    re.IGNORECASE,
)
_HEDGES: Final = re.compile(
    r"\b(?:hints?|hinting|undertones?|elements?|traces?|touch|tinged?|nuances?|underlying|secondary|mixed|"
    r"tempered|alongside|possibl\w+|potential\w*|may|might|could|slight\w*|subtle|subtly|mild\w*|layers?|"
    r"also|"
    r"minor|notes?|amidst|shades?|aspects?|would|alternative|room|perhaps|linked|associated|accompanied|"
    r"infused|intertwined|influenced|enriched|enhanced|punctuated|mingled|moments?|fleeting)\b",
    re.IGNORECASE,
)
_HEDGED_AFTER: Final = re.compile(
    r"\W{1,3}(?:would|could|can|might|may|is suggested|is less|are less)\b", re.IGNORECASE
)
_MAIN: Final = re.compile(
    r"\b(?:predominant\w*|primar\w+|overall|dominant|dominate\w*|clear\w*|strong\w*|unmistakabl\w+|"
    r"definitive\w*|"
    r"ultimately|unequivocal\w*|profound\w*|best described|expression of|state of|manifestation of)\b",
    re.IGNORECASE,
)
_SAYS: Final = re.compile(
    r"\b(?:signal|indicat|suggest|convey|confirm|reflect|represent|support|point|categori[sz]|classif|align|"
    r"solidif|reveal|affirm|illustrat|communicat|mark|underscor|embod|emphasi[sz]|demonstrat|express|portray|"
    r"depict|reinforc|identif|plac|strengthen|highlight)(?:e?s|ed|ing|ies|ied|y|e)?\b",
    re.IGNORECASE,
)
"""Verbs after which a sentence says something of its own: "the lack of a frown *signals* happiness"."""

_RESTARTS: Final = re.compile(r"[.;!?]|,? (?:but|yet|while|instead(?! of))\b|\n", re.IGNORECASE)
_BACK: Final = 160


@dataclass(frozen=True)
class EmotionMention:
    """An expression that a text names.

    Attributes:
        word: As it stands in the text.
        denied: It is said not to be there, or only compared with ("rather than happiness").
        hedged: It is named as possible or secondary ("a hint of sadness").
        main: It is named as what the face shows above all ("clearly conveys joy").
        core: The word is a name of the expression, not just near it ("joy" is one, "positivity" is not).
    """

    start: int
    end: int
    word: str
    part: str
    expression: Expression
    denied: bool = False
    hedged: bool = False
    main: bool = False
    core: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "start": self.start, "end": self.end, "word": self.word, "part": self.part,
            "expression": self.expression.value, "denied": self.denied, "hedged": self.hedged,
            "main": self.main,
            "core": self.core,
        }  # fmt: skip


def read_emotions(text: str) -> tuple[EmotionMention, ...]:
    """The expressions that a text names, in its order."""
    found = []
    for part, start, end in headed(text):
        for match in _named(text, start, end):
            before = _same_clause(text[max(start, match.start() - _BACK) : match.start()])
            word = match[0].lower()
            found.append(
                EmotionMention(
                    match.start(), match.end(), match[0], part, _WORD_OF[word],
                    denied=_denied(before),
                    hedged=bool(_HEDGES.search(before) or _HEDGED_AFTER.match(text, match.end())),
                    main=bool(_MAIN.search(before)),
                    core=word in _CORE,
                )
            )  # fmt: skip
    return tuple(found)


def _named(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Names of expressions; the long pattern is tried only at words that one begins with."""
    at = start
    for word in _LETTERS.finditer(text, start, end):
        if (
            word.start() >= at
            and word[0].lower() in _FIRST
            and (m := _EMOTION.match(text, word.start(), end))
        ):
            at = m.end()
            yield m


def _same_clause(before: str) -> str:
    return _RESTARTS.split(before)[-1]


def _denied(before: str) -> bool:
    """Whether one of the denials in the words before a mention reaches it."""
    return any(_reaches(before[match.end() :]) for match in _DENIES.finditer(before))


def _reaches(between: str) -> bool:
    """After "not *indicate*", but not after "lack of frowning *indicates*"; commas end all but lists."""
    verb = _SAYS.search(between)
    if verb and len(between[: verb.start()].split()) <= 1:
        between = between[verb.end() :]
        verb = _SAYS.search(between)
    last = between.rpartition(",")[2]
    goes_on = "," not in between or len(last.split()) <= 3 or re.match(r"\s*(?:or|nor|such|like)\b", last)
    return verb is None and bool(goes_on)


def label_in(mentions: tuple[EmotionMention, ...], part: str, label: Expression) -> bool:
    """Whether a part affirms the label, by any word near it."""
    return any(m.part == part and m.expression is label and not m.denied for m in mentions)


def _secondary(mine: list[EmotionMention], other: list[EmotionMention]) -> bool:
    """Whether a label that a conclusion names is not what it concludes with.

    It is hedged wherever it is named, or another expression comes first and is named more often.
    """
    if not mine:
        return True
    first = [m for m in other if m.expression is other[0].expression]
    return other[0].start < mine[0].start and len(first) > len(mine)


def conflicts(mentions: tuple[EmotionMention, ...], label: Expression) -> tuple[str, ...]:
    """Parts that affirm another expression, one sentence without a full stop each.

    An interpretation that names the label at all is none of them; a conclusion is one if it names the label
    only as something secondary ("primarily happiness, with elements of surprise").
    """
    found = []
    for part in ("overall_emotional_interpretation", "conclusion"):
        here = [m for m in mentions if m.part == part and not m.denied]
        mine = [m for m in here if m.expression is label]
        # An interpretation goes through single movements: only what it calls the main thing counts.
        clear = [m for m in here if m.core and not m.hedged and (m.main or part == "conclusion")]
        other = [m for m in clear if m.expression is not label]
        if other and (
            not mine or (part == "conclusion" and _secondary([m for m in clear if m in mine], other))
        ):
            name = part.replace("_", " ")
            found.append(f'the {name} names "{other[0].word}", the label is {label.value}')
    return tuple(found)
