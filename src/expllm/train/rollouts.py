"""Texts that a model in training samples, and how it labels faces behind them; no second copy of its weights.

A text follows from the weights, the prompt and its own numbers (`uniforms`): no generator has a state, so a
training that goes on samples what an undisturbed one would.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from expllm.model.inference.audited_decoding import Ids
from expllm.model.inference.label_scoring import TokenTree, gathered
from expllm.model.vlm import inner

if TYPE_CHECKING:
    from numpy.typing import NDArray


ROOM: Final = 64
"""Tokens that memory is set aside for at once."""
WORD_BLOCK: Final = 256
"""Words of the vocabulary whose probabilities are added up first: a token is looked for in one block only."""


@dataclass(eq=False)
class Rollout:
    """One sampled text.

    Attributes:
        picture: Number of its face in the batch.
        prompt: Ids that it was sampled behind.
        uniforms: [tokens] numbers from 0 to below 1, one for every token that may be sampled.
        ids: What was sampled, with the end of the turn if it ended.
    """

    picture: int
    prompt: Ids
    uniforms: "NDArray[np.float64]"
    ids: Ids = field(default_factory=list)


def uniforms(count: int, *key: object) -> "NDArray[np.float64]":
    """[count] numbers from 0 to below 1 that follow from a key, the same in every process."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    bits = np.random.Philox(key=int.from_bytes(digest[:16], "big")).random_raw(count)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


class RoomyLayer(DynamicLayer):
    """Keys and values of a layer, with memory set aside for further tokens.

    `DynamicLayer` copies all that was read for every token that is added: that takes longer than the rest.
    """

    def __init__(self, read: DynamicLayer) -> None:
        super().__init__()
        self.lazy_initialization(read.keys, read.values)
        self.keys, self.values = read.keys, read.values
        self._held: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        start, length = self.keys.shape[-2], self.keys.shape[-2] + key_states.shape[-2]
        if self._held is None or length > self._held[0].shape[-2]:
            self._held = (self._with_room(self.keys, length), self._with_room(self.values, length))
        for held, new in zip(self._held, (key_states, value_states), strict=True):
            held[..., start:length, :] = new
        self.keys, self.values = (held[..., :length, :] for held in self._held)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)
        self._held = None

    @staticmethod
    def _with_room(read: Tensor, length: int) -> Tensor:
        roomy = read.new_empty(*read.shape[:-2], length + ROOM, read.shape[-1])
        roomy[..., : read.shape[-2], :] = read
        return roomy


class Sampler:
    """Writes and labels with a model as it is now.

    Args:
        model: `LlavaForConditionalGeneration`, adapted or not.
        pad_id: Fills rows up.
    """

    def __init__(self, model: Any, pad_id: int) -> None:
        self._model, self._pad = inner(model), pad_id
        self._image = int(self._model.config.image_token_id)

    @torch.no_grad()
    def write(self, rollouts: Sequence[Rollout], pixels: Tensor, end: int, temperature: float) -> None:
        """Samples the text of every rollout, token by token, until it ends or has no more numbers.

        Args:
            pixels: [pictures, 3, side, side] normalised.
            temperature: Of the probabilities; 0 takes the likeliest token.
        """
        hidden, cache, mask, places = self._read(rollouts, pixels)
        rows = [*rollouts]
        for number in range(len(rollouts[0].uniforms)):
            tokens = self._drawn(hidden, [one.uniforms[number] for one in rows], temperature)
            for one, token in zip(rows, tokens, strict=True):
                if not one.ids or one.ids[-1] != end:
                    one.ids.append(token)
            going = [row for row, one in enumerate(rows) if one.ids[-1] != end]
            if not going or number + 1 == len(rollouts[0].uniforms):
                return
            if 2 * len(going) <= len(rows):  # those that have ended are computed until they are half
                kept = torch.tensor(going, device=mask.device)
                cache.batch_select_indices(kept)
                mask, places = mask[kept], places[kept]
                rows, tokens = [rows[row] for row in going], [tokens[row] for row in going]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            places = places + 1
            ids = torch.tensor(tokens, device=mask.device)[:, None]
            hidden = self._model.model(
                input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True
            ).last_hidden_state[:, -1]

    @torch.no_grad()
    def label_logs(self, prompts: Sequence[Ids], pixels: Tensor, tree: TokenTree) -> Tensor:
        """[rows, labels] log-probabilities of the label words behind prompts, normalised over the set.

        Args:
            pixels: [rows, 3, side, side] of each prompt's picture.
            tree: Of the label words.
        """
        nodes = len(tree.tokens)
        length = max(map(len, prompts)) + nodes
        ids = torch.full((len(prompts), length), self._pad)
        places = torch.zeros(len(prompts), length, dtype=torch.long)
        seen = torch.eye(length, dtype=torch.bool).repeat(len(prompts), 1, 1)  # what fills up sees itself
        wanted = torch.zeros(len(prompts), 1 + nodes, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            start, stop = len(prompt), len(prompt) + nodes
            ids[row, :stop] = torch.tensor([*prompt, *tree.tokens])
            places[row, :stop] = torch.cat([torch.arange(start), start + tree.depths])
            seen[row, :start, :start] = torch.ones(start, start, dtype=torch.bool).tril()
            seen[row, start:stop, :start] = True
            seen[row, start:stop, start:stop] = tree.visible
            wanted[row] = torch.arange(start - 1, stop)
        return self._scored(ids, places, seen, wanted, pixels, tree)

    def _scored(
        self, ids: Tensor, places: Tensor, seen: Tensor, wanted: Tensor, pixels: Tensor, tree: TokenTree
    ) -> Tensor:
        device, kind = pixels.device, torch.float32
        if torch.is_autocast_enabled(device.type):
            kind = torch.get_autocast_dtype(device.type)
        # Additive: all ways of computing attention take it so.
        mask = torch.zeros(seen.shape, dtype=kind).masked_fill(~seen, torch.finfo(kind).min)[:, None]
        hidden = self._model.model(
            input_ids=ids.to(device), pixel_values=pixels, attention_mask=mask.to(device),
            position_ids=places.to(device), use_cache=False,
        ).last_hidden_state  # fmt: skip
        rows = torch.arange(len(ids), device=device)[:, None]
        logits = self._model.lm_head(hidden[rows, wanted.to(device)])  # [rows, 1 + nodes, vocabulary]
        return gathered(logits, tree).double().log_softmax(-1).cpu()

    def _read(self, rollouts: Sequence[Rollout], pixels: Tensor) -> tuple[Tensor, Any, Tensor, Tensor]:
        """Reads the prompts, each once however many texts follow it.

        Returns:
            [rows, hidden] behind them, what was read, [rows, length] where something stands, and [rows, 1]
            position of the last token.
        """
        keys = [(one.picture, *one.prompt) for one in rollouts]
        once = list(dict.fromkeys(keys))
        longest, device = max(map(len, once)) - 1, pixels.device
        ids = torch.tensor([[self._pad] * (longest + 1 - len(key)) + [*key[1:]] for key in once])
        mask = torch.tensor([[0] * (longest + 1 - len(key)) + [1] * (len(key) - 1) for key in once])
        places = (mask.cumsum(1) - 1).clamp(min=0)
        cache = DynamicCache(config=self._model.config.get_text_config())
        hidden = self._model.model(
            input_ids=ids.to(device), pixel_values=pixels[[key[0] for key in once]],
            attention_mask=mask.to(device), position_ids=places.to(device), past_key_values=cache,
            use_cache=True,
        ).last_hidden_state[:, -1]  # fmt: skip
        rows = torch.tensor([once.index(key) for key in keys])
        cache.batch_select_indices(rows.to(device))
        cache.layers = [RoomyLayer(one) if type(one) is DynamicLayer else one for one in cache.layers]
        return hidden[rows], cache, mask[rows].to(device), places[rows, -1:].to(device)

    def _drawn(self, hidden: Tensor, numbers: Sequence[float], temperature: float) -> Ids:
        """The next token of each row: where its number falls among the probabilities, one after the other."""
        logits = self._model.lm_head(hidden).float()
        logits[:, self._image] = -torch.inf  # it keeps a picture's place
        if temperature == 0:
            return [*map(int, logits.argmax(-1).tolist())]
        shares = (logits / temperature).softmax(-1)
        return [*map(int, drawn_words(shares, torch.tensor([*numbers], device=shares.device)).tolist())]


def drawn_words(shares: Tensor, numbers: Tensor) -> Tensor:
    """The word of each row at which the sum of the probabilities passes a number.

    Args:
        shares: [rows, words] probabilities.
        numbers: [rows] from 0 to below 1.

    Returns:
        [rows] places in the vocabulary, none of probability 0.
    """
    rows, words = shares.shape
    blocks = torch.nn.functional.pad(shares, (0, -words % WORD_BLOCK)).view(rows, -1, WORD_BLOCK)
    sums = blocks.sum(-1, dtype=torch.float64).cumsum(-1)
    wanted = (numbers.double() * sums[:, -1])[:, None]
    block = _passed(sums, wanted)
    before = torch.nn.functional.pad(sums, (1, 0)).gather(1, block)
    inside = blocks[torch.arange(rows, device=shares.device), block[:, 0]].double().cumsum(-1)
    return (block * WORD_BLOCK + _passed(inside, wanted - before))[:, 0]


def _passed(sums: Tensor, wanted: Tensor) -> Tensor:
    """[rows, 1] where rising sums [rows, n] pass what is wanted; at most where they reach their end."""
    last = torch.searchsorted(sums, sums[:, -1:].contiguous())
    return torch.minimum(torch.searchsorted(sums, wanted.contiguous(), right=True), last)
