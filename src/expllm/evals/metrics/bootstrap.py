"""How sure a figure is: bootstrap percentile intervals of 95 % (Efron & Tibshirani 1993, chapter 13).

Rows are drawn again with replacement, and the figure is computed anew for each draw; the interval leaves
out the lowest and the highest 2.5 % of them. The same seed gives the same interval.

Accuracy, balanced accuracy and macro-F1 depend on the confusion matrix alone, and the matrix of redrawn
rows is a multinomial draw from it. So 10,000 draws take as long for a million rows as for a hundred.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from expllm.core.errors import RecordError
from expllm.evals.metrics.classification import Floats, Ints, accuracy, balanced_accuracy, macro_f1

RESAMPLES: Final = 10_000
_AT_ONCE: Final = 1_000_000
"""Numbers held at a time while means are resampled: 16 MB with their places."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class FigureIntervals:
    """Shares of 0-1 with their intervals."""

    accuracy: Interval
    balanced_accuracy: Interval
    macro_f1: Interval


def figure_intervals(
    matrix: Ints, *, stratified: bool = False, seed: int = 0, resamples: int = RESAMPLES
) -> FigureIntervals:
    """Intervals of the figures of a confusion matrix [C, C+1].

    A rare class may be missing in a draw and is then left out of its means, as everywhere.

    Args:
        matrix: From `confusion_matrix`.
        stratified: Every class keeps its number of rows: the test set's shares are taken as given. Else
            they vary as well, and the intervals are a little wider.
        seed: Of the draws.
        resamples: How many draws.
    """
    drawn = _redrawn(matrix, stratified, np.random.default_rng(seed), resamples)
    return FigureIntervals(
        *(
            _percentiles(float(figure(matrix)), figure(drawn))
            for figure in (accuracy, balanced_accuracy, macro_f1)
        )
    )


def _redrawn(matrix: Ints, stratified: bool, rng: np.random.Generator, resamples: int) -> Ints:
    """Confusion matrices of redrawn rows, [R, C, C+1]."""
    if not stratified:
        counts = rng.multinomial(matrix.sum(), matrix.ravel() / matrix.sum(), size=resamples)
        return counts.reshape(resamples, *matrix.shape)
    support = matrix.sum(1)
    shares = matrix / np.maximum(support, 1)[:, None]
    shares[support == 0, -1] = 1.0  # of no rows: any shares do, but they must add up to one
    return rng.multinomial(support, shares, size=(resamples, len(matrix)))


def mean_interval(values: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """The mean of `values` [N] and its interval.

    Raises:
        RecordError: no values, or one that is not a finite number.
    """
    known = np.asarray(values, dtype=np.float64)
    if known.ndim != 1 or not known.size:
        raise RecordError("no values to take the mean of")
    if not np.isfinite(known).all():
        raise RecordError(f"value {np.flatnonzero(~np.isfinite(known))[0]} is not a number: leave it out")
    rng = np.random.default_rng(seed)
    block = max(1, _AT_ONCE // known.size)
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    means = [known[rng.integers(0, known.size, (size, known.size))].mean(1) for size in sizes]
    return _percentiles(float(known.mean()), np.concatenate(means))


def _percentiles(estimate: float, drawn: Floats) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(estimate, float(low), float(high))
