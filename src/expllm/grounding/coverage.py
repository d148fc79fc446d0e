"""Which sentences speak of a movement of this face."""

import re
from typing import Final

from expllm.grounding.chunks import Chunk
from expllm.grounding.codes import CODED
from expllm.grounding.signs import Sign

_LOOKS: Final = frozenset(
    "dark brown blue green grey gray hazel black blond blonde red pink pale thick thin bushy full "
    "narrow broad bright beautiful tired hair beard moustache makeup lipstick glasses shadow shadows "
    "light lighting lit looking look looks gaze gazing directed fixed focused aimed camera framed "
    "background skin freckles age old young habit tradition traditionally carried vary varies".split()
)
"""Words of how a part looks by nature, of light and of gaze: nothing moves there."""


_FACES: Final = frozenset("face visage countenance physiognomy fold folds".split())
_RESTS: Final = frozenset("still calm relaxed slack generic show level smooth".split())
"""Of a face as a whole they rather tell a mood."""

_MOVING: Final = frozenset("up down stretch pull furrow press wrinkle suck puff".split())
_WAYS: Final = frozenset("up down".split())
_HALVES: Final = frozenset("half side halves sides".split())
_TWISTED: Final = re.compile(r"contort|distort|twist|grimac|screw|crumpl|convuls|asymmetr")


def speaks_of_movement(words: list[Sign], chunks: list[Chunk]) -> bool:
    """Whether a sentence says, or may say, of a part of this face that it moves or does not."""
    return (
        any(_speaks(words, chunk) or _of_face(words, chunk) for chunk in chunks)
        or any(word.has(CODED) for word in words)
    )  # fmt: skip


def _of_face(words: list[Sign], chunk: Chunk) -> bool:
    """ "The visage is *contorted*", "the *left half* is drawn up", but not "the face conveys calm"."""
    inside = words[chunk.first : chunk.last if chunk.supposed_from is None else chunk.supposed_from]
    if any(word.has("means") for word in inside):
        return False
    sided = any(word.side for word in inside)
    moved = any(word.kinds & _MOVING for word in inside)
    if sided and moved and any(word.has("more", "less") or word.word in _HALVES for word in inside):
        return True  # "the raise is stronger on her right side"
    faces = [i for i, word in enumerate(inside) if word.word in _FACES]
    named = any(i + 1 == len(inside) or inside[i + 1].word != "of" for i in faces)  # "in the face *of* grief"
    # a face that is only raised or turned is a head
    return named and any(word.kinds & (_MOVING - _WAYS) or _TWISTED.match(word.word) for word in inside)


def _speaks(words: list[Sign], chunk: Chunk) -> bool:
    """A part or an act that is not only supposed, and more than how the part looks."""
    end = chunk.last if chunk.supposed_from is None else chunk.supposed_from
    named = [i for i in (*chunk.parts, *chunk.acts) if i < end]
    described = any(words[i].word in _LOOKS for i in range(chunk.first, chunk.last))
    return bool(named) and (not described or bool(chunk.moves))
