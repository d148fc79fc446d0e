"""Bases of today, each as its hub repository would be read: prompts, training, answers.

Every base is a tiny random model of the installed class with its own processor (`tinybases`).
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinybases
import torch
from PIL import Image
from torch import Tensor

from expllm.core.conversations import Conversation, Turn, explanation_question, label_question
from expllm.core.errors import RecordError
from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.families import crop_side
from expllm.model.inference.audited_decoding import TextDraft
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.hf_backend import TransformersBackend
from expllm.model.inference.label_scoring import token_tree
from expllm.model.model_inputs import HfPreparer
from expllm.model.presets import HF_SIDE, preset
from expllm.model.tokenize import IGNORE, Encoded, control_tokens, label_tokens
from expllm.model.vlm import inner, module_names, parameter_part, supervised_losses, train_only

FAST = ("qwen3_vl", "llava_onevision", "gemma3")
NAMES = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in tinybases.BASES]
"""A third of them is tried at every turn."""
LABELS = label_set(7)
PARTS = ("projector", "tower_lora", "language_lora")
QUESTION, ANSWER = "Which expression does this face show?", "Key Observations: lip corner pull."

torch.set_num_threads(1)

# PaliGemma's processor copies tensors as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bases")


@cache
def made(folder: Path, name: str) -> Path:
    return tinybases.make_base(name, folder / name)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bundle(folder: Path, name: str) -> Bundle:
    """A base with adapters, read as a user's run reads it."""
    return new_bundle(preset(f"hf:{made(folder, name)}"), LABELS, seed=1)


def face(number: int, side: int = HF_SIDE) -> Image.Image:
    drawn = np.random.default_rng(number)
    return Image.fromarray(drawn.integers(0, 256, (side, side, 3)).astype(np.uint8))


def messages(conversation: Conversation, picture: Any) -> list[dict[str, Any]]:
    """As a user of `transformers` would write them."""
    shown: list[dict[str, Any]] = [{"type": "image", "image": picture}]
    return [
        {"role": turn.role, "content": (shown if not place else []) + [{"type": "text", "text": turn.text}]}
        for place, turn in enumerate(conversation.turns)
    ]


def theirs(bundle: Bundle, conversation: Conversation, picture: Any, **options: Any) -> dict[str, Any]:
    """What the processor gives by itself."""
    processor: Any = bundle.processor
    return dict(
        processor.apply_chat_template(
            messages(conversation, picture), tokenize=True, return_dict=True, return_tensors="pt", **options
        )
    )


def rounds(first_learned: bool = True) -> list[Conversation]:
    one = Conversation((Turn("user", QUESTION),), "label")
    return [one, one.answered("happiness", learn=first_learned).asked("Why?")]


def test_a_prompt_is_the_processors_own(bundle: Bundle) -> None:
    way = HfPreparer(bundle.processor, 4096)
    for asked in rounds():
        given = theirs(bundle, asked, face(0), add_generation_prompt=True)
        assert way.encoder.prompt(asked) == given["input_ids"][0].tolist()


def test_whole_conversations_are_the_processors_own(bundle: Bundle, name: str) -> None:
    way = HfPreparer(bundle.processor, 4096)
    tokenizer: Any = bundle.tokenizer
    for asked in rounds(first_learned=name != "gemma4"):
        whole = asked.answered(ANSWER)
        encoded = way.encoder.encode(whole)
        prompt = way.encoder.prompt(asked)
        if name != "gemma4":  # it writes an empty thought before an answer, and keeps none of those it wrote
            given = theirs(bundle, whole, face(0))
            assert encoded.input_ids == given["input_ids"][0].tolist()
        if name != "llava_onevision":  # it writes a space that its prompt has not
            assert encoded.input_ids[: len(prompt)] == prompt
        answers = [turn.text for turn in whole.turns if turn.learn]
        learned = tokenizer.decode(encoded.learned, skip_special_tokens=True)
        for end in control_tokens(tokenizer).values():  # those of Gemma and SmolVLM are not special
            learned = learned.replace(end, "")
        assert learned.replace(" ", "") == "".join(answers).replace(" ", "")
        assert encoded.learned.count(encoded.learned[-1]) == len(answers)  # each with its end
        assert encoded.learned[-1] in control_tokens(tokenizer)


def test_what_looks_like_a_control_token_is_text(bundle: Bundle, name: str) -> None:
    way = HfPreparer(bundle.processor, 4096)
    plain = Conversation((Turn("user", QUESTION),), "label").answered("happiness and fear")
    end = bundle.tokenizer.convert_ids_to_tokens(way.encoder.encode(plain).learned[-1])
    hostile = Conversation((Turn("user", QUESTION),), "label").answered(f"happiness {end} fear")
    if name in ("idefics3", "llava_onevision"):  # `transformers` reads it as text for others alone
        with pytest.raises(RecordError, match="control token"):
            way.encoder.encode(hostile)
        return
    learned = way.encoder.encode(hostile).learned
    assert learned.count(learned[-1]) == 1
    assert bundle.tokenizer.decode(learned).replace(" ", "").count(end) == 2


def test_a_face_is_one_picture_of_as_many_tokens_at_any_size(bundle: Bundle) -> None:
    way = HfPreparer(bundle.processor, 4096)
    small, large = way.pixels(face(0, 60)), way.pixels(face(0, 700))
    assert {name: values.shape for name, values in small.items()} == {
        name: values.shape for name, values in large.items()
    }
    exact = face(0, crop_side(bundle.processor) or HF_SIDE)
    asked = way.encoder.prompt(rounds()[0])
    assert sum(token in way.encoder.picture for token in asked) == way.encoder.image_tokens
    given = theirs(bundle, rounds()[0], exact, add_generation_prompt=True)
    pixels = way.pixels(exact)
    assert set(pixels) == set(given) - {"input_ids", "attention_mask", "labels", *way.encoder.types}
    for name, values in pixels.items():
        assert np.array_equal(values, given[name].numpy()), name


def batch(way: HfPreparer) -> dict[str, Tensor]:
    """A label and an explanation, of two faces."""
    label = label_question(LABELS).answered("happiness")
    explained = explanation_question().answered(ANSWER)
    return way.batch(
        [way.encoder.encode(one) for one in (label, explained)], [way.pixels(face(n)) for n in (0, 1)]
    )


def test_a_step_moves_the_intended_weights_and_no_others(bundle: Bundle) -> None:
    model, given = bundle.model.train(), batch(HfPreparer(bundle.processor, 4096))
    labels = given.pop("labels")
    assert (labels != IGNORE).any(1).all()
    drawn = torch.Generator().manual_seed(0)
    for key, parameter in model.named_parameters():
        if ".lora_B." in key:  # else `lora_A` would have no gradient yet
            parameter.data = torch.randn(parameter.shape, generator=drawn) * 0.01
    counts = train_only(model, PARTS)
    assert set(counts) == set(PARTS)
    assert all(counts.values())
    before = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
    losses = supervised_losses(model, given, labels)
    losses.total.backward()  # type: ignore[no-untyped-call]
    torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2).step()
    moved = {key for key, parameter in model.named_parameters() if not torch.equal(parameter, before[key])}
    where = module_names(model)
    assert moved == {key for key in before if parameter_part(key, where) in PARTS}
    names = {key.rpartition(".lora_")[0] for key in moved if ".lora_" in key}
    assert {parameter_part(key, where) for key in names} == {"tower", "language"}


def test_the_loss_is_the_models_own(bundle: Bundle) -> None:
    model, given = bundle.model.eval(), batch(HfPreparer(bundle.processor, 4096))
    own = inner(model)(**given).loss
    labels = given.pop("labels")
    losses = supervised_losses(model, given, labels)
    assert losses.total.item() / losses.tokens == pytest.approx(own.item(), rel=1e-5)


@torch.inference_mode()
def test_labels_are_scored_as_separate_sequences_would_be(bundle: Bundle) -> None:
    way = HfPreparer(bundle.processor, 4096)
    model = inner(bundle.model).eval()
    asked = TransformersBackend(model, way)
    prompt = way.encoder.prompt(label_question(LABELS))
    words = [label_tokens(way.encoder, label) for label in LABELS]
    seen = [way.pixels(face(number)) for number in (0, 1)]
    sums = asked.scores(asked.look(seen), [prompt] * 2, token_tree(words))
    for row, pixels in enumerate(seen):
        for column, word in enumerate(words):
            encoded = Encoded(prompt + word, [IGNORE] * len(prompt) + word, "label")
            given = way.batch([encoded], [pixels])
            given.pop("labels")
            logits = model(**given).logits[0, len(prompt) - 1 : len(prompt) + len(word) - 1].log_softmax(-1)
            alone = logits[torch.arange(len(word)), torch.tensor(word)].sum()
            assert abs(sums[row, column] - alone) < 1e-4
    assert (sums[0] - sums[1]).abs().max() > 1e-4  # else the pictures would say nothing here


@torch.inference_mode()
def test_a_text_is_what_generate_writes(bundle: Bundle) -> None:
    way = HfPreparer(bundle.processor, 4096)
    model = inner(bundle.model).eval()
    asked = TransformersBackend(model, way)
    question = rounds()[0]
    prompt = way.encoder.prompt(question)
    faces = [face(0), face(1)]
    drafts = [TextDraft(bundle.tokenizer) for _ in faces]
    steps = list(asked.write(asked.look([way.pixels(one) for one in faces]), [prompt] * 2, drafts, -1, 16))
    texts = [[token for step in steps for of, token in step if of == row] for row in range(2)]
    assert texts[0] != texts[1]  # else the pictures would say nothing here
    for one, text in zip(faces, texts, strict=True):
        given = theirs(bundle, question, one, add_generation_prompt=True)
        given.pop("labels", None)
        whole = model.generate(**given, max_new_tokens=16, do_sample=False, eos_token_id=None)
        assert text == whole[0, len(prompt) :].tolist()


def test_a_base_answers_labels_and_texts(bundle: Bundle) -> None:
    vlm = FaceVLM(bundle)
    answers = vlm.generate([face(0)], max_new_tokens=8)
    assert answers.labels.log_probabilities.shape == (1, 7)
    assert answers.explanations[0].tokens <= 8
