"""Memory and FLOP estimates from a model's sizes, without weights and without PyTorch.

All figures are for one device. What an allocator and a driver add for themselves is not counted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

TRAINED_BYTES: Final = 16
"""A weight that learns, in 32-bit floats: itself, its gradient, and the two means that AdamW keeps."""
HALF: Final = 2
"""Bytes of a frozen weight or an activation in bfloat16."""
NF4_BYTES: Final = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A weight in 4 bits, with its share of the scale of 64 weights (8 bits) and of that of 256 scales (32 bits):
double quantisation (Dettmers et al. 2023)."""


@dataclass(frozen=True)
class Stack:
    """The blocks of a transformer.

    Attributes:
        hidden: Width.
        intermediate: Width inside a block's MLP.
        kv: Width of keys, and of values.
        weights: Parameters of all blocks, without adapters: each is multiplied with each token.
        gated: A Llama block (RMSNorm, gated MLP), not a ViT's (LayerNorm, GELU).
    """

    layers: int
    hidden: int
    intermediate: int
    kv: int
    weights: int
    gated: bool


@dataclass(frozen=True)
class Sizes:
    """What costs depend on.

    Attributes:
        visual_tokens: Places that a picture takes among the words.
        tower_tokens: Tokens inside the tower, with its class token.
        vocabulary: Rows of the output layer.
        parameters: By part, for all of `model.vlm.MODEL_PARTS`; `tower` and `language` are without adapters.
        packed: The language model's blocks are held in 4 bits.
    """

    tower: Stack
    language: Stack
    visual_tokens: int
    tower_tokens: int
    vocabulary: int
    parameters: Mapping[str, int]
    packed: bool = False


@dataclass(frozen=True)
class TextLength:
    """Numbers of text tokens around the image.

    Attributes:
        asked: Of system prompt and questions.
        answered: Of the answer; these are supervised in training.
    """

    asked: int = 80
    answered: int = 170


@dataclass(frozen=True)
class MemoryEstimate:
    """Memory by purpose, in bytes.

    Attributes:
        weights: What stays frozen.
        learned: What learns, with its gradients and AdamW's two means.
        kept: Activations that are kept for the way back; for an answer, keys and values.
        logits: Over the vocabulary, with their gradient.
    """

    weights: float
    learned: int
    kept: int
    logits: int

    @property
    def total(self) -> float:
        """The sum."""
        return self.weights + self.learned + self.kept + self.logits


def training_memory(
    sizes: Sizes,
    parts: Collection[str],
    batch: int,
    text: TextLength,
    *,
    checkpointing: bool,
    element: int = HALF,
    mask: int = 1,
) -> MemoryEstimate:
    """Peak memory of a training step.

    Kept for each token and block, `h` being the hidden width, `k` that of keys, `m` the MLP's, `e` and `b`
    the bytes of an element and of a dropout mask: queries, keys, values and result of the attention
    (2 h e + 2 k e); what two adapters are given behind their dropout, and its mask (2 h (e + b)); in a Llama
    block what both norms are given in 32 bits (8 h) and three values of the gated MLP (3 m e); in a ViT block
    what both norms are given (2 h e) and one value of the MLP (m e). A frozen weight needs nothing kept. With
    checkpointing it is only what each block is given (h e), and all of the above for one block.

    Args:
        parts: What learns.
        batch: Samples in one step of this device.
        element: Bytes of a frozen weight and of an activation.
        mask: Bytes of an element of a dropout mask: 1 on a GPU; on a CPU those of an adapter's weight.
    """
    tokens = sizes.visual_tokens + text.asked + text.answered
    stacks = [(sizes.language, tokens)]
    if {"tower", "tower_lora"} & {*parts}:
        stacks.append((sizes.tower, sizes.tower_tokens))
    kept = sizes.visual_tokens * (sizes.tower.hidden + 2 * sizes.language.hidden) * element
    blocks = [count * block_bytes(stack, element, mask) for stack, count in stacks]
    if checkpointing:
        kept += max(blocks) + sum(count * stack.layers * stack.hidden * element for stack, count in stacks)
    else:
        kept += sum(block * stack.layers for block, (stack, _) in zip(blocks, stacks, strict=True))
    # The output as it comes, in 32 bits, its logarithmic softmax, and the gradient of that.
    logits = text.answered * sizes.vocabulary * (element + 3 * 4)
    learned = TRAINED_BYTES * sum(sizes.parameters[part] for part in parts)
    return MemoryEstimate(frozen_bytes(sizes, parts, element), learned, batch * kept, batch * logits)


def block_bytes(stack: Stack, element: int, mask: int) -> int:
    """Bytes kept of one token in one block; see `training_memory`."""
    width, inner = stack.hidden, stack.intermediate
    kept = (2 * width + 2 * stack.kv) * element + 2 * width * (element + mask)
    if stack.gated:
        return kept + 8 * width + 3 * inner * element
    return kept + 2 * width * element + inner * element


def frozen_bytes(sizes: Sizes, parts: Collection[str], element: int = HALF) -> float:
    """Bytes of the weights that do not learn; projector and adapters stay in 32 bits."""
    count = 0.0
    for part, parameters in sizes.parameters.items():
        if part in parts:
            continue
        if part == "language" and sizes.packed:
            count += sizes.language.weights * (NF4_BYTES - element)
        count += parameters * (element if part in ("tower", "language") else 4)
    return count


def answer_memory(sizes: Sizes, batch: int, text: TextLength, element: int = HALF) -> MemoryEstimate:
    """Memory of inference: weights with merged adapters, and the KV cache of all tokens."""
    tokens = sizes.visual_tokens + text.asked + text.answered
    cache = 2 * sizes.language.layers * sizes.language.kv * tokens * element
    weights = frozen_bytes(sizes, ("tower_lora", "language_lora", "projector"), element)
    weights += sizes.parameters["projector"] * element
    return MemoryEstimate(weights, 0, batch * cache, batch * sizes.vocabulary * 4)


def training_flops(sizes: Sizes, parts: Collection[str], text: TextLength, *, checkpointing: bool) -> float:
    """Floating point operations of one sample in one step; a multiplication and an addition are two.

    A weight costs 2 for each token on the way there, 2 on the way back for the gradient of its input, and 2
    more if it learns. Checkpointing goes there twice. Attention costs 4 T h for each of T tokens on the way
    there, and twice that on the way back. Only supervised tokens meet the output layer.
    """
    tokens = sizes.visual_tokens + text.asked + text.answered
    there, tower_learns = 2 if checkpointing else 1, bool({"tower", "tower_lora"} & {*parts})
    count = _passes(sizes.language, tokens, there, back=True)
    count += _passes(sizes.tower, sizes.tower_tokens, there if tower_learns else 1, back=tower_learns)
    count += 4 * sizes.vocabulary * sizes.language.hidden * text.answered
    for part, seen in (
        ("projector", sizes.visual_tokens),
        ("tower_lora", sizes.tower_tokens),
        ("language_lora", tokens),
    ):
        count += (2 + 2 + 2 * (part in parts)) * sizes.parameters[part] * seen
    for stack, part, seen in (
        (sizes.tower, "tower", sizes.tower_tokens),
        (sizes.language, "language", tokens),
    ):
        count += 2 * stack.weights * seen * (part in parts)
    return count


def _passes(stack: Stack, tokens: int, there: int, *, back: bool) -> float:
    attention = 4 * stack.layers * stack.hidden * tokens * tokens
    return (there + back) * 2 * stack.weights * tokens + (there + 2 * back) * attention


def answer_flops(sizes: Sizes, text: TextLength) -> float:
    """FLOPs of one answer: prefill of image and prompt, then decoding token by token."""
    prompt = sizes.visual_tokens + text.asked
    count = _passes(sizes.tower, sizes.tower_tokens, 1, back=False)
    count += 2 * sizes.parameters["projector"] * sizes.visual_tokens
    count += _passes(sizes.language, prompt, 1, back=False)
    steps = text.answered
    count += 2 * sizes.language.weights * steps + 2 * sizes.vocabulary * sizes.language.hidden * (steps + 1)
    looked_at = steps * prompt + steps * (steps + 1) // 2
    return count + 4 * sizes.language.layers * sizes.language.hidden * looked_at
