"""Action units that FACS calls by number: "AU1+AU2", "Action Unit 26", "R4", "6B+12D"."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

from expllm.core.vocabulary import ACTION_UNITS, Side
from expllm.grounding.claims import DegreeWord
from expllm.grounding.cues import NUMBER_LINKS
from expllm.grounding.signs import Sign
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
    for group in _GROUP.finditer(text, starts[0], ends[-1]):
        members = list(_members(group))
        if not members:
            continue
        words = range(bisect_left(starts, group.start()), bisect_left(starts, group.end()))
        found |= {word: (1, Sign("", 0, 0)) for word in words}
        for first, last, sign in members:
            begin, end = bisect_right(ends, first), bisect_left(starts, last)
            for word in range(begin, end):
                found.pop(word, None)
            found[begin] = (end - begin, sign)
    return found


def _members(group: re.Match[str]) -> Iterator[tuple[int, int, Sign]]:
    """Each number of a list, with its characters; none of a sum that FACS does not know."""
    found = [*_MEMBER.finditer(group.string, group.start(), group.end())]
    if any(one["name"] for one in found) or all(one["number"] in _NUMBERS for one in found):
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
