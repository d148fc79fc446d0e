"""Stretches of the face without a name: "below the nose", "around the eyes", "the mouth area"."""

from dataclasses import dataclass
from typing import Final

from expllm.core.vocabulary import ACTION_UNITS
from expllm.grounding.movements import LOWER_FACE, MOUTH, TABLES
from expllm.grounding.signs import Sign

_LEVELS: Final = {
    "hairline": 0, "forehead": 1, "brows": 2, "eyes": 3, "lids": 3, "lower lids": 4, "under eyes": 4,
    "eye corners": 4, "cheeks": 5, "nose": 5, "nostrils": 5, "upper lip": 6, "mouth": 7, "lips": 7,
    "corners": 7, "lower lip": 8, "jaw": 9, "chin": 9,
}  # fmt: skip
"""Where parts are, from the hair (0) down to the chin."""

_HEIGHTS: Final = {
    "brow raise": 2, "brow lower": 2, "eye close": 3, "lid raise": 3, "lid tightener": 3, "cheek raiser": 4,
    "nose wrinkle": 5,
}  # fmt: skip
"""Where actions show; all others show below the nose."""

_MOUTH: Final = _LEVELS["mouth"]
_LOWEST: Final = _LEVELS["chin"]
_BELOW: Final = frozenset("below beneath under underneath south".split())
_ABOVE: Final = frozenset("above over north".split())
_ANCHORS: Final = {
    "eye": 3, "eyes": 3, "cheeks": 5, "cheekbones": 5, "nose": 5, "mouth": 7, "lips": 7, "brows": 2,
}  # fmt: skip
"""Parts in phrases that are one word to the reader: "above the nose" is a place with a name of its own."""

_AROUND: Final = frozenset("around about near surrounding".split())
_NOUNS: Final = frozenset("region area zone section portion quarter sector territory neighbourhood".split())
_REGIONS: Final = frozenset("regions areas zones sections portions sectors".split())
_DOWN: Final = frozenset("down downward downwards".split())
_UP: Final = frozenset("up upward upwards".split())
_SMALL: Final = frozenset("the a an his her its their this that of in on to level line of the in the".split())
_OF: Final = frozenset(("of", "of the", "around", "about", "around the", "in", "near"))
_TOPS: Final = frozenset("hairline crown scalp".split())
_EXPANDED: Final = {"*mouth": MOUTH, "*lower face": LOWER_FACE}
_MOVING_WITH: Final = {
    "jaw": ("lips part",), "eyes": ("cheek raiser", "lid tightener"),
    "lids": ("cheek raiser", "lid tightener"),
    "eye corners": ("eye close", "lid raise", "lid tightener"), "mouth": MOUTH, "lips": MOUTH,
}  # fmt: skip


@dataclass(frozen=True)
class Region:
    """A stretch of the face, as words `first` to `last` (exclusive) name it.

    Attributes:
        actions: The actions that show there.
        noun: It may be what a clause speaks of ("*the mouth area* is still"), and does not only say where.
        spanning: It reaches from one part to another: nothing in it moves, "*from the hairline to the chin*".
    """

    first: int
    last: int
    actions: frozenset[str]
    noun: bool
    spanning: bool = False


def regions(words: list[Sign]) -> list[Region]:
    """The regions that a sentence names, from left to right."""
    found: list[Region] = []
    i = 0
    while i < len(words):
        region = _spanning(words, i) or _placed(words, i) or _around(words, i) or _named(words, i)
        if region is not None:
            found.append(region)
        i = region.last if region else i + 1
    return found


def activity(sign: Sign) -> tuple[str, ...]:
    """The actions that may be meant where a part, or a movement, is only said to be active."""
    if not sign.part:
        return sign.acts
    table = TABLES[sign.part]
    every = tuple(dict.fromkeys(action for some in table.values() for action in some))
    bare = table.get("generic") or table.get("still") or every
    return tuple(
        action for name in bare for action in _EXPANDED.get(name, (name.removeprefix("not "),))
        if not action.startswith("outside:")
    )  # fmt: skip


def _spanning(words: list[Sign], i: int) -> Region | None:
    """ "*from the brows to the chin*", "brow to chin", "*from the cheekbones down*"."""
    preposition, top = _preposed(words[i])
    from_there = preposition == "from" or words[i].word == "from"
    first = i if preposition else _after_small(words, i + 1) if from_there else i
    top = _level(words, first) if top is None else top
    if top is None or (preposition and not from_there):
        return None
    k = first + 1
    word = words[k].word if k < len(words) else ""
    if word == "to":
        bottom = _level(words, end := _after_small(words, k + 1))
        if bottom is None or bottom == top:
            return None
        low, high = sorted((top, bottom))
        return Region(i, end + 1, _between(low, high), noun=False, spanning=True)
    if from_there and word in (_DOWN | _UP):
        return Region(
            i, k + 1, _between(top + 1, _LOWEST) if word in _DOWN else _between(0, top - 1), noun=False
        )
    return None


def _placed(words: list[Sign], i: int) -> Region | None:
    """ "*below the nose*", "above the mouth": a whole part of the face, where the anchor is midway."""
    if i >= len(words):
        return None
    preposition, level = _preposed(words[i])
    at = i if preposition else _after_small(words, i + 1)
    preposition = preposition or words[i].word
    level = _level(words, at) if level is None else level
    if preposition not in _BELOW | _ABOVE or level is None or words[at].side:
        return None
    if words[at].part in ("chin", "jaw", "forehead", "brows", "lower lip", "upper lip") and at > i:
        return None  # what is there beside a neck, or hair?
    below = preposition in _BELOW
    actions = _between(level + 1, _LOWEST) if below else _between(0, level - 1)
    return Region(i, at + 1, actions, noun=False)


def _around(words: list[Sign], i: int) -> Region | None:
    """ "*around the eyes*"; "*in the mouth*" is one word to the reader."""
    if words[i].word == "in the mouth":
        return Region(i, i + 1, frozenset(MOUTH), noun=False)
    preposition, _ = _preposed(words[i])
    if (preposition or words[i].word) not in _AROUND:
        return None
    actions, last = _parts(words, i if preposition else i + 1)
    return Region(i, last, actions, noun=False) if actions else None


def _named(words: list[Sign], i: int) -> Region | None:
    """ "*the mouth region*", "*the area of the brows and the forehead*", "the part below the eyes"."""
    if words[i].part in ("upper face", "lower face"):
        return Region(i, i + 1, frozenset(activity(words[i])), noun=True)
    if words[i].word in _NOUNS | _REGIONS | {"part"} and (place := _placed(words, i + 1)):
        return Region(i, place.last, place.actions, noun=True)
    if words[i].word in _NOUNS | _REGIONS and i + 1 < len(words) and words[i + 1].word in _OF:
        actions, last = _parts(words, i + 2)
        return Region(i, last, actions, noun=True) if actions else None
    actions, last = _parts(words, i)
    if actions and last < len(words) and words[last].word in _NOUNS | _REGIONS and words[i].part:
        return Region(i, last + 1, actions, noun=True)
    return None


def _parts(words: list[Sign], i: int) -> tuple[frozenset[str], int]:
    """The actions of parts in a row, "the eyes and the brows", and where that row ends."""
    actions: set[str] = set()
    last = i
    while True:
        at = _after_small(words, i)
        if at >= len(words) or not words[at].part or words[at].side:
            break
        actions |= {*activity(words[at]), *_MOVING_WITH.get(str(words[at].part), ())}
        last = i = at + 1
        if not (i < len(words) and (words[i].has("and", "or") or words[i].word in ("and", "or", "and the"))):
            break
        i += 1
    return frozenset(actions), last


def _after_small(words: list[Sign], i: int) -> int:
    while i < len(words) and words[i].word in _SMALL and not words[i].part:
        i += 1
    return i


def _preposed(sign: Sign) -> tuple[str, int | None]:
    """The preposition of a phrase and the level of its part: "below the eyes"; "" for another word."""
    first, *_, last = sign.word.split() if " " in sign.word else ("", "")
    known = first in _BELOW | _ABOVE | _AROUND | {"from"} and last in _ANCHORS
    return (first, _ANCHORS[last]) if known else ("", None)


def _level(words: list[Sign], i: int) -> int | None:
    if i >= len(words):
        return None
    return 0 if words[i].word in _TOPS else _LEVELS.get(words[i].part or "")


def _between(top: int, bottom: int) -> frozenset[str]:
    """The actions that show from one level down to another; all of the mouth and the chin go together."""
    return frozenset(
        unit.action for unit in ACTION_UNITS
        if (top <= _HEIGHTS[unit.action] <= bottom if unit.action in _HEIGHTS else bottom >= _MOUTH)
    )  # fmt: skip
