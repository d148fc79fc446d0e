"""Inference through the model's own `forward`, for architectures that `LlamaDecoder` does not support.

Slower than `backend.LlamaBackend`: every prompt is prefilled from its start and its image encoded again.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from expllm.model.inference.audited_decoding import Choice, Fed, Ids, TextDraft, decode
from expllm.model.inference.backend import DecodingStep
from expllm.model.inference.label_scoring import TokenTree
from expllm.model.model_inputs import Pixels, Preparer
from expllm.model.tokenize import IGNORE, Encoded
from expllm.model.vlm import inner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TransformersBackend:
    """An image-text-to-text model of `transformers`, with adapters or without.

    Attributes:
        model: Called with what `preparer` makes.
    """

    model: nn.Module
    preparer: Preparer

    def look(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """See `InferenceBackend`; nothing is encoded yet."""
        return [*pictures]

    @torch.inference_mode()
    def glance(self, pictures: Sequence[Pixels]) -> Tensor:
        """See `InferenceBackend`; only our own models have such a tower."""
        pixels = torch.cat([torch.from_numpy(one["pixel_values"])[None] for one in pictures])
        found: Tensor = (
            inner(self.model).model.vision_tower(pixel_values=pixels.to(self._device)).pooler_output
        )
        return found

    @torch.inference_mode()
    def scores(self, seen: Sequence[Pixels], prompts: Sequence[Ids], tree: TokenTree) -> Tensor:
        """See `InferenceBackend`. Continuations are scored as one batch on copies of the prompt's cache, or
        behind the whole prompt where the cache cannot be copied."""
        return torch.stack([self._score(*pair, tree) for pair in zip(seen, prompts, strict=True)])

    @torch.inference_mode()
    def write(
        self, seen: Sequence[Pixels], prompts: Sequence[Ids], drafts: Sequence[TextDraft], end: int, most: int
    ) -> Iterator[DecodingStep]:
        """See `InferenceBackend`; one picture after the other."""
        for picture, (pixels, prompt, draft) in enumerate(zip(seen, prompts, drafts, strict=True)):
            for step in decode(TransformersRows(self, pixels, prompt), [draft], end, most):
                yield [(picture, token) for _, token in step]

    def read(self, pixels: Pixels, prompt: Ids) -> Any:
        """The model's output for a prompt, with logits of its last position only."""
        encoded = Encoded(prompt, [IGNORE] * len(prompt), "label")
        given = self.preparer.batch([encoded], [pixels])
        padded = given["input_ids"].shape
        tensors = {
            # What follows comes right behind the prompt, so nothing may fill it up.
            name: (tensor[:, : len(prompt)] if tensor.shape == padded else tensor).to(self._device)
            for name, tensor in given.items()
            if name != "labels"
        }
        return inner(self.model)(**tensors, use_cache=True, logits_to_keep=1)

    def _score(self, pixels: Pixels, prompt: Ids, tree: TokenTree) -> Tensor:
        found = self.read(pixels, prompt)
        texts = [[token for _, token in told] for told in tree.foretold]
        sums = found.logits[0, -1].float().log_softmax(-1)[[ids[0] for ids in texts]]
        longest = max(map(len, texts)) - 1
        if not longest:
            return sums
        cache = deepcopy(found.past_key_values)
        try:
            cache.batch_repeat_interleave(len(texts))
        except AttributeError:  # layers of linear attention keep a state that is not copied
            return self._apart(pixels, prompt, texts)
        # Filled up at the right: what stands there is seen by no token before it.
        read = [ids[:-1] + [0] * (longest + 1 - len(ids)) for ids in texts]
        logits = self.go_on(read, cache).logits
        told = logits.float().log_softmax(-1)
        later = [
            sum(told[row, place, token] for place, token in enumerate(ids[1:]))
            for row, ids in enumerate(texts)
        ]
        return sums + torch.tensor([float(value) for value in later], device=sums.device)

    def _apart(self, pixels: Pixels, prompt: Ids, texts: Sequence[Ids]) -> Tensor:
        """The same without what was kept: each continuation behind the whole prompt, in one padded batch."""
        encoded = [Encoded(prompt + text, [IGNORE] * len(prompt) + text, "label") for text in texts]
        given = self.preparer.batch(encoded, [pixels] * len(texts))
        tensors = {name: tensor.to(self._device) for name, tensor in given.items() if name != "labels"}
        begin = len(prompt) - 1
        kept = torch.arange(begin, begin + max(map(len, texts)), device=self._device)
        logits = inner(self.model)(**tensors, use_cache=False, logits_to_keep=kept).logits
        told = logits.float().log_softmax(-1)
        return torch.stack(
            [told[row, torch.arange(len(ids)), torch.tensor(ids)].sum() for row, ids in enumerate(texts)]
        )

    def go_on(self, ids: list[Ids], cache: Any) -> Any:
        """The model's output for tokens [rows, tokens] behind what a cache holds."""
        # Without a mask: some models would take positions from it, of the whole text.
        tokens = torch.tensor(ids, device=self._device)
        return inner(self.model)(input_ids=tokens, past_key_values=cache, use_cache=True)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


class TransformersRows:
    """`audited_decoding.Rows` with one cache for each text and each sampled sentence.

    A text is rolled back by prefilling it again from its start: not every cache can be cropped.
    """

    def __init__(self, model: TransformersBackend, pixels: Pixels, prompt: Ids) -> None:
        self._model, self._pixels, self._prompt = model, pixels, prompt
        self._held: dict[int, Ids] = {}
        self._caches: dict[int, Any] = {}
        self._next = 1
        self.vocabulary = 0

    def start(self) -> dict[int, Choice]:
        """See `Rows`."""
        found = self._model.read(self._pixels, self._prompt)
        self._held[0], self._caches[0] = [*self._prompt], found.past_key_values
        self.vocabulary = found.logits.shape[-1]
        return {0: Choice(int(found.logits[0, -1].argmax()), 0.0)}

    def step(self, fed: Mapping[int, Fed]) -> dict[int, Choice]:
        """See `Rows`; one text after the other."""
        return {number: self._one(number, *one) for number, one in fed.items()}

    def fork(self, number: int, back: int, count: int) -> tuple[list[int], int]:
        """See `Rows`."""
        held = self._held[number][:-back]
        cache = self._model.read(self._pixels, held).past_key_values
        numbers = [*range(self._next, self._next + count)]
        self._next += count
        for new in numbers:
            self._held[new] = [*held]
            self._caches[new] = deepcopy(cache) if new != numbers[-1] else cache
        return numbers, self._held[number][-back]

    def drop(self, number: int) -> None:
        """See `Rows`."""
        del self._held[number], self._caches[number]

    def finish(self, numbers: Sequence[int]) -> None:
        """See `Rows`; nothing of it is used again."""
        self._caches.clear()

    def _one(self, number: int, token: int, noise: "NDArray[np.float32] | None") -> Choice:
        found = self._model.go_on([[token]], self._caches[number])
        self._caches[number] = found.past_key_values
        self._held[number].append(token)
        if noise is None:
            return Choice(int(found.logits[0, -1].argmax()), 0.0)
        logits = found.logits[0, -1].float()
        chosen = int((logits + torch.from_numpy(noise).to(logits.device)).argmax())
        return Choice(chosen, float(logits.log_softmax(-1)[chosen]))
