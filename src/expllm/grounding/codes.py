"""Action units that FACS calls by number: "AU1+AU2", "Action Unit 26", "R4", "6B+12D"."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

from expllm.core.vocabulary import ACTION_UNITS, Side
from expllm.grounding.claims import DegreeWord
from expllm.grounding.cues import NUMBER_LINKS
from expllm.grounding.signs import TABLE, Sign
from expllm.grounding.tags import Item, intensity

CODED: Final = "coded"
"""The flag of a sign that names an action unit by number; it has no actions where no unit has that one."""

_NUMBERS: Final = {
    str(number): tuple(dict.fromkeys(unit.action for unit in ACTION_UNITS if number in unit.facs))
    for number in sorted({number for unit in ACTION_UNITS for number in unit.facs})
}
_GRADES: Final = dict(
    zip(
        "ABCDE",
        (DegreeWord.MINIMAL, DegreeWord.SLIGHT, DegreeWord.MARKED, DegreeWord.STRONG, DegreeWord.STRONG),
        strict=True,
    )
)
"""Trace, slight, marked, severe, maximum, as the manual calls them."""

_SIDES: Final = {"L": Side.LEFT, "R": Side.RIGHT}
_NAME: Final = r"(?:(?i:facs)\s+)?(?:(?i:aus?)|(?i:action[\s-]+units?))[\s#:-]{0,2}(?:(?i:numbers?)\s+)?"
_ONE: Final = r"(?P<before>[LRUB])?(?P<number>\d{1,2})(?P<grade>[A-E])?(?P<after>[LR])?"
_PLAIN: Final = re.sub(r"\?P<\w+>", "?:", _ONE)
_NOT_MORE: Final = r"(?![\w%]|[.:/]\d)"
_GRADED: Final = (
    r"(?:\s*\((?:(?:level|intensity|grade)\s+)?[A-E]\)"
    r"|(?:\s+(?:is|was|are|were))?(?:\s+(?:scored|coded|rated|graded))?(?:\s+(?:at|as|with|of))?(?:\s+an?)?"
    r"\s+(?:level|intensity|grade)(?:\s+of)?\s+[A-E]\b(?!'))?"
)
_AND: Final = r"\s*(?:[+&/,]\s*(?:and\s+|or\s+)?|\band\s+|\bor\s+|\bnor\s+)"
_GROUP: Final = re.compile(
    rf"\b{_NAME}{_PLAIN}{_NOT_MORE}{_GRADED}(?:{_AND}(?:{_NAME})?{_PLAIN}{_NOT_MORE}{_GRADED})*"
    rf"|(?<![\w.+]){_PLAIN}(?:\s*\+\s*{_PLAIN})+{_NOT_MORE}"
    rf"|(?<![\w.+:/])(?:[LR]\d{{1,2}}[A-E]?|\d{{1,2}}[A-E])(?![\w'%])"
)
_LIST: Final = re.compile(
    rf"(?<![\w.:/=%+-]){_PLAIN}{_NOT_MORE}{_GRADED}"
    rf"(?:(?:{_AND}|\s+with\s+){_PLAIN}{_NOT_MORE}{_GRADED})*(?!\s*[+=/%-])"
)
"""Numbers alone; what stands around them decides whether they are units."""

_CUE: Final = re.compile(r"\b(?:(?i:scored?|scores|scoring|coded|coding|facs|action units?)|AUs?\d*)\b")
_BEFORE: Final = re.compile(
    r"(?:\b(?:scored?|scores|coded|codes?|note[ds]?|logged|bi-?lateral|uni-?lateral|no|not|neither|nor|without"
    r"|only|with|and|or)\s+|[;,]\s*)$",
    re.IGNORECASE,
)
_SURE: Final = re.compile(r"\b(?:scored?|scores|coded|(?:bi|uni)-?lateral)\s+$", re.IGNORECASE)
_TELLING: Final = frozenset({"no", "after", "both", "only", "one", "more", "less"})
_TOLD: Final = frozenset(
    "present absent scored coded logged noted active visible perceptible negative positive just quite "
    "strictly each ruled asymmetric asymmetrical symmetric symmetrical intermediate throughout".split()
)
_ABSENT: Final = TABLE["absent"]
_IS: Final = frozenset("is are was were".split())
_ENDS: Final = frozenset("with on in at and or by".split())
_MEMBER: Final = re.compile(rf"(?P<name>{_NAME})?(?<![0-9]){_ONE}{_NOT_MORE}(?P<graded>{_GRADED})")
_LETTER: Final = re.compile(r"\b([A-E])\)?$")


def coded(text: str, tokens: list[Item]) -> dict[int, tuple[int, Sign]]:
    """The coded action units of a sentence: first word -> how many words, and the sign they stand for.

    What links the members of a list stands for nothing, so that one denial reaches them all.
    """
    if all(token.kind != "number" for token in tokens):
        return {}
    starts, ends = [token.start for token in tokens], [token.end for token in tokens]
    found: dict[int, tuple[int, Sign]] = {}
    groups = [*_GROUP.finditer(text, starts[0], ends[-1])]
    groups += _bare(text, tokens, groups)
    for group in groups:
        members = list(_members(group, bare=group.re is _LIST))
        if not members:
            continue
        words = range(bisect_left(starts, group.start()), bisect_left(starts, group.end()))
        found |= {word: (1, Sign("", 0, 0)) for word in words}
        for first, last, sign in members:
            begin, end = bisect_right(ends, first), bisect_left(starts, last)
            for word in range(begin, end):
                found.pop(word, None)
            found[begin] = (end - begin, sign)
        if _ends_with_no(tokens, words.stop):
            found[words.stop] = (1, _ABSENT)
    return found


def _ends_with_no(tokens: list[Item], at: int) -> bool:
    """ "AU34 *no*; AU12 yes": a table that was put into words."""
    ends = at + 1 >= len(tokens) or tokens[at + 1].kind in ("mark", "comma")
    return at < len(tokens) and tokens[at].word == "no" and ends


def _bare(text: str, tokens: list[Item], groups: list[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Numbers that coders write alone: "5 ruled out", "Bilateral 15", "18, 23, 24: none of these"."""
    cued = bool(groups) or _CUE.search(text) is not None
    starts = [token.start for token in tokens]
    found = False
    for one in _LIST.finditer(text, starts[0], tokens[-1].end):
        if any(group.start() < one.end() and one.start() < group.end() for group in groups):
            continue
        numbers = [member["number"] for member in _MEMBER.finditer(text, *one.span())]
        if any(number not in _NUMBERS for number in numbers):
            continue
        before = text[starts[0] : one.start()]
        begins = not before or before.rstrip().endswith(";")
        if not begins and not (_BEFORE.search(before) if cued or found else _SURE.search(before)):
            continue
        sure = cued or found or len(numbers) > 1 or _SURE.search(before) is not None
        if _told_of(tokens[bisect_left(starts, one.end()) :], sure=sure and (not begins or len(numbers) > 1)):
            found = True
            yield one


def _told_of(tokens: list[Item], *, sure: bool) -> bool:
    """Whether words say of a number how much, where or whether it is, and count nothing with it.

    Args:
        sure: It may also stand alone.
    """
    if not sure and tokens and tokens[0].word in (",", ":"):
        tokens = tokens[1:]
    for i, token in enumerate(tokens):
        if token.word in _IS or (i == 0 and token.word in ("with", "on")):
            return True
        if token.kind == "mark" or token.word in _ENDS:
            return i > 0 or (sure and token.word != "(")
        if not _tells(tokens, i):
            return False
    return sure or bool(tokens)


def _tells(tokens: list[Item], i: int) -> bool:
    word = tokens[i].word
    if word in _TOLD or (word in ("out", "sided") and i > 0):  # "ruled out", "left-sided"
        return True
    if word == "no" and i + 1 == len(tokens):
        return True  # "34 no"
    known = TABLE.get(word)
    return known is not None and bool(known.degree or known.side or known.flags & _TELLING)


def _members(group: re.Match[str], *, bare: bool) -> Iterator[tuple[int, int, Sign]]:
    """Each number of a list, with its characters; none of a sum that FACS does not know."""
    found = [*_MEMBER.finditer(group.string, group.start(), group.end())]
    if bare or any(one["name"] for one in found) or all(one["number"] in _NUMBERS for one in found):
        yield from ((*one.span(), _sign(one)) for one in found)


def _sign(one: re.Match[str]) -> Sign:
    letter = _LETTER.search(one["graded"] or "")
    grade = one["grade"] or (letter[1] if letter else None)
    flags = {CODED, *({"both"} if one["before"] == "B" else {"one"} if one["before"] == "U" else ())}
    return Sign(
        "", 0, 0, acts=_NUMBERS.get(one["number"], ()), degree=_GRADES.get(grade or ""),
        side=_SIDES.get(one["after"] or one["before"] or ""), flags=frozenset(flags),
    )  # fmt: skip


def quoted(words: list[Sign], of: set[int]) -> float | None:
    """The intensity that stands behind a coded unit, "AU1: *0.8*"; a bare 1 only says that it is present."""
    code = next((i for i in of if words[i].has(CODED)), None)
    if code is None:
        return None
    for sign in words[code + 1 : code + 6]:
        if sign.has("number"):
            told = sign.word == "0" or "." in sign.word or "%" in sign.word
            return intensity(sign.word) if told else None
        if not (sign.has("comma") or sign.word in NUMBER_LINKS) or sign.word in (",", ";"):
            return None
    return None
