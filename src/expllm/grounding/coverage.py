"""Which sentences speak of a movement of this face."""

from typing import Final

from expllm.grounding.chunks import Chunk
from expllm.grounding.signs import Sign

_LOOKS: Final = frozenset(
    "dark brown blue green grey gray hazel black blond blonde red pink pale thick thin bushy full "
    "narrow broad bright beautiful tired hair beard moustache makeup lipstick glasses shadow shadows "
    "light lighting lit looking look looks gaze gazing directed fixed focused aimed camera framed "
    "background skin freckles age old young habit tradition traditionally carried".split()
)
"""Words of how a part looks by nature, of light and of gaze: nothing moves there."""


def speaks_of_movement(words: list[Sign], chunks: list[Chunk]) -> bool:
    """Whether a sentence says, or may say, of a part of this face that it moves or does not."""
    return any(_speaks(words, chunk) for chunk in chunks)


def _speaks(words: list[Sign], chunk: Chunk) -> bool:
    """A part or an act that is not only supposed, and more than how the part looks."""
    end = chunk.last if chunk.supposed_from is None else chunk.supposed_from
    named = [i for i in (*chunk.parts, *chunk.acts) if i < end]
    described = any(words[i].word in _LOOKS for i in range(chunk.first, chunk.last))
    return bool(named) and (not described or bool(chunk.moves))
