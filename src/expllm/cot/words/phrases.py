"""The words of the offline writer, and nothing else: tables of wordings and three small tools to use them.

In a wording ``{name}`` is filled in and ``[is|are]`` becomes its first form for one thing, its second for
several. No wording names a movement that its observation does not have: "smile" stands only where
lip corners are pulled, "nose" only where the nose wrinkles.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from expllm.cot.words.observations import Degree
from expllm.faces import Expression

E = Expression


@dataclass(frozen=True)
class Words:
    """How a movement is named.

    Attributes:
        part: What moves: one, and both.
        clauses: Sentences, with {part} the subject and {how} an adverb or nothing.
        noun: Takes "of" and the part: "lowering".
        state: A participle before the part, true of any degree: "the lowered brows".
        meanings: What it may stand for, by the movement beside it ("" for any): the first that fits.
        where: One site in a comparison of two, e.g. "on the left".
        how: Adverbs of its own, where the common ones would sound odd.
    """

    part: tuple[str, str]
    clauses: tuple[str, ...]
    noun: str
    state: str
    meanings: Mapping[str, tuple[str, ...]]
    where: str = "on the {}"
    how: Mapping[Degree, tuple[str, ...]] = field(default_factory=dict)


WORDS: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "eye close": Words(
            ("eye", "eyes"),
            ("{part} [is|are] {how} closed",),
            "closure",
            "partly closed",
            {
                "lip corner pull": ("amusement or warmth", "ease and enjoyment", "pleasant feelings"),
                "brow lower": ("strain or discomfort", "tension or unease", "aversion or effort"),
                "": ("tiredness or withdrawal", "a turn inward", "fatigue or low spirits", "weariness"),
            },
            how={
                Degree.STRONG: ("largely", "mostly"),
                Degree.EXTREME: ("almost fully",),
                Degree.SLIGHT: ("slightly", "a little"),
            },
        ),
        "lid raise": Words(
            ("upper lid", "upper lids"),
            ("{part} [is|are] {how} raised", "{part} [is|are] {how} lifted"),
            "raising",
            "raised",
            {
                "brow lower": ("anger or close attention", "tense attention", "alarm or threat"),
                "": ("alertness, surprise or fear", "heightened attention", "surprise or alarm", "vigilance"),
            },
        ),
        "brow lower": Words(
            ("brow", "brows"),
            (
                "{part} [is|are] {how} lowered",
                "{part} [is|are] {how} drawn down",
                "{part} [is|are] pulled down {how}",
            ),
            "lowering",
            "lowered",
            {
                "lip corner pull": ("effort within the smile", "concentration", "a smile with some strain"),
                "nose wrinkle": ("disgust or anger", "aversion", "displeasure"),
                "brow raise": ("worry or distress", "inner tension", "conflict or unease"),
                "": (
                    "anger or concentration",
                    "displeasure or worry",
                    "tension or disapproval",
                    "strain or sorrow",
                ),
            },
        ),
        "brow raise": Words(
            ("brow", "brows"),
            (
                "{part} [is|are] {how} raised",
                "{part} [is|are] {how} lifted",
                "{part} [is|are] drawn up {how}",
            ),
            "raising",
            "raised",
            {
                "brow lower": ("worry or fear", "apprehension", "concern or distress"),
                "lip corner pull": ("interest or delight", "lively engagement", "openness"),
                "": (
                    "surprise or interest",
                    "astonishment or concern",
                    "curiosity",
                    "attention to something new",
                ),
            },
        ),
        "jaw drop": Words(
            ("jaw", ""),
            ("{part} [is|are] {how} dropped", "{part} [drops|drop] {how}", "{part} [is|are] lowered {how}"),
            "drop",
            "dropped",
            {
                "lip corner pull": ("laughter or excitement", "lively amusement", "speech or laughter"),
                "brow raise": ("surprise", "astonishment or shock", "amazement"),
                "": (
                    "surprise, speech or slackness",
                    "astonishment or relaxed muscles",
                    "surprise or talking",
                ),
            },
        ),
        "jaw slide": Words(
            ("jaw", ""),
            ("{part} [is|are] {how} shifted to {to}", "{part} [slides|slide] {how} to {to}"),
            "shift",
            "shifted",
            {"": ("unease or doubt", "restlessness", "tension rather than an emotion")},
            "to the {}",
        ),
        "lip corner pull": Words(
            ("lip corner", "lip corners"),
            (
                "{part} [is|are] {how} pulled up",
                "{part} [is|are] {how} drawn upwards",
                "{part} [is|are] {how} lifted",
            ),
            "upward pull",
            "lifted",
            {
                "one-sided": (
                    "contempt or a half-hearted smile",
                    "irony or restrained amusement",
                    "scorn or doubt",
                ),
                "brow lower": (
                    "a smile under strain",
                    "amusement mixed with tension",
                    "a smile with reserve",
                ),
                "": ("happiness or friendliness", "joy or amusement", "pleasure", "contentment and warmth"),
            },
        ),
        "lip corner stretch": Words(
            ("lip corner", "lip corners"),
            ("{part} [is|are] {how} stretched sideways", "{part} [is|are] drawn {how} outwards"),
            "sideways stretch",
            "stretched",
            {
                "lip corner pull": ("the breadth of a smile", "tension within a smile"),
                "": ("fear or tension", "unease or strain", "distress", "nervousness"),
            },
        ),
        "lip suck": Words(
            ("lip", "lips"),
            ("{part} [is|are] {how} drawn inwards", "{part} [is|are] {how} sucked in"),
            "drawing in",
            "indrawn",
            {"": ("restraint or worry", "a feeling held back", "self-control or unease", "hesitation")},
            "at the {} lip",
        ),
        "jaw thrust": Words(
            ("jaw", ""),
            ("{part} [is|are] {how} pushed forward", "{part} [is|are] thrust forward {how}"),
            "forward thrust",
            "protruding",
            {"": ("defiance or determination", "irritation or resolve", "stubbornness")},
        ),
        "upper lip raise": Words(
            ("upper lip", ""),
            (
                "{part} [is|are] {how} raised",
                "{part} [is|are] pulled up {how}",
                "{part} [is|are] {how} lifted",
            ),
            "raising",
            "raised",
            {
                "lip corner pull": ("an open smile", "open amusement", "laughter rather than distaste"),
                "nose wrinkle": ("disgust", "revulsion", "deep distaste"),
                "": ("distaste or irritation", "disgust or speech", "aversion", "dislike or annoyance"),
            },
        ),
        "lower lip depress": Words(
            ("lower lip", ""),
            ("{part} [is|are] {how} drawn down", "{part} [is|are] {how} pulled down"),
            "downward pull",
            "drawn-down",
            {
                "lip corner pull": ("talking or an open smile", "lively speech", "an open smile"),
                "upper lip raise": ("aversion or speech", "distress or deep feeling", "discomfort"),
                "": ("sadness or speech", "discomfort or talking", "unease", "dejection or effort"),
            },
        ),
        "chin raise": Words(
            ("chin", ""),
            ("{part} [is|are] {how} raised", "{part} [is|are] pushed up {how}"),
            "raising",
            "raised",
            {"": ("doubt or sadness", "sorrow held back", "defiance or hurt", "reserve or sulking")},
        ),
        "lip pucker": Words(
            ("lips", ""),
            ("{part} are {how} puckered", "{part} are {how} pushed into a pucker"),
            "pucker",
            "puckered",
            {"": ("thought or hesitation", "speech or pondering", "irritation or doubt", "consideration")},
        ),
        "cheeks puff": Words(
            ("cheeks", ""),
            ("{part} are {how} puffed", "{part} are {how} puffed out"),
            "puffing",
            "puffed",
            {"": ("held breath or frustration", "effort or exasperation", "tension or impatience")},
        ),
        "nose wrinkle": Words(
            ("nose", ""),
            ("{part} [is|are] {how} wrinkled", "{part} [wrinkles|wrinkle] {how}"),
            "wrinkling",
            "wrinkled",
            {
                "lip corner pull": ("vivid amusement or distaste", "a playful grimace or dislike"),
                "": ("disgust", "aversion", "repulsion", "deep dislike"),
            },
        ),
    }
)
PLURAL_PARTS: Final = frozenset({"lips", "cheeks"})
"""Whole parts that take a plural verb though there is one movement."""

ADJECTIVES: Final[Mapping[Degree, tuple[str, ...]]] = MappingProxyType(
    {
        Degree.SLIGHT: ("slight", "subtle", "faint"),
        Degree.MODERATE: ("moderate", "moderate", "noticeable"),
        Degree.MARKED: ("marked", "pronounced", "distinct"),
        Degree.STRONG: ("strong",),
        Degree.EXTREME: ("extreme", "very strong", "extreme"),
    }
)
ADVERBS: Final[Mapping[Degree, tuple[str, ...]]] = MappingProxyType(
    {
        Degree.SLIGHT: ("slightly", "subtly", "faintly"),
        Degree.MODERATE: ("moderately", "moderately", "noticeably"),
        Degree.MARKED: ("markedly", "markedly", "distinctly"),
        Degree.STRONG: ("strongly",),
        Degree.EXTREME: ("very strongly",),
    }
)


class Voice:
    """Picks wordings: the same seed and slot always give the same one, other slots do not change it."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def pick(self, slot: str, options: Sequence[str], turn: int = 0) -> str:
        """One of `options`; the next `turn` of the same slot gives another one."""
        digest = hashlib.sha256(f"{self._seed}|{slot}".encode()).digest()
        return options[(int.from_bytes(digest[:8], "big") + turn) % len(options)]


def say(frame: str, plural: bool = False, **fields: str) -> str:
    """`frame` with its fields and number filled in, without double spaces."""
    number = re.sub(r"\[([^|\]]*)\|([^\]]*)\]", r"\2" if plural else r"\1", frame)
    return " ".join(number.format(**fields).split()).replace(" ,", ",").replace(" .", ".")


def join(items: Sequence[str]) -> str:
    """``"a"``, ``"a and b"``, ``"a, b and c"``; "as well as" where an item has an "and" of its own."""
    if len(items) < 2:
        return "".join(items)
    last = ", as well as " if any(re.search(r" and |,", item) for item in items) else " and "
    return ", ".join(items[:-1]) + last + items[-1]


def sentence(text: str) -> str:
    """`text` with a capital and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def with_article(noun: str) -> str:
    """`noun` after "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
