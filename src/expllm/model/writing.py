"""What a model has seen and read, and what it writes next: greedily, one token after the other.

A picture is encoded once. What is asked of it is given as whole prompts; what of them is in memory already is
not read again, so a label and an explanation share the system's words and the picture.

32-bit sums depend on a processor's vector width, on the number of threads and on the batch. Where the lead of
the likeliest token is within what these differ by, it is decided in 64 bits: so the words do not depend on
them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor

from expllm.model.language import Language
from expllm.model.memory import Memory
from expllm.model.prepare import Pixels
from expllm.model.products import fix
from expllm.model.scoring import TokenTree, score

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = list[int]
Step = list[tuple[int, int]]
"""What rows have written in a step: the row, and its token."""
Foretold = tuple[list[int], list[float]]
"""The likeliest next token of each row, and its lead over the second, in logits."""
CLOSE: Final = 1e-3
"""A lead in logits that 32 bits are not trusted with. Of 2,351 tokens about the faces of `examples/faces` one
had a smaller one; between processors, threads and batches leads differed by at most 6e-5 (docs/speed.md)."""
_HALF: Final = "\ufffd"
"""Stands in a text for a character whose bytes are not all there."""


class Talker(Protocol):
    """A model that is shown pictures and asked."""

    def look(self, pictures: Sequence[Pixels]) -> Any:
        """Begins with some pictures: what the other methods are given as `seen`."""
        ...

    def scores(self, seen: Any, prompts: Sequence[Ids], tree: TokenTree) -> Tensor:
        """[rows, continuations] log-probabilities behind each prompt, not normalised over the set."""
        ...

    def write(self, seen: Any, prompts: Sequence[Ids], end: int, most: int) -> Iterator[Step]:
        """At most `most` tokens behind each prompt, the likeliest each time; a row stops before `end`."""
        ...


@dataclass
class Seen:
    """Pictures, and what was read about them.

    Attributes:
        pixels: [rows, 3, side, side] normalised.
        features: [rows, visual tokens, hidden] of the pictures.
        memory: Of the language model.
        order: [rows] which picture each row of memory is about.
        held: [rows] the ids in each row of memory.
    """

    pixels: Tensor
    features: Tensor
    memory: Memory
    order: list[int]
    held: list[Ids]

    def swap(self, one: int, other: int) -> None:
        """Exchanges two rows of memory."""
        if one == other:
            return
        self.memory.swap(one, other)
        for rows in (self.order, self.held):
            _exchange(rows, one, other)


def own_model(llava: Any, opening: Sequence[int] = ()) -> "OwnModel":
    """Our two towers: the vision tower and the projector of Llava, and `Language`.

    Args:
        llava: `LlavaForConditionalGeneration` without adapters; it is used up.
        opening: As `OwnModel`.
    """
    inside = llava.model
    fix(inside.vision_tower)
    fix(inside.multi_modal_projector)

    def see(pixels: Tensor) -> Tensor:
        exact = pixels.dtype is torch.float64
        seeing = deepcopy(inside).double() if exact else inside
        return torch.stack(list(seeing.get_image_features(pixel_values=pixels).pooler_output))

    language = Language(inside.language_model, llava.lm_head)
    return OwnModel(language, see, int(llava.config.image_token_id), opening)


class OwnModel:
    """A way to see, and `Language`.

    Args:
        language: Reads and writes.
        see: Normalised pixels [rows, 3, side, side] to visual tokens [rows, tokens, hidden]; given pixels in
            64-bit floats, it computes in 64 bits.
        image_id: Stands in prompts where visual tokens go.
        opening: Ids with which every prompt begins, before its picture. They are read once and for all.
    """

    def __init__(
        self, language: Language, see: Callable[[Tensor], Tensor], image_id: int, opening: Sequence[int] = ()
    ) -> None:
        self.language, self._see, self._image_id = language, see, image_id
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
    def look(self, pictures: Sequence[Pixels]) -> Seen:
        """See `Talker`; the one place where pictures are encoded."""
        stacked = torch.from_numpy(np.stack([pixels["pixel_values"] for pixels in pictures]))
        stacked = stacked.to(self.language.device)
        features = self._see(stacked)
        rows = len(pictures)
        held = [[*self._opening] for _ in range(rows)]
        return Seen(stacked, features, self._begun.copies(rows), [*range(rows)], held)

    @torch.inference_mode()
    def scores(self, seen: Seen, prompts: Sequence[Ids], tree: TokenTree) -> Tensor:
        """See `Talker`."""
        ids, places, real = self._unread(seen, prompts)
        sums = score(self.language, seen.memory, self._embedded(seen, ids), places, tree, real)
        self._keep(seen, prompts, ids, real)
        ordered = torch.empty_like(sums)
        ordered[seen.order] = sums
        return ordered

    @torch.inference_mode()
    def write(self, seen: Seen, prompts: Sequence[Ids], end: int, most: int) -> Iterator[Step]:
        """See `Talker`. Rows that are done are moved to memory's end, where no step reads them."""
        ids, places, real = self._unread(seen, prompts)
        memory, language = seen.memory, self.language
        memory.reserve(memory.length + ids.shape[1] + most)
        hidden = language.read(self._embedded(seen, ids), memory, places, real=real)
        self._keep(seen, prompts, ids, real)
        start = [len(held) for held in seen.held]
        active, first = len(prompts), memory.length
        tokens = self._decided(seen, foretold(language.foretell(hidden[:, -1])))
        for number in range(most):
            yield [(seen.order[row], token) for row, token in enumerate(tokens) if token != end]
            for row in reversed(range(active)):
                if tokens[row] == end:
                    active -= 1
                    seen.swap(row, active)
                    _exchange(tokens, row, active)
                    _exchange(start, row, active)
            if not active or number == most - 1:
                break
            new = tokens[:active]
            found = read_tokens(language, memory, new, [len(held) for held in seen.held[:active]])
            memory.keep(1)
            for held, token in zip(seen.held, new, strict=False):
                held.append(token)
            tokens = self._decided(seen, found)
        written = [len(held) - begun for held, begun in zip(seen.held, start, strict=True)]
        memory.empty(first, written)

    def _decided(self, seen: Seen, found: Foretold) -> list[int]:
        """The next token of each row behind what it holds."""
        tokens, leads = found
        if self.language.dtype is torch.float32:
            for row, lead in enumerate(leads):
                if lead < CLOSE:
                    tokens[row] = self._exactly(seen, row)
        return tokens

    def _exactly(self, seen: Seen, row: int) -> int:
        """The next token of a row, all of which is read again in 64-bit floats."""
        language, picture = self.language, seen.order[row]
        features = self._see(seen.pixels[picture : picture + 1].double())
        ids = torch.tensor([seen.held[row]], device=language.device)
        places = torch.arange(ids.shape[1], device=language.device)[None]
        embedded = self._pictured(language.embed(ids).double(), ids, features)
        hidden = language.read(embedded, language.memory(1, torch.float64), places)
        return int(language.logits(hidden[:, -1]).argmax())

    def _unread(self, seen: Seen, prompts: Sequence[Ids]) -> tuple[Tensor, Tensor, Tensor | None]:
        """What of the prompts is not in memory, which is taken back to where all rows agree with theirs.

        Returns:
            [rows, tokens] ids and positions, filled up at the left; which of them are real, None for all.
        """
        wanted = [prompts[picture] for picture in seen.order]
        # A prompt's last token is read in any case: what comes next is foretold there.
        known = [min(_common(held, ids), len(ids) - 1) for held, ids in zip(seen.held, wanted, strict=True)]
        if any(count < len(held) for count, held in zip(known, seen.held, strict=True)):
            back = min(*known, seen.memory.even)
            seen.memory.forget(back)
            seen.held = [held[:back] for held in seen.held]
        rest = [ids[len(held) :] for held, ids in zip(seen.held, wanted, strict=True)]
        longest = max(map(len, rest))
        blank = [longest - len(ids) for ids in rest]
        device = self.language.device
        filled = torch.tensor([[0] * n + ids for n, ids in zip(blank, rest, strict=True)], device=device)
        starts = [len(held) - n for n, held in zip(blank, seen.held, strict=True)]
        numbers = torch.arange(longest, device=device)[None]
        places = (torch.tensor(starts, device=device)[:, None] + numbers).clamp(min=0)
        real = numbers >= torch.tensor(blank, device=device)[:, None] if any(blank) else None
        return filled, places, real

    def _embedded(self, seen: Seen, ids: Tensor) -> Tensor:
        """[rows, tokens, hidden], with the pictures' features at their places."""
        return self._pictured(self.language.embed(ids), ids, seen.features[seen.order])

    def _pictured(self, embedded: Tensor, ids: Tensor, features: Tensor) -> Tensor:
        places = (ids == self._image_id)[:, :, None]
        # Not by index: to count the places, a card would have to finish first.
        return embedded.masked_scatter(places, features.to(embedded.dtype))

    @staticmethod
    def _keep(seen: Seen, prompts: Sequence[Ids], ids: Tensor, real: Tensor | None) -> None:
        seen.memory.keep(ids.shape[1], real)
        seen.held = [[*prompts[picture]] for picture in seen.order]


def read_tokens(language: Language, memory: Memory, tokens: Ids, places: Ids) -> Foretold:
    """Reads one token a row at `memory.length`, which stays; foretells the next ones.

    Args:
        tokens: [rows] ids.
        places: [rows] position of each in its row's text.
    """
    ids, there = torch.tensor([tokens, places], device=language.device)[:, :, None]
    hidden = language.read(language.embed(ids), memory, there)
    return foretold(language.foretell(hidden[:, -1]))


def foretold(found: Tensor) -> Foretold:
    """What `Language.foretell` gives, off the device."""
    tokens, leads = found.tolist()
    return [*map(int, tokens)], leads


def _exchange(values: list[Any], one: int, other: int) -> None:
    values[one], values[other] = values[other], values[one]


def _common(some: Sequence[int], others: Sequence[int]) -> int:
    """How many ids two texts begin with in common."""
    pairs = enumerate(zip(some, others, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(some), len(others)))


def pieces(tokenizer: "PreTrainedTokenizerBase", tokens: Iterable[int]) -> Iterator[str]:
    """A text in pieces, as its tokens come: no half character, no white space before it.

    Together the pieces are what `text_of` gives for all tokens.
    """
    ids: Ids = []
    told = ""
    for token in tokens:
        ids.append(token)
        text = text_of(tokenizer, ids)
        if not text.endswith(_HALF) and len(text) > len(told):
            yield text[len(told) :]
            told = text
    rest = text_of(tokenizer, ids)[len(told) :]
    if rest:
        yield rest


def text_of(tokenizer: "PreTrainedTokenizerBase", tokens: Sequence[int]) -> str:
    """The text of an answer: no control tokens, no white space before it."""
    text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text).lstrip()
