"""Words and phrases with all that they may mean, whatever the sentence around them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding import cues, modifiers, movements, sign_words
from expllm.grounding.amounts import AMOUNTS
from expllm.grounding.claims import DegreeWord
from expllm.grounding.tags import Item

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(slots=True)
class Sign:
    """A word or phrase of a sentence.

    Attributes:
        word: In lower case.
        start: First character in the text.
        end: One past the last.
        part: The part of the face that it names.
        kinds: Movements that it may tell.
        acts: Actions that it tells without a part.
        degree: How much it says.
        side: The side that it names.
        flags: What else it may be: no, both, other, only, one, more, less, supposed, general, break, and, or,
            comma, than, like, means, place, number.
    """

    word: str
    start: int
    end: int
    part: str | None = None
    kinds: frozenset[str] = _NONE
    acts: tuple[str, ...] = ()
    degree: DegreeWord | None = None
    side: Side | None = None
    flags: frozenset[str] = _NONE

    def has(self, *flags: str) -> bool:
        return not self.flags.isdisjoint(flags)


_TRAILING: Final = frozenset("i we not could cannot can is are nowhere would will nor".split())
"""First words of denials that may follow what they deny: "closure *is not seen*"."""

_FLAGS: Final[dict[str, Iterable[str]]] = {
    "no": modifiers.NO_WORDS,
    "both": modifiers.BOTH_WORDS,
    "other": modifiers.OTHER_WORDS,
    "only": modifiers.ONLY_WORDS,
    "one": modifiers.ONE_SIDED,
    "more": modifiers.MORE_WORDS,
    "less": modifiers.LESS_WORDS,
    "supposed": modifiers.SUPPOSED_WORDS,
    "general": modifiers.GENERAL_WORDS,
    "break": modifiers.BREAK_WORDS,
    "and": ("and", "plus", "as well as", "together with", "along with"),
    "or": ("or", "nor"),
    "than": (
        "than",
        "ahead of",
        "compared to",
        "compared with",
        "against",
        "to that of",
        "relative to",
        "over",
    ),
    "like": ("like", "the way", "as in", "as at", "as by", "as for", "in the manner of"),
    "after": (
        *(
            "not never absent missing lacking lacked none nil zero nonexistent fail fails failed "
            "failing denied excluded unseen cannot isn't aren't doesn't don't didn't wasn't weren't "
            "hasn't haven't hadn't won't lost can't couldn't refuse refuses refused decline declines "
            "declined resists unable spared wanting withheld omitted doesn dont"
        ).split(),
        "ruled out",
        "out of the question",
        "negative",
        "non existent",
        "absent from",
        "missing from",
        "stays away",
        "outside of this face",
        *(phrase for phrase in modifiers.NO_WORDS if " " in phrase and phrase.split()[0] in _TRAILING),
    ),
    "means": (*cues.MEANING, *modifiers.INTERPRETING),
    "place": (
        "toward towards under beneath over above near beside at on against to into between below "
        "around along across behind by from off for past through upon in about round inside outside"
    ).split(),
}


_ENDINGS: Final = (
    ("iest", _NONE), ("ier", frozenset({"more"})), ("est", _NONE),
    ("er", frozenset({"more"})), ("ily", _NONE), ("ly", _NONE), ("ness", _NONE), ("ish", _NONE),
    ("ings", _NONE), ("wise", _NONE), ("wards", _NONE), ("ward", _NONE),
)  # fmt: skip


def _table() -> dict[str, Sign]:
    """Every word and phrase that means anything, as a sign without a place."""
    flags: dict[str, set[str]] = {}
    for flag, some in _FLAGS.items():
        for phrase in some:
            flags.setdefault(_key(phrase), set()).add(flag)
    parts = {_key(k): v for k, v in sign_words.PART_NAMES.items()}
    kinds = {_key(k): v for k, v in sign_words.SIGN_KINDS.items()}
    acts = {_key(k): v for k, v in movements.WHOLE_ACTS.items()}
    degrees = {_key(k): v for k, v in AMOUNTS.items()}
    for key in degrees:
        if key.startswith(("so ", "very ", "really ")) and (moves := kinds.get(key.split(" ", 1)[1])):
            kinds[key] = moves  # "opens her eyes so wide"
    for key in flags:
        first, _, rest = key.partition(" ")
        if first in ("any", "every") and rest in acts:
            acts[key] = acts[rest]  # "every smile", of faces in general, or "missing is *any smile*"
    sides = {_key(k): v for k, v in modifiers.SIDE_WORDS.items()}
    return {
        key: Sign(
            key, 0, 0, parts.get(key), kinds.get(key, _NONE), acts.get(key, ()), degrees.get(key),
            sides.get(key), frozenset(flags.get(key, ())),
        )
        for key in {*parts, *kinds, *acts, *degrees, *sides, *flags, *map(_key, modifiers.NEUTRAL)}
    }  # fmt: skip


def _key(phrase: str) -> str:
    return " ".join(word.removesuffix("'s") for word in phrase.split())


TABLE: Final = _table()
_LONGER: Final = sign_words.by_first_words(key for key in TABLE if " " in key)
_WHOLE: Final = frozenset(
    "upper lower inner outer under over other rather after proper neither either never ever together "
    "corner center number finger shoulder utter matter manner feather leather weather father mother "
    "water paper letter dinner".split()
)
"""Words whose ending is none."""

_OUTDOES: Final = re.compile(
    r"out(?!er|line|law|let|look|come|put|right|side|ward|door|cast|cry|burst|break|rage|spoken|set)[a-z]{2,}"
    r"(?:e?s|ed|ing|did|done|ran|grew|shone|went)"
)
"""Verbs of outdoing: "the left *outpulls* its fellow"."""

_TOGETHER_WITH: Final = ("together", "with")
_JOINED: Final = frozenset("press pull close furrow pucker".split())
"""What may be done "together", with full force."""

_COMMA: Final = frozenset({"comma"})
_ABSENT: Final = frozenset({"no", "after"})
_NUMBERS: Final = frozenset("number".split())
_GREATER: Final = {">": frozenset({"more", "than"}), "<": frozenset({"less", "than"})}


def signs(tokens: list[Item], turns: Mapping[int, tuple[int, Sign]] = MappingProxyType({})) -> list[Sign]:
    """The signs of a sentence, the longest phrases first.

    Args:
        turns: First word -> how many words stand for what sign together, whatever they are one by one.
    """
    words = [token.word for token in tokens]
    found: list[Sign] = []
    i, count = 0, len(words)
    while i < count:
        if i in turns:
            used, known = turns[i]
            made = _placed(known, tokens[i].start, tokens[i + used - 1].end)
            made.word = " ".join(words[i : i + used])
            found.append(made)
            i += used
            continue
        word, used = words[i], 1
        pair = (word, words[i + 1]) if i + 1 < count else None
        if pair in _LONGER and not (pair == _TOGETHER_WITH and found and found[-1].kinds & _JOINED):
            used = _longest(words, i)
        sign = TABLE.get(word if used == 1 else " ".join(words[i : i + used]))
        last = tokens[i + used - 1].end
        found.append(_placed(sign or _unknown(word, tokens[i].kind), tokens[i].start, last))
        i += used
    return found


def _placed(sign: Sign, start: int, end: int) -> Sign:
    return Sign(sign.word, start, end, sign.part, sign.kinds, sign.acts, sign.degree, sign.side, sign.flags)


def _longest(words: list[str], i: int) -> int:
    for phrase in _LONGER[words[i], words[i + 1]]:
        if tuple(words[i : i + len(phrase)]) == phrase:
            return len(phrase)
    return 1


@lru_cache(maxsize=4096)
def _unknown(word: str, kind: str) -> Sign:
    if len(word) == 3 and kind == "mark":  # "jaw drop (-)", as clinicians write
        return Sign(word, 0, 0, flags=_NONE if "+" in word else _ABSENT)
    if kind == "mark":
        return Sign(word, 0, 0, flags=_GREATER.get(word, _COMMA))
    if kind == "number":
        return Sign(word, 0, 0, flags=_NUMBERS)
    if word.endswith("n't") or _OUTDOES.fullmatch(word):
        return Sign(word, 0, 0, flags=_ABSENT if word.endswith("n't") else frozenset({"more"}))
    bare = word[2:] if word.startswith("un") else word[3:] if word.startswith("non") else ""
    known = TABLE.get(bare)
    if known and (known.kinds or known.acts):
        # "unfurrowed", "unsmiling": denies by itself.
        return Sign(word, 0, 0, kinds=known.kinds, acts=known.acts, flags=frozenset({"no", "un"}))
    return _derived(word)


def _derived(word: str) -> Sign:
    """ "tenser", "thrustingly": by the word that it is made from."""
    for ending, flags in _ENDINGS if word not in _WHOLE else ():
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            for base in (stem, f"{stem}e", f"{stem}y", stem[:-1] if stem[-1] == stem[-2] else stem):
                known = TABLE.get(base)
                if known and (known.kinds or known.degree):
                    return Sign(word, 0, 0, kinds=known.kinds, degree=known.degree, flags=flags)
    return Sign(word, 0, 0)
