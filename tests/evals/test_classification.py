"""Figures: as scikit-learn has them, with no answer as a wrong one; alarms; McNemar's test."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoredrows import LABELS, columns, rows
from sklearn import metrics as sk

from expllm.core.errors import RecordError
from expllm.evals.metrics.classification import (
    NO_ANSWER,
    accuracy,
    alarms,
    balanced_accuracy,
    confusion_matrix,
    macro_f1,
    matrix_figures,
    mcnemar,
    mcnemar_of,
)

RAF_TEST = (329, 74, 160, 1185, 478, 162, 680)
RAF_LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


def rafdb_truth() -> list[int]:
    return [label for label, count in enumerate(RAF_TEST) for _ in range(count)]


@given(rows(5))
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, answer = columns(pairs)
    found = matrix_figures(confusion_matrix(truth, answer, 5))
    occur = sorted(set(truth) | set(answer) - {NO_ANSWER})
    assert found.accuracy == pytest.approx(sk.accuracy_score(truth, answer))
    recalls = sk.recall_score(truth, answer, labels=sorted(set(truth)), average=None)
    assert found.balanced_accuracy == pytest.approx(np.mean(recalls))
    f1 = sk.f1_score(truth, answer, labels=occur, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(f1)
    expected = sk.precision_recall_fscore_support(truth, answer, labels=range(5), zero_division=math.nan)
    for c, each in enumerate(found.classes):
        figures_of_class = [math.nan if v is None else v for v in (each.precision, each.recall, each.f1)]
        assert figures_of_class == pytest.approx([column[c] for column in expected[:3]], nan_ok=True)
        assert each.support == expected[3][c]


def test_classes_of_a_few_rows_are_left_out_of_the_second_mean() -> None:
    truth = [0] * 60 + [1] * 50 + [2] * 49
    answer = [0] * 30 + [1] * 30 + [1] * 50 + [0] * 49
    found = matrix_figures(confusion_matrix(truth, answer, 4))
    assert found.balanced_accuracy == pytest.approx((0.5 + 1 + 0) / 3)
    assert found.balanced_accuracy_common == pytest.approx((0.5 + 1) / 2)
    assert matrix_figures(confusion_matrix([0, 1], [0, 1], 2)).balanced_accuracy_common is None


@given(rows(4, lowest=0))
def test_balanced_accuracy_and_the_matrix_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, answer = columns(pairs)
    matrix = confusion_matrix(truth, answer, 4)
    assert (matrix[:, :-1] == sk.confusion_matrix(truth, answer, labels=range(4))).all()
    assert not matrix[:, -1].any()
    recalls = sk.recall_score(truth, answer, labels=sorted(set(truth)), average="macro")
    assert float(balanced_accuracy(matrix)) == pytest.approx(recalls)


@given(rows(6), st.randoms())
def test_the_order_of_rows_and_labels_changes_nothing(pairs: list[tuple[int, int]], chance: object) -> None:
    before = confusion_matrix(*columns(pairs), 6)
    shuffled = sorted(pairs, key=lambda _: chance.random())  # type: ignore[attr-defined]
    assert (confusion_matrix(*columns(shuffled), 6) == before).all()
    renamed = [(5 - truth, 5 - answer if answer >= 0 else answer) for truth, answer in pairs]
    after = confusion_matrix(*columns(renamed), 6)
    for figure in (accuracy, balanced_accuracy, macro_f1):
        assert float(figure(after)) == pytest.approx(float(figure(before)))


@given(rows(3))
def test_a_row_without_answer_is_wrong_and_counted(pairs: list[tuple[int, int]]) -> None:
    truth, answer = columns(pairs)
    found = matrix_figures(confusion_matrix(truth, answer, 3))
    assert found.rows == len(pairs)
    assert found.unanswered == sum(a == NO_ANSWER for _, a in pairs)
    assert found.accuracy * found.rows == pytest.approx(sum(t == a for t, a in pairs))
    if found.accuracy_answered is not None:
        assert found.accuracy_answered >= found.accuracy
        assert found.accuracy_answered <= 1
    else:
        assert found.unanswered == found.rows


def test_a_class_that_is_neither_true_nor_answered_is_left_out() -> None:
    found = matrix_figures(confusion_matrix([0, 0, 1, 1], [0, 0, 1, 2], 4))
    assert found.macro_f1 == pytest.approx((1 + 2 / 3 + 0) / 3)  # class 2 is answered: it counts as 0
    assert found.balanced_accuracy == pytest.approx((1 + 1 / 2) / 2)
    assert (found.classes[3].precision, found.classes[3].recall, found.classes[3].f1) == (None, None, None)


def test_figures_of_many_matrices_are_those_of_each() -> None:
    many = np.random.default_rng(0).integers(0, 9, size=(7, 4, 5))
    for figure in (accuracy, balanced_accuracy, macro_f1):
        assert figure(many) == pytest.approx([float(figure(one)) for one in many])


@pytest.mark.parametrize(
    ("truth", "answer", "reason"),
    [
        ([], [], "the test set is empty"),
        ([0, 1], [0], "1 answers for 2 truths"),
        ([0, 3], [0, 1], "row 1: the truth is 3, labels are 0 to 2"),
        ([0, -1], [0, 1], "row 1: the truth is -1"),
        ([0, 1], [-2, 1], "row 0: the answer is -2"),
        ([0.5], [0], "every truth must be one whole number"),
        ([[0]], [0], "every truth must be one whole number"),
    ],
)
def test_what_cannot_be_scored(truth: list[int], answer: list[int], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        confusion_matrix(truth, answer, 3)


def test_the_alarm_on_one_class_for_all_of_rafdb() -> None:
    matrix = confusion_matrix(rafdb_truth(), [3] * 3068, 7)
    assert matrix_figures(matrix).accuracy == pytest.approx(1185 / 3068)
    assert matrix_figures(matrix).majority == 3
    assert alarms(matrix, RAF_LABELS) == (
        "the model answers one class only: 'happiness', 3,068 times",
        "the accuracy of 38.6% does not beat the share of the largest class: "
        "answering 'happiness' always gets 38.6%",
    )


def test_the_alarm_stops_with_one_right_answer_more() -> None:
    truth = rafdb_truth()
    answer = [3] * 3068
    answer[0] = truth[0]
    assert alarms(confusion_matrix(truth, answer, 7), RAF_LABELS) == ()
    answer[-1] = 0  # a wrong answer among others does not matter, as neutral faces were wrong before
    assert alarms(confusion_matrix(truth, answer, 7), RAF_LABELS) == ()
    answer[truth.index(3)] = 0
    assert len(alarms(confusion_matrix(truth, answer, 7), RAF_LABELS)) == 1


@pytest.mark.parametrize(
    ("truth", "answer", "begin"),
    [
        ([1, 1, 1], [1, 1, 1], "the test set has one class only, 'happiness'"),
        ([0, 1], [-1, -1], "not one of the 2 rows has an answer"),
        ([0, 1, 2], [2, -1, 2], "the model answers one class only: 'sadness', 2 times"),
    ],
)
def test_other_alarms(truth: list[int], answer: list[int], begin: str) -> None:
    assert alarms(confusion_matrix(truth, answer, 8), LABELS)[0].startswith(begin)


def test_the_example_of_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)
    assert str(matrix_figures(names["matrix"]).macro_f1).startswith(
        code.partition("macro_f1  # ")[2].partition("...")[0]
    )
    assert alarms(names["matrix"], names["labels"])[0] in code


@pytest.mark.parametrize(
    ("only_first", "only_second", "statistic", "p"),
    [
        (25, 15, 2.025, 0.154729),  # Raschka, Model evaluation (2018), section 4.4
        (11, 1, None, 0.006348),  # the same, exact
        (6, 16, None, 0.052479),  # Wikipedia, McNemar's test: exact
        (59, 121, 20.672222, 5.450e-06),  # its first example, with the correction
        (0, 0, None, 1.0),
        (5, 5, None, 1.0),
        (20, 20, 0.0, 1.0),
    ],
)
def test_mcnemar_gives_known_values(
    only_first: int, only_second: int, statistic: float | None, p: float
) -> None:
    found = mcnemar_of(only_first, only_second)
    assert found.statistic == (None if statistic is None else pytest.approx(statistic))
    assert found.p == pytest.approx(p, rel=1e-4)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_does_not_know_which_model_came_first(a: int, b: int) -> None:
    assert mcnemar_of(a, b).p == mcnemar_of(b, a).p
    assert 0 <= mcnemar_of(a, b).p <= 1
    assert mcnemar_of(a, b + 70).p < 0.05 or a > 40


def test_mcnemar_counts_rows_that_one_model_alone_got_right() -> None:
    found = mcnemar([0, 1, 2, 0, 1], [0, 1, 0, -1, 1], [0, 0, 2, 0, -1])
    assert (found.only_first, found.only_second) == (2, 2)
    assert found.method == "exact binomial"
    with pytest.raises(RecordError, match="compare runs over the same rows"):
        mcnemar([0, 1], [0, 1], [0])
