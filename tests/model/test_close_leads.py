"""Tokens whose lead is lost in 32-bit rounding: what is written is what 64 bits would write."""

import taught
import torch
from torch import Tensor

from expllm.core.conversations import explanation_question
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.packed_linear import answering_type
from expllm.model.model_inputs import preparer
from expllm.model.presets import PRESETS, preset
from expllm.model.vlm import inner

TOKENS = 24
FACES = [taught.picture(label) for label in taught.LABELS[:3]]


def rivals() -> Bundle:
    """A drawn model in which every token has a twin: rows of the output layer that differ in the last bit."""
    bundle = new_bundle(preset("tiny"), taught.LABELS, seed=5)
    bundle.model.eval()
    head = inner(bundle.model).lm_head
    rows = head.weight.detach()[256:1280] * 20
    twins = torch.nextafter(rows[:512], torch.full_like(rows[:512], torch.inf))
    with torch.no_grad():
        head.weight[256:1280] = torch.cat([rows[:512], twins])
    return bundle


@torch.inference_mode()
def written_in_64_bits(bundle: Bundle, count: int) -> list[list[int]]:
    """By the model's own `forward`, from the start for each token."""
    prepared, model = preparer(bundle), inner(bundle.model).double()
    prompt = prepared.encoder.prompt(explanation_question(bundle.questions))
    texts = []
    for image in FACES[:count]:
        pixels = torch.from_numpy(prepared.pixels(image)["pixel_values"])[None].double()
        ids: list[int] = []
        for _ in range(TOKENS):
            given = torch.tensor([[*prompt, *ids]])
            logits: Tensor = model(input_ids=given, pixel_values=pixels).logits
            ids.append(int(logits[0, -1].argmax()))
        texts.append(ids)
    return texts


def test_a_lead_that_32_bits_cannot_see_is_decided_in_64() -> None:
    vlm, expected = FaceVLM(rivals()), written_in_64_bits(rivals(), 3)
    assert len({token for text in expected for token in text}) > 1
    for pictures in (FACES[:3], FACES[:1]):  # in a batch and alone
        prompts = vlm._explanation_prompts(len(pictures), None, TOKENS)
        drafts = vlm._drafts(prompts, None)
        vlm._write(vlm._look(pictures), prompts, drafts, TOKENS)
        assert [draft.text for draft in drafts] == expected[: len(pictures)]


def test_small_models_answer_in_32_bits_everywhere() -> None:
    assert answering_type(PRESETS["compact"], "cpu") is torch.float32
    assert answering_type(PRESETS["tiny"], "cpu") is torch.float32


def test_weights_are_counted() -> None:
    assert PRESETS["compact"].language.parameters == 134_479_872
    assert round(PRESETS["paper"].language.parameters / 1e9, 2) == 6.74
