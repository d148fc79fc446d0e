"""Saying "uncertain": what is still answered, and how much of it is right."""

import json
import math

import pytest
from explanations import answered
from stubs import SEVEN, given, logs, settings

from expllm.core.errors import UsageError
from expllm.core.vocabulary import Expression
from expllm.data import Sample
from expllm.evals.saved_answers import Answer
from expllm.evals.scores import score_run


def mixed() -> list[Answer]:
    """40 sure answers of which 36 are right, 60 unsure ones of which 30 are, and 20 without a face."""
    sure = [("fear", "fear")] * 36 + [("fear", "anger")] * 4
    unsure = [("anger", "anger")] * 30 + [("anger", "fear")] * 30
    faceless = given([("fear", None)] * 20)
    answers = [*given(sure, sure=0.9), *given(unsure, sure=0.4), *faceless]
    return [answer.model_copy(update={"id": f"s{n}"}) for n, answer in enumerate(answers)]


def test_by_hand() -> None:
    kept = score_run(settings(), mixed(), abstain=0.5).abstaining
    assert kept is not None
    assert (kept.rows, kept.answered, kept.coverage) == (120, 40, 40 / 120)
    assert kept.accuracy is not None
    assert kept.accuracy.estimate == 0.9
    assert kept.accuracy.low < 0.9 < kept.accuracy.high
    everything = score_run(settings(), mixed(), abstain=0.0)
    assert everything.abstaining is not None
    assert everything.abstaining.answered == 100
    assert everything.abstaining.accuracy is not None
    assert everything.abstaining.accuracy.estimate == everything.figures.accuracy_answered == 0.66


def test_the_temperature_counts() -> None:
    """Twice as warm, a probability of 0.9 is far below 0.9."""
    odds = math.sqrt(0.9 / (0.1 / 6))
    warm = odds / (odds + 6)
    for threshold, answers in ((warm - 1e-6, 40), (warm + 1e-6, 0)):
        found = score_run(settings(temperature=2.0), mixed(), abstain=threshold)
        assert found.abstaining is not None
        assert found.abstaining.answered == answers
    assert found.abstaining
    assert found.abstaining.accuracy is None, "nothing is answered: that is no accuracy of zero"
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["abstain"]["accuracy"] is None


def test_the_area_is_in_the_figures() -> None:
    found = score_run(settings(), mixed()).to_dict()
    assert found["abstain"] is None
    by_hand = [0.1] * 40 + [(4 + 0.5 * n) / (40 + n) for n in range(1, 61)]
    assert found["risk_coverage_area"] == pytest.approx(sum(by_hand) / 100)


def test_a_transfer_holds_back_by_what_the_model_said() -> None:
    """An answer that the data set does not have is wrong however sure the model was."""
    five = [label for label in SEVEN if label not in ("disgust", "fear")]
    asked = settings(task="transfer", truth_labels=five)
    pairs = [("anger", "anger", 0.9), ("anger", "disgust", 0.9), ("anger", "anger", 0.3)]
    answers = [
        answered(
            Sample(id=f"s{n}", expression=Expression(truth)), SEVEN, logs(SEVEN, Expression(label), sure)
        )
        for n, (truth, label, sure) in enumerate(pairs)
    ]
    kept = score_run(asked, answers, abstain=0.5).abstaining
    assert kept is not None
    assert (kept.rows, kept.answered) == (3, 2)
    assert kept.accuracy is not None
    assert kept.accuracy.estimate == 0.5


def test_labels_alone_cannot_be_held_back() -> None:
    answers = [answer.model_copy(update={"log_probabilities": None}) for answer in mixed()]
    with pytest.raises(UsageError, match="no answer has probabilities"):
        score_run(settings(), answers, abstain=0.5)
    assert score_run(settings(), answers).risk is None
