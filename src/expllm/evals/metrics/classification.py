"""How well answers fit the truth: plain arithmetic on arrays, nothing is read or written.

Conventions, those of scikit-learn where it has the figure:

* `truth` [N] holds indices into the label set, 0 to C-1; `predicted` [N] holds the same, or -1 for no answer.
* No answer is a wrong answer. How many there were is reported beside it.
* Everything is computed from the confusion matrix [C, C+1]: rows are truths, columns are answers, the last
  column is "no answer". Functions on matrices take any number of them, [..., C, C+1], and give [...].
* Balanced accuracy is the mean recall of the classes that occur in the truth (Brodersen et al. 2010).
* Macro-F1 is the mean F1 of the classes that occur in the truth or among the answers. A class that is
  answered and never true has an F1 of 0; one that is neither is left out.
* A figure with nothing to measure it on is None, or NaN in arrays, never 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from expllm.core.errors import RecordError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NO_ANSWER: Final = -1
EXACT_BELOW: Final = 25
"""With fewer discordant pairs McNemar's test is computed exactly: the usual bound for the approximation."""


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Ints:
    """How often each truth got each answer: [C, C+1], the last column is "no answer".

    Raises:
        RecordError: nothing to count, different lengths, or a number outside the label set.
    """
    true, answer = (
        checked_labels("truth", truth, 0, classes),
        checked_labels("answer", predicted, NO_ANSWER, classes),
    )
    if len(true) != len(answer):
        raise RecordError(f"{len(answer):,} answers for {len(true):,} truths: every row needs one of each")
    if not len(true):
        raise RecordError("no answers to score: the test set is empty")
    column = np.where(answer == NO_ANSWER, classes, answer)
    counts = np.bincount(true * (classes + 1) + column, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1).astype(np.int64)


def checked_labels(what: str, numbers: ArrayLike, lowest: int, classes: int) -> Ints:
    """[N] indices of labels, each from `lowest` to `classes` - 1.

    Raises:
        RecordError: another number, or something else than a list of whole numbers.
    """
    column = np.asarray(numbers)
    if column.ndim != 1 or (column.size and column.dtype.kind not in "iu"):
        raise RecordError(f"every {what} must be one whole number, the place of a label in the label set")
    outside = np.flatnonzero((column < lowest) | (column >= classes))
    if len(outside):
        row = outside[0]
        raise RecordError(f"row {row}: the {what} is {column[row]}, labels are {lowest} to {classes - 1}")
    return column.astype(np.int64)


COMMON: Final = 50
"""Rows from which a class's recall says something: its 95 % interval is 14 points to each side at most."""


def accuracy(matrix: Ints) -> Floats:
    """Share of right answers, 0-1: [..., C, C+1] -> [...]."""
    return _ratio(_right(matrix).sum(-1), matrix.sum((-2, -1)))


def balanced_accuracy(matrix: Ints) -> Floats:
    """Mean recall of the classes in the truth, 0-1: [..., C, C+1] -> [...]."""
    return _mean_of_known(_ratio(_right(matrix), matrix.sum(-1)))


def macro_f1(matrix: Ints) -> Floats:
    """Mean F1 of the classes in the truth or among the answers, 0-1: [..., C, C+1] -> [...]."""
    return _mean_of_known(_f1(matrix))


def _right(matrix: Ints) -> Ints:
    """Right answers of each class, [..., C]."""
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _f1(matrix: Ints) -> Floats:
    """[..., C], NaN for a class that is neither true nor answered."""
    return _ratio(2 * _right(matrix), matrix.sum(-1) + matrix[..., :-1].sum(-2))


def _ratio(part: Ints, whole: Ints) -> Floats:
    """NaN out of nothing."""
    nothing = np.full(np.broadcast(part, whole).shape, math.nan)
    result: Floats = np.divide(part, whole, out=nothing, where=whole > 0)
    return result


def _mean_of_known(values: Floats) -> Floats:
    """Mean over the last axis without NaN."""
    known = ~np.isnan(values)
    mean: Floats = np.where(known, values, 0.0).sum(-1) / known.sum(-1)
    return mean


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class.

    Attributes:
        precision: Right answers among those that name it, 0-1; None if it is never answered.
        recall: Right answers where it is true, 0-1; None if it is never true.
        f1: Harmonic mean of both, 0-1; None if it is neither.
        support: Rows where it is true.
        answered: Rows where it is answered.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    answered: int


@dataclass(frozen=True, slots=True)
class Figures:
    """How well answers fit the truth; every share is 0-1.

    Attributes:
        rows: Rows of the test set.
        unanswered: Rows without an answer; they count as wrong.
        accuracy: Share of right answers among all rows.
        accuracy_answered: Share of right answers among rows with an answer; None without any.
        balanced_accuracy: Mean recall of the classes that are true.
        balanced_accuracy_common: The same of the classes with `COMMON` rows or more; None without any.
        macro_f1: Mean F1 of the classes that are true or answered.
        majority: The class with the most rows; of equals the first.
        majority_share: Its share: what answering it always would get right.
        classes: [C], in the order of the label set.
    """

    rows: int
    unanswered: int
    accuracy: float
    accuracy_answered: float | None
    balanced_accuracy: float
    balanced_accuracy_common: float | None
    macro_f1: float
    majority: int
    majority_share: float
    classes: tuple[ClassFigures, ...]


def matrix_figures(matrix: Ints) -> Figures:
    """All figures of one confusion matrix [C, C+1]."""
    rows, unanswered = int(matrix.sum()), int(matrix[:, -1].sum())
    right, support, answered = _right(matrix), matrix.sum(1), matrix[:, :-1].sum(0)  # [C] each
    precision, recall, f1 = _ratio(right, answered), _ratio(right, support), _f1(matrix)
    common = recall[support >= COMMON]
    return Figures(
        rows=rows,
        unanswered=unanswered,
        accuracy=float(accuracy(matrix)),
        accuracy_answered=int(right.sum()) / (rows - unanswered) if rows > unanswered else None,
        balanced_accuracy=float(balanced_accuracy(matrix)),
        balanced_accuracy_common=_known(float(_mean_of_known(common))) if len(common) else None,
        macro_f1=float(macro_f1(matrix)),
        majority=int(support.argmax()),
        majority_share=int(support.max()) / rows,
        classes=tuple(
            ClassFigures(
                _known(precision[c]), _known(recall[c]), _known(f1[c]), int(support[c]), int(answered[c])
            )
            for c in range(len(matrix))
        ),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def alarms(matrix: Ints, labels: Sequence[str]) -> tuple[str, ...]:
    """Why an accuracy says nothing about the model, one sentence each; empty if all is well.

    A port of ExpLLM was published with 38.7 % on RAF-DB: the share of happiness among its test faces.

    Args:
        matrix: Confusion matrix [C, C+1].
        labels: [C] names of the classes.
    """
    found = matrix_figures(matrix)
    largest = labels[found.majority]
    if found.majority_share == 1.0:
        return (f"the test set has one class only, {largest!r}: no accuracy on it says anything",)
    if found.unanswered == found.rows:
        return (f"not one of the {found.rows:,} rows has an answer",)
    sentences = []
    answered = [label for label, each in zip(labels, found.classes, strict=True) if each.answered]
    if len(answered) == 1:
        count = found.rows - found.unanswered
        sentences.append(f"the model answers one class only: {answered[0]!r}, {count:,} times")
    if found.accuracy <= found.majority_share:
        sentences.append(
            f"the accuracy of {found.accuracy:.1%} does not beat the share of the largest class: "
            f"answering {largest!r} always gets {found.majority_share:.1%}"
        )
    return tuple(sentences)


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test (1947): do two models that answered the same rows differ in accuracy?

    Attributes:
        only_first: Rows that the first model alone got right.
        only_second: Rows that the second model alone got right.
        statistic: Chi-square with one degree of freedom; None where the test is exact.
        p: Two-sided p value, 0-1.
    """

    only_first: int
    only_second: int
    statistic: float | None
    p: float

    @property
    def method(self) -> str:
        return "exact binomial" if self.statistic is None else "chi-square with continuity correction"


def mcnemar(truth: ArrayLike, first: ArrayLike, second: ArrayLike) -> McNemar:
    """Compares two models on the same rows; no answer counts as wrong.

    Exact binomial with fewer than 25 rows that only one model got right, else chi-square with the
    continuity correction of Edwards (1948).

    Args:
        truth: [N] numbers of labels.
        first: [N] answers of one model, -1 for none.
        second: [N] answers of the other model.

    Raises:
        RecordError: different lengths: the models did not answer the same rows.
    """
    true, one, two = np.asarray(truth), np.asarray(first), np.asarray(second)
    if not true.shape == one.shape == two.shape:
        sizes = " and ".join(f"{answers.size:,}" for answers in (one, two))
        raise RecordError(f"{sizes} answers for {true.size:,} truths: compare runs over the same rows")
    only_first = int(np.sum((one == true) & (two != true)))
    only_second = int(np.sum((one != true) & (two == true)))
    return mcnemar_of(only_first, only_second)


def mcnemar_of(only_first: int, only_second: int) -> McNemar:
    """The same from the two counts alone."""
    n, fewer = only_first + only_second, min(only_first, only_second)
    if n < EXACT_BELOW:
        tail = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
        return McNemar(only_first, only_second, None, min(1.0, 2 * tail))
    statistic = max(0, abs(only_first - only_second) - 1) ** 2 / n
    return McNemar(only_first, only_second, statistic, math.erfc(math.sqrt(statistic / 2)))
