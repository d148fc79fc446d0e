"""Krippendorff's alpha: the published worked examples, and what must not change it."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.errors import RecordError, UsageError
from expllm.evals.metrics.agreement import LEVELS, Level, krippendorff_alpha

N = None
# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011): two observers with 0 and 1, two with names,
# four with ratings missing.
TWO = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
NAMES = [list(map(ord, "aabbdcccedda")), list(map(ord, "babbbccceddd"))]
FOUR = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]
# Wikipedia, Krippendorff's alpha: three coders, fifteen units.
THREE = [
    [N, N, N, N, N, 3, 4, 1, 2, 1, 1, 3, 3, N, 3],
    [1, N, 2, 1, 3, 3, 4, 3, N, N, N, N, N, N, N],
    [N, N, 2, 1, 3, 4, 4, N, 2, 1, 1, 3, 3, N, 4],
]
RATINGS = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.none() | st.integers(0, 5), min_size=raters, max_size=raters), min_size=1, max_size=12
    )
)


@pytest.mark.parametrize(
    ("ratings", "level", "alpha"),
    [
        (TWO, "nominal", 0.095),
        (NAMES, "nominal", 0.692),
        (FOUR, "nominal", 0.743),
        (FOUR, "ordinal", 0.815),
        (FOUR, "interval", 0.849),
        (THREE, "nominal", 0.691),
        (THREE, "interval", 0.811),
    ],
)
def test_published_examples(ratings: list[list[float | None]], level: Level, alpha: float) -> None:
    assert krippendorff_alpha(ratings, level) == pytest.approx(alpha, abs=0.0005)


def by_definition(things: list[list[int | None]]) -> float | None:
    """Interval alpha, pair by pair: within things against among all paired ratings."""
    rated = [[r for r in thing if r is not None] for thing in things]
    rated = [ratings for ratings in rated if len(ratings) >= 2]
    everything = [r for ratings in rated for r in ratings]
    n = len(everything)
    among = sum((a - b) ** 2 for a, b in combinations(everything, 2))
    if not among:
        return None
    within = sum(
        sum((a - b) ** 2 for a, b in combinations(ratings, 2)) / (len(ratings) - 1) for ratings in rated
    )
    return 1 - (within / n) / (among / (n * (n - 1)))


@given(RATINGS)
def test_interval_alpha_is_its_definition(things: list[list[int | None]]) -> None:
    table = [list(row) for row in zip(*things, strict=True)]
    expected = by_definition(things)
    found = krippendorff_alpha(table, "interval")
    assert (found is None) == (expected is None)
    assert found == pytest.approx(expected)


@given(RATINGS, st.sampled_from(LEVELS))
def test_neither_order_nor_scale_changes_it(things: list[list[int | None]], level: Level) -> None:
    table = np.array(things, dtype=float).T
    found = krippendorff_alpha(table, level)
    for changed in (table[::-1], table[:, ::-1], table * 2.5 - 3):
        assert krippendorff_alpha(changed, level) == pytest.approx(found)
    assert found is None or found <= 1
    if level != "interval":  # names and orders have no distances
        assert krippendorff_alpha(table**3, level) == pytest.approx(found)


@pytest.mark.parametrize("level", LEVELS)
def test_perfect_agreement_and_none_to_be_had(level: Level) -> None:
    assert krippendorff_alpha([[1, 2, 5], [1, 2, 5]], level) == pytest.approx(1)
    assert krippendorff_alpha([[3, 3], [3, 3]], level) is None
    assert krippendorff_alpha([[3, math.nan], [math.nan, 4]], level) is None
    opposite = krippendorff_alpha([[0, 1, 0, 1], [1, 0, 1, 0]], level)
    assert opposite is not None
    assert opposite < 0


@pytest.mark.parametrize("ratings", [[], [1.0, 2.0], [[1, 2], [3]], [["a"], ["b"]], [[math.inf], [1]]])
def test_what_is_no_table(ratings: object) -> None:
    with pytest.raises(RecordError, match="ratings must be a table of numbers"):
        krippendorff_alpha(ratings)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="use one of nominal, ordinal, interval"):
        krippendorff_alpha([[1], [1]], "ratio")  # type: ignore[arg-type]
