"""A chat model that sees, evaluated like any other: GPT-4o's place in the paper."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from expllm.data import Sample
from expllm.evals.answers import Answer
from expllm.evals.cutting import FaceCutter, refused
from expllm.evals.tasks import Identity
from expllm.explainers import ChatOptions, FaceExplainer, Said, Shown, open_explainer
from expllm.explainers.asked import explanation_text
from expllm.faces import AUVector, Expression, label_set
from expllm.records import Explanation

if TYPE_CHECKING:
    from expllm.errors import ExpllmError


class ChatLabeller:
    """A chat model. It gives labels, and no probabilities: none are made up.

    Args:
        model: `chat:NAME`.
        truth: The data set's label set; the model may name 8 expressions where contempt is one, else 7.
        boxes: Whether faces are boxed by the detector first.
        options: How the endpoint is asked.
        audited: As for `explaining.Wishes`.

    Raises:
        UsageError, ChatError, OutputError: as `open_explainer`.
    """

    def __init__(
        self,
        model: str,
        truth: Sequence[Expression],
        *,
        boxes: bool = False,
        options: ChatOptions | None = None,
        audited: bool = False,
    ) -> None:
        options = options or ChatOptions()
        count = 8 if Expression.CONTEMPT in truth else 7
        self._explainer: FaceExplainer = open_explainer(model, labels=count, chat=options, audited=audited)
        self._cutter = FaceCutter(boxes)
        labels = label_set(count)
        # The address may hold a password, so it goes into the digest only.
        asked = [model, explanation_text(labels), options.base_url, options.temperature]
        asked += [] if options.max_tokens is None else [options.max_tokens]
        asked += ["audited"] if audited else []
        digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        self.identity = Identity(model, digest, "unknown", boxes, labels)

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Ends the connections and frees the face detector when the block ends."""
        try:
            with self._cutter.opened():
                yield self
        finally:
            self._explainer.close()

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        """See `Labeller`.

        Raises:
            ChatError: no question can be answered before somebody mends the cause.
        """
        return self._asked(samples, [None] * len(samples), write=False)

    def explain(
        self, samples: Sequence[Sample], measured: "Sequence[AUVector | ExpllmError]"
    ) -> list[Answer]:
        """Labels with explanations: see `evals.explaining.Writer`."""
        aus = [one if isinstance(one, AUVector) else None for one in measured]
        return self._asked(samples, aus, write=True)

    def _asked(
        self, samples: Sequence[Sample], aus: Sequence[AUVector | None], *, write: bool
    ) -> list[Answer]:
        seen = [self._cutter.picture(sample) for sample in samples]
        shown = [
            Shown(one, units) for one, units in zip(seen, aus, strict=True) if not isinstance(one, Answer)
        ]
        said = iter(self._explainer.explain(shown, write=write))
        return [
            one if isinstance(one, Answer) else _answer(sample, next(said))
            for sample, one in zip(samples, seen, strict=True)
        ]


def _answer(sample: Sample, said: Said) -> Answer:
    """A reply as an answer; without a label it counts as wrong, and says why."""
    told = said.explanation or Explanation(text=None)
    if said.expression is None:
        written = {"text": told.text, "rejected": told.rejected}
        return refused(sample, "no_label", told.problem or "").model_copy(update=written)
    assert sample.expression is not None
    return Answer(
        id=sample.id, truth=sample.expression, label=said.expression, text=told.text, problem=told.problem,
        rejected=told.rejected,
    )  # fmt: skip
