"""Faces of which parts are hidden: a label only where what can be seen makes it likely."""

from typing import Final

from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import AUVector, Expression
from expllm.faces.au_classifier import classifier_for, typical_faces

_LIKELY: Final = 0.6
"""Probability, by what is seen alone, from which a partly hidden face gets its label."""

WITHHELD: Final = "Uncertain: what can be seen of the face does not settle the expression."


def seen_label(aus: AUVector | None) -> Expression | None:
    """The expression that the visible units make likely, whatever the hidden ones show; or None."""
    shares = None if aus is None else classifier_for(aus).open_probabilities(aus, typical_faces())
    if shares is None:
        return None
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= _LIKELY else None


def withheld(analysis: FaceAnalysis) -> FaceAnalysis:
    """The analysis without label and text, and why."""
    return analysis.model_copy(
        update={
            "expression": None,
            "probabilities": None,
            "cot": None,
            "explanation": None,
            "uncertain": True,
            "warnings": (*analysis.warnings, WITHHELD),
        }
    )
