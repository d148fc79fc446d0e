"""What the lean language model keeps of what it read."""

import torch

from expllm.core.vocabulary import label_set
from expllm.model.bundle import new_bundle
from expllm.model.inference.llama import LlamaDecoder
from expllm.model.presets import preset
from expllm.model.vlm import inner


def test_memory_that_was_set_aside_holds_no_chance_bytes() -> None:
    """What is masked is multiplied by 0: a NaN there would spread to every answer."""
    torch.use_deterministic_algorithms(True)  # fills what is not set with NaN
    try:
        llava = inner(new_bundle(preset("tiny"), label_set(7)).model)
        memory = LlamaDecoder(llava.model.language_model, llava.lm_head).memory(2)
        memory.reserve(300)
    finally:
        torch.use_deterministic_algorithms(False)
    assert memory.keys.shape[3] >= 300
    assert not memory.keys.any()
    assert not memory.values.any()


def test_a_model_of_16_bits_keeps_its_angles() -> None:
    """Frequencies that were rounded to 16 bits would turn the 1,000th place by a radian too much."""
    exact, rounded = (
        LlamaDecoder(llava.model.language_model, llava.lm_head)
        for dtype in (torch.float32, torch.bfloat16)
        for llava in [inner(new_bundle(preset("tiny"), label_set(7), seed=3, dtype=dtype).model)]
    )
    for one, other in zip(exact._turns(1000), rounded._turns(1000), strict=True):
        assert (one - other.float()).abs().max() < 0.01
