"""Intervals: hold the estimate, narrow with rows, agree with drawing rows one by one."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scoredrows import columns, rows

from expllm.core.errors import RecordError
from expllm.evals.metrics.bootstrap import figure_intervals, mean_interval
from expllm.evals.metrics.classification import accuracy, balanced_accuracy, confusion_matrix, macro_f1

SKILLED = np.array([[80, 10, 5, 5], [10, 60, 20, 0], [3, 3, 24, 10], [1, 0, 2, 7]])


def skilled_matrix() -> NDArray[np.int64]:
    return np.hstack([SKILLED, [[0], [2], [0], [1]]])


@given(rows(4), st.booleans(), st.integers(0, 9))
@settings(max_examples=50)
def test_intervals_of_accuracy_hold_the_estimate(
    pairs: list[tuple[int, int]], stratified: bool, seed: int
) -> None:
    matrix = confusion_matrix(*columns(pairs), 4)
    found = figure_intervals(matrix, stratified=stratified, seed=seed, resamples=1000).accuracy
    assert 0 <= found.low <= found.estimate <= found.high <= 1


@pytest.mark.parametrize("stratified", [False, True])
def test_intervals_are_those_of_rows_drawn_one_by_one(stratified: bool) -> None:
    matrix = skilled_matrix()
    found = figure_intervals(matrix, stratified=stratified, resamples=4000)
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(4), matrix.sum(1))
    answer = np.concatenate([np.repeat([0, 1, 2, 3, -1], row) for row in matrix])
    classes = [np.flatnonzero(truth == c) for c in range(4)]
    drawn = []
    for _ in range(4000):
        if stratified:
            chosen = np.concatenate([rng.choice(of_class, len(of_class)) for of_class in classes])
        else:
            chosen = rng.integers(0, len(truth), len(truth))
        drawn.append(confusion_matrix(truth[chosen], answer[chosen], 4))
    for figure in (accuracy, balanced_accuracy, macro_f1):
        low, high = np.quantile(figure(np.array(drawn)), [0.025, 0.975])
        interval = getattr(found, figure.__name__)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.012)
        assert interval.estimate == float(figure(matrix))
        assert interval.low < interval.estimate < interval.high


def test_stratified_draws_keep_the_rows_of_each_class() -> None:
    one_class_right = np.array([[30, 0, 0], [70, 0, 0]])
    kept = figure_intervals(one_class_right, stratified=True).accuracy
    assert (kept.low, kept.high) == (0.3, 0.3)
    varying = figure_intervals(one_class_right).accuracy
    assert varying.high - varying.low == pytest.approx(2 * 1.96 * (0.3 * 0.7 / 100) ** 0.5, rel=0.1)


def test_intervals_narrow_with_rows_and_repeat_with_the_seed() -> None:
    few, many = figure_intervals(skilled_matrix()), figure_intervals(skilled_matrix() * 16)
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        wide, narrow = getattr(few, name), getattr(many, name)
        assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(4, rel=0.15)
    assert figure_intervals(skilled_matrix(), seed=3) == figure_intervals(skilled_matrix(), seed=3)
    assert figure_intervals(skilled_matrix(), seed=3) != figure_intervals(skilled_matrix(), seed=4)


def peak_memory(matrix: NDArray[np.int64], **given: bool) -> int:
    """Bytes at most in use while the intervals of a confusion matrix are computed."""
    tracemalloc.start()
    figure_intervals(matrix, resamples=500, **given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("stratified", [False, True])
def test_a_thousand_times_as_many_rows_need_no_more_numbers(stratified: bool) -> None:
    """A draw is of the matrix's cells, not of its rows."""
    few = peak_memory(skilled_matrix(), stratified=stratified)
    assert peak_memory(skilled_matrix() * 1000, stratified=stratified) < 1.1 * few


@given(st.lists(st.integers(0, 10), min_size=1, max_size=60), st.integers(0, 9))
@settings(max_examples=50)
def test_intervals_of_a_mean_hold_it(values: list[int], seed: int) -> None:
    found = mean_interval(values, seed=seed, resamples=1000)
    assert found.estimate == pytest.approx(np.mean(values))
    assert min(values) - 1e-9 <= found.low <= found.estimate + 1e-9
    assert found.estimate - 1e-9 <= found.high <= max(values) + 1e-9


def test_the_interval_of_a_mean_has_the_width_of_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(5, 2, 1500)
    found = mean_interval(values)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 1500**0.5, rel=0.05)
    assert str(mean_interval([1.0, 1.0])) == "1.000 [1.000, 1.000]"


@pytest.mark.parametrize(
    ("values", "reason"), [([], "no values"), ([1.0, float("nan")], "value 1 is not a number")]
)
def test_means_of_nothing(values: list[float], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        mean_interval(values)
