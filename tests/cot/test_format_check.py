"""The format of the paper: three headings, 130 words, no pronouns, no numbers, the right label."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.cot.format_check import WORD_LIMIT, affirmed, format_problems
from expllm.cot.rule_writer import write_cot

GOOD = CoT(
    key_observations="Both lip corners are clearly pulled up, which may express joy.",
    overall_emotional_interpretation="The pull of the lip corners is typical of happiness.",
    conclusion="The face shows happiness.",
)


def with_part(**parts: str) -> str:
    return GOOD.model_copy(update=parts).text


def problems(text: str, label: Expression = Expression.HAPPINESS) -> tuple[str, ...]:
    return format_problems(text, label)[1]


def test_a_good_text_breaks_no_rule() -> None:
    assert format_problems(GOOD.text, Expression.HAPPINESS) == (GOOD, ())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "headings"),
        (GOOD.text.replace("**Conclusion:** ", ""), "headings"),
        (GOOD.text + "\n\n" + GOOD.text, "headings"),
        ("Sure! Here it is:\n\n" + GOOD.text, "before the first heading"),
        (with_part(conclusion="Her face shows happiness."), "pronouns are not allowed: her"),
        (with_part(conclusion="They’re showing happiness, themselves."), "themselves"),
        (with_part(key_observations="AU 12 is active."), "Numbers of action units"),
        (with_part(key_observations="AU12 is active."), "Numbers of action units"),
        (with_part(key_observations="Action unit #12 is active."), "Numbers of action units"),
        (with_part(key_observations="The lip corners rise (0.66)."), "Numbers are not allowed"),
        (with_part(conclusion="The face shows sadness."), "must name the expression happiness"),
        (with_part(conclusion="There is no happiness in this face."), "must name the expression happiness"),
        (with_part(conclusion="The face shows\x07 happiness."), "Control characters"),
        (with_part(conclusion="The face shows hap\u200bpiness, happiness."), "Control characters"),
        ("x" * 1_000_000, "1000000 characters"),
    ],
)
def test_each_rule_is_named_when_broken(text: str, word: str) -> None:
    assert any(word in problem for problem in problems(text)), problems(text)


def test_the_limit_is_130_words_headings_included() -> None:
    spare = WORD_LIMIT - GOOD.word_count
    fits = with_part(key_observations=GOOD.key_observations + " very" * spare)
    assert problems(fits) == ()
    assert "131 words" in problems(fits.replace("very", "very very", 1))[0]


@given(
    st.fixed_dictionaries({}, optional={name: st.floats(0, 1) for name in AU_NAMES}),
    st.sampled_from(list(Expression)),
)
def test_the_offline_writer_keeps_to_the_format(values: dict[str, float], label: Expression) -> None:
    aus = AUVector(values)
    if aus.measured:
        assert problems(write_cot(aus, label).text, label) == ()


@given(st.text())
def test_no_text_breaks_the_check(text: str) -> None:
    cot, found = format_problems(text, Expression.FEAR)
    assert found or (cot is not None and Expression.FEAR in affirmed(cot.conclusion))
