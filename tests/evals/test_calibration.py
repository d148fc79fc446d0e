"""Calibration: errors as defined, temperatures that never harm, risk over coverage, abstaining."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoredrows import scored
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from expllm.core.errors import RecordError
from expllm.evals.metrics.calibration import (
    COLDEST,
    HOTTEST,
    abstain,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    risk_coverage,
    with_temperature,
)
from expllm.evals.metrics.classification import confusion_matrix, matrix_figures

SEEDS = st.integers(0, 10_000)
SHARPNESS = st.floats(0.05, 12)


@given(SEEDS, st.integers(1, 200), st.integers(2, 8), SHARPNESS, st.booleans())
@settings(max_examples=60)
def test_the_calibration_error_is_a_share(
    seed: int, count: int, classes: int, sharpness: float, adaptive: bool
) -> None:
    logs, truth = scored(seed, count, classes, sharpness)
    found = reliability(np.exp(logs), truth, adaptive=adaptive)
    assert 0 <= found.error <= 1
    assert found.count.sum() == count
    order = np.random.default_rng(seed).permutation(count)
    again = reliability(np.exp(logs)[order], truth[order], adaptive=adaptive)
    assert again.error == pytest.approx(found.error)
    filled = found.count > 0
    assert (found.confidence[filled] <= found.edges[1:][filled] + 1e-12).all()
    assert (found.confidence[filled] >= found.edges[:-1][filled] - 1e-12).all()


def test_bins_are_those_of_scikit_learn() -> None:
    logs, truth = scored(0, 500, 7)
    shares = np.exp(logs)
    found = reliability(shares, truth)
    right, mean = calibration_curve(shares.argmax(1) == truth, shares.max(1), n_bins=15)
    assert found.accuracy[found.count > 0] == pytest.approx(right)
    assert found.confidence[found.count > 0] == pytest.approx(mean)


def test_the_error_of_a_small_example() -> None:
    # Two rows at 0.9, one right; two at 0.6, both right: (|0.5 - 0.9| + |1 - 0.6|) / 2.
    shares = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]]
    assert reliability(shares, [0, 1, 1, 1]).error == pytest.approx(0.4)
    assert reliability(shares, [0, 1, 1, 1], bins=1).error == pytest.approx(0.0)
    assert reliability([[1.0, 0.0]], [1]).error == 1
    assert reliability([[1.0, 0.0]], [0]).error == 0


def test_adaptive_bins_hold_as_many_rows_each() -> None:
    logs, truth = scored(1, 1500, 7)
    assert set(reliability(np.exp(logs), truth, adaptive=True).count) == {100}
    same = reliability(np.full((90, 3), 1 / 3), np.arange(90) % 3, adaptive=True)
    assert same.count.max() == 90  # equal confidence: never split
    assert same.error == pytest.approx(0, abs=1e-12)


def test_honest_probabilities_have_a_small_error_and_a_temperature_of_one() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(5, 0.5), 20_000)
    truth = (rng.random((20_000, 1)) > shares.cumsum(1)).sum(1).clip(max=4)
    assert reliability(shares, truth).error < 0.015
    assert fit_temperature(np.log(shares), truth).value == pytest.approx(1, abs=0.03)
    too_sure = np.log(shares) * 3  # and a model three times as sure gets it told
    assert fit_temperature(np.log(with_temperature(too_sure, 1)), truth).value == pytest.approx(3, abs=0.1)


@given(SEEDS, st.integers(50, 150), st.integers(2, 8), SHARPNESS)
@settings(max_examples=60)
def test_a_temperature_never_harms_its_own_rows_and_changes_no_answer(
    seed: int, count: int, classes: int, sharpness: float
) -> None:
    logs, truth = scored(seed, count, classes, sharpness)
    found = fit_temperature(logs, truth)
    assert COLDEST <= found.value <= HOTTEST
    assert found.nll_after <= found.nll_before
    after = with_temperature(logs, found.value)
    assert (after.argmax(1) == logs.argmax(1)).all()
    assert after.sum(1) == pytest.approx(np.ones(count))
    assert negative_log_likelihood(np.log(after), truth) == pytest.approx(found.nll_after)
    others = [negative_log_likelihood(np.log(with_temperature(logs, t)), truth) for t in (0.3, 0.9, 1.1, 4)]
    assert found.nll_after <= min(others) + 1e-9


def test_temperatures_stop_at_their_bounds() -> None:
    truth = np.arange(60) % 2
    good, bad = np.log([[0.6, 0.4], [0.4, 0.6]])[truth], np.log([[0.1, 0.9], [0.9, 0.1]])[truth]
    assert fit_temperature(good, truth).value == COLDEST  # always right: never sure enough
    assert fit_temperature(bad, truth).value == HOTTEST  # always wrong: never unsure enough
    assert fit_temperature(bad, truth).at_a_bound
    assert not fit_temperature(*scored(0, 100, 3)).at_a_bound


def test_a_truth_without_any_probability_is_survived() -> None:
    logs, truth = scored(0, 60, 3)
    logs[0] = [0.0, -math.inf, -math.inf]
    truth[0] = 1
    found = fit_temperature(logs, truth)
    assert math.isfinite(found.nll_before)
    assert found.nll_after < found.nll_before


@given(SEEDS, st.integers(2, 90))
def test_the_likelihood_is_that_of_scikit_learn(seed: int, count: int) -> None:
    logs, truth = scored(seed, count, 4)
    expected = sk.log_loss(truth, np.exp(logs), labels=range(4))
    assert negative_log_likelihood(logs, truth) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rows", "truth", "reason"),
    [
        (49, None, "on 49 validation rows: at least 50 are needed"),
        (60, 1, "the validation rows have one class only"),
    ],
)
def test_what_no_temperature_can_be_fitted_on(rows: int, truth: int | None, reason: str) -> None:
    logs, true = scored(0, rows, 3)
    with pytest.raises(RecordError, match=reason):
        fit_temperature(logs, true if truth is None else np.full(rows, truth))


@pytest.mark.parametrize(
    ("shares", "truth", "reason"),
    [
        ([], [], "at least one row"),
        ([[0.5, 0.5]], [0, 1], "at least one row"),
        ([[0.5, 0.5], [0.5, 0.6]], [0, 1], "row 1: the probabilities add up to 1.1"),
        ([[1.5, -0.5]], [0], "row 0: .* or one is negative"),
        ([[math.nan, 0.5]], [0], "row 0: the probabilities add up to nan"),
        ([[0.5, 0.5]], [-1], "row 0: the truth is -1, not one of 2 labels"),
    ],
)
def test_what_are_no_probabilities(shares: Any, truth: list[int], reason: str) -> None:
    for figure in (reliability, risk_coverage):
        with pytest.raises(RecordError, match=reason):
            figure(shares, truth)


def test_risk_grows_from_the_surest_answers_to_all() -> None:
    shares = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]
    found = risk_coverage(shares, [0, 0, 1, 1])
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert found.risk == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert found.threshold == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert found.area == pytest.approx((1 / 3 + 1 / 2) / 4)
    same = risk_coverage([[0.5, 0.5]] * 4, [0, 0, 1, 1])  # nothing tells the rows apart
    assert same.risk == pytest.approx([0.5] * 4)


@given(SEEDS, st.integers(1, 80), st.integers(2, 6))
def test_the_risk_at_each_threshold_is_that_of_abstaining_there(seed: int, count: int, classes: int) -> None:
    logs, truth = scored(seed, count, classes)
    shares = np.floor(np.exp(logs) * 20) / 20  # many rows of equal confidence
    shares[:, 0] += (1 - shares.sum(1)).clip(min=0)
    found = risk_coverage(shares, truth)
    last_of_level = np.append(found.threshold[1:] != found.threshold[:-1], True)
    for k in np.flatnonzero(last_of_level):
        answers = abstain(shares, found.threshold[k])
        kept = matrix_figures(confusion_matrix(truth, answers, classes))
        assert (kept.rows - kept.unanswered) / kept.rows == pytest.approx(found.coverage[k])
        assert kept.accuracy_answered == pytest.approx(1 - found.risk[k])
    order = np.random.default_rng(seed).permutation(count)
    assert risk_coverage(shares[order], truth[order]).area == pytest.approx(found.area)
    assert 0 <= found.area <= 1


def test_abstaining() -> None:
    shares = [[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]]
    assert abstain(shares, 0).tolist() == [0, 1, 0]
    assert abstain(shares, 0.8).tolist() == [-1, 1, 0]
    assert abstain(shares, 1).tolist() == [-1, -1, -1]
