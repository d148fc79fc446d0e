"""Evaluations run over the explainers of `predict`: samples go in, their answers are ready to be saved."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from expllm.core.conversations import Order
from expllm.core.errors import ExpllmError, ImageError, NoFaceError, UsageError
from expllm.core.records import Hint
from expllm.core.vocabulary import AUSource, AUVector, Expression
from expllm.data import Sample
from expllm.evals.references import References
from expllm.evals.sample_faces import MeasuredUnits, SampleFaces
from expllm.evals.saved_answers import Answer, Explained, refused
from expllm.faces.boxes import needs_boxes
from expllm.model.device import AUTO
from expllm.model.inference.vlm_output import MOST_TOKENS
from expllm.model.shipped import CHAT, ENDPOINT, OFFLINE, canonical_name
from expllm.predict import ChatOptions, FaceAnswer, FaceExplainer, FaceInput, open_explainer
from expllm.predict.hidden_units import seen_label

SMALLEST: Final = 5e-7
"""Probabilities of the rules are rounded to six digits: a 0 counts as half of the last one."""


@dataclass(frozen=True)
class GenerationOptions:
    """How explanations are asked for.

    Attributes:
        order: Whether the label comes before its explanation; None: as the model was trained.
        max_new_tokens: Of an explanation, at most.
        hint: Which action units a trained model is told; None: as it was trained.
        audited: Whether sentences that the measured units refute are written anew, or left out; None: as in
            `open_explainer`.
    """

    order: Order | None = None
    max_new_tokens: int = MOST_TOKENS
    hint: Hint | None = None
    audited: bool | None = None


@contextmanager
def open_adapter(
    model: str,
    truth: Sequence[Expression],
    *,
    boxes: bool | None = None,
    dtype: str = "auto",
    device: str = "auto",
    kind: str = "",
    chat: ChatOptions | None = None,
    generation: GenerationOptions | None = None,
    references: References | None = None,
    au_source: AUSource | str = AUSource.BLENDSHAPES,
) -> Iterator["ExplainerAdapter"]:
    """The model of that name, ready to be evaluated. Its weights are loaded when it is asked first.

    Args:
        model: As for `open_explainer`.
        truth: The data set's label set; models without one of their own tell 8 expressions apart where
            contempt is one, else 7.
        boxes: Whether faces are boxed by the detector first; None: as the model was trained.
        dtype, device: Of the weights, as for `open_explainer`.
        kind: Of the data set, a key of `KINDS`.
        chat: How a model on a server is asked.
        generation: How explanations are asked for; None: only labels are.
        references: The texts that explanations are compared with.
        au_source: What action units are measured from where the data set brings none.

    Raises:
        UsageError: there is no such model, or an option is not for it.
        MissingWeights, ModelError, MissingDependency, ChatError: as `open_explainer`.
    """
    model = canonical_name(model)
    _check(model, boxes, dtype, device)
    free = model == OFFLINE or model.startswith(CHAT)
    labels = (8 if Expression.CONTEMPT in truth else 7) if free else None
    asked = {} if generation is None else vars(generation)
    explainer = open_explainer(model, labels=labels, dtype=dtype, device=device, chat=chat, **asked)
    with closing(explainer):
        identity = explainer.model
        if boxes is None:
            boxes = needs_boxes(identity.boxes, kind)
        with SampleFaces(boxes, au_source).opened() as faces:
            yield ExplainerAdapter(explainer, faces, boxes, generation, references)


def _check(model: str, boxes: bool | None, dtype: str, device: str) -> None:
    if model == OFFLINE and boxes is False:
        raise UsageError("the rules box every face: leave out --no-boxes")
    if (model == OFFLINE or model.startswith((CHAT, ENDPOINT))) and {dtype, device} != {AUTO}:
        raise UsageError(f"{model} loads no weights on this machine: leave out --dtype and --device")


class ExplainerAdapter:
    """Asks an explainer about samples.

    Args:
        explainer: Who answers.
        faces: Gives the faces of samples.
        boxes: Whether they are boxed by the detector.
        generation, references: As for `open_adapter`; without them, only labels are asked for.

    Attributes:
        identity: Which model answers.
        explained: How explanations are asked for; None where only labels are.
    """

    def __init__(
        self, explainer: FaceExplainer, faces: SampleFaces, boxes: bool,
        generation: GenerationOptions | None = None, references: References | None = None,
    ) -> None:  # fmt: skip
        self._explainer, self._faces, self._references = explainer, faces, references
        self.identity = replace(explainer.model, boxes=boxes)
        self.explained: Explained | None = None
        if generation is not None and references is not None:
            order, audited = generation.order, generation.audited
            self.explained = Explained(
                order=order or self.identity.order, max_new_tokens=generation.max_new_tokens,
                hint=self.identity.hint, audited=self.identity.audited if audited is None else audited,
                au_source=faces.au_source, reference=references.name, reference_digest=references.digest,
            )  # fmt: skip

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        """One answer a face, in their order; a picture that cannot be read is an answer with its reason.

        Raises:
            ChatError: a server answers no question before its settings are corrected.
        """
        if self._references is None:
            return self._answers(samples, [None] * len(samples), write=False)
        measured = [self._faces.aus(sample, self._references) for sample in samples]
        answers = self._answers(samples, measured, write=True)
        aus = [one if isinstance(one, AUVector) else None for one in measured]
        known = [sample.model_copy(update={"aus": units}) for sample, units in zip(samples, aus, strict=True)]
        texts = self._references.texts(known)
        return [
            answer.model_copy(update={"aus": units, "reference": text})
            for answer, units, text in zip(answers, aus, texts, strict=True)
        ]

    def _answers(
        self, samples: Sequence[Sample], measured: Sequence[MeasuredUnits | None], *, write: bool
    ) -> list[Answer]:
        faces = [self._face(sample, one) for sample, one in zip(samples, measured, strict=True)]
        shown = [face for face in faces if isinstance(face, FaceInput)]
        found = iter(self._explainer.explain(shown, write=write))
        return [
            self._answer(sample, face, next(found)) if isinstance(face, FaceInput) else face
            for sample, face in zip(samples, faces, strict=True)
        ]

    def _face(self, sample: Sample, measured: MeasuredUnits | None) -> FaceInput | Answer:
        """What the explainer is given of a sample, or why it is not asked."""
        aus = measured if isinstance(measured, AUVector) else None
        try:
            if self._explainer.needs_image:
                return FaceInput(self._faces.crop(sample), aus)
            if measured is None:
                return self._faces.measured(sample)
        except (ImageError, NoFaceError) as error:
            return _refused(sample, error)
        if isinstance(measured, ExpllmError):
            return _refused(sample, measured)
        return FaceInput(None, aus)

    def _answer(self, sample: Sample, face: FaceInput, found: FaceAnswer) -> Answer:
        """The answer to be saved; without a label it counts as wrong, and says why."""
        if found.label is None or (face.hidden and found.label is not seen_label(face.aus)):
            return self._unanswered(sample, found)
        logs = found.log_probabilities
        if logs is None and found.probabilities is not None:
            logs = logs_of(found.probabilities, self.identity.labels)
        explanation, cot = found.explanation, found.cot
        assert sample.expression is not None
        return Answer(
            id=sample.id, truth=sample.expression, label=found.label, log_probabilities=logs,
            text=explanation.text if explanation else cot.text if cot else None,
            problem=explanation.problem if explanation else None,
            rejected=explanation.rejected if explanation else None,
            tokens=found.tokens, sampled=found.sampled, label_after=found.label_after,
        )  # fmt: skip

    def _unanswered(self, sample: Sample, found: FaceAnswer) -> Answer:
        if (written := found.explanation) is None:
            return refused(sample, "no_face", "too little of the face was measured")
        kept = {"text": written.text, "rejected": written.rejected}
        return refused(sample, "no_label", written.problem or "").model_copy(update=kept)


def _refused(sample: Sample, error: ExpllmError) -> Answer:
    return refused(sample, "unreadable" if isinstance(error, ImageError) else "no_face", error.line)


def logs_of(probabilities: Mapping[Expression, float], labels: Sequence[Expression]) -> tuple[float, ...]:
    """[C] natural logarithms of rounded probabilities, normalised."""
    shares = [max(probabilities[label], SMALLEST) for label in labels]
    whole = math.log(math.fsum(shares))
    return tuple(math.log(share) - whole for share in shares)
