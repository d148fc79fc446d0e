"""From characters to tagged words: sentences of items that know what kind of word they are, and where."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from expllm.grounding import cues
from expllm.grounding.claims import DegreeWord, Half
from expllm.grounding.lexicon import MOTION_OF, PART_OF_WORD
from expllm.grounding.meanings import ACTS

_MAX_LENGTH: Final = 50_000
"""Characters that are read; no explanation is a tenth as long, and the work stays bounded."""

MAX_ITEMS: Final = 160
"""Words of a sentence; a longer one is read in pieces."""

_TOKEN: Final = re.compile(
    r"(?P<aside>\b(?:i\.\s?e|e\.\s?g|viz|cf)\.)|(?P<number>(?:(?:\d{1,9})?\.\d{1,9}|\d{1,9})(?:\s?%)?)|"
    r"(?P<word>[A-Za-z]+(?:['’][A-Za-z]+)?)"
    r"|(?P<stop>[.!?]+|\n[ \t]*\n|\n(?=[ \t]*[-*•#\d]))|"
    r"(?P<mark>\([-+–—]\)|[,:;()\[\]—–/<>]|(?<=[a-z)] )--?(?= [A-Za-z]))"
)
_HEADING: Final = re.compile(
    r"(key\s{1,9}observations?|overall\s{1,9}emotional\s{1,9}interpretation|"
    r"conclusion)[\s*_]{0,9}:[\s*_]{0,9}",
    re.IGNORECASE,
)
_PREPOSITIONS: Final = frozenset("of in at on to around across within from near along toward towards".split())
_OWNERS: Final = frozenset("the both one his her their its a".split())


@dataclass(slots=True)
class Item:
    """A word or mark with what it is.

    Attributes:
        kind: part, motion, act, degree, side, both, no, hypothetical, meaning, break, link, comma, number,
            preposition, copula, filler or other.
        value: What the kind needs: the part, the movement, the degree, the side, the number; of a filler the
            half of the face that it names.
        negated: It stands where something is said to be absent.
        supposed: It stands where something is only supposed, or said of faces in general.
    """

    kind: str
    word: str
    start: int
    end: int
    value: object = None
    negated: bool = False
    supposed: bool = False


def headed(text: str) -> list[tuple[str, int, int]]:
    """(part, start, end) of the text: between its headings, or all of it as ``"text"``."""
    found = list(_HEADING.finditer(text, 0, _MAX_LENGTH))
    bounds = [("text", 0, found[0].start() if found else min(len(text), _MAX_LENGTH))]
    for i, match in enumerate(found):
        name = re.sub(r"\s+", "_", match[1].casefold())
        name = "key_observations" if name.startswith("key") else name
        end = found[i + 1].start() if i + 1 < len(found) else min(len(text), _MAX_LENGTH)
        bounds.append((name, match.end(), end))
    return [bound for bound in bounds if bound[1] < bound[2]]


def told_and_asked(text: str, start: int, end: int) -> Iterator[tuple[list[Item], bool]]:
    """The bare words and marks of each sentence between two characters, and whether it is a question."""
    tokens: list[Item] = []
    for match in _TOKEN.finditer(text, start, end):
        kind, asked = str(match.lastgroup), "?" in match[0]
        if kind == "aside" or (asked and _goes_on(text, match.end(), tokens)):
            kind = "mark"
        if kind == "stop" or len(tokens) >= MAX_ITEMS:
            if tokens:
                yield tokens, kind == "stop" and asked
            tokens = []
        if kind != "stop":
            word = match[0].lower().replace("’", "'").removesuffix("'s")
            tokens.append(Item(kind, word, match.start(), match.end()))
    if tokens:
        yield tokens, False


def _goes_on(text: str, end: int, tokens: list[Item]) -> bool:
    """ "The jaw drops (why?) and stays", "smile? none": whether a sentence goes on behind its "?"."""
    words = [token.word for token in tokens]
    return words.count("(") > words.count(")") or text[end : end + 3].lstrip("\"'” ")[:1].islower()


def tagged(tokens: list[Item]) -> list[Item]:
    """The words and marks of a sentence as items that know what kind of word they are."""
    items: list[Item] = []
    i = 0
    while i < len(tokens):
        named = _part(tokens, i) if tokens[i].word in _NAMING else None
        item, used = named or (_single(tokens, i), 1)
        items.append(item)
        i += used
    return items


def _word(tokens: list[Item], i: int) -> str:
    return tokens[i].word if 0 <= i < len(tokens) else ""


def _part(tokens: list[Item], i: int) -> tuple[Item, int] | None:
    """A part of the face that begins at token `i`, and how many tokens name it."""
    word, after = _word(tokens, i), _word(tokens, i + 1)
    if word in ("upper", "lower", "top", "bottom"):
        return _upper_or_lower(tokens, i)
    part = PART_OF_WORD.get(word)
    if part is None:
        return _side_of(tokens, i)
    used = 1
    if part == "corners":
        part, used = _corners(tokens, i)
    elif part == "eyes" and _word(tokens, i - 2) == "around":
        part = "eye corners"
    elif part in ("lips", "mouth") and PART_OF_WORD.get(after) == "corners":
        part, used = "corners", 2
    elif (
        part in ("lips", "mouth")
        and after in cues.SIDES
        and PART_OF_WORD.get(_word(tokens, i + 2)) == "corners"
    ):
        return _made("filler", None, tokens, i, 1)  # "the lip's right corner": the corner follows
    elif part == "eyes" and PART_OF_WORD.get(after) in ("lids", "brows"):
        part, used = PART_OF_WORD[after], 2
    elif part == "eyes" and PART_OF_WORD.get(after) == "corners":
        part, used = "eye corners", 2
    elif word == "lip" and _word(tokens, i - 1) in cues.SIDES:
        part = "corners"
    return _made("part", part, tokens, i, used)


def _upper_or_lower(tokens: list[Item], i: int) -> tuple[Item, int] | None:
    word, after = _word(tokens, i), _word(tokens, i + 1)
    place = {"top": "upper", "bottom": "lower"}.get(word, word)
    if after in ("lip", "lips"):
        return _made("part", f"{place} lip", tokens, i, 2)
    if PART_OF_WORD.get(after) == "lids":
        return _made("part" if place == "upper" else "other", "lids", tokens, i, 2)
    rest = [_word(tokens, i + k) for k in (1, 2, 3, 4)]
    if rest[0] in ("and", "or") and {"lip", "lips"} & set(rest[2:]) and {"upper", "lower"} & set(rest[1:3]):
        return _made("part", f"{place} lip", tokens, i, 1)  # "upper and lower lips"
    half = _half(tokens, i, place)
    if half or place == "upper" or after in ("face", "facial", "lid", "lids", "eyelid", "eyelids"):
        return _made("filler", half, tokens, i, 1)
    return None


def _half(tokens: list[Item], i: int, place: str) -> Half | None:
    """ "the *upper* face", "the *lower* part of the face"; "the upper and lower face" is no half."""
    rest = [_word(tokens, i + k) for k in range(1, 5)]
    named = rest[0] in ("face", "facial", "half") or (
        rest[0] in ("part", "portion", "region", "area") and ("face" in rest or rest[1] != "of")
    )
    joined = _word(tokens, i - 1) in ("and", "or") and _word(tokens, i - 2) in ("upper", "lower")
    return Half(place) if named and not joined else None


def _corners(tokens: list[Item], i: int) -> tuple[str, int]:
    """What the corners are corners of; "corners" alone are those of the mouth."""
    if _word(tokens, i + 1) == "of":
        j = i + 2
        while _word(tokens, j) in _OWNERS:
            j += 1
        whole = PART_OF_WORD.get(_word(tokens, j))
        if whole in ("lips", "mouth"):
            return "corners", j + 1 - i
        if whole in ("eyes", "lids"):
            return "eye corners", j + 1 - i
        if whole == "brows":
            return "brows", j + 1 - i
    return "corners", 1


def _side_of(tokens: list[Item], i: int) -> tuple[Item, int] | None:
    """ "side of the mouth", "sides of the lips": its corner."""
    if _word(tokens, i) not in ("side", "sides") or _word(tokens, i + 1) != "of":
        return None
    j = i + 2
    while _word(tokens, j) in _OWNERS:
        j += 1
    if PART_OF_WORD.get(_word(tokens, j)) in ("lips", "mouth"):
        return _made("part", "corners", tokens, i, j + 1 - i)
    return None


def _made(kind: str, value: object, tokens: list[Item], i: int, used: int) -> tuple[Item, int]:
    last = tokens[i + used - 1]
    return Item(kind, tokens[i].word, tokens[i].start, last.end, value), used


_MARKS: Final = {
    ",": "comma",
    ";": "break",
    ":": "colon",
    "(": "open",
    ")": "close",
    "[": "open",
    "]": "close",
    "/": "link",
}
_OPENS_WITH_BY: Final = frozenset(
    "characterized marked evidenced defined highlighted emphasized supported reinforced accompanied "
    "complemented coupled combined paired enhanced indicated suggested conveyed reflected hinted".split()
)
_KINDS: Final = (
    ("both", cues.BOTH),
    ("hypothetical", cues.HYPOTHETICAL),
    ("break", cues.BREAKS),
    ("link", cues.LIST_LINKS),
    ("copula", cues.COPULAS),
    ("preposition", _PREPOSITIONS),
    ("filler", cues.FILLERS),
)


_KNOWN: Final = frozenset(
    {"as", *cues.MEANING, *cues.NEGATORS, *cues.SIDES, *ACTS, *MOTION_OF, *cues.DEGREE_OF}.union(
        *(group for _, group in _KINDS)
    )
)
"""Words of any kind but `other`: most words of a text are in none of the tables."""

_DETERMINERS: Final = frozenset("any some a one this that the every each no which what all these".split())
_NAMING: Final = frozenset({*PART_OF_WORD, "upper", "lower", "top", "bottom", "side", "sides"})
"""Words that the name of a part may begin with."""


def _single(tokens: list[Item], i: int) -> Item:
    token = tokens[i]
    word = token.word
    kind: str
    value: object
    if word in _KNOWN or word.endswith("n't"):
        kind, value = _kind(word, _word(tokens, i + 1), _word(tokens, i - 1))
    else:
        kind, value = "other", None
    if token.kind == "number":
        kind, value = "number", intensity(word)
    elif token.kind == "mark":
        kind, value = _MARKS.get(word, "comma"), None
    return Item(kind, word, token.start, token.end, value)


def _kind(word: str, after: str, before: str) -> tuple[str, object]:  # noqa: PLR0911 - one line a kind
    if word.endswith("n't"):
        return "no", None
    if word in cues.MEANING and (
        word not in _OPENS_WITH_BY or after in ("by", "with", "in", "as", "through")
    ):
        # "at any point": a time or a place, not what a movement points to
        return ("other" if word in ("point", "points") and before in _DETERMINERS else "meaning"), None
    if word in cues.NEGATORS and not _no_negator(word, after, before):
        return "no", None
    if word in cues.SIDES:
        return ("motion", "slide") if word in MOTION_OF else ("side", cues.SIDES[word])
    if word in ACTS and word not in MOTION_OF:
        return "act", word
    if word == "as":
        return ("link" if before in ("such", "well") or after == "well" else "break"), None
    if word in MOTION_OF and not _no_motion(word, after, before):
        return "motion", MOTION_OF[word]
    if word in cues.DEGREE_OF:
        # "more pronounced" compares, "clearly indicates" is said of the text's own conclusion.
        compared = before in ("more", "less", "most", "even") or (
            word.endswith("ly") and after in cues.MEANING
        )
        compared = compared or (word == "limited" and after == "to")  # "limited to the left"
        much = DegreeWord.SLIGHT if word == "little" and before == "a" else cues.DEGREE_OF[word]
        return ("filler", None) if compared else ("degree", much)
    for kind, group in _KINDS:
        if word in group:
            return kind, None
    return "other", None


def _no_negator(word: str, after: str, before: str) -> bool:
    """ "little to no" is a degree, "free" alone and "no longer" are something else."""
    if word == "no":
        return before in ("to", "or") or after == "longer"
    return word in ("free", "void") and after not in ("from", "of")


def _no_motion(word: str, after: str, before: str) -> bool:
    """ "slightly lower than", "a wide smile": a comparison, a degree."""
    if word == "lower":
        return after != "(" and (
            before in cues.DEGREE_OF or before in ("is", "are", "the") or after == "than"
        )
    return after in ACTS and word in ("wide", "tight", "open")


def intensity(word: str) -> float | None:
    """The intensity that a number quotes; None where it is none."""
    number = round(float(word.rstrip("% \t\n")) / (100 if word.endswith("%") else 1), 6)
    return number if 0 <= number <= 1 and ("." in word or "%" in word or number in (0, 1)) else None
