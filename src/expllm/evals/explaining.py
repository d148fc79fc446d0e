"""Who can explain: a labeller that also writes, whose faces are measured and given a text to compare with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from expllm.core.conversations import Order
from expllm.core.errors import ExpllmError, ImageError
from expllm.core.vocabulary import AUVector, Expression
from expllm.data import Sample
from expllm.evals.chat_labeller import ChatLabeller
from expllm.evals.face_cutting import refused
from expllm.evals.labellers import (
    ModelLabeller,
    OfflineLabeller,
    answered,
    logs_of,
    normalised,
)
from expllm.evals.references import References
from expllm.evals.runner import Identity, Labeller
from expllm.evals.saved_answers import Answer, Status
from expllm.evals.served_labeller import ServedLabeller
from expllm.model.shipped import OFFLINE, canonical, model_folder
from expllm.predict.img2au import FaceReader
from expllm.predict.opening import CHAT, ENDPOINT, ChatOptions, served_folder
from expllm.predict.predictor import Explainer
from expllm.predict.verifying import verifier

if TYPE_CHECKING:
    from PIL import Image

Measured = AUVector | ExpllmError
"""The action units of a face, or why it has none."""


@dataclass(frozen=True)
class Wishes:
    """How explanations are asked for.

    Attributes:
        order: Whether the model is told its own label before it explains.
        max_new_tokens: Of an explanation, at most.
        hint: Whether a model that was trained with hints is told the measured units.
        audited: Whether sentences that the measured units refute are written anew, or left out.
    """

    order: Order = "explanation-first"
    max_new_tokens: int = 256
    hint: bool = True
    audited: bool = False


def trained_order(model: str, chat: ChatOptions | None = None) -> Order:
    """In which order a model was trained to answer; the paper's for those that were not trained here.

    Raises:
        UsageError, MissingWeights, ModelError, ChatError: as `labellers.labeller`.
    """
    if canonical(model) == OFFLINE or model.startswith(CHAT):
        return "explanation-first"
    from expllm.model.manifest import read_manifest

    folder = (
        served_folder(model, chat or ChatOptions()) if model.startswith(ENDPOINT) else model_folder(model)
    )
    return read_manifest(folder).order


class Writer(Protocol):
    """Whoever gives labels with explanations."""

    @property
    def identity(self) -> Identity: ...

    def explain(self, samples: Sequence[Sample], measured: Sequence[Measured]) -> list[Answer]:
        """One answer a face, with its text where there is one."""
        ...


@contextmanager
def explainer(
    model: str,
    truth: Sequence[Expression],
    references: References,
    wishes: Wishes,
    *,
    boxes: bool | None = None,
    dtype: str = "auto",
    device: str = "auto",
    kind: str = "",
    chat: ChatOptions | None = None,
) -> Iterator[Labeller]:
    """Who is called `model`, as for `labellers.labeller`, asked to explain as well.

    Raises:
        UsageError, MissingWeights, ModelError, MissingDependency: as `labellers.labeller`.
    """
    model = canonical(model)
    reader = FaceReader()
    try:
        if model == OFFLINE:
            yield Explaining(OfflineExplainer(8 if Expression.CONTEMPT in truth else 7), reader, references)
            return
        if model.startswith(ENDPOINT):
            options = replace(chat or ChatOptions(), max_tokens=wishes.max_new_tokens)
            with ServedLabeller(
                model,
                boxes=boxes,
                kind=kind,
                options=options,
                order=wishes.order,
                hint=wishes.hint,
                audited=wishes.audited,
            ).opened() as served:
                yield Explaining(served, reader, references)
            return
        if model.startswith(CHAT):
            with ChatLabeller(
                model, truth, boxes=bool(boxes), options=chat, audited=wishes.audited
            ).opened() as asked:
                yield Explaining(asked, reader, references)
            return
        with ModelLabeller(model, boxes=boxes, dtype=dtype, device=device, kind=kind).opened() as own:
            yield Explaining(ModelExplainer(own, wishes), reader, references)
    finally:
        reader.close()


class Explaining:
    """A labeller whose answers hold explanations, action units and reference texts.

    Args:
        writer: Who explains.
        reader: Who measures faces; not asked where a data set or a saved text brings action units.
        references: The texts to compare with.
    """

    def __init__(self, writer: Writer, reader: FaceReader, references: References) -> None:
        self.identity = writer.identity
        self._writer, self._reader, self._references = writer, reader, references

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        """See `Labeller`."""
        measured = [self._measured(sample) for sample in samples]
        answers = self._writer.explain(samples, measured)
        aus = [one if isinstance(one, AUVector) else None for one in measured]
        known = [sample.model_copy(update={"aus": units}) for sample, units in zip(samples, aus, strict=True)]
        texts = self._references.texts(known)
        return [
            answer.model_copy(update={"aus": units, "reference": text})
            for answer, units, text in zip(answers, aus, texts, strict=True)
        ]

    def _measured(self, sample: Sample) -> Measured:
        brought = sample.aus or self._references.aus(sample)
        if brought is not None:
            return brought
        try:
            return self._reader(sample)[0]
        except ExpllmError as error:
            return error


class ModelExplainer:
    """A trained model.

    Args:
        labeller: The model, and how faces are cut out for it.
        wishes: How it is asked.
    """

    def __init__(self, labeller: ModelLabeller, wishes: Wishes) -> None:
        self.identity = labeller.identity
        self._labeller, self._wishes = labeller, wishes

    def explain(self, samples: Sequence[Sample], measured: Sequence[Measured]) -> list[Answer]:
        """See `Writer`."""
        seen = [self._labeller.picture(sample) for sample in samples]
        shown = [
            (sample, aus if isinstance(aus, AUVector) else None, one)
            for sample, aus, one in zip(samples, measured, seen, strict=True)
            if not isinstance(one, Answer)
        ]
        told = iter(self._told(*zip(*shown, strict=True)) if shown else ())
        return [one if isinstance(one, Answer) else next(told) for one in seen]

    def _told(
        self,
        samples: Sequence[Sample],
        aus: Sequence[AUVector | None],
        pictures: "Sequence[Image.Image]",
    ) -> list[Answer]:
        """The answers of faces that can be shown; a model that was trained with hints is told their units."""
        wishes = self._wishes
        units = aus if wishes.hint else None
        found = self._labeller.answerer.both(
            pictures, wishes.order, wishes.max_new_tokens, aus=units,
            verifiers=[verifier(one) if wishes.audited else None for one in aus],
        )  # fmt: skip
        rows = zip(
            samples, normalised(found.labels.sums), found.explanations, found.labels_after.best, strict=True
        )
        return [
            answered(sample, self.identity.labels, logs).model_copy(
                update={
                    "text": written.text,
                    "problem": written.problem,
                    "label_after": after,
                    "rejected": written.rejected,
                    "tokens": written.tokens,
                    "sampled": written.sampled,
                }
            )
            for sample, logs, written, after in rows
        ]


class OfflineExplainer:
    """The classifier on action units, and the rules that explain its label.

    Args:
        labels: Tell 7 or 8 expressions apart.
    """

    def __init__(self, labels: int) -> None:
        self.identity = OfflineLabeller(labels).identity
        self._explainer = Explainer(labels)

    def explain(self, samples: Sequence[Sample], measured: Sequence[Measured]) -> list[Answer]:
        """See `Writer`."""
        return [self._explained(sample, one) for sample, one in zip(samples, measured, strict=True)]

    def _explained(self, sample: Sample, measured: Measured) -> Answer:
        if not isinstance(measured, AUVector):
            status: Status = "unreadable" if isinstance(measured, ImageError) else "no_face"
            return refused(sample, status, measured.line)
        found = self._explainer.explain(measured, detector="none", au_reader="none")
        if "cot" not in found:
            return refused(sample, "no_face", "too little of the face was measured")
        told = answered(sample, self.identity.labels, logs_of(found["probabilities"], self.identity.labels))
        return told.model_copy(update={"text": found["cot"].text})
