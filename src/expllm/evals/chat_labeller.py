"""A chat model that sees, evaluated like any other: GPT-4o's place in the paper."""

import hashlib
import json
from collections.abc import Sequence

from expllm.core.records import Explanation
from expllm.core.vocabulary import Expression, label_set
from expllm.data import Sample
from expllm.evals.face_cutting import refused
from expllm.evals.remote_labeller import RemoteLabeller
from expllm.evals.runner import Identity
from expllm.evals.saved_answers import Answer
from expllm.predict import ChatOptions, FaceExplainer, Said, Shown, open_explainer
from expllm.predict.chat import explanation_text


class ChatLabeller(RemoteLabeller[Said]):
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
        super().__init__(self._explainer, boxes=boxes)
        labels = label_set(count)
        # The address may hold a password, so it goes into the digest only.
        asked = [model, explanation_text(labels), options.base_url, options.temperature]
        asked += [] if options.max_tokens is None else [options.max_tokens]
        asked += ["audited"] if audited else []
        digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        self.identity = Identity(model, digest, "unknown", boxes, labels)

    def _ask(self, faces: list[Shown], *, write: bool) -> list[Said]:
        return self._explainer.explain(faces, write=write)

    def _answer(self, sample: Sample, told: Said) -> Answer:
        """A reply as an answer; without a label it counts as wrong, and says why."""
        written = told.explanation or Explanation(text=None)
        if told.expression is None:
            kept = {"text": written.text, "rejected": written.rejected}
            return refused(sample, "no_label", written.problem or "").model_copy(update=kept)
        assert sample.expression is not None
        return Answer(
            id=sample.id, truth=sample.expression, label=told.expression, text=written.text,
            problem=written.problem, rejected=written.rejected,
        )  # fmt: skip
