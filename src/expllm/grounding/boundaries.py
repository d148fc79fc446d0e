"""Where a clause begins that no mark shows: "instead of smiling *she lifts* the brows"."""

from typing import Final

from expllm.grounding.signs import Sign

_FRONTED: Final = frozenset(("instead of", "rather than", "without", "far from", "in place of"))
_RELATIVE: Final = frozenset(("that", "which"))
_COPULAS: Final = frozenset("is are was were remains remain stays stay".split())
_PRONOUNS: Final = frozenset("he she they it we one".split())
_DETERMINERS: Final = frozenset("the a an this these that his her its their both each neither".split())
_INSIDE: Final = frozenset("of in on at to from with under over around above below beneath between".split())


def bounded(found: list[Sign]) -> list[Sign]:
    """The signs of a sentence, those marked that begin a clause without a mark."""
    for i, sign in enumerate(found):
        if sign.word in _FRONTED and (i == 0 or found[i - 1].has("comma", "and", "break")):
            begins = _subject_after(found, i + 1)
            if begins is not None:
                found[begins].flags = found[begins].flags | {"break"}
        if sign.word in _RELATIVE and i > 0 and found[i - 1].part:
            predicate = _main_predicate(found, i + 1)
            if predicate is not None:
                found[predicate].flags = found[predicate].flags | {"break"}
    return found


def _main_predicate(found: list[Sign], first: int) -> int | None:
    """Where a clause goes on behind a relative one in it: "the lips that have parted *are* stretched"."""
    for i in range(first + 1, len(found)):
        if found[i].has("comma", "and", "or", "break"):
            return None
        before = found[i - 1]
        if found[i].word in _COPULAS and (before.kinds or before.part or before.degree):
            return i if _moves_on(found, i + 1) else None
    return None


def _subject_after(found: list[Sign], first: int) -> int | None:
    """Where the subject of the main clause begins: "without frowning *the jaw* drops".

    What is fronted ends with its movement and with what it moves; what is named behind that, and then moves,
    is a subject.
    """
    moving = parts = False
    for i in range(first, len(found)):
        sign = found[i]
        if sign.has("comma", "and", "or", "break"):
            return None
        subject = sign.word in _PRONOUNS or (sign.word in _DETERMINERS and found[i - 1].word not in _INSIDE)
        told = moving and (parts or sign.word in _PRONOUNS or bool(found[i - 1].acts))
        if subject and told:
            return i if _moves_on(found, i + 1) else None
        moving = moving or bool(sign.kinds or sign.acts)
        parts = parts or sign.part is not None
    return None


def _moves_on(found: list[Sign], first: int) -> bool:
    """Whether a movement is told before the clause ends."""
    for sign in found[first:]:
        if sign.has("comma", "break"):
            return False
        if sign.kinds or sign.acts:
            return True
    return False
