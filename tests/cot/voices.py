"""Three language models' parts, played by rules, that word the same face very differently.

A novelist, a clinician and somebody who learns English. Each is true to the units of its prompt, but for two
flaws in its first description: a movement that is not there, and a sentence that nobody can check. After
feedback each sentence that was quoted is said plainly, or left out if it was a flaw. Every answer depends on
nothing but the messages, so a voice can stand in a process of its own:
`PYTHONPATH=tests:tests/cot python tests/chatserver.py --answer-from voices:novelist`.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import honest

from expllm.core.vocabulary import AU_BY_NAME, AUVector, Expression
from expllm.cot.case import positive_text
from expllm.cot.rule_writer import describe
from expllm.cot.steps import WRONG_LABEL
from expllm.grounding.checking import MENTION

Messages = Sequence[Mapping[str, str]]

PLAIN: Final = {
    "brow lower": "{brows} {are} {degree} lowered",
    "brow raise": "{brows} {are} {degree} raised",
    "lid raise": "{lids} {are} {degree} raised",
    "eye close": "{eyes} {are} {degree} closed",
    "lip corner pull": "{corners} {are} {degree} pulled up",
    "upper lip raise": "The upper lip is {degree} raised",
    "lower lip depress": "The lower lip is {degree} lowered",
    "jaw drop": "The jaw is {degree} dropped",
    "chin raise": "The chin is {degree} raised",
    "lip corner stretch": "{corners} {are} {degree} stretched",
    "upper lip suck": "The upper lip is {degree} sucked in",
    "lower lip suck": "The lower lip is {degree} sucked in",
    "jaw thrust": "The jaw is {degree} thrust forward",
    "jaw slide": "The jaw is {degree} shifted to the {side}",
    "lip pucker": "The lips are {degree} puckered",
    "cheeks puff": "The cheeks are {degree} puffed",
    "nose wrinkle": "The nose is {degree} wrinkled",
}
NOVELIST: Final = {
    "brow lower": "{brows} {come} down {degree}, as before a storm",
    "brow raise": "{brows} {climb} {degree} towards the hairline",
    "lid raise": "{lids} {draw} back {degree}, and the white shows above the iris",
    "eye close": "{eyes} {sink} {degree} shut",
    "lip corner pull": "{corners} {curl} {degree} upward into a smile",
    "upper lip raise": "The upper lip lifts {degree} from the teeth",
    "lower lip depress": "The lower lip sags {degree} downward",
    "jaw drop": "The jaw has fallen {degree} open",
    "chin raise": "The chin pushes {degree} up beneath the mouth",
    "lip corner stretch": "{corners} {are} dragged {degree} outward towards the ears",
    "upper lip suck": "The upper lip vanishes {degree} behind the teeth",
    "lower lip suck": "The lower lip is {degree} caught and drawn in under the teeth",
    "jaw thrust": "The jaw juts {degree} forward like a drawer left open",
    "jaw slide": "The jaw drifts {degree} over to the {side}",
    "lip pucker": "The lips gather {degree} into a pout",
    "cheeks puff": "The cheeks swell {degree} with held breath",
    "nose wrinkle": "Wrinkles run {degree} across the bridge of the nose",
}
CLINICIAN: Final = {
    "brow lower": "{degree} depression of {brows} is noted",
    "brow raise": "{degree} elevation of {brows} is present",
    "lid raise": "{degree} retraction of {lids} is observed",
    "eye close": "{degree} closure of {eyes} is observed",
    "lip corner pull": "{degree} elevation of {corners} is evident",
    "upper lip raise": "{degree} elevation of the upper lip is evident",
    "lower lip depress": "{degree} depression of the lower lip is present",
    "jaw drop": "{degree} mandibular depression with mouth opening is seen",
    "chin raise": "{degree} elevation of the chin boss is noted",
    "lip corner stretch": "{degree} lateral stretching of {corners} is noted",
    "upper lip suck": "{degree} inversion of the upper lip over the teeth is seen",
    "lower lip suck": "{degree} inversion of the lower lip over the teeth is seen",
    "jaw thrust": "{degree} mandibular protrusion is present",
    "jaw slide": "{degree} lateral deviation of the mandible to the {side} is present",
    "lip pucker": "{degree} puckering of the lips is evident",
    "cheeks puff": "{degree} inflation of both cheeks is evident",
    "nose wrinkle": "{degree} wrinkling of the nasal bridge is observed",
}
LEARNER: Final = {
    "brow lower": "{brows} {are} going down {degree}",
    "brow raise": "{brows} {are} going up {degree}",
    "lid raise": "{lids} {are} very open, {degree}",
    "eye close": "{eyes} {are} {degree} closing",
    "lip corner pull": "{corners} {are} {degree} going to up, it make a smile",
    "upper lip raise": "Upper lip is {degree} going up",
    "lower lip depress": "Lower lip is {degree} going down",
    "jaw drop": "The mouth is {degree} open because jaw go down",
    "chin raise": "The chin is pushing {degree} to up",
    "lip corner stretch": "{corners} {are} {degree} stretching to the side",
    "upper lip suck": "Upper lip is {degree} going inside of mouth",
    "lower lip suck": "Lower lip is {degree} going inside of mouth",
    "jaw thrust": "The jaw is {degree} going to front",
    "jaw slide": "The jaw is {degree} moving to the {side} side",
    "lip pucker": "The lips is {degree} making like for a kiss",
    "cheeks puff": "The cheeks is {degree} full of air",
    "nose wrinkle": "The nose is {degree} having wrinkles",
}
ONE: Final = {
    "are": "is",
    "come": "comes",
    "climb": "climbs",
    "draw": "draws",
    "sink": "sinks",
    "curl": "curls",
}
PARTS: Final = {"brows": "brow", "lids": "upper eyelid", "eyes": "eye", "corners": "corner of the mouth"}
MANY: Final = PARTS | {"corners": "corners of the mouth", "lids": "upper eyelids"} | {
    "brows": "brows", "eyes": "eyes",
}  # fmt: skip
QUOTED: Final = re.compile(r'"([^"]+)": ')
UNTOLD: Final = re.compile(r"Not described: ([a-z ]+) \(")


@dataclass(frozen=True)
class Voice:
    """Somebody who writes.

    Attributes:
        phrases: Action -> a sentence with gaps for the parts, the verb and the degree.
        degrees: Words for a slight, a moderate and a strong movement.
        flaws: Sentences of the first description: a movement that nobody measured, and one beyond checking.
    """

    phrases: Mapping[str, str]
    degrees: tuple[str, str, str]
    flaws: Callable[[AUVector], Sequence[str]]


@dataclass(frozen=True)
class Told:
    """A sentence and the units that it is about; none for a flaw."""

    sentence: str
    units: tuple[str, ...]


def says(phrases: Mapping[str, str], degrees: Sequence[str], aus: AUVector, units: Sequence[str]) -> str:
    """The sentence about the units of one action; a weaker side is left to its own sentence."""
    action, values = AU_BY_NAME[units[0]].action, [aus[name] or 0.0 for name in units]
    sides = [str(AU_BY_NAME[name].side or AU_BY_NAME[name].direction) for name in units]
    both = len(units) == 2
    words = MANY if both else PARTS
    parts = {gap: f"both {name}" if both else f"the {sides[0]} {name}" for gap, name in words.items()}
    verbs = {many: many if both else one for many, one in ONE.items()}
    degree = degrees[0 if max(values) < 0.3 else 1 if max(values) < 0.6 else 2]
    text = phrases[action].format(**parts, **verbs, side=sides[0], degree=degree)
    return text[0].upper() + text[1:]


def grouped(aus: AUVector) -> Iterator[tuple[str, ...]]:
    """The units that deserve a word, by action; two sides stand together where they move alike."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in aus.active(MENTION):
        groups[AU_BY_NAME[name].action].append(name)
    for action, names in groups.items():
        values = [aus[name] or 0.0 for name in names]
        alike = max(values) - min(values) < 0.1 and action != "jaw slide"
        yield from [tuple(names)] if alike else [(name,) for name in names]


def invented(aus: AUVector) -> str:
    """A plain claim of a strong movement about the action that is weakest: most often not there at all."""

    def strength(action: str) -> float:
        return max(aus[name] or 0.0 for name, unit in AU_BY_NAME.items() if unit.action == action)

    absent = min(PLAIN, key=strength)
    names = [name for name, unit in AU_BY_NAME.items() if unit.action == absent]
    return says(PLAIN, ("slightly", "moderately", "strongly"), AUVector(dict.fromkeys(names, 0.9)), names)


VOICES: Final = {
    "novelist": Voice(
        NOVELIST, ("a little", "noticeably", "hard"),
        lambda aus: (invented(aus), "The left eyebrow jabberwocks like a moth at the pane"),
    ),
    "clinician": Voice(
        CLINICIAN, ("slight", "moderate", "marked"),
        lambda aus: (invented(aus), "The left eyebrow exhibits jabberwocking of uncertain significance"),
    ),
    "learner": Voice(
        LEARNER, ("a little bit", "medium", "strongly"),
        lambda aus: (invented(aus), "The left eyebrow is making a jabberwock"),
    ),
}  # fmt: skip


def answer(voice: Voice, messages: Messages) -> str:
    """What a voice says to a conversation of the shipped prompts."""
    last = messages[-1]["content"]
    if "Original description:" in messages[0]["content"]:
        return refined(voice, messages)
    if last.startswith(("Based on the description", "That was not one")):
        return guess(messages).capitalize()
    if last.startswith("Determine whether"):
        wanted = re.search(r"label matches (\w+)", last)
        assert wanted is not None
        return "Correct" if wanted[1] == messages[-2]["content"] else "Incorrect"
    if "positive AUs are" not in messages[0]["content"]:
        return "Yes"
    return ". ".join(told.sentence for told in description(voice, messages)) + "."


def description(voice: Voice, messages: Messages) -> list[Told]:
    """The face in sentences, mended after each feedback: what was quoted is said plainly or left out."""
    aus = units_of(messages[0]["content"])
    flaws = [Told(sentence, ()) for sentence in voice.flaws(aus)]
    found = [Told(says(voice.phrases, voice.degrees, aus, units), units) for units in grouped(aus)]
    found = [*found[:1], *flaws, *found[1:]]
    for message in messages:
        if message["role"] == "user" and "incorrect" in message["content"]:
            found = list(mended(found, aus, message["content"]))
    return found


def mended(found: Sequence[Told], aus: AUVector, feedback: str) -> Iterator[Told]:
    quoted, untold = QUOTED.findall(feedback), UNTOLD.findall(feedback)
    plain = ("slightly", "moderately", "strongly")
    for told in found:
        if not any(words in told.sentence for words in quoted) and not set(untold) & set(told.units):
            yield told
        else:
            yield from (Told(says(PLAIN, plain, aus, (name,)), (name,)) for name in told.units)


def units_of(prompt: str) -> AUVector:
    found = honest.POSITIVE.search(prompt)
    assert found is not None
    return AUVector.from_positive(ast.literal_eval(found[0]))


def guess(messages: Messages) -> Expression:
    """The likeliest expression; the next one where the label was wrong, and the one that was told."""
    told = [message["content"] for message in messages if message["role"] == "user"]
    for text in reversed(told):
        if hint := re.search(r"The correct expression is (\w+)\.", text):
            return Expression(hint[1].lower())
    scores = describe(units_of(messages[0]["content"])).scores
    ranked = sorted(honest.LABELS, key=lambda label: -scores[label])
    return ranked[sum(WRONG_LABEL in text for text in told) % len(ranked)]


def refined(voice: Voice, messages: Messages) -> str:
    """Three parts: the description as it is, its wording mended where a rule was broken."""
    first = messages[0]["content"]
    text = first.split("Original description: ", 1)[1]
    label = re.search(r"names the expression (\w+)", first)
    assert label is not None
    for message in messages[1:]:
        if message["role"] == "user":
            quoted = QUOTED.findall(message["content"])
            text = ". ".join(one for one in text.split(". ") if not any(words in one for words in quoted))
    name = label[1].lower()
    return (
        f"**Key Observations:** {text}\n\n**Overall Emotional Interpretation:** Taken together, this is "
        f"often read as {name}.\n\n**Conclusion:** The expression is {name}."
    )


def novelist(payload: Mapping[str, Any]) -> str:
    """The novelist, for the server in `chatserver`; the others alike."""
    return answer(VOICES["novelist"], payload["messages"])


def clinician(payload: Mapping[str, Any]) -> str:
    return answer(VOICES["clinician"], payload["messages"])


def learner(payload: Mapping[str, Any]) -> str:
    return answer(VOICES["learner"], payload["messages"])


def faces() -> list[tuple[Expression, AUVector]]:
    """Six faces whose labels are the likeliest of their units."""
    moved: list[dict[str, float]] = [
        {"left lip corner pull": 0.7, "right lip corner pull": 0.72},
        {"left brow lower": 0.62, "right brow lower": 0.65, "chin raise": 0.2},
        {"left brow raise": 0.5, "right brow raise": 0.52, "jaw drop": 0.7},
        {"left lid raise": 0.4, "right lid raise": 0.42, "jaw drop": 0.4},
        {"left eye close": 0.4, "right eye close": 0.42, "chin raise": 0.5},
        {"left lip corner pull": 0.5, "upper lip raise": 0.3},
    ]
    found = []
    for values in moved:
        aus = AUVector.from_positive(values)
        found.append((honest.ranked(positive_text(aus))[0], aus))
    return found
