"""Words of time, place and manner that look like a degree, a side or a movement: "very quickly"."""

import re
from typing import Final

from expllm.grounding.claims import DegreeWord
from expllm.grounding.signs import Sign

_NONE: Final[frozenset[str]] = frozenset()
_END: Final = Sign("", 0, 0, flags=frozenset({"comma"}))

_TIMES: Final = frozenset(
    "quickly slowly briefly suddenly late early soon often fast rarely seldom gradually abruptly rapidly "
    "swiftly promptly recently frequently shortly earlier later sooner while second seconds minute minutes "
    "moment time times likely unlikely possibly probably similar start beginning end ending outset first "
    "last same attention long brief quick sudden slow rapid".split()
)
"""What a word of degree before it says how much of, in place of a movement."""
_STEPS: Final = frozenset(("too", "a", "an", "of", "the", "some", "of the", "way"))
_LITTLE: Final = 3
"""Words between a degree and the time that it measures."""
_LAPSES: Final = frozenset("well long shortly just little half".split()) | {"a little", "a bit", "a good"}
_BEFORE: Final = frozenset(("before", "after", "into"))
_VERY: Final = frozenset("very quite rather really extremely pretty fairly so too most".split())

_RIGHTLY: Final = frozenset(
    "after before away now then up down off through there here from along out back across when until beneath "
    "above under below over between into as".split()
)
"""What follows "right" where it means "just": "right after"."""
_MOMENTS: Final = frozenset(
    "moment time angle light direction place word answer amount mood kind sort way conditions".split()
)
_DETERMINERS: Final = frozenset(
    "the a his her its their this that on to of and or my our subject only".split()
)
_BEING: Final = frozenset("is are was were be been being remains remain".split())
_REST: Final = frozenset("nothing little much anything something what none any".split())
_SELVES: Final = frozenset("themselves itself himself herself".split())
_PICTURES: Final = frozenset(
    "picture pictures photograph photographs photo photos image images frame frames panel panels page pages "
    "column portrait portraits drawing painting video".split()
)

_FALLS: Final = re.compile(
    r"f[ae]ll(?:s|ing|en)?|s[iau]nk(?:s|ing|en)?|drop\w*|settl\w+|slid\w*|slip\w*|relax\w*"
)
_RETURNS: Final = re.compile(r"return(?:s|ed|ing)?|back|again")
_RESTING: Final = frozenset("still calm relaxed slack level smooth generic show".split())
_OPEN_AT_ALL: Final = re.compile(
    r"(?:fully|full|completely|complete|entirely|wholly|totally|very|hard|total)"
)
_AS_MUCH_AS: Final = re.compile(r"as \w+(?: \w+)? as")
_ABLE: Final = frozenset("will can could would may might allows allow permits".split())
_FAR: Final = 4
"""Signs between words that belong together, at most."""


def settle_asides(found: list[Sign]) -> frozenset[int]:
    """Takes from words of time, place and manner the degree or side that they do not tell.

    Returns:
        Where in the text these words begin.
    """
    idle: set[int] = set()
    for i, sign in enumerate(found):
        if sign.degree and _of_time(found, i):
            sign.degree = None
            idle.add(sign.start)
        sides = sign.word in ("left", "right") and (_just(found, i) or _leaves(found, i))
        if sign.side and (sides or _of_picture(found, i)):
            sign.side, sign.kinds = None, _NONE
            idle.add(sign.start)
        if sign.degree and _AS_MUCH_AS.fullmatch(sign.word) and _compares_parts(found, i):
            sign.degree, sign.flags = None, sign.flags | {"break"}
        fixed = sign.word == "fixed" and _at(found, i + 1).word in ("on", "upon")  # a gaze
        if fixed or (sign.kinds and _comes_back(found, i)):
            sign.kinds = _NONE
        if "open" in sign.kinds and _to_the_limit(found, i):
            sign.kinds = frozenset({"wide"})
    return frozenset(idle)


def _at(found: list[Sign], i: int) -> Sign:
    return found[i] if 0 <= i < len(found) else _END


def _of_time(found: list[Sign], i: int) -> bool:
    """ "*very* quickly", "*half* of the time", "*well* before": how long or how sure, and not how much."""
    word = found[i].word
    for k in range(i + 1, i + 1 + _LITTLE):
        sign = _at(found, k)
        if sign.word in _TIMES:
            return True
        if sign.word not in _STEPS:
            break
    after = _at(found, i + 1)
    manner = after.word.endswith("ly") and not (after.degree or after.kinds or after.flags or after.side)
    return (word in _VERY and manner) or (word in (*_LAPSES, "deep") and after.word in _BEFORE)


def _just(found: list[Sign], i: int) -> bool:
    """ "*right* after", "*right* at the start", "the *right* moment"."""
    if found[i].word != "right":
        return False
    before, after, later = _at(found, i - 1), _at(found, i + 1), _at(found, i + 2)
    if after.word in _MOMENTS:
        return True
    if before.word in _DETERMINERS or before.side:
        return False
    return after.word.split(" ")[0] in _RIGHTLY or (after.word in ("at", "in", "on") and later.word == "the")


def _leaves(found: list[Sign], i: int) -> bool:
    """ "the lips are *left* parted" (or *right* open), "what is *left* of it", "*left* to itself"."""
    before, after = _at(found, i - 1), _at(found, i + 1)
    if after.word == "to" and _at(found, i + 2).word in _SELVES:
        return True
    if before.word in _REST and (after.word == "of" or after.has("comma")):
        return True
    compared = after.part is not None or after.side or after.has("more", "less", "only", "than", "and", "or")
    ends = after.has("comma") and any(sign.word in ("side", "one", "dominant") for sign in found[:i])
    return before.word.split(" ")[-1] in _BEING and not compared and not ends


def _of_picture(found: list[Sign], i: int) -> bool:
    """ "the picture on the *left*", "the *right hand* page": a side of no face."""
    if _at(found, i + 1).word in _PICTURES:
        return True
    placed = _at(found, i - 1).word == "the" and _at(found, i - 2).word in ("on", "to", "at")
    return (placed and _at(found, i - 3).word in _PICTURES) or (
        _at(found, i - 1).word in ("on the", "to the") and _at(found, i - 2).word in _PICTURES
    )


def _compares_parts(found: list[Sign], i: int) -> bool:
    """ "raised *as strongly as* the jaw is dropped": two parts that move."""
    clause = found[i + 1 : i + 1 + _FAR + 2]
    part = next((k for k, sign in enumerate(clause) if sign.part), None)
    if part is None or any(sign.word in _ABLE for sign in clause):
        return False  # "as far as the jaw *will* drop"
    if not any(sign.part not in (None, clause[part].part) for sign in found[:i]):
        return False
    return any(sign.kinds - _RESTING and not sign.part for sign in clause[part + 1 :])


def _comes_back(found: list[Sign], i: int) -> bool:
    """ "rise, then *fall* back", "and return to *rest*": the way back of what was told."""
    moved = any(sign.kinds - _RESTING - {"down"} for sign in found[:i])
    if not moved or any(sign.part for sign in found[i + 1 : i + 3]):
        return False
    if _FALLS.fullmatch(found[i].word):
        return _at(found, i + 1).word == "back"
    if found[i].word == "back":
        return bool(_FALLS.fullmatch(_at(found, i - 1).word))
    near = found[max(0, i - _FAR) : i]
    return bool(found[i].kinds & {"still", "calm"}) and any(_RETURNS.fullmatch(sign.word) for sign in near)


def _to_the_limit(found: list[Sign], i: int) -> bool:
    """ "the eyes are *opened* to the maximum": widened, while "fully open" eyes are only not closed."""
    lids = any(sign.part in ("eyes", "lids", "upper lids") for sign in found[max(0, i - _FAR) : i])
    after = next(
        (sign for sign in found[i + 1 : i + 1 + _FAR] if sign.degree or sign.has("comma", "and")), _END
    )
    return lids and after.degree is DegreeWord.STRONG and not _OPEN_AT_ALL.fullmatch(after.word)
