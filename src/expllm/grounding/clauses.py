"""Which movement belongs to which part of the face, within one clause."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from expllm.grounding import cues
from expllm.grounding.lexicon import ADJECTIVES, BARE, DIRECTIONS, MOTION_OF
from expllm.grounding.meanings import ACTS, FACS_ONLY, MEANINGS, RELAXED, STILL
from expllm.grounding.tags import Item

_WITHIN: Final = frozenset("degree filler side both copula".split())
_LISTED: Final = frozenset("degree filler side both link comma".split())
_ENDS: Final = frozenset("comma link meaning break close".split())
REACH: Final = 14
"""Words between a movement and the part that it may still speak of."""


@dataclass(slots=True)
class Motion:
    """Words that together tell one movement: "pulled slightly downward".

    Attributes:
        first: Index of the first item.
        last: Index of the last one.
        kind: The movement.
        parts: Indices of the parts that make it.
    """

    first: int
    last: int
    kind: str
    parts: list[int] = field(default_factory=list)
    how: str = ""


def clauses(items: list[Item]) -> Iterator[tuple[int, int]]:
    """Bounds of the clauses of a sentence; the word that opens one belongs to it."""
    start = 0
    for i, item in enumerate(items):
        if item.kind in ("meaning", "break", "hypothetical") and i > start:
            yield start, i
            start = i
    if start < len(items):
        yield start, len(items)


def motions(items: list[Item], start: int, end: int) -> list[Motion]:
    """The movements of a clause, words that stand together being one."""
    found: list[Motion] = []
    for i in range(start, end):
        if items[i].kind != "motion" or (i + 1 < end and items[i + 1].kind == "act"):
            continue  # "an upturned smile" is a smile
        before = found[-1] if found else None
        if before and i - before.last <= 4 and all(
            items[k].kind in ("degree", "filler", "copula") or items[k].word in ("in", "an", "to")
            for k in range(before.last + 1, i)
        ) and (merged := _merged(items, before, i)):  # fmt: skip
            before.last, before.kind = i, merged
        else:
            found.append(Motion(i, i, _drawn(items, i)))
    return found


def _drawn(items: list[Item], i: int) -> str:
    """The movement of one word; "drawn together" and "drawn in" take two."""
    kind = str(items[i].value)
    if kind not in ("pull", "curve"):
        return kind
    if "together" in {item.word for item in items[i + 1 : i + 4]}:
        return "furrow"
    j = _skip(items, i + 1, len(items), frozenset({"degree"}))
    inward = j < len(items) and items[j].word == "in"
    if inward and (j + 1 == len(items) or items[j + 1].word == "of" or items[j + 1].kind in _ENDS):
        return "inward"
    return kind


def _merged(items: list[Item], before: Motion, i: int) -> str | None:  # noqa: PLR0911 - a return a rule
    """The kind of two movements that stand together; None if they are two."""
    one, two = before.kind, _drawn(items, i)
    words = {items[before.last].word, items[i].word}
    if one == two:
        return one
    if {one, two} == {"open", "wide"}:
        return "wide"
    if "generic" in (one, two):
        return two if one == "generic" else one
    if (one, two) in (("close", "press"), ("narrow", "press")):
        return one  # "shut tight"
    if "stretch" in (one, two) and "slide" in (one, two):
        return "stretch"
    if one in ("pull", "curve", "thrust", "up", "down", "slide") and items[i].word in DIRECTIONS:
        return two
    if two in ("pull", "curve", "thrust", "up", "down", "slide", "stretch") and words & DIRECTIONS:
        return one if items[before.last].word in DIRECTIONS else two
    return None


def attach(items: list[Item], start: int, end: int, found: list[Motion], carried: list[int]) -> None:
    """Gives each movement its parts: those it is said of, that follow it, or that stand before it."""
    taken: set[int] = set()
    for motion in found:
        motion.parts = _after_preposition(items, motion, end, found)
        motion.how = "of"
        if not motion.parts:
            motion.parts = _following(items, motion, start, end, found)
            motion.how = "before"
        taken.update(motion.parts)
    for motion in found:
        if not motion.parts:
            motion.parts = _preceding(items, motion, start, taken)
            motion.how = "after"
        if (
            not motion.parts
            and carried
            and items[start].word in cues.CARRIES
            and _early(items, start, motion)
        ):
            motion.parts = [p for p in carried if meaning(items[p], motion.kind)]
            motion.how = "carried"
    _drop_doubled(found)


def _drop_doubled(found: list[Motion]) -> None:
    """ "*upward* lip *movement*" is one movement: the second word adds nothing."""
    for motion in found:
        if motion.kind == "generic" and motion.how == "after" and any(
            other.how == "before" and set(other.parts) & set(motion.parts) for other in found
        ):  # fmt: skip
            motion.parts = []


def meaning(part: Item, kind: str) -> tuple[str, ...]:
    """Actions that a movement of this kind at this part may be."""
    name = str(part.value)
    if kind == "still":
        return STILL.get(name, ())
    if kind == "relaxed":
        return RELAXED.get(name, ())
    return MEANINGS.get((name, kind), ())


def _after_preposition(items: list[Item], motion: Motion, end: int, found: list[Motion]) -> list[int]:
    """ "elevation *of the brows*", "movement *in both lips*"."""
    i = _skip(items, motion.last + 1, end, frozenset({"degree"}))
    if i >= end or items[i].kind != "preposition":
        return []
    j = _skip(items, i + 1, end, frozenset({"degree", "filler", "side", "both", "preposition"}))
    if j < end and items[j].kind == "part" and meaning(items[j], motion.kind):
        return _list_forward(items, j, end, motion, found)
    return []


def _following(items: list[Item], motion: Motion, start: int, end: int, found: list[Motion]) -> list[int]:
    """ "*raised* brows and lids", "lifting the corners"."""
    told = [items[i].word for i in range(motion.first, motion.last + 1) if items[i].kind == "motion"]
    if not any(word.endswith(("ed", "ing", "en", "s")) or word in ADJECTIVES for word in told):
        return []
    before = motion.first - 1
    while before >= start and items[before].kind in ("degree", "filler"):
        before -= 1
    if before >= start and items[before].kind == "part" and meaning(items[before], motion.kind):
        return []
    j = _skip(items, motion.last + 1, end, frozenset({"degree", "filler", "side", "both"}))
    # "relaxed and closed eyes": adjectives in a row.
    while j < end and _another_adjective(items, j, end) and j - motion.last < 5:
        j = _skip(items, j + 1, end, frozenset({"degree", "filler", "side", "both"}))
    if j < end and items[j].kind == "part" and meaning(items[j], motion.kind):
        if motion.kind in ("relaxed", "still") and _has_own(items, j, end, motion, found):
            return []  # "a neutral chin raise"
        return _list_forward(items, j, end, motion, found)
    return []


def _another_adjective(items: list[Item], i: int, end: int) -> bool:
    if items[i].kind == "motion":
        return True
    after = _skip(items, i + 1, end, frozenset({"degree"}))
    return items[i].kind in ("link", "comma") and after < end and items[after].kind == "motion"


def _list_forward(items: list[Item], part: int, end: int, motion: Motion, found: list[Motion]) -> list[int]:
    parts = [part]
    j = part + 1
    while j < end:
        if items[j].kind == "part":
            if _has_own(items, j, end, motion, found) or not _plain(items[j], motion.kind):
                break
            parts.append(j)
        elif items[j].kind not in _LISTED or items[j].kind == "degree":
            break
        j += 1
    return parts


def _has_own(items: list[Item], part: int, end: int, motion: Motion, found: list[Motion]) -> bool:
    """Another movement follows the part at once: "raised brows and jaw *drop*"."""
    j = _skip(items, part + 1, end, _WITHIN)
    return any(other.first == j for other in found if other is not motion)


def _plain(part: Item, kind: str) -> bool:
    found = meaning(part, kind)
    return bool(found) and found[0] not in FACS_ONLY and not found[0].startswith("outside:")


def _preceding(items: list[Item], motion: Motion, start: int, taken: set[int]) -> list[int]:
    """ "the *brows* are lowered", "*eyelid and brow* raises"."""
    bare = motion.first == motion.last and items[motion.first].word in BARE
    for i in range(motion.first - 1, max(start, motion.first - REACH) - 1, -1):
        item = items[i]
        if item.kind == "part":
            if meaning(item, motion.kind):
                return _list_backward(items, i, start, motion, taken)
            if bare:
                return []
        elif item.word in ("and", "or") and items[i + 1].word in ("the", "a", "an"):
            return []  # "closed eyes and a lowered mood"
        elif bare and item.kind not in _WITHIN and item.kind != "motion" and item.word != "and":
            return []
    return []


def _list_backward(items: list[Item], part: int, start: int, motion: Motion, taken: set[int]) -> list[int]:
    """The parts of a list that ends with `part`; before a noun ("brow and lid raises") it has no comma."""
    predicate = any(items[i].kind == "copula" for i in range(part, motion.first))
    between = _LISTED if predicate else frozenset({"link", "filler", "side", "both"})
    parts = [part]
    for j in range(part - 1, start - 1, -1):
        if items[j].kind == "part":
            if j in taken or not _plain(items[j], motion.kind):
                break
            parts.append(j)
        elif items[j].kind not in between:
            break
    return parts[::-1]


def _early(items: list[Item], start: int, motion: Motion) -> bool:
    return all(items[i].kind in (*_WITHIN, "break", "other") for i in range(start + 1, motion.first)) and (
        motion.first - start <= 4
    )


def _skip(items: list[Item], i: int, end: int, kinds: frozenset[str]) -> int:
    while i < end and items[i].kind in kinds:
        i += 1
    return i


def is_act(items: list[Item], motion: Motion) -> bool:
    """A movement without a part that one word tells all the same: "squinting"."""
    return not motion.parts and items[motion.first].word in ACTS and items[motion.first].word in MOTION_OF
