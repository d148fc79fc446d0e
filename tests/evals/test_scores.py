"""Figures from saved answers alone."""

import json
import random

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings as quickly
from hypothesis import strategies as st
from stubs import RAFDB_COUNTS, SEVEN, given, settings

from expllm.core.errors import RecordError, UsageError
from expllm.core.vocabulary import label_set
from expllm.evals.metrics.classification import mcnemar
from expllm.evals.saved_answers import Answer
from expllm.evals.scores import compare_runs, log_probabilities, score_run

EIGHT = label_set(8)


def test_the_alarm_fires_on_a_model_that_answers_one_class() -> None:
    truths = [label for label, count in RAFDB_COUNTS.items() for _ in range(count)]
    scores = score_run(settings(), given([(truth, "happiness") for truth in truths]))
    assert scores.figures.rows == 3068
    assert scores.figures.accuracy == 1185 / 3068 == scores.figures.majority_share
    assert len(scores.alarms) == 2
    assert "answers one class only: 'happiness', 3,068 times" in scores.alarms[0]
    assert "38.6% does not beat the share of the largest class" in scores.alarms[1]


def test_no_alarm_on_a_model_that_knows_something() -> None:
    answers = given([("fear", "fear"), ("anger", "anger"), ("anger", "fear"), ("sadness", "sadness")] * 9)
    assert score_run(settings(), answers).alarms == ()


@quickly(max_examples=20)
@drawn(
    st.lists(st.tuples(st.sampled_from(SEVEN), st.none() | st.sampled_from(SEVEN)), min_size=1, max_size=40)
)
def test_by_hand_and_the_same_in_any_order(pairs: list[tuple[str, str | None]]) -> None:
    answers = given(pairs)
    shuffled = random.Random(1).sample(answers, len(answers))
    one, other = (score_run(settings(), each).to_dict() for each in (answers, shuffled))
    assert one["accuracy"] == sum(truth == label for truth, label in pairs) / len(pairs)
    assert one["no_face"] == sum(label is None for _, label in pairs)
    assert {**other, "unreadable": None} == {**one, "unreadable": None}
    assert json.loads(json.dumps(one, allow_nan=False)) == one


def test_calibration_error_before_and_after() -> None:
    answers = given([("fear", "fear"), ("fear", "anger")] * 40, sure=0.9)
    found = score_run(settings(temperature=100.0), answers).to_dict()
    assert found["calibration_error"] == pytest.approx(0.4)
    odds = (0.9 / (0.1 / 6)) ** 0.01
    assert found["calibration_error_at_temperature"] == pytest.approx(0.5 - odds / (odds + 6))
    assert score_run(settings(), answers).after is None


def test_nothing_has_probabilities() -> None:
    answers = given([("fear", "fear"), ("anger", None)])
    bare = [answer.model_copy(update={"log_probabilities": None}) for answer in answers]
    assert score_run(settings(), bare).before is None
    assert score_run(settings(), [bare[1]]).alarms


def test_transfer_counts_what_could_not_be_aligned() -> None:
    """A model of seven on a test set of eight: contempt drops out; of eight on seven: an answer outside."""
    pairs = [("contempt", "anger"), ("fear", "fear"), ("anger", "fear")]
    there = score_run(settings(task="transfer", truth_labels=list(EIGHT)), given(pairs))
    assert (there.figures.rows, there.dropped, there.outside) == (2, {"contempt": 1}, {})
    assert there.labels == SEVEN
    back = settings(EIGHT, task="transfer", truth_labels=list(SEVEN))
    answers = given([("anger", "contempt"), ("fear", "fear")], EIGHT)
    found = score_run(back, answers)
    assert (found.figures.rows, found.figures.accuracy) == (2, 0.5)
    assert (found.dropped, found.outside) == ({}, {"contempt": 1})
    assert found.before is not None
    assert found.before.count.sum() == 2


def test_accuracy_refuses_labels_that_the_model_was_never_taught() -> None:
    with pytest.raises(UsageError, match=r"has contempt, which the model was not trained on .*eval transfer"):
        score_run(settings(truth_labels=list(EIGHT)), given([("fear", "fear")]))
    with pytest.raises(UsageError, match="give another data set"):
        score_run(
            settings(SEVEN[:2], truth_labels=list(SEVEN[2:4])), given([(SEVEN[2], SEVEN[0])], SEVEN[:2])
        )
    with pytest.raises(UsageError, match="0 labels in common"):
        score_run(
            settings(SEVEN[:2], task="transfer", truth_labels=list(SEVEN[2:4])), given([("fear", "fear")])
        )


def test_no_answers() -> None:
    with pytest.raises(RecordError, match="the test set is empty"):
        score_run(settings(), [])


def test_log_probabilities_of_faces_that_count() -> None:
    answers = given([("fear", "fear"), ("anger", None), ("contempt", "anger")])
    logs, truth = log_probabilities(settings(), answers)
    assert logs.shape == (1, 7)
    assert truth.tolist() == [SEVEN.index(answers[0].truth)]
    assert np.exp(logs).sum() == pytest.approx(1)


def run_of(pairs: list[tuple[str, str | None]]) -> tuple[object, list[Answer]]:
    return settings(), given(pairs)


def test_two_runs_are_compared_on_their_common_faces() -> None:
    first = given([("fear", "fear")] * 30 + [("anger", "anger")] * 5)
    second = given([("fear", "anger")] * 30 + [("anger", "anger"), ("anger", None), ("fear", "fear")])
    second[-1] = second[-1].model_copy(update={"id": "elsewhere"})
    found = compare_runs((settings(), first), (settings(), second))
    assert (found.rows, found.only_first_run, found.only_second_run) == (32, 3, 1)
    assert (found.first, found.second) == (1.0, 1 / 32)
    expected = mcnemar([0] * 32, [0] * 32, [0] + [1] * 31)
    assert found.test == expected
    assert found.to_dict()["method"] == "chi-square with continuity correction"


def test_runs_that_cannot_be_compared() -> None:
    one, other = given([("fear", "fear")]), given([("anger", "fear")])
    with pytest.raises(RecordError, match="s00000: is fear in one run and anger in the other"):
        compare_runs((settings(), one), (settings(), other))
    with pytest.raises(UsageError, match="no face in common"):
        compare_runs((settings(), one), (settings(), []))
