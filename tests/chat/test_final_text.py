"""What is cut off an answer, and what never is."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expllm.chat.final_text import final_text

PAIRS = (
    ("<think>", "</think>"),
    ("<reasoning_steps>", "</reasoning_steps>"),
    ("<analysis>", "</analysis>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin▁of▁thinking|>", "<|end▁of▁thinking|>"),
    ("<|thought_start|>", "<|thought_end|>"),
    ('<details type="reasoning">', "</details>"),
)
TOKENS = ("<|im_end|>", "[|endofturn|]", "[e~[", "<eos>", "[EOS]", "<extra_id_1>", "<end_of_utterance>")
WORDS = st.lists(
    st.sampled_from(
        "the brows cheeks are raised lowered analysis thinking joy, fear. It shows: (a) 0.5 - [1] <b> ~ ` "
        "Here is my response * **Conclusion:** # | 50 % < >".split()
    ),
    min_size=1,
    max_size=12,
).map(" ".join)


@settings(max_examples=200)
@given(st.lists(WORDS, min_size=1, max_size=5).map("\n\n".join))
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert final_text(text).text == text


@settings(max_examples=60)
@given(st.text(st.characters(exclude_characters="<`~◁["), max_size=60))
def test_a_text_without_marks_stays_as_it_is(text: str) -> None:
    begun = re.match(r"\s*(analysis|commentary|assistant|here|thinking\.\.\.)", text, re.IGNORECASE)
    assert begun or final_text(text).text == text


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0])
def test_marks_within_a_sentence_stay(pair: tuple[str, str]) -> None:
    opening, closing = pair
    for text in (
        f"The mark {opening} begins a block.",
        f"The mark {closing} ends it.",
        f"He wrote {opening} and {closing} around the word.",
        f"Both marks, `{opening}` and `{closing}`, are known.",
    ):
        assert final_text(text).text == text


@pytest.mark.parametrize("token", TOKENS)
def test_tokens_within_a_sentence_stay(token: str) -> None:
    text = f"The token {token} ends a turn."
    assert final_text(text).text == text


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0])
@given(reasoning=WORDS, answer=WORDS)
@settings(max_examples=25)
def test_a_block_before_an_answer_is_cut_off(pair: tuple[str, str], reasoning: str, answer: str) -> None:
    found = final_text(f"{pair[0]}\n{reasoning}\n{pair[1]}\n\n{answer}")
    assert (found.text, found.reasoned) == (answer, True)
