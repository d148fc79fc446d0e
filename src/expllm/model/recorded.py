"""Decoding steps. A card is given them whole: recorded once, a step is one launch and not six hundred.

One by one, the launches of a step take a processor about as long as a card takes for the arithmetic of a
model of 7 billion parameters, and longer for every smaller one.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import torch

from expllm.model.language import Language
from expllm.model.memory import Memory

Foretold = tuple[list[int], list[float]]
"""The likeliest next token of each row, and its lead over the second, in logits."""
Step = Callable[[Sequence[int], Sequence[int]], Foretold]
"""Reads one token a row (ids, positions in the rows' texts) at `memory.length`; foretells the next ones."""
WORTH: Final = 16
"""Recording costs about three steps: shorter texts are not worth it."""


def steps(language: Language, memory: Memory, most: int) -> Step:
    """How the next `most` tokens are read. Memory must have room for them, and is the caller's to advance."""
    if language.device.type == "cuda" and most >= WORTH:
        return Recorded(language, memory)

    def plainly(tokens: Sequence[int], places: Sequence[int]) -> Foretold:
        ids, there = torch.tensor([tokens, places], device=language.device)[:, :, None]
        hidden = language.read(language.embed(ids), memory, there)
        return foretold(language.foretell(hidden[:, -1]))

    return plainly


def foretold(found: torch.Tensor) -> Foretold:
    """What `Language.foretell` gives, off the device."""
    tokens, leads = found.tolist()
    return [*map(int, tokens)], leads


class Recorded:
    """Steps on a card, recorded as a CUDA graph.

    A graph has a fixed number of rows. Rows that are done go on in it, and what they write is the caller's to
    leave out (`Memory.empty`); once half of them are done, a smaller graph is recorded.
    """

    def __init__(self, language: Language, memory: Memory) -> None:
        self._language, self._memory = language, memory
        self._rows = 0

    def __call__(self, tokens: Sequence[int], places: Sequence[int]) -> Foretold:
        """See `Step`."""
        active = len(tokens)
        if self._rows < active or self._rows >= 2 * active:
            self._record(active)
        over = [0] * (self._rows - active)
        at = [self._memory.length] * self._rows
        self._given.copy_(torch.tensor([[*tokens, *over], [*places, *over], at]))
        self._graph.replay()
        return foretold(self._next[:, :active])

    def _record(self, rows: int) -> None:
        """Once by itself, as kernels are loaded and memory is sought at their first use; then recorded."""
        device = self._language.device
        self._rows, self._graph = rows, torch.cuda.CUDAGraph()
        self._given = torch.zeros(3, rows, dtype=torch.long, device=device)
        self._given[2] = self._memory.length  # this place is written by the next step in any case
        with torch.cuda.device(device):
            stream = _stream(device)
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._step()
            torch.cuda.current_stream().wait_stream(stream)
            # Other threads may go on with the card meanwhile.
            with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
                self._next = self._step()
        # A graph knows addresses only: what it reads must not be given to others.
        self._read = (self._memory.keys, self._memory.values, self._memory.real, self._language.angles)

    def _step(self) -> torch.Tensor:
        tokens, places, at = self._given
        return self._language.step(tokens, places, at[:1], self._memory)


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all recordings: each stream has a workspace of its own for products."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
