"""Whether two sides are said to move alike: "equally raised", "to the same height", "an asymmetric smile"."""

import re
from itertools import takewhile
from typing import Final

from expllm.grounding.chunks import Chunk
from expllm.grounding.comparisons import SIDED, empty, flagged, has_sides, named_sides, span
from expllm.grounding.movements import TABLES
from expllm.grounding.signs import Sign
from expllm.grounding.statements import Statement

_ALIKE: Final = re.compile(
    r"(?:equal|even|symmetrical|identical|uniform)ly|equal|symmetric(?:al)?|symmetry|identical|alike"
)
_MATCHES: Final = frozenset("matches mirrors equals matching mirroring equalling".split())
_MEASURES: Final = frozenset(
    "height degree extent level amount distance intensity strength position measure force".split()
)
_MOSTLY: Final = frozenset("mostly mainly chiefly largely primarily predominantly principally".split())
_UNLIKE: Final = re.compile(r"(?:asymmetric(?:al)?(?:ly)?|uneven(?:ly)?|asymmetry|unevenness|unequal(?:ly)?)")
_ABOUT: Final = frozenset(
    ("almost", "nearly", "roughly", "not", "less", "more", "half", "twice", "barely", "without")
)


def settle_evenness(signs: list[Sign], chunks: list[Chunk], found: list[Statement]) -> None:
    """Marks what is said to be the same, or not the same, on both sides."""
    for c, chunk in enumerate(chunks):
        if chunk.supposed_from is not None or chunk.noes:
            continue
        even = _told(signs, chunk)
        if even is None:
            continue
        of = [one for one in found if one.chunk == c]
        if not of and empty(chunk):
            of = [one for one in found if one.chunk == c - 1]
        if not of and chunk.parts and (not even or _matched(signs, chunk)):
            found += _of_some(signs, c, chunk, even=even)
        for one in of:
            free = not one.side or (even and not one.both)
            if free and has_sides(one) and not one.negated and not one.only:
                one.side, one.both, one.even = None, True, even


def _told(signs: list[Sign], chunk: Chunk) -> bool | None:
    for i in span(chunk):
        word, before = signs[i].word, signs[i - 1].word if i > chunk.first else ""
        if _UNLIKE.fullmatch(word) and before not in _ABOUT:
            return False
        near = {sign.word for sign in signs[i + 1 : min(i + 3, chunk.last)]}
        paired = any(sign.side or sign.has("other") for sign in signs[i + 1 : min(i + 5, chunk.last)])
        same = word == "same" and near & _MEASURES
        as_much = word in _MATCHES or (word.startswith("as ") and word.endswith(" as"))
        if before not in _ABOUT and (same or _ALIKE.fullmatch(word) or (paired and as_much)):
            return not any(signs[k].has("more", "less") for k in span(chunk)) or None
    return None


def compared_parts(signs: list[Sign], chunks: list[Chunk], found: list[Statement]) -> list[Statement]:
    """ "The left corner *outstrips* the right": a part whose sides are compared, in whichever movement."""
    if found:
        return []  # "both corners lift, the left corner more": of what was told
    return [
        one
        for c, chunk in enumerate(chunks)
        if chunk.parts and chunk.supposed_from is None and not (chunk.noes or chunk.acts)
        if flagged(signs, chunk, "more", "less") and named_sides(signs, chunk)
        for one in _of_some(signs, c, chunk, even=None)
    ]  # fmt: skip


def settle_mostly(signs: list[Sign], chunks: list[Chunk], found: list[Statement]) -> None:
    """ "It is *mostly the right* brow that lifts": both sides move, that one more."""
    for c, chunk in enumerate(chunks):
        most = next((i for i in span(chunk) if signs[i].word in _MOSTLY), None)
        next_ones = [] if most is None else signs[most + 1 : most + 4]
        # "Mainly the *raised* right brow" picks one movement out of several, not one side out of two.
        plain = takewhile(lambda sign: sign.side or not sign.kinds, next_ones)
        side = next((sign.side for sign in plain if sign.side), None)
        for one in found if side else ():
            here = one.chunk == c or any(i in span(chunk) for i in one.signs)
            here = here or (one.chunk == c + 1 and bool(chunk.parts))
            if here and one.side is side and not (one.both or one.only or one.negated) and has_sides(one):
                one.both = True


def _matched(signs: list[Sign], chunk: Chunk) -> bool:
    return any(signs[i].word in _MATCHES for i in span(chunk))


def _of_some(signs: list[Sign], c: int, chunk: Chunk, *, even: bool | None) -> list[Statement]:
    """ "The brows are *asymmetric*": in one movement or another."""
    part = chunk.parts[0]
    name = str(signs[part].part)
    actions = tuple(action for action in TABLES[name].get("generic", ()) if action in SIDED)
    one = Statement(c, {part}, name, "generic", actions, False, both=even is not None, even=even)
    return [one] if actions else []
