"""Training sets of a stage: faces with labels and explanations, or images with captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol

from expllm.core.conversations import (
    Conversation,
    Order,
    Questions,
    Task,
    caption_conversation,
    explanation_conversation,
    label_conversation,
)
from expllm.core.errors import ExpllmError
from expllm.core.records import CoT, Rect
from expllm.core.value_checks import validated
from expllm.core.vocabulary import AUVector, Expression
from expllm.data import ImageRef, image_bytes
from expllm.data.augment import Augmentation, PictureChange, hash_uniforms
from expllm.data.captions import Captions
from expllm.data.mirror import mirrored_text
from expllm.faces.crops import training_crop
from expllm.train.recipe import StageConfig

if TYPE_CHECKING:
    from PIL import Image

UNAUGMENTED: Final = PictureChange()
TASKS: Final[tuple[Task, ...]] = ("label", "explanation", "caption")


@dataclass(frozen=True, slots=True)
class TrainingFace:
    """One face to learn from.

    Attributes:
        kind: How its data set is laid out, a key of `data.KINDS`.
        aus: Its action units, measured.
        votes: Shares of the annotators, by the labels of the data set.
    """

    id: str
    label: Expression
    image: ImageRef
    box: Rect | None = None
    kind: str = ""
    cot: CoT | None = None
    aus: AUVector | None = None
    votes: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class SampleDraws:
    """Random numbers of an example besides its augmentation, each in [0, 1).

    Attributes:
        label: Which of the annotators is believed this time, where their votes are learned.
        hint: Whether the measured units are told.
        order: Which round comes first, where both orders are learned.
    """

    label: float
    hint: float
    order: float


def sample_draws(seed: int, epoch: int, place: int) -> SampleDraws:
    """What is drawn for an example, the same in every process."""
    return SampleDraws(**hash_uniforms("conversation", seed, epoch, place, ("label", "hint", "order")))


class TrainingSet(Protocol):
    """The examples of a stage, by number."""

    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Name of an example in messages."""
        ...

    def image(self, index: int) -> "Image.Image":
        """Its picture, RGB, cut to the face."""
        ...

    def conversation(
        self, index: int, task: Task, *, mirrored: bool = False, chance: SampleDraws | None = None
    ) -> Conversation: ...

    def shares(self, index: int, task: Task) -> tuple[float, ...] | None:
        """How likely each label is, where that is learned in place of one label."""
        ...


@dataclass(frozen=True)
class FaceTrainingSet:
    """Faces of a data set, with the explanations that go with them.

    Attributes:
        left_out: (id, reason) of faces that cannot be learned from.
        votes: Whether a label task learns the annotators' votes, instead of the majority's label.
        label_first: Part of the explanation tasks in which the label comes first, 0-1.
        unhinted: Part of the explanations that are learned without the measured units, though they are there.
    """

    faces: tuple[TrainingFace, ...]
    labels: tuple[Expression, ...]
    questions: Questions
    label_first: float
    fingerprint: str
    left_out: tuple[tuple[str, str], ...] = ()
    votes: bool = False
    unhinted: float = 0.0

    def __len__(self) -> int:
        return len(self.faces)

    def name(self, index: int) -> str:
        """See `TrainingSet`."""
        return self.faces[index].id

    @property
    def explained(self) -> list[bool]:
        """Whether each face has an explanation."""
        return [face.cot is not None for face in self.faces]

    def image(self, index: int) -> "Image.Image":
        """See `TrainingSet`."""
        face = self.faces[index]
        return training_crop(image_bytes(face.image), face.id, face.box)

    def conversation(
        self, index: int, task: Task, *, mirrored: bool = False, chance: SampleDraws | None = None
    ) -> Conversation:
        """See `TrainingSet`. A mirrored face is told of with left and right exchanged."""
        face = self.faces[index]
        if task == "label" or face.cot is None:
            return label_conversation(self._label(face, chance), self.labels, self.questions)
        cot = _mirrored(face.cot) if mirrored else face.cot
        if task == "caption":
            return caption_conversation(cot.key_observations, self.questions)
        told = face.aus is not None and (chance is None or chance.hint >= self.unhinted)
        aus = face.aus.mirrored() if told and mirrored and face.aus else face.aus if told else None
        return explanation_conversation(
            cot, face.label, self.labels, self._order(chance), self.questions, aus
        )

    def shares(self, index: int, task: Task) -> tuple[float, ...] | None:
        """See `TrainingSet`. A label task learns all votes; an explanation goes with the majority's label."""
        return self.faces[index].votes if self.votes and task == "label" else None

    def _order(self, chance: SampleDraws | None) -> Order:
        drawn = 1 - self.label_first if chance is None else chance.order
        return (
            "label-first" if self.label_first > 0 and drawn >= 1 - self.label_first else "explanation-first"
        )

    def _label(self, face: TrainingFace, chance: SampleDraws | None) -> Expression:
        """The majority's, or that of an annotator who is drawn: what a word goes on with once it is begun."""
        if not self.votes or chance is None or face.votes is None:
            return face.label
        bounds = accumulate(face.votes)
        return next(
            (label for label, bound in zip(self.labels, bounds, strict=True) if chance.label < bound),
            face.label,
        )


@dataclass(frozen=True)
class CaptionTrainingSet:
    """Pictures with captions of what is seen (stage 1)."""

    captions: Captions
    questions: Questions

    @property
    def fingerprint(self) -> str:
        """Of pictures and captions."""
        return self.captions.fingerprint

    def __len__(self) -> int:
        return len(self.captions)

    def name(self, index: int) -> str:
        """See `TrainingSet`."""
        return self.captions[index].id

    def image(self, index: int) -> "Image.Image":
        """See `TrainingSet`."""
        caption = self.captions[index]
        return training_crop(image_bytes(caption.image), caption.id, None)

    def conversation(
        self, index: int, task: Task, *, mirrored: bool = False, chance: SampleDraws | None = None
    ) -> Conversation:
        """See `TrainingSet`."""
        text = self.captions[index].text
        return caption_conversation(mirrored_text(text) if mirrored else text, self.questions)

    def shares(self, index: int, task: Task) -> tuple[float, ...] | None:
        """See `TrainingSet`. There are no labels."""
        return None


def _mirrored(cot: CoT) -> CoT:
    return CoT(**{name: mirrored_text(getattr(cot, name)) for name in CoT.model_fields})


def augmentation(stage: StageConfig) -> Augmentation | None:
    """How far the stage's pictures are changed; None: not at all.

    Raises:
        UsageError: a range has no such name, or is out of bounds.
    """
    if stage.augment is False:
        return None
    ranges = stage.augment if isinstance(stage.augment, dict) else {}
    return validated(Augmentation, ranges, "train.augment")


def check_trainable(faces: Sequence[TrainingFace], labels: Sequence[Expression]) -> None:
    """Checks that a classifier can be trained on the labels.

    Raises:
        ExpllmError: a label is outside the set, or all faces show the same one.
    """
    found = {face.label for face in faces}
    if outside := found - set(labels):
        raise ExpllmError(f"the label {min(outside).value!r} is not in the label set: {', '.join(labels)}")
    if len(found) == 1:
        raise ExpllmError(
            f"all faces show {next(iter(found)).value!r}: a data set needs two classes at least"
        )
