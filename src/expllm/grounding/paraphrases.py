"""Claims in any wording: what `reader`'s exact rules leave."""

from dataclasses import dataclass
from typing import Final

from expllm.grounding.asides import settle_asides
from expllm.grounding.boundaries import bounded
from expllm.grounding.chunks import Chunk, chunked
from expllm.grounding.claims import Claim
from expllm.grounding.codes import CODED, coded, quoted
from expllm.grounding.comparisons import compare_heights
from expllm.grounding.contexts import in_context
from expllm.grounding.coverage import speaks_of_movement
from expllm.grounding.evenness import compared_parts, settle_evenness, settle_mostly
from expllm.grounding.laterality import settle_sides
from expllm.grounding.movements import LOWER_FACE, MOUTH
from expllm.grounding.polarity import turned
from expllm.grounding.shapes import settle_shapes
from expllm.grounding.signs import Sign, signs
from expllm.grounding.statements import Reader, Statement
from expllm.grounding.tags import Item
from expllm.grounding.whole import ABOUT_FACES, whole_face

_OWN: Final = frozenset("the this these his her their its both".split())


@dataclass(frozen=True)
class Restated:
    """What a free reading makes of a sentence.

    Attributes:
        speaks: It speaks of a movement of this face, read or not.
        interprets: It says what the face may mean, or quotes a number, as explanations do.
        general: Character ranges that speak of faces in general, or only suppose.
        idle: Where words begin that look like a degree or a side and are none.
    """

    claims: list[Claim]
    speaks: bool
    interprets: bool
    general: list[tuple[int, int]]
    idle: frozenset[int] = frozenset()


def restated(text: str, tokens: list[Item], part: str, told: frozenset[str] = frozenset()) -> Restated:
    """The claims of a sentence, given its words and marks, however it puts them.

    Args:
        told: Actions that the text has told by now.
    """
    turns = turned([token.word for token in tokens])
    codes = coded(text, tokens)
    words = settle_shapes(in_context(signs(tokens, {**turns, **codes} if codes else turns)))
    idle = settle_asides(words)
    words = bounded(words)
    if not any(word.part or word.acts or word.has(CODED) or word.word in ABOUT_FACES for word in words):
        return Restated([], False, False, [])
    chunks = chunked(words)
    found = Reader(words, chunks).read()
    interprets = any("means" in word.flags or "number" in word.flags for word in words)
    compared = [] if interprets else compared_parts(words, chunks, found)
    found += compared
    settle_sides(words, chunks, found, interprets=interprets)
    found = [one for one in found if one not in compared or (one.both and one.side)]
    settle_mostly(words, chunks, found)
    settle_evenness(words, chunks, found)
    compare_heights(words, chunks, found, told)
    if interprets:
        found = [one for one in found if one.kind != "calm"]  # calm is what such sentences make of it
    general = [
        (words[c.first].start, words[c.last - 1].end)
        for c in chunks
        if c.nobodys or (c.general and _of_nobody(words, c))
    ]
    named = {action for one in found if not one.negated for action in one.actions}
    face = whole_face(words, chunks, told | named)
    if face.spans or face.places:
        found = [one for one in found if not _within(one, face.spans, face.places)] + face.statements
        general += [(words[first].start, words[last - 1].end) for first, last in face.spans]
    claims = [_claim(one, words, text, part) for one in found]
    return Restated(claims, speaks_of_movement(words, chunks), interprets, general, idle)


def _within(of: Statement, spans: list[tuple[int, int]], places: list[tuple[int, int]]) -> bool:
    """Whether a statement stands in a turn about the whole face that says it better, or something else."""
    if any(first <= i < last for i in of.signs for first, last in places):
        return True
    inside = any(first <= i < last for i in of.signs for first, last in spans)
    return inside and (of.vague or of.negated or of.part == "act")


def _of_nobody(words: list[Sign], chunk: Chunk) -> bool:
    """ "*Raised brows* often go with surprise": no article, no owner, no side.

    "The lift of *the brows*" is this face's, "a lift of the brows" may be anyone's, but for what is read into
    it ("conveys warmth associated with ...", "may signal distaste").
    """
    around = range(chunk.first, chunk.last)
    if any((words[i].word in _OWN and words[i - 1].word != "of") or words[i].side for i in around):
        return False
    if all(words[i].word not in _OWN for i in around):
        return True
    if chunk.opened != "start":
        return False
    told = (i for i in around if words[i].has("general") or words[i].word.startswith("would"))
    general = next(told, chunk.last)
    read = any(words[i].has("means") for i in range(chunk.first, general))
    return not read and not (general < chunk.last and words[general].word.startswith(("may ", "can ")))


def _claim(of: Statement, words: list[Sign], text: str, part: str) -> Claim:
    start = min(words[i].start for i in of.signs)
    end = max(words[i].end for i in of.signs)
    outside = next((a.removeprefix("outside:") for a in of.actions if a.startswith("outside:")), None)
    units = tuple(a for a in of.actions if not a.startswith("outside:"))
    if "*mouth" in units:
        units = MOUTH
    elif "*lower face" in units:
        units = LOWER_FACE
    value = quoted(words, of.signs)
    return Claim(
        start=start, end=end, text=text[start:end], part=part, units=units, side=of.side, both=of.both,
        degree=of.degree if value is None else None, value=value or None,
        negated=of.negated or value == 0, outside=outside, vague=of.vague and of.kind != "level",
        only=of.only, even=of.even,
    )  # fmt: skip
