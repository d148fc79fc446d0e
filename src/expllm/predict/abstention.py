"""To say "uncertain" where no expression is probable enough."""

from expllm.core.errors import UsageError
from expllm.core.records import FaceAnalysis
from expllm.predict.base import FaceExplainer


def check_abstain(least: float | None, explainer: FaceExplainer | None) -> None:
    """Before any work.

    Args:
        least: Of the most probable expression, 0-1.

    Raises:
        UsageError: it is no probability, or nobody gives any.
    """
    if least is None:
        return
    if not 0 <= least <= 1:
        raise UsageError(f"abstain is {least:g}: give a probability from 0 to 1")
    if explainer is None or not explainer.gives_probabilities:
        who = "action units alone" if explainer is None else explainer.identity
        raise UsageError(f"--abstain needs probabilities, which {who} does not provide")


def abstained(analysis: FaceAnalysis, least: float | None) -> FaceAnalysis:
    """The analysis, without its expression where that is less probable than `least`.

    Probabilities and text stay, and a warning says what was held back: whoever reads `expression` alone
    finds none.
    """
    label, shares = analysis.expression, analysis.probabilities
    if least is None or label is None or shares is None or shares[label] >= least:
        return analysis
    warning = (
        f"Uncertain: the most probable expression, {label.value}, has the probability {shares[label]:.3f}, "
        f"and {least:g} was asked for."
    )
    changed = {"expression": None, "uncertain": True, "warnings": (*analysis.warnings, warning)}
    return analysis.model_copy(update=changed)
