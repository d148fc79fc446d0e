"""Left and right swapped in the text of an explanation, as flipping the picture swaps them on the face.

Whether a word is a side of the face is decided by the words around it, and never by whether it says left or
right. The swapped text is therefore judged alike, and swapping twice gives every text back.
"""

import re
from typing import Final, NamedTuple

_SWAPPED: Final = {"left": "right", "Left": "Right", "LEFT": "RIGHT"}
_SWAPPED.update({right: left for left, right in list(_SWAPPED.items())})

# Digits and underscores end a word too: "left_brow_lower". No IGNORECASE: it would take "ſ" for an "s".
_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_SIDE: Final = re.compile(
    "(left|Left|LEFT|right|Right|RIGHT)(s|S|wards?|WARDS?|most|MOST|hand|HAND|handed|HANDED|sided?|SIDED?)?"
)

_PARTS: Final = frozenset(
    "brow brows eyebrow eyebrows eye eyes eyelid eyelids lid lids lip lips corner corners mouth cheek cheeks "
    "jaw nostril nostrils temple temples side sides half halves upper lower inner outer".split()
)
"""A side word before one of these is a side of the face, whatever stands before it."""

_THINGS: Final = frozenset(
    "answer answers choice choices conclusion decision decisions expression idea interpretation judgement "
    "label moment person place reading term thing things time track way word words".split()
)
"""What is right or wrong rather than on a side: "the right word"."""

_BEFORE_A_SIDE: Final = frozenset(
    "the its his her their your my our this both either each and or than to on".split()
)
"""After one of these a side word is a side, unless a thing follows: "on the right there is no movement"."""

_BEFORE_NO_SIDE: Final = frozenset(
    "all not is are was were be been being has have had having it that which who they he she nobody nothing "
    "little much human civil equal legal quite exactly absolutely just".split()
)
"""After one of these "left" is a verb ("is left open") and "right" a judgement ("all right", "is right")."""

_AFTER_NO_SIDE: Final = frozenset(
    "away now here there after before off below above beneath beside behind next under alone over unsaid "
    "unchanged unmoved untouched undone unclear".split()
)
"""Before one of these "left" is a verb ("left alone") and "right" an adverb ("right below")."""

_STATES: Final = frozenset("open slack relaxed loose closed free still".split())
"""What a part of a face may be left in, with its name before: "the mouth left open"."""

_ANGLES: Final = frozenset("angle angles angled".split())


class _Place(NamedTuple):
    """The words around a side word, folded to lower case; "" where there is none beside it.

    Attributes:
        before: The word before, with nothing but blanks between.
        after: The word after, with nothing but blanks between.
        joined: The word that a hyphen joins to it from behind: "left-sided".
        paired: Another side word follows after "and" or "or".
    """

    before: str
    after: str
    joined: str
    paired: bool


def mirrored_text(text: str) -> str:
    """The explanation of the same picture flipped left to right; twice gives the text back.

    English only. "Left lip" becomes "Right lip". Words that only look like sides stay: "all right", "right
    below", "is left slack".
    """
    words = list(_WORD.finditer(text))
    pieces: list[str] = []
    done = 0
    for i, word in enumerate(words):
        side = _SIDE.fullmatch(word[0])
        if side is None or not _is_side(_place(text, words, i)):
            continue
        pieces += [text[done : word.start()], _SWAPPED[side[1]]]
        done = word.start() + len(side[1])
    return "".join([*pieces, text[done:]])


def _place(text: str, words: list[re.Match[str]], i: int) -> _Place:
    gaps = [_gap(text, words, at) for at in (i - 1, i, i + 1)]
    before = words[i - 1][0].lower() if gaps[0].isspace() else ""
    after = words[i + 1][0].lower() if gaps[1].isspace() else ""
    joined = words[i + 1][0].lower() if gaps[1] == "-" else ""
    paired = after in ("and", "or") and gaps[2].isspace() and _SIDE.fullmatch(words[i + 2][0]) is not None
    return _Place(before, after, joined, paired)


def _gap(text: str, words: list[re.Match[str]], i: int) -> str:
    """What stands between the word at `i` and the next; "" where one of them is not there."""
    return text[words[i].end() : words[i + 1].start()] if 0 <= i < len(words) - 1 else ""


def _is_side(place: _Place) -> bool:
    """Whether a side word at this place speaks of a side of the face."""
    if place.joined:
        return place.joined not in _ANGLES
    if place.after in _ANGLES:  # "the left angle of the mouth", but "at a right angle"
        return place.before == "the"
    if place.after in _THINGS:
        return False
    return _is_named_as_side(place) or not _is_verb_or_judgement(place)


def _is_named_as_side(place: _Place) -> bool:
    of_a_place = place.before == "just" and place.after == "of"
    return place.paired or place.after in _PARTS or place.before in _BEFORE_A_SIDE or of_a_place


def _is_verb_or_judgement(place: _Place) -> bool:
    of_a_part = place.before in _PARTS and place.after in _STATES
    return place.before in _BEFORE_NO_SIDE or place.after in _AFTER_NO_SIDE or of_a_part
