"""Answers of models that `language` does not read: through their own `forward`, as `transformers` has it.

Slower than `writing.OwnModel`: every prompt is read from its start, and its picture encoded.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from expllm.data.encode import IGNORE, Encoded
from expllm.model.expllm import inner
from expllm.model.prepare import Pixels, Preparer
from expllm.model.scoring import TokenTree
from expllm.model.writing import Ids, Step


@dataclass(frozen=True)
class AnyModel:
    """An image-text-to-text model of `transformers`, with adapters or without.

    Attributes:
        model: Called with what `preparer` makes.
    """

    model: nn.Module
    preparer: Preparer

    def look(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """See `Talker`; nothing is encoded yet."""
        return [*pictures]

    @torch.inference_mode()
    def scores(self, seen: Sequence[Pixels], prompts: Sequence[Ids], tree: TokenTree) -> Tensor:
        """See `Talker`. The continuations are a batch behind copies of what was kept of the prompt."""
        return torch.stack([self._score(*pair, tree) for pair in zip(seen, prompts, strict=True)])

    @torch.inference_mode()
    def write(self, seen: Sequence[Pixels], prompts: Sequence[Ids], end: int, most: int) -> Iterator[Step]:
        """See `Talker`; one picture after the other."""
        for row, (pixels, prompt) in enumerate(zip(seen, prompts, strict=True)):
            found = self._read(pixels, prompt)
            for number in range(most):
                token = int(found.logits[0, -1].argmax())
                if token == end:
                    break
                yield [(row, token)]
                if number < most - 1:
                    found = self._go_on([[token]], found.past_key_values)

    def _read(self, pixels: Pixels, prompt: Ids) -> Any:
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
        found = self._read(pixels, prompt)
        texts = [[token for _, token in told] for told in tree.foretold]
        sums = found.logits[0, -1].float().log_softmax(-1)[[ids[0] for ids in texts]]
        longest = max(map(len, texts)) - 1
        if not longest:
            return sums
        cache = deepcopy(found.past_key_values)
        cache.batch_repeat_interleave(len(texts))
        # Filled up at the right: what stands there is seen by no token before it.
        read = [ids[:-1] + [0] * (longest + 1 - len(ids)) for ids in texts]
        logits = self._go_on(read, cache).logits
        told = logits.float().log_softmax(-1)
        later = [
            sum(told[row, place, token] for place, token in enumerate(ids[1:]))
            for row, ids in enumerate(texts)
        ]
        return sums + torch.tensor([float(value) for value in later], device=sums.device)

    def _go_on(self, ids: list[Ids], cache: Any) -> Any:
        # Without a mask: some models would take positions from it, of the whole text.
        tokens = torch.tensor(ids, device=self._device)
        return inner(self.model)(input_ids=tokens, past_key_values=cache, use_cache=True)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device
