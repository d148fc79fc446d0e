"""Formulas for memory and arithmetic, held against what PyTorch keeps and counts."""

from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest
import torch
from smallmodels import inputs
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.costs import TextLength, answer_flops, answer_memory, training_flops, training_memory
from expllm.model.presets import PRESETS
from expllm.model.summary import LEARNED, sizes_of
from expllm.model.vlm import inner, supervised_losses, train_only

TINY: Final = PRESETS["tiny"]
MIDDLE: Final = replace(
    TINY, tower=replace(TINY.tower, hidden=96, heads=4, layers=6, image=140, native_image=140),
    language=replace(TINY.language, hidden=160, layers=6, heads=4, kv_heads=2, intermediate=400),
)  # fmt: skip
"""Large enough that blocks count for more than what is around them."""
ROWS, ASKED, ANSWERED = 2, 20, 40


@cache
def middle() -> Bundle:
    return new_bundle(MIDDLE, label_set(7))


def step(bundle: Bundle, parts: tuple[str, ...], checkpointing: bool = False) -> Tensor:
    """The loss of a training step, not yet gone back."""
    train_only(bundle.model, parts)
    bundle.model.train()
    llava: Any = inner(bundle.model)
    if checkpointing:
        llava.gradient_checkpointing_enable({"use_reentrant": False})
        llava.disable_input_require_grads()  # else the way back goes through a tower that does not learn
    else:
        llava.gradient_checkpointing_disable()
    given = inputs(bundle, ROWS, ASKED + ANSWERED)
    labels = given["input_ids"].clone()
    labels[:, :-ANSWERED] = -100
    return supervised_losses(bundle.model, given, labels).total


def kept_bytes(bundle: Bundle, checkpointing: bool) -> int:
    """Bytes that PyTorch keeps for the way back, weights left out."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in bundle.model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step(bundle, LEARNED, checkpointing)
    return sum(one.untyped_storage().nbytes() for place, one in kept.items() if place not in weights)


def test_memory_without_checkpointing() -> None:
    """Within 5 % of what is kept, in 32 bits on a CPU."""
    inner(middle().model).set_attn_implementation("sdpa")
    sizes = sizes_of(MIDDLE)
    memory = training_memory(
        sizes, LEARNED, ROWS, TextLength(ASKED, ANSWERED), checkpointing=False, element=4, mask=4
    )
    softmax = ROWS * ANSWERED * sizes.vocabulary * 4  # of the logits, only this waits for the way back
    assert memory.kept + softmax == pytest.approx(kept_bytes(middle(), False), rel=0.05)


def test_memory_with_checkpointing() -> None:
    """Only the inputs of blocks are kept; while one block is gone through again, all of its own."""
    inner(middle().model).set_attn_implementation("sdpa")
    sizes, text = sizes_of(MIDDLE), TextLength(ASKED, ANSWERED)
    kept = kept_bytes(middle(), True)
    memory = training_memory(sizes, LEARNED, ROWS, text, checkpointing=True, element=4, mask=4)
    plain = training_memory(sizes, LEARNED, ROWS, text, checkpointing=False, element=4, mask=4)
    assert kept < memory.kept < kept + plain.kept / 6
    assert memory.weights == plain.weights


def test_weights_and_what_learns_are_counted_exactly() -> None:
    bundle = middle()
    for parts in (LEARNED, ("projector",), ("projector", "tower", "language_lora")):
        counts = train_only(bundle.model, parts)
        memory = training_memory(sizes_of(MIDDLE), parts, 1, TextLength(), checkpointing=False, element=4)
        frozen = sum(one.numel() * 4 for one in bundle.model.parameters() if not one.requires_grad)
        # A tower's mask token never learns; the formula counts it with the rest of its part.
        mask_token = MIDDLE.tower.hidden if "tower" in parts else 0
        assert memory.weights == frozen - 4 * mask_token
        assert memory.learned == 16 * (sum(counts.values()) + mask_token)


@pytest.mark.parametrize("parts", [LEARNED, ("projector",), ("projector", "tower", "language_lora")])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_operations_of_a_step(parts: tuple[str, ...], checkpointing: bool) -> None:
    """Within 2 % of what PyTorch counts; with checkpointing 8 %: it leaves the end of each block out."""
    bundle = middle()
    inner(bundle.model).set_attn_implementation("eager")  # the counter does not know the fused one of a CPU
    with FlopCounterMode(display=False) as counter:
        step(bundle, parts, checkpointing).backward()  # type: ignore[no-untyped-call]
    expected = ROWS * training_flops(
        sizes_of(MIDDLE), parts, TextLength(ASKED, ANSWERED), checkpointing=checkpointing
    )
    assert expected == pytest.approx(counter.get_total_flops(), rel=0.08 if checkpointing else 0.02)


def test_operations_of_an_answer() -> None:
    bundle = middle()
    bundle.model.eval()
    given = inputs(bundle, 1, ASKED)
    llava: Any = inner(bundle.model)
    llava.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter, torch.no_grad(), bundle.model.disable_adapter():  # type: ignore[operator]
        llava.generate(**given, max_new_tokens=12, min_new_tokens=12, do_sample=False)
    expected = answer_flops(sizes_of(MIDDLE), TextLength(ASKED, 11))
    assert expected == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_the_cache_of_an_answer() -> None:
    bundle = middle()
    given = inputs(bundle, 1, ASKED)
    with torch.no_grad():
        cache = bundle.model(**given, use_cache=True).past_key_values
    found = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert answer_memory(sizes_of(MIDDLE), 1, TextLength(ASKED, 0), element=4).kept == found


def test_four_bits() -> None:
    """A 7B model: 13.5 GB in bfloat16, 4.0 GB in 4 bits with its embeddings left as they are."""
    full, packed = (sizes_of(PRESETS[name]) for name in ("paper", "paper-qlora"))
    saved = answer_memory(full, 1, TextLength()).weights - answer_memory(packed, 1, TextLength()).weights
    assert saved == pytest.approx(full.language.weights * (2 - 0.5159), rel=1e-3)
