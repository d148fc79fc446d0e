"""Decoding steps recorded as CUDA graphs: an experiment, until it has been timed on a GPU.

A step of a 7B model is about 600 kernels. Launched one by one they take a processor about as long as a GPU
takes for the arithmetic; recorded once, they are one launch. On an H200 all 192 tokens of a tiny model were
those of plain steps and of `generate`; how long an explanation takes was never measured (docs/speed.md).

Without a GPU steps are played and not recorded: the same rows, shapes and inputs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from expllm.model.inference import backend
from expllm.model.inference.backend import NextTokens, next_tokens
from expllm.model.inference.kv_cache import KVCache
from expllm.model.inference.llama import LlamaDecoder


def still_step(
    language: Any, ids: torch.Tensor, places: torch.Tensor, at: torch.Tensor, memory: KVCache
) -> torch.Tensor:
    """Reads one token a row and foretells the next, with no shape or value that changes from step to step.

    All of the memory that is set aside is looked at, masked.

    Args:
        ids, places: [rows] tokens, and the position of each in its row's text.
        at: [1] place in memory; `memory.length` is not asked.
    """
    rows = len(ids)
    used = torch.arange(memory.room, device=ids.device) <= at
    mask = (memory.real[:rows] & used)[:, None, None]
    hidden = language._pass(language.embed(ids[:, None]), memory, places[:, None], at, memory.room, mask)
    found: torch.Tensor = language.foretell(hidden[:, -1])
    return found


class Recorded:
    """The steps of one text, or of several.

    A graph has a fixed number of rows. Rows that are done go on in it, and what they write is the caller's to
    leave out (`writing.OwnRows`); once half of them are done, a smaller graph is recorded. A graph knows
    addresses only: where memory has grown, another is recorded.
    """

    def __init__(self, language: LlamaDecoder, memory: KVCache) -> None:
        self._language, self.memory = language, memory
        self._rows, self._keys = 0, memory.keys
        self.recordings: list[int] = []

    def __call__(self, tokens: Sequence[int], places: Sequence[int]) -> NextTokens:
        """One step, as `writing.read_tokens`."""
        active = len(tokens)
        moved = self._keys is not self.memory.keys
        if moved or self._rows < active or self._rows >= 2 * active:
            self._record(active)
        over = [0] * (self._rows - active)
        at = [self.memory.length] * self._rows
        self._given.copy_(torch.tensor([[*tokens, *over], [*places, *over], at]))
        self._replay()
        return next_tokens(self._next[:, :active])

    def _record(self, rows: int) -> None:
        """Once by itself, as kernels are loaded and memory is sought at their first use; then recorded."""
        device = self._language.device
        self.recordings.append(rows)
        self._keys = self.memory.keys
        self._rows, self._given = rows, torch.zeros(3, rows, dtype=torch.long, device=device)
        self._given[2] = self.memory.length  # this place is written by the next step in any case
        if device.type != "cuda":
            self._replay = self._play
            return
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(device):
            stream = _stream(device)
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._play()
            torch.cuda.current_stream().wait_stream(stream)
            # Other threads may go on with the GPU meanwhile.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self._play()
        self._replay = graph.replay
        # What a graph reads must not be given to others.
        self._read = (self.memory.keys, self.memory.values, self.memory.real, self._language.angles)

    def _play(self) -> None:
        tokens, places, at = self._given
        self._next = still_step(self._language, tokens, places, at[:1], self.memory)


@contextmanager
def recorded_steps() -> Iterator[list[Recorded]]:
    """Inside, texts are written by recorded steps; gives those that were made."""
    plain, made = backend.decode_step, list[Recorded]()

    def step(language: LlamaDecoder, memory: KVCache, tokens: list[int], places: list[int]) -> NextTokens:
        if not made or made[-1].memory is not memory:
            made.append(Recorded(language, memory))
        return made[-1](tokens, places)

    backend.decode_step = step
    try:
        yield made
    finally:
        backend.decode_step = plain


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all recordings: each stream has a workspace of its own for products."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
