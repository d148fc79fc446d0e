"""Vicuna's tokenizer, for which there is a model of sentencepiece alone: the ids are sentencepiece's own."""

from importlib import import_module
from typing import Any

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from tinyhub import TinyHub, as_folder, sentencepiece_model, vicuna_files

from expllm.core.conversations import explanation_question, label_conversation, label_question
from expllm.core.errors import MissingDependency, MissingWeights
from expllm.core.vocabulary import Expression, label_set
from expllm.model.build import load_tokenizer
from expllm.model.chat_templates import VICUNA
from expllm.model.hub.snapshots import resolve_revisions
from expllm.model.presets import PRESETS
from expllm.model.tokenize import Encoder

TEXTS = (
    "The left lip corner is pulled, slightly.", "two  spaces and\ttabs", "naïve 笑顔 \U0001f600", "a\n\nb\n",
    "1984 x 3.14", "USER: What is it? ASSISTANT: happiness", "ends with a space ",
)  # fmt: skip


@pytest.fixture(scope="module")
def reference() -> Any:
    return sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model())


@pytest.fixture(scope="module")
def tokenizer(hub: TinyHub, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = as_folder(tmp_path_factory.mktemp("language") / "vicuna", vicuna_files())
    return load_tokenizer(
        resolve_revisions(PRESETS["paper"].with_sources(language=str(folder)), online=False).language
    )


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_sentencepiece(text: str, tokenizer: Any, reference: Any) -> None:
    assert tokenizer.encode(text, add_special_tokens=False) == reference.encode(text)
    assert tokenizer.encode(text) == [1, *reference.encode(text)]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581<\0"), max_size=60))
@settings(deadline=None, max_examples=200)
def test_ids_of_any_text(tokenizer: Any, reference: Any, text: str) -> None:
    """Where a text begins with a space, `transformers` puts no second one before it, and we do."""
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 1, 4096)
    if text:
        assert encoder._said(text, "a text", first=True) == reference.encode(text)
    assert encoder._said(text, "a text", first=False) == without_prefix().encode(text)


def without_prefix() -> Any:
    """As the slow tokenizer of Llama reads a text behind a control token (`legacy` is false)."""
    proto: Any = import_module("sentencepiece.sentencepiece_model_pb2")
    model = proto.ModelProto.FromString(sentencepiece_model())
    model.normalizer_spec.add_dummy_prefix = False
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


def test_a_conversation_as_fastchat_writes_it(tokenizer: Any, reference: Any) -> None:
    """vicuna_v1.1: system, USER:, ASSISTANT:, and </s> behind an answer, of which each is read by itself."""
    labels = label_set(7)
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 3, 4096)
    asked = label_conversation(Expression.FEAR, labels).asked("Why?").answered("The brows rise.")
    first = label_question(labels).turns[0].text
    before = reference.encode(f"{VICUNA.system} USER: ")
    rest = without_prefix()
    answers = [*rest.encode(f"\n{first} ASSISTANT:"), *rest.encode(" fear"), 2]
    again = [*rest.encode("USER: Why? ASSISTANT:"), *rest.encode(" The brows rise."), 2]
    assert encoder.encode(asked).input_ids == [1, *before, 0, 0, 0, *answers, *again]


def test_what_is_asked_is_what_was_trained(tokenizer: Any) -> None:
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 3, 4096)
    for question in (label_question(label_set(8)), explanation_question()):
        whole = encoder.encode(question.answered("happiness"))
        assert whole.input_ids[: -len(whole.learned)] == encoder.prompt(question)


def test_padding_is_never_the_picture(tokenizer: Any) -> None:
    """Vicuna fills up with <unk>, which holds the picture's places here."""
    assert tokenizer.pad_token_id == 2
    assert tokenizer.convert_tokens_to_ids(PRESETS["paper"].language.image_token) == 0


def test_without_sentencepiece_one_line_says_so(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = import_module("expllm.model.weight_files")
    folder = as_folder(tmp_path / "vicuna", vicuna_files())
    language = resolve_revisions(PRESETS["paper"].with_sources(language=str(folder)), online=False).language
    found = module.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "sentencepiece" else found(name))
    with pytest.raises(MissingDependency, match=r"tokenizer\.model: needs sentencepiece: run \"pip install"):
        load_tokenizer(language)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("tokenizer.model", None, "holds no tokenizer"),
        ("tokenizer.model", b"", "is empty"),
        ("tokenizer.model", sentencepiece_model()[:-300], "sentencepiece cannot read it"),
        (
            "tokenizer.model",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:9e\n",
            "Git LFS",
        ),
    ],
)
def test_a_damaged_tokenizer_is_named(name: str, content: bytes | None, problem: str, tmp_path: Any) -> None:
    """`transformers` makes a tokenizer of three tokens where there is no file."""
    files = {**vicuna_files(), name: content}
    folder = as_folder(tmp_path / "vicuna", {key: one for key, one in files.items() if one is not None})
    language = resolve_revisions(PRESETS["paper"].with_sources(language=str(folder)), online=False).language
    with pytest.raises(MissingWeights, match=problem):
        load_tokenizer(language)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Any) -> None:
    import json

    from expllm.model.manifest import ModelError

    files = vicuna_files()
    config = {**json.loads(files["config.json"]), "vocab_size": 700}
    folder = as_folder(tmp_path / "vicuna", {**files, "config.json": json.dumps(config).encode()})
    language = resolve_revisions(PRESETS["paper"].with_sources(language=str(folder)), online=False).language
    with pytest.raises(ModelError, match="800 tokens, and the model has rows for 700"):
        load_tokenizer(language)


def test_it_comes_back_from_a_file(tokenizer: Any, tmp_path: Any) -> None:
    """A merged folder holds it as `tokenizer.json`: the same ids."""
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert again.encode(text) == tokenizer.encode(text)
