"""Shapes of the cheeks and beside the mouth: small pits there are dimples, what swells upward is raised."""

import re
from typing import Final

from expllm.grounding.signs import Sign

_PIT: Final = re.compile(r"(?:.* )?(pits?|holes?|dents?|hollows?|indentations?|depressions?|dips)")
_BESIDE: Final = frozenset(
    ("beside", "near", "next", "by", "alongside", "adjacent", "lateral", "laterally", "around", "close to")
)
_AT: Final = frozenset(("at", "in", "into", "flank", "flanks", "mark", "marks", "flanking", "marking", "dot"))
_DRAWN: Final = frozenset("sink sinks sank sunk sinking fall falls fell form forms dip dips".split())
_SIZES: Final = frozenset(("small", "little", "a little", "tiny"))
_INTO: Final = 4
"""Signs from a verb to the pits that something sinks into."""
_NEAR: Final = 7
"""Signs from a pit to the part that it lies beside."""
_DIMPLED: Final = frozenset({"dimple", "inward"})

_SWELLING: Final = re.compile(r"(?:puff|swell|swoll|bulg|round|plump|fat|big|expand)")
_AIR: Final = re.compile(
    r"(?:.* )?(?:air|breath|wind|balloon\w*|inflat\w+|puff\w*|blow\w*|blew|outwards?|hamster|chipmunk|"
    r"globes?|sails?)"
)
_UPWARD: Final = re.compile(r"(?:to|towards?) the eyes?|upwards?|mounds?|apples?|higher|high|north\w*")
_UNDER: Final = frozenset(("under", "beneath", "below", "toward", "towards", "against", "into", "up to"))
_EYES: Final = frozenset(("eyes", "lids", "lower lids", "under eyes"))
_CROWDS: Final = re.compile(r"crowd|push|press|squeez|narrow")
_LIFTED: Final = frozenset({"up"})


def settle_shapes(found: list[Sign]) -> list[Sign]:
    """The signs of a sentence, its pits and swellings settled."""
    for i, sign in enumerate(found):
        if (pit := _PIT.fullmatch(sign.word)) and _lies_beside_mouth(found, i, pit[1]):
            sign.kinds, sign.degree, sign.flags = _DIMPLED, None, sign.flags - {"more"}
            for earlier in found[max(0, i - _INTO) : i]:
                if earlier.word in _SIZES:
                    earlier.degree = None
                if earlier.word in _DRAWN or earlier.word.startswith("hollow"):
                    earlier.kinds = frozenset()
        if "puff" in sign.kinds and _SWELLING.match(sign.word):
            _settle_swelling(found, i)
    return found


def _clause(found: list[Sign], i: int) -> range:
    """The signs between the marks around one; "and" goes on where it joins a movement: "swell *and rise*"."""
    first = next((k + 1 for k in range(i, -1, -1) if _parts_clauses(found, k)), 0)
    last = next((k for k in range(i + 1, len(found)) if _parts_clauses(found, k)), len(found))
    return range(first, last)


def _parts_clauses(found: list[Sign], k: int) -> bool:
    after = found[k + 1] if k + 1 < len(found) else None
    if found[k].has("and"):
        return after is None or not after.kinds or after.part is not None
    return found[k].has("comma", "or") or (found[k].has("break") and found[k].word != "with")


def _lies_beside_mouth(found: list[Sign], i: int, noun: str) -> bool:
    """ "a small *hole* beside the mouth corner", "*pits* in the cheeks", but no depression of them."""
    if i + 1 < len(found) and found[i + 1].word == "of":
        return False
    clause = _clause(found, i)
    if any(found[k].part in ("corners", "mouth") and found[k - 1].word == "into" for k in clause):
        return False
    for k in clause:
        part = found[k].part
        if part not in ("corners", "mouth", "cheeks") or abs(k - i) > _NEAR:
            continue
        places = {sign.word for sign in found[max(clause.start, k - 4) : k]}
        drawn = part == "corners" and k < i and found[i - 1].word in ("into", "small", "little", "tiny")
        if drawn and any(sign.word == "into" for sign in found[k:i]):
            return True  # "the corners sink *into small pits*"
        if part == "cheeks":
            beside = not places.isdisjoint(("in", "into"))
        else:
            beside = not places.isdisjoint(_BESIDE) or (noun != "depression" and not places.isdisjoint(_AT))
        if beside:
            return True
    return False


def _settle_swelling(found: list[Sign], i: int) -> None:
    """ "the cheeks *swell* upward", "*bulge* under the eyes" lifts them, "with air" does not."""
    sign, clause = found[i], _clause(found, i)
    before = found[clause.start - 2].part if clause.start > 1 else None  # "the cheeks, *swollen* upward, ..."
    if before != "cheeks" and not any(found[k].part == "cheeks" for k in clause):
        return
    if any(_AIR.fullmatch(found[k].word) for k in clause if k != i):
        for k in clause:
            if found[k].part == "under eyes":
                found[k].part = None  # where, and no part that swells
        return
    plumped = sign.word.startswith("plump") and [one.word for one in found[i + 1 : i + 2]] == ["up"]
    if sign.word.startswith("puff"):
        lifted = any(_UPWARD.fullmatch(found[k].word) for k in clause)
    else:
        lifted = any(_lifts(found, clause, k) for k in clause if k != i) or _crowds(found, clause)
    if plumped or lifted:
        sign.kinds = _LIFTED


def _lifts(found: list[Sign], clause: range, k: int) -> bool:
    """Whether a word says that cheeks swell upward; "swell up" alone does not."""
    sign = found[k]
    if sign.part in _EYES:
        around = {one.word for one in found[max(clause.start, k - 3) : k]}
        return sign.part == "under eyes" or not around.isdisjoint(_UNDER)
    return bool(_UPWARD.fullmatch(sign.word)) or ("up" in sign.kinds and sign.word != "up")


def _crowds(found: list[Sign], clause: range) -> bool:
    """ "the cheeks swell, *crowding the lower lids*"."""
    after = found[clause.stop + 1 : clause.stop + 5]
    return bool(after) and bool(_CROWDS.match(after[0].word)) and any(s.part in _EYES for s in after)
