"""How far several ratings of the same things agree: Krippendorff's alpha.

Conventions, those of Krippendorff, Computing Krippendorff's Alpha-Reliability (2011):

* `ratings` [R, U]: one row a rater (or a repeat of the same judge), one column a thing that was rated. NaN
  or None where a rating is missing; things with a single rating say nothing about agreement.
* alpha = 1 - observed disagreement / disagreement expected by chance. 1 is perfect, 0 is chance, below 0
  is worse than chance. 0.8 is asked for reliable data, 0.667 for tentative conclusions.
"""

from collections.abc import Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from expllm.core.errors import RecordError, UsageError
from expllm.evals.metrics.classification import Floats

Level = Literal["nominal", "ordinal", "interval"]
"""What differences mean: names only; an order; distances."""

LEVELS: Final[tuple[Level, ...]] = get_args(Level)


def krippendorff_alpha(
    ratings: ArrayLike | Sequence[Sequence[float | None]], level: Level = "interval"
) -> float | None:
    """Krippendorff's alpha, at most 1.

    Args:
        ratings: [R, U]; numbers also for names.
        level: `nominal`, `ordinal` or `interval`.

    Returns:
        None where it is not defined: no thing has two ratings, or all ratings are the same, so that
        nobody could disagree.

    Raises:
        RecordError: not a table of numbers.
        UsageError: an unknown level.
    """
    if level not in LEVELS:
        raise UsageError(f"unknown level {level!r}: use one of {', '.join(LEVELS)}")
    values, counts = _counts(ratings)
    weighted = counts / (counts.sum(1, keepdims=True) - 1)  # [U, V]
    # [V, V], Krippendorff's coincidences: pairs of ratings of a thing, none of them paired with itself.
    observed = counts.T @ weighted - np.diag(weighted.sum(0))
    total = observed.sum(1)  # [V]
    expected = np.outer(total, total) / max(total.sum() - 1, 1)  # equal ratings have no distance
    distance = _distance(values, total, level)
    by_chance = float((expected * distance).sum())
    return 1 - float((observed * distance).sum()) / by_chance if by_chance > 0 else None


def _counts(ratings: ArrayLike | Sequence[Sequence[float | None]]) -> tuple[Floats, Floats]:
    """Different values [V], and how often each thing with two ratings or more got each, [U, V]."""
    try:
        table = np.array(ratings, dtype=np.float64)  # None becomes NaN
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or np.isinf(table).any():
        raise RecordError("ratings must be a table of numbers: one row a rater, one column a thing")
    table = table[:, (~np.isnan(table)).sum(0) >= 2]
    values = np.unique(table[~np.isnan(table)])
    return values, (table[:, :, None] == values).sum(0).astype(np.float64)


def _distance(values: Floats, total: Floats, level: Level) -> Floats:
    """Squared differences between values, [V, V]."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    # Ordinal values stand where their ranks are: as far apart as there are ratings between their middles.
    places = np.cumsum(total) - total / 2 if level == "ordinal" else values
    return np.asarray((places[:, None] - places[None, :]) ** 2, dtype=np.float64)
