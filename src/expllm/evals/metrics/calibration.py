"""Do probabilities mean what they say? Plain arithmetic on arrays, nothing is read or written.

Conventions:

* `probabilities` [N, C] are 0-1 and add up to 1 in each row; `log_probabilities` [N, C] are their natural
  logarithms. `truth` [N] holds indices into the label set, 0 to C-1. Rows without an answer are left out.
* The confidence of a row is its largest probability, its answer the label that has it, of equals the first.
* Rows of equal confidence are never told apart, so the order of rows changes nothing.
* The negative log-likelihood is the mean of -ln(probability of the truth), in nats.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from expllm.core.errors import RecordError
from expllm.evals.metrics.classification import NO_ANSWER, Floats, Ints

BINS: Final = 15
"""As in Guo et al. (2017), so that errors can be compared with published ones."""

COLDEST: Final = 0.05
HOTTEST: Final = 20.0
FEWEST_ROWS: Final = 50
_IMPOSSIBLE: Final = -708.0
"""Logarithm of the smallest probability that a 64-bit number holds well; stands for that of 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Rows grouped by their confidence, for a plot; bins without rows have NaN.

    Attributes:
        edges: [B + 1] bounds of the bins, 0-1; a bin holds its upper bound, not its lower one.
        count: [B] rows.
        confidence: [B] mean confidence, 0-1.
        accuracy: [B] share of right answers, 0-1.
    """

    edges: Floats
    count: Ints
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error, 0-1 (Naeini et al. 2015; Guo et al. 2017).

        The mean distance between confidence and accuracy of the bins, each weighted by its rows.
        """
        filled = self.count > 0
        distance = np.abs(self.confidence - self.accuracy)[filled]
        return float(distance @ self.count[filled] / self.count.sum())


def reliability(
    probabilities: ArrayLike, truth: ArrayLike, *, bins: int = BINS, adaptive: bool = False
) -> Reliability:
    """Groups rows by their confidence.

    Args:
        probabilities: [N, C].
        truth: [N].
        bins: How many groups.
        adaptive: Groups with about as many rows each (Nguyen & O'Connor 2015); fewer of them where many
            rows have the same confidence. Else groups of the same width between 0 and 1.

    Raises:
        RecordError: no rows, or they are not what the module's conventions say.
    """
    shares, true = _checked(probabilities, truth)
    sure, right = shares.max(1), shares.argmax(1) == true  # [N] each
    edges = np.linspace(0.0, 1.0, bins + 1)
    if adaptive:
        edges = np.unique([0.0, *np.quantile(sure, edges[1:-1]), 1.0])
    # Rounding may have made a certain answer a little more than certain.
    places = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, len(edges) - 2)
    count = np.bincount(places, minlength=len(edges) - 1)
    divisor = np.where(count > 0, count, np.nan)
    confidence = np.bincount(places, sure, len(count)) / divisor
    return Reliability(edges, count, confidence, np.bincount(places, right, len(count)) / divisor)


def negative_log_likelihood(log_probabilities: ArrayLike, truth: ArrayLike) -> float:
    """Mean of -ln(probability of the truth), in nats; 0 is perfect, ln C is guessing.

    Raises:
        RecordError: no rows, or they are not what the module's conventions say.
    """
    logs, true = _checked_logs(log_probabilities, truth)
    return _nll(logs, true, 1.0)


@dataclass(frozen=True, slots=True)
class Temperature:
    """How much too sure a model was on validation data (Guo et al. 2017).

    Attributes:
        value: What log-probabilities are divided by, 0.05-20; above 1 the model was too sure.
        rows: Rows that it was fitted on.
        nll_before: Negative log-likelihood of these rows at a temperature of 1, in nats.
        nll_after: The same at `value`; never larger.
    """

    value: float
    rows: int
    nll_before: float
    nll_after: float

    @property
    def at_a_bound(self) -> bool:
        """The best value may lie outside 0.05-20: the model was right always, or hardly ever."""
        return self.value in (COLDEST, HOTTEST)


def fit_temperature(log_probabilities: ArrayLike, truth: ArrayLike) -> Temperature:
    """The temperature with the smallest negative log-likelihood on validation data.

    The likelihood is convex in 1/T, so that there is one smallest value; bisection finds where its slope
    turns. One number cannot change any answer, only how sure it is.

    Args:
        log_probabilities: [N, C] of validation rows, not of the rows that are tested later.
        truth: [N].

    Raises:
        RecordError: fewer than 50 rows, rows of one class only, or not what the conventions say.
    """
    logs, true = _checked_logs(log_probabilities, truth)
    if len(true) < FEWEST_ROWS:
        raise RecordError(
            f"cannot fit a temperature on {len(true):,} validation rows: at least {FEWEST_ROWS} are needed"
        )
    if len(np.unique(true)) == 1:
        raise RecordError(
            "cannot fit a temperature: the validation rows have one class only; use a split with all of them"
        )
    low, high = 1 / HOTTEST, 1 / COLDEST
    if _slope(logs, true, low) >= 0:
        high = low
    elif _slope(logs, true, high) <= 0:
        low = high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _slope(logs, true, middle) > 0 else (middle, high)
    best = min(max(2 / (low + high), COLDEST), HOTTEST)
    before, after = _nll(logs, true, 1.0), _nll(logs, true, 1 / best)
    return (
        Temperature(best, len(true), before, after)
        if after < before
        else Temperature(1.0, len(true), before, before)
    )


def with_temperature(log_probabilities: ArrayLike, temperature: float) -> Floats:
    """Probabilities [N, C] of log-probabilities [N, C] at a temperature; the answers stay the same."""
    logs = np.maximum(np.asarray(log_probabilities, dtype=np.float64), _IMPOSSIBLE)
    result: Floats = np.exp(_normalised(logs / temperature))
    return result


def _normalised(scores: Floats) -> Floats:
    """[N, C] scores as log-probabilities."""
    shifted = scores - scores.max(1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return result


def _nll(logs: Floats, truth: Ints, sharpness: float) -> float:
    """In nats, at a temperature of 1 / `sharpness`."""
    return float(-_normalised(logs * sharpness)[np.arange(len(truth)), truth].mean())


def _slope(logs: Floats, truth: Ints, sharpness: float) -> float:
    """How the negative log-likelihood grows with the sharpness 1/T."""
    expected = (np.exp(_normalised(logs * sharpness)) * logs).sum(1)  # [N]
    return float((expected - logs[np.arange(len(truth)), truth]).mean())


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """What a model gets wrong if it answers only what it is surest of (El-Yaniv & Wiener 2010).

    Attributes:
        coverage: [N] share of rows answered, 1/N to 1: the surest one, the surest two, and so on.
        risk: [N] share of wrong answers among them, 0-1.
        threshold: [N] smallest confidence among them.
    """

    coverage: Floats
    risk: Floats
    threshold: Floats

    @property
    def rows(self) -> int:
        return len(self.coverage)

    @property
    def area(self) -> float:
        """Area under the curve (AURC; Geifman et al. 2019), 0-1, smaller is better: the mean risk."""
        return float(self.risk.mean())


def risk_coverage(probabilities: ArrayLike, truth: ArrayLike) -> RiskCoverage:
    """Risk at every coverage. Rows of equal confidence count as if in every order: the mean of all.

    Raises:
        RecordError: no rows, or they are not what the module's conventions say.
    """
    shares, true = _checked(probabilities, truth)
    wrong = shares.argmax(1) != true
    levels, level = np.unique(-shares.max(1), return_inverse=True)  # the surest first
    mean_of_level = np.bincount(level, wrong) / np.bincount(level)
    level = np.sort(level)
    answered = np.arange(1, len(true) + 1)
    return RiskCoverage(
        coverage=answered / len(true),
        risk=np.cumsum(mean_of_level[level]) / answered,
        threshold=-levels[level],
    )


def abstain(probabilities: ArrayLike, threshold: float) -> Ints:
    """Answers [N]: the likeliest label, or -1 ("uncertain") where its probability is below `threshold`.

    Args:
        probabilities: [N, C].
        threshold: 0-1.
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    return np.where(shares.max(1) >= threshold, shares.argmax(1), NO_ANSWER).astype(np.int64)


def _checked(probabilities: ArrayLike, truth: ArrayLike) -> tuple[Floats, Ints]:
    """[N, C] probabilities and [N] truths."""
    shares, true = np.asarray(probabilities, dtype=np.float64), np.asarray(truth)
    if shares.ndim != 2 or true.shape != shares.shape[:1] or not shares.size:
        shapes = f"{list(shares.shape)} and {list(true.shape)}"
        raise RecordError(f"need probabilities [N, C] and truths [N] of at least one row, not {shapes}")
    outside = np.flatnonzero((true < 0) | (true >= shares.shape[1]))
    if len(outside):
        raise RecordError(
            f"row {outside[0]}: the truth is {true[outside[0]]}, not one of {shares.shape[1]} labels"
        )
    sums = shares.sum(1)
    odd = np.flatnonzero(~(np.abs(sums - 1) < 1e-3) | (shares < 0).any(1))  # also true for NaN
    if len(odd):
        raise RecordError(f"row {odd[0]}: the probabilities add up to {sums[odd[0]]:.4g}, or one is negative")
    return shares, true.astype(np.int64)


def _checked_logs(log_probabilities: ArrayLike, truth: ArrayLike) -> tuple[Floats, Ints]:
    """[N, C] log-probabilities without infinity, and [N] truths."""
    logs = np.asarray(log_probabilities, dtype=np.float64)
    _, true = _checked(np.exp(logs), truth)
    return np.maximum(logs, _IMPOSSIBLE), true
