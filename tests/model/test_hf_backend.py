"""Models that are asked through `transformers`: the same answers as by our own reading."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import taught
import torch
import varied
from taught import LABELS, between, picture
from torch import Tensor
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from expllm.core.conversations import explanation_question, label_question
from expllm.grounding import audit
from expllm.model.bundle import new_bundle
from expllm.model.checkpoint import save
from expllm.model.hub.merge import merge_model
from expllm.model.inference.audited_decoding import TextDraft
from expllm.model.inference.backend import LlamaBackend, llama_backend
from expllm.model.inference.backend_choice import without_adapters
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.hf_backend import TransformersBackend
from expllm.model.inference.label_scoring import token_tree
from expllm.model.model_inputs import preparer
from expllm.model.presets import preset
from expllm.model.tokenize import Encoded, collate, label_tokens
from expllm.predict.verifying import REWRITTEN_VERDICTS, verifier

FACES = [picture(label) for label in LABELS[:3]]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> FaceVLM:
    """The taught model as a plain Llava in a folder, which knows nothing of ExpLLM."""
    place = tmp_path_factory.mktemp("elsewhere")
    save(place / "taught", taught.new(), {})
    merge_model(place / "taught", place / "llava")
    bundle = new_bundle(preset(f"hf:{place / 'llava'}"), LABELS)
    bundle.questions = taught.QUESTIONS
    return FaceVLM(bundle)


def test_another_model_answers_like_ours(elsewhere: FaceVLM) -> None:
    assert isinstance(elsewhere._backend, TransformersBackend)
    here = FaceVLM(taught.new())
    assert isinstance(here._backend, LlamaBackend)
    theirs, ours = elsewhere.generate(FACES, max_new_tokens=70), here.generate(FACES, max_new_tokens=70)
    assert np.abs(theirs.labels.sums - ours.labels.sums).max() < 1e-3  # its tower's scales are folded in
    assert np.abs(theirs.labels_after.sums - ours.labels_after.sums).max() < 1e-3
    assert theirs.explanations == ours.explanations
    assert "".join(elsewhere.stream(FACES[0])) == ours.explanations[0].text


def test_adapters_may_stay() -> None:
    """As with weights in 4 bits, which take no adapter in."""
    bundle = taught.new()
    prepared = preparer(bundle)
    adapted = TransformersBackend(bundle.model, prepared)
    own = llama_backend(without_adapters(taught.new().model))
    encoder = prepared.encoder
    words = [label_tokens(encoder, label) for label in LABELS]
    tree = token_tree([*words, words[0][:1], [*words[0][:-1], 77, 78, 79]])  # of very different lengths
    pixels = [prepared.pixels(face) for face in (*FACES, between(LABELS[0], LABELS[4], 0.5))]
    asked = [encoder.prompt(label_question(LABELS, taught.QUESTIONS))] * 2
    asked += [encoder.prompt(explanation_question(taught.QUESTIONS))] * 2
    difference = adapted.scores(adapted.look(pixels), asked, tree) - own.scores(own.look(pixels), asked, tree)
    assert difference.abs().max() < 1e-4
    assert torch.equal(
        adapted.scores(adapted.look(pixels), asked, token_tree([[9], [7]])).argmax(1),
        own.scores(own.look(pixels), asked, token_tree([[9], [7]])).argmax(1),
    )


IMAGE = 190
QUESTION = [5, 6, 192, *[IMAGE] * 16, 193, 7, 8, 9, 11, 12]


class QwenInputs:
    """What Qwen2-VL takes: patches, their grid, and which tokens are a picture's."""

    encoder: Any = None

    def pixels(self, image: Any, change: Any = None) -> dict[str, Any]:
        return {"pixel_values": image, "image_grid_thw": np.array([[1, 8, 8]])}

    def batch(self, texts: Sequence[Encoded], pixels: Sequence[Any]) -> dict[str, Tensor]:
        tensors = {name: torch.from_numpy(array) for name, array in collate(texts, 0).items()}
        tensors["mm_token_type_ids"] = (tensors["input_ids"] == IMAGE).int()
        for name in pixels[0]:
            tensors[name] = torch.from_numpy(np.concatenate([one[name] for one in pixels]))
        return tensors


def qwen() -> Any:
    torch.manual_seed(0)
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": 200, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "rope_parameters": rope,
            "initializer_range": 0.3, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        },
        vision_config={
            "depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4,
            "spatial_merge_size": 2, "temporal_patch_size": 1,
        },
        image_token_id=IMAGE, video_token_id=191, vision_start_token_id=192, vision_end_token_id=193,
    )  # fmt: skip
    return Qwen2VLForConditionalGeneration(config).eval()


@torch.inference_mode()
def test_a_model_whose_positions_have_three_dimensions() -> None:
    model, prepared = qwen(), QwenInputs()
    asked = TransformersBackend(model, prepared)
    drawn = np.random.default_rng(1)
    faces = [prepared.pixels(drawn.normal(size=(64, 48)).astype(np.float32)) for _ in range(2)]
    words = [[7, 8, 2], [7, 9, 2], [20, 2], [21, 22, 23, 2]]
    sums = asked.scores(asked.look(faces), [QUESTION] * 2, token_tree(words))
    drafts = [TextDraft(None) for _ in faces]
    steps = list(asked.write(asked.look(faces), [QUESTION] * 2, drafts, -1, 12))
    for row, face in enumerate(faces):
        given = {name: torch.from_numpy(array) for name, array in face.items()}

        def inputs(ids: list[int], given: dict[str, Tensor] = given) -> dict[str, Tensor]:
            text = torch.tensor([ids])
            return {"input_ids": text, "mm_token_type_ids": (text == IMAGE).int(), **given}

        for place, word in enumerate(words):
            told = model(**inputs(QUESTION + word)).logits[0, len(QUESTION) - 1 : -1].log_softmax(-1)
            alone = told[torch.arange(len(word)), torch.tensor(word)].sum()
            assert abs(sums[row, place] - alone) < 1e-4
        whole = model.generate(
            **inputs(QUESTION), max_new_tokens=12, do_sample=False, eos_token_id=None
        )  # fmt: skip
        assert [token for step in steps for of, token in step if of == row] == whole[
            0, len(QUESTION) :
        ].tolist()


@pytest.mark.slow
def test_another_model_is_audited_like_ours(tmp_path: Path) -> None:
    """Each goes back in its own way: by rows of memory, or by reading again."""
    save(tmp_path / "varied", varied.new(), {})
    merge_model(tmp_path / "varied", tmp_path / "llava")
    bundle = new_bundle(preset(f"hf:{tmp_path / 'llava'}"), LABELS)
    bundle.questions = taught.QUESTIONS
    other, here = FaceVLM(bundle), FaceVLM(varied.new())
    assert isinstance(other._backend, TransformersBackend)
    faces, judges = [picture(label) for label in LABELS], [verifier(aus) for aus in varied.AUS]
    texts = other.explanations(faces, verifiers=judges)
    assert [text.text for text in texts] == [text.text for text in here.explanations(faces, verifiers=judges)]
    assert "".join(other.stream(faces[0], verifier=judges[0])) == texts[0].text
    for text, aus in zip(texts, varied.AUS, strict=True):
        if aus is not None:
            assert not [one for one in audit(text.text, aus).checked if one.verdict in REWRITTEN_VERDICTS]
    assert sum(len(text.rejected or ()) for text in texts) > 2
