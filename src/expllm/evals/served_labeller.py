"""A trained model that a server runs, evaluated like the folder that is served."""

import hashlib

from expllm.chat import ChatFailed
from expllm.core.conversations import Order
from expllm.data import Sample
from expllm.evals.face_cutting import refused
from expllm.evals.remote_labeller import RemoteLabeller
from expllm.evals.runner import Identity
from expllm.evals.saved_answers import Answer
from expllm.faces.boxes import needs_boxes, trained_boxes
from expllm.predict import Shown
from expllm.predict.endpoint_labels import normalised
from expllm.predict.endpoint_model import ServedAnswer
from expllm.predict.opening import ChatOptions, open_served


class ServedLabeller(RemoteLabeller[ServedAnswer | ChatFailed]):
    """A model behind `endpoint:URL`. It gives log-probabilities where the server does.

    Args:
        model: `endpoint:URL`.
        boxes: Whether faces are boxed by the detector first; None: as the model was trained.
        kind: As for `labellers.ModelLabeller`.
        options: How the server is asked.
        order, hint, audited: As for `explaining.Wishes`.

    Raises:
        UsageError, MissingWeights, ModelError, ChatError: as `open_served`.
    """

    def __init__(
        self, model: str, *, boxes: bool | None = None, kind: str = "", options: ChatOptions | None = None,
        order: Order | None = None, hint: bool = True, audited: bool = False,
    ) -> None:  # fmt: skip
        self._explainer = open_served(
            model, options or ChatOptions(), order=order, hint=hint, audited=audited
        )
        served = self._explainer.served
        boxes = needs_boxes(trained_boxes(served.manifest.card), kind) if boxes is None else boxes
        super().__init__(self._explainer, boxes=boxes)
        name = self._explainer.identity.partition(" ")[0]
        # Another server may compute in other bits, and give scores in another way.
        digest = hashlib.sha256(f"{name} {served.digest}".encode()).hexdigest()
        self.identity = Identity(name, digest, "unknown", boxes, served.labels, served.temperature)

    def _ask(self, faces: list[Shown], *, write: bool) -> "list[ServedAnswer | ChatFailed]":
        return self._explainer.answers(faces, write=write)

    def _answer(self, sample: Sample, told: ServedAnswer | ChatFailed) -> Answer:
        """A reply as an answer; without a label it counts as wrong, and says why."""
        assert sample.expression is not None
        if isinstance(told, ChatFailed):
            return refused(sample, "no_label", told.line)
        before, after = told.before, told.after
        if before.label is None:
            reason = f"the answer {before.answer[:60]!r} is not one of the model's labels"
            return refused(sample, "no_label", reason).model_copy(
                update={"text": told.text, "rejected": told.rejected}
            )
        return Answer(
            id=sample.id, truth=sample.expression, label=before.label, text=told.text, problem=told.problem,
            log_probabilities=None if before.sums is None else normalised(before.sums),
            rejected=told.rejected, label_after=None if after is None else after.label,
        )  # fmt: skip
