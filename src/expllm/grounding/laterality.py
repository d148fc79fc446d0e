"""Degrees, sides and comparisons of sides, in any wording."""

from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding import cues as strict
from expllm.grounding.chunks import Chunk
from expllm.grounding.claims import DegreeWord
from expllm.grounding.signs import Sign
from expllm.grounding.statements import Statement

_NEAR: Final = 6
"""Words between a movement and how much of it there is."""

_BRIEF: Final = 3
"""Words of a chunk that only says which side of two: "albeit slightly less"."""

_SHORT: Final = 6
"""Words of a chunk that only says how much."""


def settle(signs: list[Sign], chunks: list[Chunk], found: list[Statement], *, interprets: bool) -> None:
    """Gives each statement its degree and its side, and what is said of the other side."""
    for statement in found:
        _degree(signs, chunks, statement, interprets=interprets)
        _side(signs, chunks, statement)
    for statement in found:
        if not _has_sides(statement) and "jaw slide" not in statement.actions:
            statement.side, statement.both, statement.only = None, False, False  # a chin has no sides
    if not found or not any(sign.side or "other" in sign.flags for sign in signs):
        return
    for chunk in chunks:
        _alone(signs, chunk, found)
    for c, _ in enumerate(chunks):
        _compare(signs, chunks, c, found)
        _contrast(signs, chunks, c, found)


def _alone(signs: list[Sign], chunk: Chunk, found: list[Statement]) -> None:
    """ "his left eye closed, and *his left eye alone*"."""
    if chunk.linked or len(chunk.parts) != 1 or not _any(signs, chunk, "only"):
        return
    sides, part = _named(signs, chunk), signs[chunk.parts[0]].part
    for one in found:
        if one.part == part and one.side and sides == {one.side} and not one.negated and not one.both:
            one.only = True


def _span(chunk: Chunk) -> range:
    return range(chunk.first, chunk.last)


def _empty(chunk: Chunk) -> bool:
    return not chunk.linked and not chunk.parts and not chunk.acts


def _degree(signs: list[Sign], chunks: list[Chunk], of: Statement, *, interprets: bool) -> None:
    if of.vague and of.negated:
        of.degree = DegreeWord.MODERATE if of.kind in ("relaxed", "slack") else None
        return
    chunk = chunks[of.chunk]
    if of.part == "act" and of.negated:
        act = min(of.signs)
        if any(signs[k].word in strict.GENUINE for k in range(max(chunk.first, act - 3), act)):
            of.degree = DegreeWord.MARKED  # "without a genuine smile" leaves room for another one
            return
    here = [i for i in _span(chunk) if signs[i].degree and not _of_comparison(signs, chunk, i)]
    turn = next((i for i in range(max(of.signs), chunk.last) if signs[i].has("means")), chunk.last)
    here = [i for i in here if i < turn and min(abs(i - s) for s in of.signs) <= _NEAR]
    if interprets:
        # "strongly conveys", "an intense mood": what stands apart before the movement tells nothing of it.
        here = [i for i in here if i > max(of.signs) or i in of.signs or _leads(signs, i, of)]
    here = [i for i in here if not (i in of.signs and _is_shape(signs[i], of))]
    if here:
        of.degree = signs[min(here, key=lambda i: _apart(signs, i, of))].degree
        return
    if interprets:
        return
    after = [] if _any(signs, chunk, "means") else [of.chunk + 1]
    if after and after[0] + 1 < len(chunks) and chunks[after[0]].supposed_from == chunks[after[0]].first:
        after.append(after[0] + 1)  # "as though on strings, *as high as they can go*"
    for c in (of.chunk - 1, *after):
        if 0 <= c < len(chunks) and (degree := _aside(signs, chunks[c], chunk)):
            of.degree = degree
            return
    if of.chunk > 1:
        of.degree = _fronted(signs, chunks, of.chunk)


_SIZES: Final = frozenset({"wide", "stretch", "small", "puff"})
_SHAPES: Final = frozenset("thin small slim slender shallow".split())


def _is_shape(sign: Sign, of: Statement) -> bool:
    """Whether a word that could say how much is the movement itself: "big eyes", "thin lips"."""
    return sign.word in _SHAPES or (bool(sign.kinds & _SIZES) and of.part != "mouth")


_IS: Final = frozenset("is are was were be becomes seems appears".split())
_SMALL: Final = frozenset("of a an the in his her their its both".split())


def _leads(signs: list[Sign], i: int, of: Statement) -> bool:
    """ "a *mild* horizontal widening", "*hint* of lip rounding": right before the movement."""
    first = min(of.signs)
    return i < first and all(s.kinds or s.side or s.degree or s.word in _SMALL for s in signs[i + 1 : first])


def _apart(signs: list[Sign], i: int, of: Statement) -> tuple[bool, int]:
    """How far a degree is from a movement; "is *noticeable*" only says that it can be seen."""
    shown = signs[i].degree is DegreeWord.MARKED and signs[i - 1].word in _IS and i > 0
    return shown, min(abs(i - s) for s in of.signs)


def _fronted(signs: list[Sign], chunks: list[Chunk], c: int) -> DegreeWord | None:
    """ "*Violently*, as if slammed, the nose ...": how much, before all else."""
    between = chunks[1:c]
    if any(k.parts or k.moves or k.acts for k in between if k.supposed_from is None):
        return None
    return _aside(signs, chunks[0], chunks[c])


def _aside(signs: list[Sign], chunk: Chunk, beside: Chunk) -> DegreeWord | None:
    """How much a short chunk says, if that is all it says: ", *no more than a breath*"."""
    if chunk.parts or chunk.acts or chunk.noes or chunk.last - chunk.first > _SHORT:
        return None
    if any(signs[i].kinds - {"slide", "generic"} for i in _span(chunk)):
        return None
    if _any(signs, beside, "both") and _named(signs, chunk):
        return None  # "both brows are lowered, strongly on the left"
    return next(
        (signs[i].degree for i in _span(chunk) if signs[i].degree and not _of_comparison(signs, chunk, i)),
        None,
    )


def _of_comparison(signs: list[Sign], chunk: Chunk, i: int) -> bool:
    after = signs[i + 1 : i + 2]
    if after and (after[0].has("means") or after[0].word in ("the", "of the", "emotional", "sign", "signs")):
        return True  # "strongly suggest", "notably the brows"
    if i > chunk.first and signs[i - 1].word in ("more", "less", "the more", "most"):
        return True
    if any(signs[k].kinds and signs[k].has("more") for k in range(i + 1, min(i + 2, chunk.last))):
        return _any(signs, chunk, "than") or bool(_named(signs, chunk))  # "a bit broader" compares nothing
    return any(
        signs[k].has("more", "less") and not signs[k].degree for k in range(i + 1, min(i + 3, chunk.last))
    )


def _side(signs: list[Sign], chunks: list[Chunk], of: Statement) -> None:
    chunk = chunks[of.chunk]
    part = next((i for i in of.signs if signs[i].part), None)
    own = part is not None and chunk.first <= part < chunk.last
    near = _before(signs, part) if part is not None else set()
    named = _named(signs, chunk)
    both = _any(signs, chunk, "both")
    sides = (near if own else set()) or named
    if not sides and not both:
        for c in (of.chunk + 1, of.chunk - 1):
            if 0 <= c < len(chunks) and _empty(chunks[c]) and not chunks[c].noes:
                sides |= _named(signs, chunks[c])
                both = both or _any(signs, chunks[c], "both")
                if sides or both:
                    break
    if not sides and not both and part is not None and not own:
        home = next(k for k in chunks if k.first <= part < k.last)
        sides = near or _named(signs, home)
        both = not near and _any(signs, home, "both")
    wink = signs[min(of.signs)].word.startswith("wink")
    if wink and not sides and of.chunk + 1 < len(chunks):
        sides = _named(signs, chunks[of.chunk + 1])
    one = _any(signs, chunk, "one") or _one_part(signs, part)
    around = [k for k in (of.chunk - 1, of.chunk + 1) if 0 <= k < len(chunks) and _empty(chunks[k])]
    only = wink or one or _any(signs, chunk, "only") or any(_any(signs, chunks[k], "only") for k in around)
    if part is not None and not own:
        home = next(k for k in chunks if k.first <= part < k.last)
        only = only or (not home.linked and _any(signs, home, "only"))
    if not sides and not both:
        sides = _opening(signs, chunks, of.chunk)
    if len(sides) == 1 and (near or only or not both):
        of.side = next(iter(sides))
    elif not only and (len(sides) == 2 or both):
        of.both = True
    only = only and not (
        _any(signs, chunk, "means") and not one and not wink
    )  # "only the left brow suggests ..."
    of.only = only and (of.side is not None or one or wink)
    if part is None and not of.side and not of.both:
        home = chunks[max(of.chunk - 1, 0)]
        if home.parts and len(_named(signs, home)) == 1 and _any(signs, chunk, "only"):
            of.side, of.only = next(iter(_named(signs, home))), True


def _opening(signs: list[Sign], chunks: list[Chunk], c: int) -> set[Side]:
    """The side that a sentence opens with, before all statements: "pull *on the left*, closing the eye"."""
    found: set[Side] = set()
    for chunk in chunks[:c]:
        if chunk.linked or chunk.parts or chunk.acts or chunk.noes:
            break
        found |= _named(signs, chunk)
    return found


def _one_part(signs: list[Sign], part: int | None) -> bool:
    """ "*one* brow", but not "one of the most" or "one lip on the other"."""
    if part is None or signs[part].part in ("lips", "mouth", "jaw", "nose", "chin"):
        return False
    return any(signs[k].word == "one" for k in range(max(0, part - 2), part))


def _before(signs: list[Sign], part: int) -> set[Side]:
    """The side that stands right before a part: "the *left* lower lid"."""
    for i in range(part - 1, max(-1, part - 4), -1):
        side = signs[i].side
        if side:
            return {side}
        if signs[i].part or signs[i].has("comma", "and", "or"):
            break
    return set()


def _named(signs: list[Sign], chunk: Chunk) -> set[Side]:
    return {side for i in _span(chunk) if (side := signs[i].side)}


def _any(signs: list[Sign], chunk: Chunk, *flags: str) -> bool:
    return any(signs[i].has(*flags) for i in _span(chunk))


def _compare(signs: list[Sign], chunks: list[Chunk], c: int, found: list[Statement]) -> None:
    """ "more on the right than on the left", "the left leading": both sides move, one of them more."""
    chunk = chunks[c]
    meant = next((i for i in _span(chunk) if signs[i].has("means")), chunk.last)
    cues = [i for i in _span(chunk) if signs[i].has("more", "less") and i <= meant]
    if cues and signs[cues[0]].word in _CHIEFLY and chunk.linked and not _placed_side(signs, chunk):
        return  # "carried mainly by the raised left brow"
    idle = any(signs[i].kinds & {"still", "calm", "relaxed"} for i in chunk.moves)
    if not cues or idle or (chunk.supposed_from is not None and chunk.supposed_from <= cues[0]):
        return
    cue = cues[0]
    if signs[cue].word == "lower" and signs[cue - 1].degree and not _any(signs, chunk, "than"):
        return  # "the right is slightly lower" may say how much it is lowered
    of = [s for s in found if s.chunk == c] or [s for s in found if s.chunk < c][-1:] or found[:1]
    narrower = bool(signs[cue].kinds & {"small", "close", "narrow"}) and any(
        "eye close" in s.actions for s in of
    )
    less = signs[cue].has("less") and not narrower
    sides = [i for i in _span(chunk) if signs[i].side]
    thans = [i for i in range(cue, chunk.last) if signs[i].has("than")]
    than = next((i for i in thans if signs[i].word == "than"), thans[0] if thans else None)
    if not sides and c > 0 and _empty(chunks[c - 1]):
        sides = [i for i in _span(chunks[c - 1]) if signs[i].side][:1]
    brief = not chunk.parts and not chunk.noes and (bool(chunk.moves) or chunk.last - chunk.first <= _BRIEF)
    if not sides and than is None and c > 0 and brief and chunk.opened in ("and", "comma"):
        last = next((s for s in reversed(found) if s.chunk == c - 1 and s.side and not s.both), None)
        if last and not last.negated:  # "has closed, and closed *further*"
            last.side, last.both, last.only = (
                (last.side.other if less and last.side else last.side),
                True,
                False,
            )
            return
    counted = c + 1 < len(chunks) and _any(signs, chunks[c + 1], "number")
    if not sides and than is None and c + 1 < len(chunks) and _empty(chunks[c + 1]) and not counted:
        sides = [i for i in _span(chunks[c + 1]) if signs[i].side][:1]
    after = [i for i in sides if than is not None and i > than]
    before = [i for i in sides if than is None or i < than]
    if after:
        reference = signs[after[0]].side
        winner = reference if less else reference and reference.other
    elif before:
        ahead = [i for i in before if i < cue] if signs[cue].word in _OUTDO else []
        subject = signs[min(ahead or before, key=lambda i: abs(i - cue))].side
        winner = subject and subject.other if less else subject
    else:
        return
    for statement in of:
        if not statement.negated and _has_sides(statement):
            statement.side, statement.both, statement.only = winner, True, False


_OUTDO: Final = frozenset(
    "exceeds exceed exceeding exceeded outdoes outdid outdo outstrips outstripped outpaces outpaced "
    "surpasses surpassing surpassed outruns outweighs beats leads overtakes outdistances outshines outranks "
    "outmatches outreaches outclimbs tops bests dominates trails lags".split()
)
"""What stands before one of these is compared with what stands after it."""

_CHIEFLY: Final = frozenset(
    ("mainly", "chiefly", "primarily", "predominantly", "especially", "particularly", "notably", "above all")
)


def _placed_side(signs: list[Sign], chunk: Chunk) -> bool:
    """ "mainly *on the left*", "particularly *in the left* eye"."""
    return any(
        signs[i].side
        and any(signs[k].word in ("on", "to", "in", "at") for k in range(max(chunk.first, i - 2), i))
        for i in _span(chunk)
    )


def _has_sides(of: Statement) -> bool:
    return any(action.removeprefix("outside:") in SIDED for action in of.actions)


SIDED = frozenset(
    {
        "eye close", "lid raise", "brow lower", "brow raise", "lip corner pull", "lip corner stretch",
        "lip corner depressor", "dimpler", "cheek raiser", "lid tightener",
    }
)  # fmt: skip


def _contrast(signs: list[Sign], chunks: list[Chunk], c: int, found: list[Statement]) -> None:
    """ "while the left does not", "its fellow idles": nothing moves on the other side."""
    chunk = chunks[c]
    if any(s.chunk == c and not s.negated for s in found):
        return
    idle = bool(chunk.noes) or any(
        signs[i].kinds & {"still", "calm", "relaxed", "level", "smooth", "open"} for i in chunk.moves
    )
    if not idle:
        return
    sides = _named(signs, chunk)
    if not sides and c > 0 and _empty(chunks[c - 1]):
        sides = _named(signs, chunks[c - 1])
    other = _any(signs, chunk, "other")
    told = [s for s in found if s.chunk != c and not s.negated and not s.both and _has_sides(s)]
    told = [s for s in told if s.chunk < c][-1:] or told[:1]
    for last in told:
        if (last.side and sides == {last.side.other}) or (other and not sides):
            last.only = True
            same = last.actions if other and not sides else ()
            found[:] = [
                s for s in found if s.chunk != c or not s.negated or not (s.vague or s.actions == same)
            ]
