"""Llama's arithmetic, lean: what was read stays in memory, and a step does no more than it must.

`transformers` spends a third of a small model's decoding step outside of matrix products. Here queries, keys
and values are one product, memory is set aside once, and the weights are those of the model that is given.
"""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

from expllm.model.inference.kv_cache import STEP, KVCache
from expllm.model.inference.packed_linear import LinearMap, packed_linear

_STILL: Final = ("default", "linear", "llama3")
"""Rotary embeddings whose angles do not depend on how long a text is."""


@dataclass(frozen=True)
class _Layer:
    """One block: two norms, four products."""

    before_attention: Tensor
    queries_keys_values: LinearMap
    output: LinearMap
    before_mlp: Tensor
    gate_and_up: LinearMap
    down: LinearMap


class LlamaDecoder:
    """A language model of Llama's architecture that reads on from what it has read.

    It takes the weights of the layers over: `llama` is not to be used again.

    Args:
        llama: `transformers.LlamaModel` without adapters, for which `readable` holds, or what has its weights
            under the same names.
        head: From hidden states to the vocabulary.
    """

    def __init__(self, llama: Any, head: Any) -> None:
        config = llama.config
        self._embedding, self._norm = llama.embed_tokens, llama.norm.weight
        # Made anew: a model converted to 16 bits has rounded frequencies, and turns far places wrong.
        self._rotary = type(llama.rotary_emb)(config).to(self._norm.device)
        self._epsilon = float(config.rms_norm_eps)
        self._heads, self._key_heads = config.num_attention_heads, config.num_key_value_heads
        self._width = config.hidden_size // self._heads
        self.context = int(config.max_position_embeddings)
        self._layers = [_taken_over(layer) for layer in llama.layers]
        self._head, self._vocabulary = packed_linear([head]), int(head.weight.shape[0])
        self.angles = self._turns(STEP)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._norm.device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights. With 32 bits it also reads what is embedded in 64, into memory of 64."""
        return self._norm.dtype

    def embed(self, ids: Tensor) -> Tensor:
        """[rows, tokens] ids to [rows, tokens, hidden]."""
        return self._embedding(ids)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., hidden] to [..., vocabulary]."""
        return self._head(hidden)

    def foretell(self, hidden: Tensor) -> Tensor:
        """[rows, hidden] to [2, rows] in 64-bit floats: the likeliest token, its lead over the second."""
        logits = self.logits(hidden)
        first, second = logits.float().topk(2).values.double().unbind(-1)
        return torch.stack([logits.argmax(-1).double(), first - second])

    def draw(self, hidden: Tensor, noise: Tensor) -> Tensor:
        """[3, rows]: as `foretell` with `noise` [rows, vocabulary] on the logits, and the logarithm of each
        token's probability without it.
        """
        logits = self.logits(hidden).float()
        tokens = (logits + noise).argmax(-1)
        first, second = (logits + noise).topk(2).values.unbind(-1)
        logs = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]
        return torch.stack([tokens, first - second, logs]).double()

    @property
    def vocabulary(self) -> int:
        """How many logits there are."""
        return self._vocabulary

    def memory(self, rows: int, dtype: torch.dtype | None = None) -> KVCache:
        """Memory in which nothing was read yet, of the weights' type."""
        shape = len(self._layers), rows, self._key_heads, 0, self._width
        empty = self._norm.new_zeros(shape, dtype=dtype)
        return KVCache(empty, empty.clone(), 0, torch.ones(rows, 0, dtype=torch.bool, device=self.device))

    def read(
        self,
        embedded: Tensor,
        memory: KVCache,
        places: Tensor,
        *,
        among: Tensor | None = None,
        real: Tensor | None = None,
    ) -> Tensor:
        """Reads on: [rows, tokens, hidden] to hidden states of the same shape, after the last norm.

        Keys and values go into memory behind `memory.length`, which stays: what is to be kept is the caller's
        to say.

        Args:
            embedded: [rows, tokens, hidden]; memory may have further rows, which are left alone.
            places: [rows or 1, tokens] position of each token in its row's text.
            among: [tokens, tokens] True where a new token sees another; by default itself and those before.
            real: [rows, tokens] False for tokens that only fill a row up; no other token sees them.
        """
        (rows, tokens, _), start = embedded.shape, memory.length
        memory.reserve(start + tokens)
        mask = _mask(memory, tokens, rows, among, real)
        return self._pass(embedded, memory, places, slice(start, start + tokens), start + tokens, mask)

    def _pass(
        self, embedded: Tensor, memory: KVCache, places: Tensor, new: slice | Tensor, length: int,
        mask: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """Through all layers: keys and values go to places `new`, and the first `length` are looked at."""
        rows, tokens, _ = embedded.shape
        if memory.room > len(self.angles[0]):
            self.angles = self._turns(memory.room)
        turns = tuple(table[places][:, :, None] for table in self.angles)  # [rows, tokens, 1, width] each
        used = slice(length)
        for layer, keys, values in zip(self._layers, memory.keys, memory.values, strict=True):
            mixed = layer.queries_keys_values(self._normal(embedded, layer.before_attention))
            mixed = mixed.view(rows, tokens, -1, self._width)
            turned = _turn(mixed[:, :, : self._heads + self._key_heads], turns)
            keys[:rows, :, new] = turned[:, :, self._heads :].transpose(1, 2)
            values[:rows, :, new] = mixed[:, :, -self._key_heads :].transpose(1, 2)
            seen = self._attend(
                turned[:, :, : self._heads], keys[:rows, :, used], values[:rows, :, used], mask
            )
            embedded = embedded + layer.output(seen)
            gate, up = layer.gate_and_up(self._normal(embedded, layer.before_mlp)).chunk(2, dim=-1)
            embedded = embedded + layer.down(silu(gate) * up)
        return self._normal(embedded, self._norm)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """[rows, tokens, heads, width] and [rows, key heads, length, width] to [rows, tokens, hidden]."""
        rows, tokens = queries.shape[:2]
        if tokens == 1:  # heads that share a key are as good as tokens that share it
            queries = queries.reshape(rows, self._key_heads, -1, self._width)
            return scaled_dot_product_attention(queries, keys, values, mask).reshape(rows, 1, -1)
        if mask is not None and mask.is_cuda:  # with a mask, CUDA's fast kernels share no heads
            times = self._heads // self._key_heads
            keys, values = keys.repeat_interleave(times, 1), values.repeat_interleave(times, 1)
        seen = scaled_dot_product_attention(
            queries.transpose(1, 2), keys, values, mask, is_causal=mask is None,
            enable_gqa=keys.shape[1] < self._heads,
        )  # fmt: skip
        return seen.transpose(1, 2).reshape(rows, tokens, -1)

    def _normal(self, hidden: Tensor, weight: Tensor) -> Tensor:
        return rms_norm(hidden, weight.shape, weight.to(hidden.dtype), self._epsilon)

    def _turns(self, length: int) -> tuple[Tensor, Tensor]:
        """Cosine and signed sine of the rotary embedding: [length, width] each."""
        places = torch.arange(length, device=self.device)[None]
        cosine, sine = self._rotary(self._norm[:1], places)
        half = self._width // 2
        return cosine[0], torch.cat([-sine[0, :, :half], sine[0, :, half:]], dim=-1)


def readable(model: nn.Module) -> bool:
    """Whether `LlamaDecoder` can read with a model: Llama's architecture, plain weights."""
    from transformers import LlamaModel

    if type(model) is not LlamaModel:
        return False
    config: Any = model.config
    layers = [module for name, module in model.named_modules() if name.endswith("_proj")]
    plain = all(type(module) is nn.Linear and module.bias is None for module in layers)
    usual = config.hidden_act == "silu" and (config.rope_parameters or {}).get("rope_type") in _STILL
    return plain and usual and config.hidden_size == config.num_attention_heads * config.head_dim


def _mask(
    memory: KVCache, tokens: int, rows: int, among: Tensor | None, real: Tensor | None
) -> Tensor | None:
    """[rows or 1, 1, tokens, length + tokens] True where a token sees another; None where a kernel knows."""
    start = memory.length
    plain = among is None and real is None and not memory.holes
    if plain and (tokens == 1 or start == 0):
        return None
    device = memory.real.device
    if among is None:
        among = torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()
    new = among[None]  # [1, tokens, tokens]
    if real is not None:  # a token that fills up sees itself: seeing nothing is not a number
        new = new & (real[:, None] | torch.eye(tokens, dtype=torch.bool, device=device))
    old = memory.real[:rows, None, :start] if memory.holes else memory.real.new_ones(1, 1, start)
    rows = max(len(old), len(new))
    return torch.cat([old.expand(rows, tokens, -1), new.expand(rows, -1, -1)], dim=-1)[:, None]


def _turn(heads: Tensor, turns: tuple[Tensor, ...]) -> Tensor:
    """Rotary embedding of [rows, tokens, heads, width]."""
    return heads * turns[0] + heads.roll(heads.shape[-1] // 2, -1) * turns[1]


def _taken_over(layer: Any) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    taken = _Layer(
        layer.input_layernorm.weight.detach(),
        packed_linear([attention.q_proj, attention.k_proj, attention.v_proj]),
        packed_linear([attention.o_proj]),
        layer.post_attention_layernorm.weight.detach(),
        packed_linear([mlp.gate_proj, mlp.up_proj]),
        packed_linear([mlp.down_proj]),
    )
    if isinstance(layer, nn.Module):
        layer.to("meta")  # or two copies of a language model would be in memory
    return taken
