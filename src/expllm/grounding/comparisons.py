"""Comparisons of the two sides: "more on the right than on the left", "the left leading"."""

from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding.chunks import Chunk
from expllm.grounding.signs import Sign
from expllm.grounding.statements import Statement

BRIEF_CHUNK: Final = 3
"""Words of a chunk that only says which side of two: "albeit slightly less"."""


def span(chunk: Chunk) -> range:
    return range(chunk.first, chunk.last)


def empty(chunk: Chunk) -> bool:
    return not chunk.linked and not chunk.parts and not chunk.acts


def named_sides(signs: list[Sign], chunk: Chunk) -> set[Side]:
    return {side for i in span(chunk) if (side := signs[i].side)}


def flagged(signs: list[Sign], chunk: Chunk, *flags: str) -> bool:
    return any(signs[i].has(*flags) for i in span(chunk))


def has_sides(of: Statement) -> bool:
    return any(action.removeprefix("outside:") in SIDED for action in of.actions)


SIDED = frozenset(
    {
        "eye close", "lid raise", "brow lower", "brow raise", "lip corner pull", "lip corner stretch",
        "lip corner depressor", "dimpler", "cheek raiser", "lid tightener",
    }
)  # fmt: skip


def read_comparison(signs: list[Sign], chunks: list[Chunk], c: int, found: list[Statement]) -> None:
    """ "more on the right than on the left", "the left leading": both sides move, one of them more."""
    chunk = chunks[c]
    meant = next((i for i in span(chunk) if signs[i].has("means")), chunk.last)
    cue = next((i for i in span(chunk) if signs[i].has("more", "less") and i <= meant), None)
    if cue is None:
        _place_sides(signs, chunks, c, found)
        return
    if not _compares(signs, chunk, cue):
        return
    of = [s for s in found if s.chunk == c] or [s for s in found if s.chunk < c][-1:] or found[:1]
    narrower = bool(signs[cue].kinds & {"small", "close", "narrow"}) and any(
        "eye close" in s.actions for s in of
    )
    less = signs[cue].has("less") and not narrower
    than = _reference(signs, chunk, cue)
    sides = [i for i in span(chunk) if signs[i].side]
    if not sides and c > 0 and empty(chunks[c - 1]):
        sides = [i for i in span(chunks[c - 1]) if signs[i].side][:1]
    if not sides and than is None:
        if _goes_further(chunks, c, found, less=less):
            return
        sides = _named_next(signs, chunks, c)
    winner = _winner(signs, cue, than, sides, less=less)
    for statement in of if winner else ():
        if not statement.negated and has_sides(statement):
            statement.side, statement.both, statement.only = winner, True, False


def _compares(signs: list[Sign], chunk: Chunk, cue: int) -> bool:
    """Whether a word such as "more" or "mainly" compares two sides of what moves."""
    if signs[cue].word in _CHIEFLY and not _placed_side(signs, chunk):
        side = next((i for i in range(cue, chunk.last) if signs[i].side), cue)
        if chunk.linked or any(signs[i].kinds for i in range(cue + 1, side)):
            return False  # "carried mainly by the raised left brow", "mainly the *raised* left brow"
    paired = any(one.side or one.part or one.has("other") for one in signs[cue + 1 : cue + 5])
    if signs[cue].word.startswith("outweigh") and not paired:
        return False  # "the lifted left brow, without *outweighing* sadness"
    idle = any(signs[i].kinds & {"still", "calm", "relaxed"} for i in chunk.moves)
    if idle or (chunk.supposed_from is not None and chunk.supposed_from <= cue):
        return False
    # "the right is slightly lower" may say how much it is lowered
    return not (signs[cue].word == "lower" and signs[cue - 1].degree and not flagged(signs, chunk, "than"))


def _reference(signs: list[Sign], chunk: Chunk, cue: int) -> int | None:
    """Where a chunk turns to what it compares with: "*than* on the left"."""
    thans = [i for i in range(cue, chunk.last) if signs[i].has("than") or _as_much_as(signs[i].word)]
    than = next((i for i in thans if signs[i].word == "than"), thans[0] if thans else None)
    beside = than is not None and signs[than].word == "over"
    if beside and not any(signs[i].side for i in range(chunk.first, than or 0)):
        return None  # "white shows, more of it *over* the right"
    return than


def _goes_further(chunks: list[Chunk], c: int, found: list[Statement], *, less: bool) -> bool:
    """ "the left has closed, and closed *further*": of the side that was named before."""
    chunk = chunks[c]
    short = chunk.last - chunk.first <= BRIEF_CHUNK
    brief = not chunk.parts and not chunk.noes and (bool(chunk.moves) or short)
    if c == 0 or not brief or chunk.opened not in ("and", "comma"):
        return False
    last = next((s for s in reversed(found) if s.chunk == c - 1 and s.side and not s.both), None)
    if last is None or last.side is None or last.negated:
        return False
    last.side, last.both, last.only = last.side.other if less else last.side, True, False
    return True


def _named_next(signs: list[Sign], chunks: list[Chunk], c: int) -> list[int]:
    """The side that the next chunk names, where it says nothing else."""
    after = chunks[c + 1] if c + 1 < len(chunks) else None
    if after is None or not empty(after) or flagged(signs, after, "number"):
        return []
    return [i for i in span(after) if signs[i].side][:1]


def _winner(signs: list[Sign], cue: int, than: int | None, sides: list[int], *, less: bool) -> Side | None:
    """The side that moves more."""
    after = [i for i in sides if than is not None and i > than]
    before = [i for i in sides if than is None or i < than]
    if after:
        reference = signs[after[0]].side
        return reference if less else reference and reference.other
    if not before:
        return None
    outdoes = signs[cue].word in _OUTDO or signs[cue].word.startswith("out")
    ahead = [i for i in before if i < cue] if outdoes else []
    subject = signs[min(ahead or before, key=lambda i: abs(i - cue))].side
    return subject and subject.other if less else subject


_ABOVE: Final = frozenset("above over".split())
_BELOW: Final = frozenset("below beneath under underneath".split())


def _place_sides(signs: list[Sign], chunks: list[Chunk], c: int, found: list[Statement]) -> None:
    """ "the left ends up *below* the right": where two brows or corners end says which moved more."""
    sides = [i for i in span(chunks[c]) if signs[i].side]
    fellow = next((i for i in span(chunks[c]) if signs[i].has("other")), None)
    if len(sides) == 1 and fellow is not None and fellow > sides[0]:
        sides.append(fellow)  # "the left brow arches *above its neighbour*"
    if len(sides) != 2 or signs[sides[0]].side is signs[sides[1]].side:
        return
    between = {signs[i].word for i in range(sides[0], sides[1])}
    over, under = not between.isdisjoint(_ABOVE), not between.isdisjoint(_BELOW)
    of = [s for s in found if s.chunk == c] or [s for s in found if s.chunk < c][-1:]
    for one in of if over is not under else ():
        lowers = bool({"brow lower", "lip corner depressor", "eye close"} & {*one.actions})
        first = over is not lowers
        if not one.negated and has_sides(one):
            subject = signs[sides[0]].side
            one.side, one.both, one.only = subject if first else subject and subject.other, True, False


def compare_heights(
    signs: list[Sign], chunks: list[Chunk], found: list[Statement], told: frozenset[str]
) -> None:
    """ "The right brow is lower than the left": the left is raised more, unless lowering was told before."""
    for one in found:
        lower = one.part == "brows" and any(signs[i].word == "lower" for i in one.signs)
        compared = one.both and one.side and flagged(signs, chunks[one.chunk], "than")
        before = any(
            "brow lower" in other.actions and not other.negated for other in found if other is not one
        )
        if lower and compared and one.side and "brow lower" not in told and not before:
            one.actions, one.side = ("brow raise",), one.side.other


_OUTDO: Final = frozenset(
    "exceeds exceed exceeding exceeded outdoes outdid outdo outstrips outstripped outpaces outpaced "
    "surpasses surpassing surpassed outruns outweighs beats leads overtakes outdistances outshines outranks "
    "outmatches outreaches outclimbs tops bests dominates trails lags".split()
)
"""What stands before one of these is compared with what stands after it."""


def _as_much_as(word: str) -> bool:
    """ "twice *as high as* the left"."""
    return word.startswith("as ") and word.endswith(" as")


_CHIEFLY: Final = frozenset(
    ("mainly", "chiefly", "primarily", "predominantly", "especially", "particularly", "notably", "above all")
)


def _placed_side(signs: list[Sign], chunk: Chunk) -> bool:
    """ "mainly *on the left*", "particularly *in the left* eye"."""
    return any(
        signs[i].side
        and any(signs[k].word in ("on", "to", "in", "at") for k in range(max(chunk.first, i - 2), i))
        for i in span(chunk)
    )
