"""Two label sets as one: a model trained on one data set, tested on another (the paper's Table II).

Labels are the same if the synonym table of `expllm.core.vocabulary` says so, or if they are spelled alike
("sleepy" in both sets). What one side alone has is counted, and never disappears:

* a row whose truth the model was never taught is left out: no answer to it could be right;
* an answer that the test set does not have stays, as "no answer": it is wrong;
* labels of one side that mean the same ("happy", "joy") become one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from expllm.core.errors import UsageError, VocabularyError
from expllm.core.vocabulary import Expression
from expllm.evals.metrics.classification import NO_ANSWER, Floats, Ints, checked_labels


@dataclass(frozen=True)
class Aligned:
    """Truths and answers over the common labels.

    Attributes:
        truth: [M] indices into the common labels.
        predicted: [M] the same, or -1: no answer, or one outside the common labels.
        kept: [N] which rows are left, as booleans.
        dropped_truth: Label of the test set -> rows left out, as the model was never taught it.
        outside_answers: Label of the model -> answers among the rows left that the test set does not have.
    """

    truth: Ints
    predicted: Ints
    kept: NDArray[np.bool_]
    dropped_truth: Counter[str]
    outside_answers: Counter[str]


@dataclass(frozen=True)
class Alignment:
    """How two label sets fit together.

    Attributes:
        truth_labels: [T] labels of the test set.
        answer_labels: [A] labels of the model.
        common: [K] labels of both, in the order of the test set.
        merged: Label -> the names in one set that became it, of the test set where both have some.
    """

    truth_labels: tuple[str, ...]
    answer_labels: tuple[str, ...]
    common: tuple[str, ...]
    merged: Mapping[str, tuple[str, ...]]

    @property
    def only_truth(self) -> tuple[str, ...]:
        """Labels of the test set that the model was never taught."""
        return tuple(label for label in self.truth_labels if _meaning(label) not in self.common)

    @property
    def only_answer(self) -> tuple[str, ...]:
        """Labels of the model that the test set does not have."""
        return tuple(label for label in self.answer_labels if _meaning(label) not in self.common)

    def apply(self, truth: ArrayLike, predicted: ArrayLike) -> Aligned:
        """Rows over the common labels.

        Args:
            truth: [N] indices into `truth_labels`.
            predicted: [N] indices into `answer_labels`, -1 for no answer.

        Raises:
            RecordError: an index outside the label set.
        """
        true = checked_labels("truth", truth, 0, len(self.truth_labels))
        answer = checked_labels("answer", predicted, NO_ANSWER, len(self.answer_labels))
        new_truth = self._places(self.truth_labels)[true]
        new_answer = self._places(self.answer_labels)[answer]  # the last place is that of -1
        kept = new_truth >= 0
        outside = answer[kept & (new_answer < 0) & (answer >= 0)]
        return Aligned(
            truth=new_truth[kept],
            predicted=new_answer[kept],
            kept=kept,
            dropped_truth=Counter(self.truth_labels[label] for label in true[~kept]),
            outside_answers=Counter(self.answer_labels[label] for label in outside),
        )

    def probabilities(self, probabilities: ArrayLike) -> Floats:
        """Probabilities over the model's labels [N, A] as those of the common labels [N, K].

        Those of merged labels are added; what lies outside is taken out and the rest adds up to 1 again, as
        if the model had been asked about the common labels only. A row with nothing left becomes NaN.
        """
        shares = np.asarray(probabilities, dtype=np.float64)
        places = self._places(self.answer_labels)[:-1]  # [A]
        sums = shares @ (places[:, None] == np.arange(len(self.common)))
        whole = sums.sum(1, keepdims=True)
        result: Floats = np.divide(sums, whole, out=np.full_like(sums, np.nan), where=whole > 0)
        return result

    def _places(self, labels: Sequence[str]) -> Ints:
        """[L + 1]: where each label stands among the common ones, -1 for nowhere and for no label."""
        index = {label: place for place, label in enumerate(self.common)}
        places = [index.get(_meaning(label), NO_ANSWER) for label in labels]
        return np.array([*places, NO_ANSWER], dtype=np.int64)


def align(truth_labels: Sequence[str], answer_labels: Sequence[str]) -> Alignment:
    """How the labels of a test set and those of a model fit together.

    Args:
        truth_labels: [T] label set of the test set, in its order.
        answer_labels: [A] label set of the model, in its order.

    Raises:
        UsageError: fewer than two labels are common: there is nothing to tell apart.
    """
    taught = {_meaning(label) for label in answer_labels}
    merged = {**_merged(answer_labels), **_merged(truth_labels)}
    common = tuple(dict.fromkeys(m for m in map(_meaning, truth_labels) if m in taught))
    if len(common) < 2:
        raise UsageError(
            f"the label sets have {len(common)} labels in common, at least two are needed: "
            f"{', '.join(truth_labels)} against {', '.join(answer_labels)}"
        )
    return Alignment(tuple(truth_labels), tuple(answer_labels), common, merged)


def _meaning(label: str) -> str:
    """The expression that a label names, or the label itself in lower case."""
    try:
        return Expression.parse(label).value
    except VocabularyError:
        return " ".join(label.split()).casefold()


def _merged(labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Meanings that several labels share."""
    names: dict[str, list[str]] = {}
    for label in labels:
        names.setdefault(_meaning(label), []).append(label)
    return {meaning: tuple(same) for meaning, same in names.items() if len(same) > 1}
