"""Label sets aligned: what is common, what is left out and counted, what became one."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.errors import RecordError, UsageError
from expllm.core.vocabulary import EXPRESSION_SYNONYMS, LABEL_ORDERS, Expression
from expllm.evals.label_mapping import align
from expllm.evals.metrics.classification import confusion_matrix, matrix_figures

RAF, AFFECT8 = LABEL_ORDERS["rafdb"].labels, LABEL_ORDERS["affectnet8"].labels
WORDS = [word for label, words in EXPRESSION_SYNONYMS.items() for word in (label.value, *words)]


def test_a_model_of_seven_on_a_set_of_eight_leaves_contempt_out_and_counts_it() -> None:
    fit = align(AFFECT8, RAF)
    assert fit.common == AFFECT8[:7]
    assert fit.only_truth == ("contempt",)
    assert fit.only_answer == ()
    truth = [AFFECT8.index(Expression(name)) for name in ("contempt", "fear", "anger", "contempt")]
    answer = [RAF.index(Expression(name)) for name in ("anger", "fear", "disgust", "neutral")]
    rows = fit.apply(truth, answer)
    assert [fit.common[t] for t in rows.truth] == ["fear", "anger"]
    assert [fit.common[a] for a in rows.predicted] == ["fear", "disgust"]
    assert rows.dropped_truth == Counter(contempt=2)
    assert rows.kept.tolist() == [False, True, True, False]


def test_a_model_of_eight_on_a_set_of_seven_is_wrong_with_contempt() -> None:
    fit = align(RAF, AFFECT8)
    assert fit.only_answer == ("contempt",)
    rows = fit.apply([0, 1, 2], [AFFECT8.index(Expression.CONTEMPT), -1, AFFECT8.index(Expression.DISGUST)])
    assert rows.predicted.tolist() == [-1, -1, 2]
    assert rows.outside_answers == Counter(contempt=1)
    assert rows.dropped_truth == Counter()
    assert matrix_figures(confusion_matrix(rows.truth, rows.predicted, 7)).accuracy == pytest.approx(1 / 3)


def test_synonyms_meet_and_labels_that_mean_the_same_become_one() -> None:
    fit = align(["Happy", "joy", "SAD", "sleepy"], ["sadness", "happiness", "Sleepy ", "confused"])
    assert fit.common == ("happiness", "sadness", "sleepy")
    assert fit.merged == {"happiness": ("Happy", "joy")}
    assert fit.only_answer == ("confused",)
    assert fit.apply([0, 1, 2, 3], [1, 1, 0, 2]).predicted.tolist() == [0, 0, 1, 2]


def test_probabilities_over_the_common_labels() -> None:
    fit = align(["sad", "happy"], ["joy", "happiness", "sadness", "contempt"])
    shares = fit.probabilities([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 1.0]])
    assert shares[0] == pytest.approx([0.5, 0.5])
    assert np.isnan(shares[1]).all()


@pytest.mark.parametrize("answers", [["joy", "sad"], ["sleepy"], []])
def test_nothing_to_tell_apart(answers: list[str]) -> None:
    with pytest.raises(UsageError, match="labels in common, at least two are needed"):
        align(["happy", "neutral"], answers)


@pytest.mark.parametrize(("truth", "answer"), [([-1], [0]), ([7], [0]), ([0], [8]), ([0], [-2])])
def test_indices_outside_the_label_sets(truth: list[int], answer: list[int]) -> None:
    with pytest.raises(RecordError, match=r"row 0: the (truth|answer) is"):
        align(RAF, AFFECT8).apply(truth, answer)


LABEL_SETS = st.lists(st.sampled_from(WORDS), min_size=2, max_size=9, unique=True)


@given(LABEL_SETS, LABEL_SETS, st.data())
def test_no_row_disappears(truths: list[str], answers: list[str], data: st.DataObject) -> None:
    meanings = {Expression.parse(word) for word in truths} & {Expression.parse(word) for word in answers}
    if len(meanings) < 2:
        with pytest.raises(UsageError):
            align(truths, answers)
        return
    fit = align(truths, answers)
    assert set(fit.common) == {meaning.value for meaning in meanings}
    row = st.tuples(st.integers(0, len(truths) - 1), st.integers(-1, len(answers) - 1))
    pairs = data.draw(st.lists(row, min_size=1, max_size=20))
    rows = fit.apply([t for t, _ in pairs], [a for _, a in pairs])
    assert len(rows.truth) + rows.dropped_truth.total() == len(pairs)
    kept = [pair for pair, keep in zip(pairs, rows.kept, strict=True) if keep]
    for (t, a), true, answer in zip(kept, rows.truth, rows.predicted, strict=True):
        assert Expression.parse(truths[t]) == fit.common[true]
        same = a >= 0 and Expression.parse(answers[a]) == Expression.parse(truths[t])
        assert same == (true == answer)
