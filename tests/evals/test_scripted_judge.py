"""The judge by rules: what it compares, and that empty words are worth nothing."""

import pytest
from explanations import LABELS, text

from expllm.core.records import CoT
from expllm.core.vocabulary import Expression
from expllm.evals.judge import scripted_judge
from expllm.evals.judge.rubric import JudgeFile, JudgeScores
from expllm.evals.ladder import padded

FILE = JudgeFile.load()


def judge(first: str, second: str) -> JudgeScores:
    scores = FILE.read(scripted_judge.reply(first, second))
    assert scores is not None
    return scores


def cot(observations: str, interpretation: str, conclusion: str) -> str:
    return CoT(
        key_observations=observations, overall_emotional_interpretation=interpretation, conclusion=conclusion
    ).text


@pytest.mark.parametrize("label", LABELS)
def test_a_text_agrees_with_itself_padded_or_not(label: Expression) -> None:
    assert judge(text(label), text(label)) == JudgeScores(5, 5, 5)
    assert judge(text(label), padded(text(label))) == JudgeScores(5, 5, 5)


def test_each_part_is_compared() -> None:
    one = cot("The jaw is dropped strongly.", "It speaks for surprise.", "This is surprise.")
    assert judge(
        one, cot("The jaw is dropped slightly.", "It speaks for surprise.", "Surprise.")
    ) == JudgeScores(2, 5, 5)
    assert judge(one, cot("Both brows are lowered.", "It speaks for surprise.", "Surprise.")) == JudgeScores(
        0, 5, 5
    )
    assert judge(one, cot("The jaw is dropped strongly.", "It speaks for fear.", "Fear.")) == JudgeScores(
        5, 0, 0
    )


def test_the_order_does_not_matter() -> None:
    one, other = text(LABELS[0]), text(LABELS[1])
    assert judge(one, other) == judge(other, one)


def test_a_text_without_headings_gets_nothing() -> None:
    assert judge(text(LABELS[0]), "A smile, so happiness.") == JudgeScores(0, 0, 0)


def test_texts_that_tell_nothing_agree() -> None:
    nothing = cot("There is a face.", "It is here.", "That is all.")
    assert judge(nothing, nothing) == JudgeScores(5, 5, 5)
