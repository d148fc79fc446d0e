"""Greedy decoding on a shared prefix (KV cache).

An image is encoded once. Prompts are given whole; the prefix that is already in the KV cache is not computed
again, so a label and an explanation share the system prompt and the image tokens.

32-bit sums depend on a processor's vector width, on the number of threads and on the batch. Where the lead of
the likeliest token is within what these differ by, it is decided in 64 bits: so the words do not depend on
them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor

from expllm.model.inference.audited_decoding import Choice, Fed, Ids, TextDraft, decode
from expllm.model.inference.kv_cache import KVCache
from expllm.model.inference.label_scoring import TokenTree, score_tree
from expllm.model.inference.llama import LlamaDecoder
from expllm.model.inference.packed_linear import pack_linears
from expllm.model.model_inputs import Pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

DecodingStep = list[tuple[int, int]]
"""Tokens that one step added: index of the image, and token id."""
NextTokens = tuple[list[int], list[float]]
"""The most likely next token of each row, and its margin over the second, in logits."""
_CLOSE: Final = 1e-3
"""A lead in logits that 32 bits are not trusted with. Of 2,351 tokens about the faces of `examples/faces` one
had a smaller one; between processors, threads and batches leads differed by at most 6e-5 (docs/speed.md)."""
_HALF: Final = "\ufffd"
"""Stands in a text for a character whose bytes are not all there."""


class InferenceBackend(Protocol):
    """Scores labels and generates text for a batch of images."""

    def look(self, pictures: Sequence[Pixels]) -> Any:
        """Encodes images; the result is passed to the other methods as `seen`."""
        ...

    def glance(self, pictures: Sequence[Pixels]) -> Tensor:
        """[pictures, width] what the tower sees of each, its mean; the language model reads nothing."""
        ...

    def scores(self, seen: Any, prompts: Sequence[Ids], tree: TokenTree) -> Tensor:
        """[rows, continuations] log-probabilities behind each prompt, not normalised over the set."""
        ...

    def write(
        self, seen: Any, prompts: Sequence[Ids], drafts: Sequence[TextDraft], end: int, most: int
    ) -> Iterator[DecodingStep]:
        """Writes a draft behind each prompt: at most `most` tokens, none of them `end`; see `decode`."""
        ...


class Eyes(Protocol):
    """Vision encoder and projector. Given pixels in 64-bit floats, they compute in 64 bits."""

    def tokens(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [rows, 3, side, side] to visual tokens [rows, tokens, hidden]."""
        ...

    def mean(self, pixels: Tensor) -> Tensor:
        """The same to the mean feature of the tower [rows, width], which the language model is not shown."""
        ...


@dataclass
class CacheRow:
    """A row of the KV cache.

    Attributes:
        picture: Which picture it is about.
        held: The ids in it.
        places: Where in memory the last of them are: the end of the prompt, and what is behind it.
        number: Of the text that is written in it; None where nobody needs it.
    """

    picture: int
    held: Ids
    places: list[int] = field(default_factory=list)
    number: int | None = None


@dataclass
class PrefilledBatch:
    """Images with the KV cache of what was prefilled after them.

    Attributes:
        pixels: [pictures, 3, side, side] normalised.
        features: [pictures, visual tokens, hidden].
        memory: Of the language model.
        rows: Of memory; but while texts are written, one a picture.
    """

    pixels: Tensor
    features: Tensor
    memory: KVCache
    rows: list[CacheRow]

    @property
    def order(self) -> list[int]:
        """[rows] which picture each row of memory is about."""
        return [row.picture for row in self.rows]

    def swap(self, one: int, other: int) -> None:
        """Exchanges two rows of memory."""
        if one != other:
            self.memory.swap(one, other)
            self.rows[one], self.rows[other] = self.rows[other], self.rows[one]


def llama_backend(llava: Any, opening: Sequence[int] = ()) -> "LlamaBackend":
    """A backend from a Llava model: its vision encoder and projector, and `LlamaDecoder`.

    Args:
        llava: `LlavaForConditionalGeneration` without adapters; it is used up.
        opening: As `LlamaBackend`.
    """
    inside = llava.model
    pack_linears(inside.vision_tower)
    pack_linears(inside.multi_modal_projector)

    language = LlamaDecoder(inside.language_model, llava.lm_head)
    return LlamaBackend(language, _LlavaEyes(inside), int(llava.config.image_token_id), opening)


@dataclass(frozen=True)
class _LlavaEyes:
    """`Eyes` of a Llava model."""

    inside: Any

    def tokens(self, pixels: Tensor) -> Tensor:
        return torch.stack(list(self._seeing(pixels).get_image_features(pixel_values=pixels).pooler_output))

    def mean(self, pixels: Tensor) -> Tensor:
        found: Tensor = self._seeing(pixels).vision_tower(pixel_values=pixels).pooler_output
        return found

    def _seeing(self, pixels: Tensor) -> Any:
        return deepcopy(self.inside).double() if pixels.dtype is torch.float64 else self.inside


class LlamaBackend:
    """Vision encoder and projector, and `LlamaDecoder`.

    Args:
        language: Reads and writes.
        eyes: Vision encoder and projector.
        image_id: Stands in prompts where visual tokens go.
        opening: Ids with which every prompt begins, before its picture. They are read once and for all.
    """

    def __init__(
        self,
        language: LlamaDecoder,
        eyes: Eyes,
        image_id: int,
        opening: Sequence[int] = (),
    ) -> None:
        self.language, self._eyes, self._image_id = language, eyes, image_id
        self._opening, self._begun = [*opening], self.language.memory(1)
        if opening:
            self._read_opening()

    @torch.inference_mode()
    def _read_opening(self) -> None:
        ids = torch.tensor([self._opening], device=self.language.device)
        places = torch.arange(len(self._opening), device=self.language.device)[None]
        self.language.read(self.language.embed(ids), self._begun, places)
        self._begun.keep(len(self._opening))

    @torch.inference_mode()
    def look(self, pictures: Sequence[Pixels]) -> PrefilledBatch:
        """See `InferenceBackend`; the only place where images are encoded for the language model."""
        stacked = self._stacked(pictures)
        features = self._eyes.tokens(stacked)
        rows = len(pictures)
        begun = [CacheRow(picture, [*self._opening]) for picture in range(rows)]
        return PrefilledBatch(stacked, features, self._begun.copies(rows), begun)

    @torch.inference_mode()
    def glance(self, pictures: Sequence[Pixels]) -> Tensor:
        """See `InferenceBackend`."""
        return self._eyes.mean(self._stacked(pictures))

    def _stacked(self, pictures: Sequence[Pixels]) -> Tensor:
        stacked = np.stack([pixels["pixel_values"] for pixels in pictures])
        return torch.from_numpy(stacked).to(self.language.device)

    @torch.inference_mode()
    def scores(self, seen: PrefilledBatch, prompts: Sequence[Ids], tree: TokenTree) -> Tensor:
        """See `InferenceBackend`."""
        ids, places, real = self._unread(seen, prompts)
        sums = score_tree(self.language, seen.memory, self._embedded(seen, ids), places, tree, real)
        self._keep(seen, prompts, ids, real)
        ordered = torch.empty_like(sums)
        ordered[seen.order] = sums
        return ordered

    @torch.inference_mode()
    def write(
        self, seen: PrefilledBatch, prompts: Sequence[Ids], drafts: Sequence[TextDraft], end: int, most: int
    ) -> Iterator[DecodingStep]:
        """See `InferenceBackend`."""
        yield from decode(LlamaRows(self, seen, prompts, most), drafts, end, most)

    def read_prompts(self, seen: PrefilledBatch, prompts: Sequence[Ids], most: int) -> Tensor:
        """[rows, hidden] behind the prompts; memory is set aside for `most` more tokens."""
        ids, places, real = self._unread(seen, prompts)
        seen.memory.reserve(seen.memory.length + ids.shape[1] + most)
        hidden = self.language.read(self._embedded(seen, ids), seen.memory, places, real=real)
        self._keep(seen, prompts, ids, real)
        return hidden[:, -1]

    def exactly(self, seen: PrefilledBatch, row: CacheRow, noise: "NDArray[np.float32] | None") -> int:
        """The next token of a row, all of which is read again in 64-bit floats."""
        language = self.language
        features = self._eyes.tokens(seen.pixels[row.picture : row.picture + 1].double())
        ids = torch.tensor([row.held], device=language.device)
        places = torch.arange(ids.shape[1], device=language.device)[None]
        embedded = self._pictured(language.embed(ids).double(), ids, features)
        hidden = language.read(embedded, language.memory(1, torch.float64), places)
        logits = language.logits(hidden[0, -1])
        return int((logits if noise is None else logits + torch.from_numpy(noise).to(logits)).argmax())

    def _unread(self, seen: PrefilledBatch, prompts: Sequence[Ids]) -> tuple[Tensor, Tensor, Tensor | None]:
        """What of the prompts is not in memory, which is taken back to where all rows agree with theirs.

        Returns:
            [rows, tokens] ids and positions, filled up at the left; which of them are real, None for all.
        """
        wanted = [prompts[picture] for picture in seen.order]
        # A prompt's last token is read in any case: what comes next is foretold there.
        held = [row.held for row in seen.rows]
        known = [min(_common(one, ids), len(ids) - 1) for one, ids in zip(held, wanted, strict=True)]
        if any(count < len(one) for count, one in zip(known, held, strict=True)):
            back = min(*known, seen.memory.even)
            seen.memory.forget(back)
            held = [one[:back] for one in held]
        rest = [ids[len(one) :] for one, ids in zip(held, wanted, strict=True)]
        longest = max(map(len, rest))
        blank = [longest - len(ids) for ids in rest]
        device = self.language.device
        filled = torch.tensor([[0] * n + ids for n, ids in zip(blank, rest, strict=True)], device=device)
        starts = [len(one) - n for n, one in zip(blank, held, strict=True)]
        numbers = torch.arange(longest, device=device)[None]
        places = (torch.tensor(starts, device=device)[:, None] + numbers).clamp(min=0)
        real = numbers >= torch.tensor(blank, device=device)[:, None] if any(blank) else None
        return filled, places, real

    def _embedded(self, seen: PrefilledBatch, ids: Tensor) -> Tensor:
        """[rows, tokens, hidden], with the pictures' features at their places."""
        return self._pictured(self.language.embed(ids), ids, seen.features[seen.order])

    def _pictured(self, embedded: Tensor, ids: Tensor, features: Tensor) -> Tensor:
        places = (ids == self._image_id)[:, :, None]
        # Not by index: counting the places would synchronise with the GPU.
        return embedded.masked_scatter(places, features.to(embedded.dtype))

    @staticmethod
    def _keep(seen: PrefilledBatch, prompts: Sequence[Ids], ids: Tensor, real: Tensor | None) -> None:
        seen.memory.keep(ids.shape[1], real)
        seen.rows = [CacheRow(row.picture, [*prompts[row.picture]]) for row in seen.rows]


def decode_step(language: LlamaDecoder, memory: KVCache, tokens: Ids, places: Ids) -> NextTokens:
    """One decoding step: a token per row at `memory.length`, which stays; predicts the next ones.

    Args:
        tokens: [rows] ids.
        places: [rows] position of each in its row's text.
    """
    ids, there = torch.tensor([tokens, places], device=language.device)[:, :, None]
    hidden = language.read(language.embed(ids), memory, there)
    return next_tokens(language.foretell(hidden[:, -1]))


def next_tokens(found: Tensor) -> NextTokens:
    """The result of `LlamaDecoder.foretell` on the CPU."""
    tokens, leads = found.tolist()
    return [*map(int, tokens)], leads


class LlamaRows:
    """`audited_decoding.Rows` as rows of one KV cache.

    All rows use as many places. What a text takes back, and where it waits while others are read on, are
    holes in its row; rows that are read on with are the first ones.
    """

    def __init__(self, model: LlamaBackend, seen: PrefilledBatch, prompts: Sequence[Ids], most: int) -> None:
        self._model, self._seen, self._prompts, self._most = model, seen, prompts, most
        self._language, self._memory = model.language, seen.memory
        self.vocabulary = model.language.vocabulary
        self._next, self._active = len(prompts), {*range(len(prompts))}

    def start(self) -> dict[int, Choice]:
        """See `Rows`."""
        hidden = self._model.read_prompts(self._seen, self._prompts, self._most)
        for row in self._seen.rows:
            row.number, row.places = row.picture, [self._memory.length - 1]
        return self._chosen(*next_tokens(self._language.foretell(hidden)), {})

    @torch.inference_mode()
    def step(self, fed: Mapping[int, Fed]) -> dict[int, Choice]:
        """See `Rows`."""
        self._bring_forward(fed)
        active, memory = self._seen.rows[: len(fed)], self._memory
        tokens = [fed[row.number].token for row in active if row.number is not None]
        noise = {number: one.noise for number, one in fed.items() if one.noise is not None}
        memory.reserve(memory.length + 1)
        places = [len(row.held) for row in active]
        if noise:
            found, leads, logs = self._drawn(tokens, places, noise)
        else:
            found, leads = decode_step(self._language, memory, tokens, places)
            logs = [0.0] * len(active)
        memory.keep(1)
        memory.real[len(active) :, memory.length - 1] = False
        for row, token in zip(active, tokens, strict=True):
            row.held.append(token)
            row.places.append(memory.length - 1)
        return self._chosen(found, leads, noise, logs)

    def fork(self, number: int, back: int, count: int) -> tuple[list[int], int]:
        """See `Rows`."""
        seen, at = self._seen, self._at(number)
        row = seen.rows[at]
        free = [place for place, one in enumerate(seen.rows) if one.number is None]
        if lacking := count - len(free[:count]):
            free += range(len(seen.rows), len(seen.rows) + lacking)
            self._memory.widen(lacking)
            seen.rows += [CacheRow(row.picture, []) for _ in range(lacking)]
        kept, numbers = len(row.held) - back, [*range(self._next, self._next + count)]
        self._next += count
        self._memory.copy(at, free[:count], row.places[-back:])
        for place, new in zip(free, numbers, strict=False):
            seen.rows[place] = replace(row, held=row.held[:kept], places=row.places[:-back], number=new)
        self._memory.holes = True
        return numbers, row.held[kept]

    def drop(self, number: int) -> None:
        """See `Rows`."""
        self._seen.rows[self._at(number)].number = None

    def finish(self, numbers: Sequence[int]) -> None:
        """See `Rows`; the rows of the samples are given up."""
        seen = self._seen
        self._bring_forward(dict.fromkeys(numbers))
        del seen.rows[len(numbers) :]
        self._memory.narrow(len(numbers))

    def _bring_forward(self, numbers: Mapping[int, object]) -> None:
        """Puts the rows of some texts before all others."""
        if self._active == numbers.keys():
            return
        self._active = {*numbers}
        rows, count = self._seen.rows, len(numbers)
        behind = [place for place in range(count, len(rows)) if rows[place].number in numbers]
        away = [place for place in range(count) if rows[place].number not in numbers]
        for one, other in zip(reversed(away), behind, strict=True):
            self._seen.swap(one, other)
        self._memory.look_for_holes(count)

    def _at(self, number: int) -> int:
        return next(place for place, row in enumerate(self._seen.rows) if row.number == number)

    def _drawn(
        self, tokens: Sequence[int], places: Sequence[int], noise: "Mapping[int, NDArray[np.float32]]"
    ) -> tuple[list[int], list[float], list[float]]:
        """Reads a token a row: the next ones, their leads and their logarithms, with noise for some rows."""
        device = self._language.device
        added = torch.zeros(len(tokens), self.vocabulary)
        for place, row in enumerate(self._seen.rows[: len(tokens)]):
            if row.number is not None and row.number in noise:
                added[place] = torch.from_numpy(noise[row.number])
        ids, there = torch.tensor([tokens, places], device=device)[:, :, None]
        hidden = self._language.read(self._language.embed(ids), self._memory, there)
        found, leads, logs = self._language.draw(hidden[:, -1], added.to(device)).tolist()
        return [*map(int, found)], leads, logs

    def _chosen(
        self, tokens: Sequence[int], leads: Sequence[float], noise: "Mapping[int, NDArray[np.float32]]",
        logs: Sequence[float] = (),
    ) -> dict[int, Choice]:  # fmt: skip
        """The next token of each row behind what it holds; close leads are decided in 64 bits."""
        exact = self._language.dtype is torch.float32
        chosen = {}
        rows = zip(self._seen.rows, tokens, leads, logs or [0.0] * len(tokens), strict=False)
        for row, token, lead, log in rows:
            assert row.number is not None
            if exact and lead < _CLOSE:
                token = self._model.exactly(self._seen, row, noise.get(row.number))  # noqa: PLW2901
            chosen[row.number] = Choice(token, log)
        return chosen


def _common(some: Sequence[int], others: Sequence[int]) -> int:
    """How many ids two texts begin with in common."""
    pairs = enumerate(zip(some, others, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(some), len(others)))


def pieces(tokenizer: "PreTrainedTokenizerBase", tokens: Iterable[int]) -> Iterator[str]:
    """A text in pieces, as its tokens come: no half character, no white space before it.

    Together the pieces are what `answer_text` gives for all tokens.
    """
    ids: Ids = []
    told = ""
    for token in tokens:
        ids.append(token)
        text = answer_text(tokenizer, ids)
        if not text.endswith(_HALF) and len(text) > len(told):
            yield text[len(told) :]
            told = text
    rest = answer_text(tokenizer, ids)[len(told) :]
    if rest:
        yield rest


def answer_text(tokenizer: "PreTrainedTokenizerBase", tokens: Sequence[int]) -> str:
    """The text of an answer: no control tokens, no white space before it."""
    text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text).lstrip()
