"""A trained model that a server runs, evaluated like the folder that is served."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from expllm.chat import ChatFailed
from expllm.conversations import Order
from expllm.data import Sample
from expllm.data.boxes import needs_boxes, trained_boxes
from expllm.evals.answers import Answer
from expllm.evals.cutting import FaceCutter, refused
from expllm.evals.tasks import Identity
from expllm.explainers.opening import ChatOptions, open_served
from expllm.explainers.served import ServedAnswer
from expllm.explainers.served_labels import normalised
from expllm.faces import AUVector

if TYPE_CHECKING:
    from expllm.errors import ExpllmError


class ServedLabeller:
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
        self._cutter = FaceCutter(boxes)
        name = self._explainer.identity.partition(" ")[0]
        # Another server may compute in other bits, and give scores in another way.
        digest = hashlib.sha256(f"{name} {served.digest}".encode()).hexdigest()
        self.identity = Identity(name, digest, "unknown", boxes, served.labels, served.temperature)

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
        shown = [(one, units) for one, units in zip(seen, aus, strict=True) if not isinstance(one, Answer)]
        pictures, units = [one for one, _ in shown], [one for _, one in shown]
        told = iter(self._explainer.answers(pictures, units, write=write))
        return [
            one if isinstance(one, Answer) else _answer(sample, next(told))
            for sample, one in zip(samples, seen, strict=True)
        ]


def _answer(sample: Sample, told: ServedAnswer | ChatFailed) -> Answer:
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
