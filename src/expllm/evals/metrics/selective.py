"""Answering only what is sure enough: how much is answered then, and how much of that is right."""

from dataclasses import asdict, dataclass
from typing import Any

from expllm.core.errors import UsageError
from expllm.evals.metrics.bootstrap import Interval, mean_interval
from expllm.evals.metrics.calibration import RiskCoverage, risk_coverage
from expllm.evals.metrics.classification import Floats, Ints


@dataclass(frozen=True)
class Abstaining:
    """What a model is worth that says "uncertain" below a probability.

    Attributes:
        threshold: The smallest probability, 0-1, at the model's own temperature, that is an answer.
        rows: Faces that are scored; those without a face or a readable picture are never answered.
        answered: Faces among them that are answered.
        accuracy: Share of right answers among these, 0-1, with its 95 % interval; None if none is answered.
    """

    threshold: float
    rows: int
    answered: int
    accuracy: Interval | None

    @property
    def coverage(self) -> float:
        """Share of the scored faces that is answered, 0-1."""
        return self.answered / self.rows

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "coverage": self.coverage}


def risk_of(shares: Floats, truth: Ints) -> RiskCoverage | None:
    """Risk at every coverage, of answers with probabilities [M, C]; None without any."""
    return risk_coverage(shares, truth) if len(truth) else None


def abstaining(shares: Floats, truth: Ints, rows: int, threshold: float) -> Abstaining:
    """What is left of the answers at a threshold.

    Args:
        shares: [M, C] probabilities over the model's own label set.
        truth: [M] places in it.
        rows: Faces that are scored, those without an answer included.
        threshold: 0-1.

    Raises:
        UsageError: no answer has probabilities.
    """
    if not len(truth):
        raise UsageError(
            "no answer has probabilities: nothing says how sure the model was; leave out --abstain"
        )
    kept = shares.max(1) >= threshold
    right = shares.argmax(1)[kept] == truth[kept]
    return Abstaining(threshold, rows, int(kept.sum()), mean_interval(right) if kept.any() else None)
