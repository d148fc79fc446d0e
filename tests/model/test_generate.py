"""Answers of a model, held against plain `generate` and against separate sequences."""

from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import taught
import torch
from hypothesis import given
from PIL import Image
from taught import LABELS, between, picture

from expllm.core.conversations import explanation_question, label_question
from expllm.core.errors import UsageError
from expllm.core.vocabulary import Expression
from expllm.model import checkpoint
from expllm.model.bundle import Bundle
from expllm.model.inference.backend import answer_text, pieces
from expllm.model.inference.backend_choice import without_adapters
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.vlm_output import GeneratedText
from expllm.model.manifest import ModelError
from expllm.model.model_inputs import Preparer, preparer
from expllm.model.tokenize import label_tokens
from expllm.model.vlm import inner

FACES = [picture(label) for label in LABELS]
MIXED = [between(one, other, 0.45) for one in LABELS[:3] for other in LABELS[3:]]


@cache
def plain() -> tuple[Bundle, Preparer]:
    """The model as `peft` and `transformers` have it, adapters unmerged: what answers are held against."""
    bundle = taught.new()
    return bundle, preparer(bundle)


@cache
def vlm() -> FaceVLM:
    return FaceVLM(taught.new())


def end() -> int:
    return label_tokens(plain()[1].encoder, LABELS[0])[-1]


def generated(image: Image.Image, prompt: list[int], most: int) -> list[int]:
    """What `generate` writes for one picture, greedily."""
    bundle, prepared = plain()
    pixels = torch.from_numpy(np.asarray(prepared.pixels(image)["pixel_values"]))[None]
    ids = torch.tensor([prompt])
    model: Any = bundle.model
    with torch.inference_mode():
        whole = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, max_new_tokens=most,
            do_sample=False, eos_token_id=end(), pad_token_id=0,
        )  # fmt: skip
    new: list[int] = whole[0, len(prompt) :].tolist()
    return new[:-1] if new[-1] == end() else new


@torch.inference_mode()
def log_probability(image: Image.Image, prompt: list[int], continuation: list[int]) -> float:
    """Of a continuation, in a sequence of its own."""
    bundle, prepared = plain()
    pixels = torch.from_numpy(np.asarray(prepared.pixels(image)["pixel_values"]))[None]
    ids = torch.tensor([[*prompt, *continuation]])
    logits = inner(bundle.model)(input_ids=ids, pixel_values=pixels).logits[0, len(prompt) - 1 : -1]
    told = logits.log_softmax(-1)
    return float(told[torch.arange(len(continuation)), torch.tensor(continuation)].sum())


def by_hand(image: Image.Image, prompt: list[int]) -> list[float]:
    words = [label_tokens(plain()[1].encoder, label) for label in LABELS]
    return [log_probability(image, prompt, word) for word in words]


def label_prompt() -> list[int]:
    return plain()[1].encoder.prompt(label_question(LABELS, taught.QUESTIONS))


def explanation_prompt() -> list[int]:
    return plain()[1].encoder.prompt(explanation_question(taught.QUESTIONS))


@pytest.mark.slow
def test_labels_equal_separate_sequences() -> None:
    scores = vlm().score_labels([*FACES, *MIXED[:3]])
    expected = np.array([by_hand(image, label_prompt()) for image in [*FACES, *MIXED[:3]]])
    assert np.abs(scores.sums - expected).max() < 1e-4
    assert np.allclose(np.exp(scores.log_probabilities).sum(1), 1)
    assert scores.labels == LABELS
    assert scores.best[: len(LABELS)] == LABELS  # it has learned them


@pytest.mark.slow
def test_the_label_is_what_greedy_generation_writes_where_that_is_one() -> None:
    words = {label.value: label for label in LABELS}
    free = [answer_text(plain()[0].tokenizer, generated(image, label_prompt(), 8)) for image in FACES + MIXED]
    best = vlm().score_labels(FACES + MIXED).best
    pairs = [(words[text], label) for text, label in zip(free, best, strict=True) if text in words]
    assert len(pairs) >= 15
    assert sum(one is other for one, other in pairs) >= 0.99 * len(pairs)


def test_explanations_are_those_of_generate_token_for_token() -> None:
    """Seven pictures in one batch, of which each ends at another length or at the limit."""
    written = vlm().explanations(FACES, max_new_tokens=70)
    expected = [generated(image, explanation_prompt(), 70) for image in FACES]
    assert [one.text for one in written] == [answer_text(plain()[0].tokenizer, ids) for ids in expected]
    assert [one.tokens for one in written] == [len(ids) for ids in expected]
    assert len({one.tokens for one in written}) > 3


@pytest.mark.parametrize("order", taught.ORDERS)
def test_both_equal_separate_answers(order: Any) -> None:
    """The label behind the explanation too: rows of different lengths, read on from one memory."""
    encoder = plain()[1].encoder
    answers = vlm().generate(FACES, order, max_new_tokens=70)
    alone = vlm().score_labels(FACES)
    assert np.abs(answers.labels.sums - alone.sums).max() < 1e-4
    told = alone.best if order == "label-first" else None
    assert answers.explanations == tuple(vlm().explanations(FACES, told, 70))
    asked = explanation_question(taught.QUESTIONS).answered("-")
    question = label_question(LABELS, taught.QUESTIONS).turns[0].text
    whole = encoder.prompt(asked.asked(question))
    behind = whole[len(encoder.encode(asked)) - 1 :]  # the end of the turn's own line break is in both
    for row, image in enumerate(FACES[:3]):
        prompt = encoder.prompt(explanation_question(taught.QUESTIONS))
        if told is not None:
            first = label_question(LABELS, taught.QUESTIONS).answered(told[row].value)
            ids = generated(image, encoder.prompt(first.asked(taught.QUESTIONS.explanation)), 70)
        else:
            ids = generated(image, prompt, 70)
        expected = by_hand(image, [*prompt, *ids, end(), *behind])
        assert np.abs(answers.labels_after.sums[row] - expected).max() < 1e-4
    assert answers.agree[:2] == (True, True)  # the two that it can explain


def test_pictures_are_encoded_once_and_no_prefix_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    own = FaceVLM(taught.new())
    backend: Any = own._backend
    encoded, read = 0, []
    eyes, reading = backend._eyes, backend.language.read

    class Seen:
        def tokens(self, pixels: torch.Tensor) -> Any:
            nonlocal encoded
            encoded += len(pixels)
            return eyes.tokens(pixels)

    def has_read(embedded: torch.Tensor, *rest: Any, **more: Any) -> Any:
        read.append(embedded.shape[1])
        return reading(embedded, *rest, **more)

    monkeypatch.setattr(backend, "_eyes", Seen())
    monkeypatch.setattr(backend.language, "read", has_read)
    own.generate(FACES[:1])
    shared = next(
        i for i, (a, b) in enumerate(zip(label_prompt(), explanation_prompt(), strict=False)) if a != b
    )
    assert encoded == 1
    opening = label_prompt().index(inner(plain()[0].model).config.image_token_id)
    assert opening > 10  # the system's words were read when the model was loaded
    assert read[0] == len(label_prompt()) - opening + len(own._tree.tokens)
    assert read[1] == len(explanation_prompt()) - shared
    assert set(read[2:-1]) == {1}


def test_a_stream_is_the_text_in_pieces() -> None:
    found = list(vlm().stream(FACES[0]))
    assert len(found) > 20
    assert "".join(found) == vlm().explanations(FACES[:1])[0].text
    assert "\N{SLIGHTLY SMILING FACE}" in "".join(found)


def test_a_stream_ends_with_the_whole_and_can_be_told_the_label() -> None:
    def streamed(**options: Any) -> GeneratedText:
        stream = vlm().stream(FACES[0], **options)
        while True:
            try:
                next(stream)
            except StopIteration as ended:
                whole: GeneratedText = ended.value
                return whole

    told = [LABELS[1]]
    assert streamed() == vlm().explanations(FACES[:1])[0]
    assert streamed(label=told[0]) == vlm().explanations(FACES[:1], told)[0]
    assert streamed(max_new_tokens=3).problem == "the text was cut off after 3 tokens"


@given(st.lists(st.integers(0, 300), max_size=25))
def test_pieces_of_any_tokens_add_up(tokens: list[int]) -> None:
    tokenizer = plain()[0].tokenizer
    whole = answer_text(tokenizer, tokens)
    found = list(pieces(tokenizer, tokens))
    assert "".join(found) == whole
    assert all(found)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"), max_size=12))
def test_no_piece_has_half_a_character(text: str) -> None:
    tokenizer = plain()[0].tokenizer
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert all("\ufffd" not in piece for piece in pieces(tokenizer, ids))


def test_a_malformed_text_is_reported_and_not_mended() -> None:
    whole, malformed = vlm().explanations([FACES[0], FACES[2]])
    assert whole.cot == taught.explanation(LABELS[0])
    assert whole.problem is None
    assert malformed.cot is None
    assert malformed.problem is not None
    assert "headings" in malformed.problem
    cut = vlm().explanations(FACES[:1], max_new_tokens=9)[0]
    assert cut == GeneratedText(cut.text, None, "the text was cut off after 9 tokens", 9)


def test_a_temperature_keeps_the_answers_and_is_read_with_the_model(tmp_path: Path) -> None:
    bundle = taught.new()
    checkpoint.save(tmp_path / "model", bundle, {}, {"temperature": 2.5})
    warm = FaceVLM.load(tmp_path / "model").score_labels(MIXED)
    cold = vlm().score_labels(MIXED)
    assert warm.best == cold.best
    assert np.abs(warm.sums - cold.sums).max() < 1e-4
    expected = torch.from_numpy(cold.sums / 2.5).log_softmax(1).numpy()
    assert np.abs(warm.log_probabilities - expected).max() < 1e-4
    checkpoint.save(tmp_path / "odd", bundle, {}, {"temperature": "hot"})
    with pytest.raises(ModelError, match="temperature is 'hot'"):
        FaceVLM.load(tmp_path / "odd")


def test_a_lone_picture_is_heard_while_its_text_is_written() -> None:
    heard: list[str] = []
    answers = vlm().generate(FACES[:1], max_new_tokens=120, on_token=heard.append)
    assert "".join(heard) == answers.explanations[0].text
    assert len(heard) > 10
    assert answers.explanations == vlm().generate(FACES[:1], max_new_tokens=120).explanations
    vlm().generate(FACES[:2], max_new_tokens=4, on_token=pytest.fail)


def test_with_its_mirror_image_a_picture_is_answered_as_its_mirror_image_is(tmp_path: Path) -> None:
    bundle = taught.new()
    mirrored = [face.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for face in FACES]
    alone = [vlm().score_labels(pictures).sums for pictures in (FACES, mirrored)]
    expected = torch.stack([torch.from_numpy(sums).log_softmax(-1) for sums in alone]).mean(0)
    checkpoint.save(tmp_path / "model", bundle, {}, {"mirrored": True})
    both = FaceVLM.load(tmp_path / "model")
    found = both.score_labels(FACES)
    assert np.abs(found.sums - expected.numpy()).max() < 1e-4
    assert np.abs(both.score_labels(mirrored).sums - found.sums).max() < 1e-4
    assert np.array_equal(both.generate(FACES, max_new_tokens=2).labels.sums, found.sums)


def test_merged_adapters_are_rounded_once() -> None:
    bundle = taught.new()
    adapted = inner(bundle.model).model.language_model.layers[0].self_attn.q_proj
    base, delta = adapted.get_base_layer().weight, adapted.get_delta_weight("default")
    assert delta.abs().max() > 1e-3
    base.data = base.data.bfloat16()
    expected = (base.data.float() + delta).bfloat16()
    merged = without_adapters(bundle.model)
    assert torch.equal(merged.model.language_model.layers[0].self_attn.q_proj.weight, expected)
    assert not [name for name, _ in merged.named_parameters() if "lora" in name]


def test_sixteen_bits_give_nearly_the_same() -> None:
    half = FaceVLM(taught.new(), dtype=torch.bfloat16).score_labels(FACES)
    full = vlm().score_labels(FACES)
    assert half.best == full.best
    assert np.abs(np.exp(half.log_probabilities) - np.exp(full.log_probabilities)).max() < 0.05


@pytest.mark.parametrize(("labels", "most", "problem"), [
    (None, 0, "max_new_tokens is 0: choose 1 to"),
    (None, 2000, "max_new_tokens is 2,000: choose 1 to"),
    ((Expression.FEAR,), 9, "2 pictures and 1 labels"),
])  # fmt: skip
def test_what_cannot_be_asked_is_one_line(labels: Any, most: int, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        vlm().explanations(FACES[:2], labels, most)
    with pytest.raises(UsageError, match="no image given"):
        vlm().score_labels([])
