"""What a model has answered."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expllm.core.records import CoT, Rejected
from expllm.core.vocabulary import Expression

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_TOKENS: Final = 256
"""Of an explanation, by default: the released texts have 170 on average, the longest of them about 230."""


@dataclass(frozen=True, eq=False)
class LabelScores:
    """How probable each label is, for some pictures.

    Attributes:
        log_probabilities: [N, C] natural logarithms, normalised over the set, at the model's temperature.
        sums: [N, C] natural logarithms of the probabilities that the model writes exactly that label: less
            than 1 together, as it could write something else.
        labels: [C] the label set.
    """

    log_probabilities: "NDArray[np.float64]"
    sums: "NDArray[np.float64]"
    labels: tuple[Expression, ...]

    @property
    def best(self) -> tuple[Expression, ...]:
        """[N] the most probable label of each picture."""
        return tuple(self.labels[place] for place in self.log_probabilities.argmax(1))


@dataclass(frozen=True)
class GeneratedText:
    """An explanation as a model wrote it, but for what was refuted.

    Attributes:
        text: Word for word.
        cot: Its three parts; None where it does not have them.
        problem: What is wrong with its form, None for nothing.
        tokens: How many it has, the end of the turn not among them.
        rejected: Sentences that were refuted, and what stands instead; None where nobody verified any.
        sampled: Tokens that were written for other versions of them.
    """

    text: str
    cot: CoT | None
    problem: str | None
    tokens: int
    rejected: tuple[Rejected, ...] | None = None
    sampled: int = 0


@dataclass(frozen=True, eq=False)
class VLMOutput:
    """Labels and explanations of some pictures.

    Attributes:
        labels: Asked alone, before any explanation.
        explanations: [N]
        labels_after: Asked once the model has explained itself.
    """

    labels: LabelScores
    explanations: tuple[GeneratedText, ...]
    labels_after: LabelScores

    @property
    def agree(self) -> tuple[bool, ...]:
        """[N] whether the label before and the label after are the same."""
        return tuple(a is b for a, b in zip(self.labels.best, self.labels_after.best, strict=True))
