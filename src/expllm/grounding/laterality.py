"""Degrees and sides, in any wording."""

from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding import cues as strict
from expllm.grounding.chunks import Chunk
from expllm.grounding.claims import DegreeWord
from expllm.grounding.comparisons import (
    BRIEF_CHUNK,
    empty,
    flagged,
    has_sides,
    named_sides,
    read_comparison,
    span,
)
from expllm.grounding.signs import Sign
from expllm.grounding.statements import Statement

_NEAR: Final = 6
"""Words between a movement and how much of it there is."""

_SHORT: Final = 6
"""Words of a chunk that only says how much."""


def settle_sides(signs: list[Sign], chunks: list[Chunk], found: list[Statement], *, interprets: bool) -> None:
    """Gives each statement its degree and its side, and what is said of the other side."""
    for statement in found:
        _degree(signs, chunks, statement, interprets=interprets)
        _side(signs, chunks, statement)
    for statement in found:
        if not has_sides(statement) and "jaw slide" not in statement.actions:
            statement.side, statement.both, statement.only = None, False, False  # a chin has no sides
    if not found or not any(sign.side or "other" in sign.flags for sign in signs):
        return
    for chunk in chunks:
        _alone(signs, chunk, found)
    for c, _ in enumerate(chunks):
        read_comparison(signs, chunks, c, found)
        _contrast(signs, chunks, c, found)


def _alone(signs: list[Sign], chunk: Chunk, found: list[Statement]) -> None:
    """ "his left eye closed, and *his left eye alone*"."""
    if chunk.linked or not flagged(signs, chunk, "only"):
        return
    if empty(chunk) and len(named_sides(signs, chunk)) == 1 and not chunk.noes:
        last = next((s for s in reversed(found) if max(s.signs) < chunk.first), None)
        side = next(iter(named_sides(signs, chunk)))
        if last and not last.negated and last.side in (None, side) and not last.both and has_sides(last):
            last.side, last.only = side, True  # "and it was there *on the left only*"
        return
    if len(chunk.parts) != 1:
        return
    sides, part = named_sides(signs, chunk), signs[chunk.parts[0]].part
    for one in found:
        if one.part == part and one.side and sides == {one.side} and not one.negated and not one.both:
            one.only = True


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
    here = [i for i in span(chunk) if signs[i].degree and not _of_comparison(signs, chunk, i)]
    turn = next((i for i in range(max(of.signs), chunk.last) if signs[i].has("means")), chunk.last)
    here = [i for i in here if not any(s.word == "without" for s in signs[max(0, i - 3) : i])]
    here = [i for i in here if i < turn and min(abs(i - s) for s in of.signs) <= _NEAR]
    if interprets:
        # "strongly conveys", "an intense mood": what stands apart before the movement tells nothing of it.
        here = [i for i in here if i > max(of.signs) or i in of.signs or _leads(signs, i, of)]
    here = [i for i in here if not (i in of.signs and _is_shape(signs, i, of))]
    here = [i for i in here if not _of_another(signs, i, of)]
    if here:
        ranged = any(i + 2 in here and signs[i + 1].word == "to" for i in here)
        # "Both lips are *slightly to strongly* drawn in": which of them is which is not said.
        unsaid = ranged and not {*of.actions}.isdisjoint(("upper lip suck", "lower lip suck"))
        nearest = min(here, key=lambda i: _apart(signs, i, of))
        of.degree = None if unsaid else signs[nearest].degree
        return
    if interprets:
        return
    after = [] if flagged(signs, chunk, "means") else [of.chunk + 1]
    if after and after[0] + 1 < len(chunks) and chunks[after[0]].supposed_from == chunks[after[0]].first:
        after.append(after[0] + 1)  # "as though on strings, *as high as they can go*"
    if of.negated:
        return
    # "Up *a little*, and the jaw drops", but "an *intense*, one-sided closure".
    told = of.chunk > 1 and chunks[of.chunk - 2].linked and chunk.parts and chunk.opened != "comma"
    for c in (*([] if told else [of.chunk - 1]), *after):
        if 0 <= c < len(chunks) and (degree := _aside(signs, chunks[c], chunk)):
            of.degree = degree
            return
    if of.chunk > 1:
        of.degree = _fronted(signs, chunks, of.chunk)


def _of_another(signs: list[Sign], i: int, of: Statement) -> bool:
    """ "The smile is softened by *slightly* lowered brows": how much of what comes next."""
    one, two = [*signs[i + 1 : i + 3], Sign("", 0, 0), Sign("", 0, 0)][:2]
    next_one = bool(one.acts) or (bool(one.kinds) and two.part is not None)
    return i > max(of.signs) and next_one and of.signs.isdisjoint((i, i + 1, i + 2))


_SIZES: Final = frozenset({"wide", "stretch", "small", "puff"})
_SHAPES: Final = frozenset("thin small slim slender shallow".split())


def _is_shape(signs: list[Sign], i: int, of: Statement) -> bool:
    """Whether a word that could say how much is the movement itself: "big eyes", "thin lips"."""
    sign = signs[i]
    if sign.word.startswith(("so ", "as ")):
        return False  # "opens her eyes *so wide*"
    if sign.word in ("clamped", "crushed"):
        return True
    if sign.word in _VERBS and not any(signs[k].kinds and not signs[k].part for k in of.signs - {i}):
        return True  # "clamped" and "made hard" are all that is said
    return sign.word in _SHAPES or (bool(sign.kinds & _SIZES) and of.part != "mouth")


_VERBS: Final = frozenset("hard firm tight".split())
"""Words of movement that say how much only beside another movement."""

_IS: Final = frozenset("is are was were be becomes seems appears".split())
_SMALL: Final = frozenset("of a an the in his her their its both".split())


def _leads(signs: list[Sign], i: int, of: Statement) -> bool:
    """ "a *mild* horizontal widening", "the brow shows a *minimal* lift": right before the movement."""
    first = min((k for k in of.signs if k > i), default=i)
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
    if signs[chunk.first].word in ("until", "till") and signs[chunk.first].degree:
        return signs[chunk.first].degree
    supposed = chunk.supposed_from is not None  # "as though by a *thread*"
    if supposed or chunk.parts or chunk.acts or chunk.noes or chunk.last - chunk.first > _SHORT:
        return None
    if signs[chunk.first].word == "that" and chunk.last - chunk.first > BRIEF_CHUNK:
        return None  # "a gesture *that readers will associate with restraint*"
    if any(signs[i].kinds - {"slide", "generic"} for i in span(chunk)):
        return None
    if flagged(signs, beside, "both") and named_sides(signs, chunk):
        return None  # "both brows are lowered, strongly on the left"
    return next(
        (signs[i].degree for i in span(chunk) if signs[i].degree and not _of_comparison(signs, chunk, i)),
        None,
    )


def _of_comparison(signs: list[Sign], chunk: Chunk, i: int) -> bool:
    after = signs[i + 1 : i + 2]
    beside = any(s.side or s.has("other") for s in signs[i + 1 : i + 4])
    limit = signs[i].word.startswith("as ") and not beside  # "as far as the jaw will drop"
    if (
        after
        and not limit
        and (after[0].has("means") or after[0].word in ("the", "of the", "emotional", "sign", "signs"))
    ):
        return True  # "strongly suggest", "notably the brows"
    if after and after[0].word == "that" and i > chunk.first and signs[i - 1].word in _IS:
        return not signs[i].word.startswith("so ")  # "it is *clear* that"
    if i > chunk.first and signs[i - 1].word in ("more", "less", "the more", "most"):
        return True
    if any(signs[k].kinds and signs[k].has("more") for k in range(i + 1, min(i + 2, chunk.last))):
        return flagged(signs, chunk, "than") or bool(
            named_sides(signs, chunk)
        )  # "a bit broader" compares nothing
    return any(
        signs[k].has("more", "less") and not signs[k].degree for k in range(i + 1, min(i + 3, chunk.last))
    )


def _side(signs: list[Sign], chunks: list[Chunk], of: Statement) -> None:
    chunk = chunks[of.chunk]
    if coded := next((side for i in of.signs if signs[i].acts and (side := signs[i].side)), None):
        of.side = coded  # "R4"
        return
    part = next((i for i in of.signs if signs[i].part), None)
    own = part is not None and chunk.first <= part < chunk.last
    near = _before(signs, part) if part is not None else set()
    told = named_sides(signs, chunk)
    both = flagged(signs, chunk, "both")
    sides = (near if own else set()) or told
    sides = sides or (set() if both else _opposite(signs, chunk))
    if not sides and not both:
        for c in (of.chunk + 1, of.chunk - 1):
            quoted = 0 <= c < len(chunks) and flagged(signs, chunks[c], "number")  # "(0.198 left, 0.206 "
            "right)"
            if 0 <= c < len(chunks) and empty(chunks[c]) and not chunks[c].noes and not quoted:
                sides |= named_sides(signs, chunks[c])
                both = both or flagged(signs, chunks[c], "both")
                if sides or both:
                    break
    if not sides and not both and part is not None and not own:
        home = next(k for k in chunks if k.first <= part < k.last)
        sides = near or named_sides(signs, home)
        both = not near and flagged(signs, home, "both")
    wink = signs[min(of.signs)].word.startswith("wink")
    sides = sides or (_winking(signs, chunks, of.chunk) if wink else set())
    one = flagged(signs, chunk, "one") or _one_part(signs, part)
    around = [k for k in (of.chunk - 1, of.chunk + 1) if 0 <= k < len(chunks) and empty(chunks[k])]
    only = (
        wink or one or flagged(signs, chunk, "only") or any(flagged(signs, chunks[k], "only") for k in around)
    )
    if part is not None and not own:
        home = next(k for k in chunks if k.first <= part < k.last)
        only = only or (not home.linked and flagged(signs, home, "only"))
    if not sides and not both:
        sides = _opening(signs, chunks, of.chunk)
    if len(sides) == 1 and (near or only or not both):
        of.side = next(iter(sides))
    elif not only and (len(sides) == 2 or both):
        of.both = True
    only = only and not (
        flagged(signs, chunk, "means") and not one and not wink
    )  # "only the left brow suggests ..."
    of.only = only and (of.side is not None or one or wink)
    if part is None and not of.side and not of.both:
        home = chunks[max(of.chunk - 1, 0)]
        if home.parts and len(named_sides(signs, home)) == 1 and flagged(signs, chunk, "only"):
            of.side, of.only = next(iter(named_sides(signs, home))), True


def _opposite(signs: list[Sign], chunk: Chunk) -> set[Side]:
    """The side that "the other" is, where it leads a clause: of the two, the one that was not named last."""
    other = next((i for i in span(chunk) if signs[i].has("other")), None)
    before = signs[chunk.first : other]
    if other is None or (signs[other + 1 : other + 2] and signs[other + 1].word == "of"):
        return set()  # "a likely *companion of* a smile"
    if any(sign.has("place", "more", "less", "than") or sign.kinds for sign in before):
        return set()  # "above the other"
    named = next((sign.side for sign in reversed(signs[: chunk.first]) if sign.side), None)
    return {named.other} if named else set()


def _winking(signs: list[Sign], chunks: list[Chunk], c: int) -> set[Side]:
    """ "it is only *with the right eye* that he winks": the side that a chunk beside it names."""
    beside = [chunks[k] for k in (c + 1, c - 1) if 0 <= k < len(chunks)]
    return next((sides for chunk in beside if (sides := named_sides(signs, chunk))), set())


def _opening(signs: list[Sign], chunks: list[Chunk], c: int) -> set[Side]:
    """The side that a sentence opens with, before all statements: "pull *on the left*, closing the eye"."""
    found: set[Side] = set()
    for chunk in chunks[:c]:
        if chunk.linked or chunk.parts or chunk.acts or chunk.noes:
            break
        found |= named_sides(signs, chunk)
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


_EASY: Final = frozenset(("neutral", "relaxed", "soft", "easy"))
"""Words of rest that leave room for some movement."""


def _contrast(signs: list[Sign], chunks: list[Chunk], c: int, found: list[Statement]) -> None:
    """ "while the left does not", "its fellow idles": nothing moves on the other side."""
    chunk = chunks[c]
    if any(s.chunk == c and not s.negated for s in found):
        return
    other = flagged(signs, chunk, "other")
    if other and any(s.chunk < c and s.only and not s.side for s in found):
        # "one brow rises; the other is relaxed": whichever it is, that much is said by "one"
        found[:] = [s for s in found if s.chunk != c or not s.vague or s.side]
    idle = bool(chunk.noes) or any(
        signs[i].kinds & {"still", "calm", "relaxed", "level", "smooth", "open"}
        and signs[i].word not in _EASY
        for i in chunk.moves
    )
    if not idle:
        return
    sides = named_sides(signs, chunk)
    if not sides and c > 0 and empty(chunks[c - 1]) and not flagged(signs, chunks[c - 1], "number"):
        sides = named_sides(signs, chunks[c - 1])
    told = [s for s in found if s.chunk != c and not s.negated and not s.both and has_sides(s)]
    told = [s for s in told if s.chunk < c][-1:] or told[:1]
    for last in told:
        if (last.side and sides == {last.side.other}) or (other and not sides):
            last.only = True
            same = last.actions if other and not sides else ()
            found[:] = [
                s for s in found if s.chunk != c or not s.negated or not (s.vague or s.actions == same)
            ]
