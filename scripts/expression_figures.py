"""Figures of an expression classifier: accuracy, macro-F1, confusion, calibration. Pure NumPy.

Conventions: macro-F1 is the mean over the labels that occur in the answers given or expected, a label never
answered counts 0; ECE has 15 bins of equal width over the highest probability; logarithms are natural.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

ECE_BINS: Final = 15


def confusion(answers: Ints, labels: Ints, count: int) -> Ints:
    """[labels, answers] counts: rows are the truth."""
    matrix = np.zeros((count, count), dtype=np.int64)
    np.add.at(matrix, (labels, answers), 1)
    return matrix


def nll(probabilities: Array, labels: Ints) -> float:
    """Mean negative log-likelihood of the labels: [N, K], [N]."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def ece(probabilities: Array, labels: Ints) -> float:
    """Expected calibration error: how far confidence and accuracy are apart, averaged over bins."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [abs(correct[bins == b].sum() - confidence[bins == b].sum()) for b in range(ECE_BINS)]
    return float(sum(gaps) / len(labels))


def figures(probabilities: Array, labels: Ints, names: Sequence[str]) -> dict[str, Any]:
    """Everything that the card says of one set of rows: [N, K], [N]."""
    matrix = confusion(probabilities.argmax(axis=1), labels, len(names))
    hits, expected, answered = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    f1 = 2 * hits / np.maximum(expected + answered, 1)
    per_class = {
        name: {
            "rows": int(expected[i]),
            "precision": _share(hits[i], answered[i]),
            "recall": _share(hits[i], expected[i]),
            "f1": round(float(f1[i]), 4),
        }
        for i, name in enumerate(names)
    }
    return {
        "rows": len(labels),
        "accuracy": round(float(hits.sum() / len(labels)), 4),
        "accuracy_95": wilson(int(hits.sum()), len(labels)),
        "macro_f1": round(macro_f1(matrix), 4),
        "macro_f1_95": bootstrapped(matrix),
        "nll": round(nll(probabilities, labels), 4),
        "ece": round(ece(probabilities, labels), 4),
        "majority_class_accuracy": round(float(expected.max() / len(labels)), 4),
        "per_class": per_class,
        "confusion": matrix.tolist(),
    }


def macro_f1(matrix: Ints) -> float:
    """The mean F1 of the labels that occur in a confusion matrix."""
    hits, expected, answered = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    f1 = 2 * hits / np.maximum(expected + answered, 1)
    return float(f1[expected + answered > 0].mean())


def bootstrapped(matrix: Ints, draws: int = 1000) -> list[float]:
    """The 95 % interval of macro-F1: rows are drawn anew, which a confusion matrix suffices for."""
    rows, shares = int(matrix.sum()), matrix.ravel() / matrix.sum()
    drawn = np.random.default_rng(0).multinomial(rows, shares, draws).reshape(draws, *matrix.shape)
    return [round(float(end), 4) for end in np.quantile([macro_f1(one) for one in drawn], (0.025, 0.975))]


def wilson(hits: int, rows: int) -> list[float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    z, share = 1.96, hits / rows
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    reach = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return [round(float(middle - reach), 4), round(float(middle + reach), 4)]


def short(title: str, found: dict[str, Any]) -> str:
    """One line of a table."""
    keys = ("rows", "accuracy", "macro_f1", "nll", "ece", "majority_class_accuracy")
    return f"| {title} | " + " | ".join(str(found[key]) for key in keys) + " |"


HEAD: Final = (
    "| set | rows | accuracy | macro-F1 | NLL | ECE | largest class |\n|---|---|---|---|---|---|---|"
)


def class_table(found: dict[str, Any]) -> str:
    """Per-class figures and the confusion matrix, as Markdown; rows are the truth."""
    names = list(found["per_class"])
    lines = [f"| | rows | P | R | F1 | {' | '.join(names)} |", "|---" * (len(names) + 5) + "|"]
    for name, counts in zip(names, found["confusion"], strict=True):
        one = found["per_class"][name]
        start = (name, one["rows"], one["precision"], one["recall"], one["f1"])
        lines.append("| " + " | ".join(str(x) for x in (*start, *counts)) + " |")
    return "\n".join(lines)


def _share(part: np.int64, whole: np.int64) -> float | None:
    """`part` of `whole`; None where there is no whole (a precision without answers is not 0)."""
    return round(float(part / whole), 4) if whole else None
