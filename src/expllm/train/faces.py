"""What a stage reads: faces with labels and explanations, or captions; each example made from its draw."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from expllm.conversations import (
    Conversation,
    Order,
    Questions,
    Task,
    caption_conversation,
    explanation_conversation,
    label_conversation,
)
from expllm.data import ImageRef, image_bytes, open_dataset
from expllm.data.augment import Augmentation, Change
from expllm.data.boxes import crop
from expllm.data.captions import Captions, open_captions
from expllm.data.mirror import mirrored_text
from expllm.data.people import check_apart
from expllm.data.roots import located
from expllm.data.sample import Rect
from expllm.errors import ExpllmError, MissingData, RecordError
from expllm.faces import Expression
from expllm.images import open_image
from expllm.records import CoT
from expllm.train.config import DataConfig, StageConfig

if TYPE_CHECKING:
    from PIL import Image

UNAUGMENTED: Final = Change()
TASKS: Final[tuple[Task, ...]] = ("label", "explanation", "caption")


@dataclass(frozen=True, slots=True)
class Face:
    """One face to learn from."""

    id: str
    label: Expression
    image: ImageRef
    box: Rect | None = None
    cot: CoT | None = None


class Reading(Protocol):
    """The examples of a stage, by number."""

    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What messages call an example."""
        ...

    def image(self, index: int) -> "Image.Image":
        """Its picture, RGB, cut to the face."""
        ...

    def conversation(self, index: int, task: Task, *, mirrored: bool = False) -> Conversation: ...


@dataclass(frozen=True)
class Faces:
    """Faces of a data set, with the explanations that go with them.

    Attributes:
        left_out: (id, reason) of faces that cannot be learned from.
    """

    faces: tuple[Face, ...]
    labels: tuple[Expression, ...]
    questions: Questions
    order: Order
    fingerprint: str
    left_out: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.faces)

    def name(self, index: int) -> str:
        """See `Reading`."""
        return self.faces[index].id

    @property
    def explained(self) -> list[bool]:
        """Whether each face has an explanation."""
        return [face.cot is not None for face in self.faces]

    def image(self, index: int) -> "Image.Image":
        """See `Reading`."""
        face = self.faces[index]
        return _opened(face.image, face.id, face.box)

    def conversation(self, index: int, task: Task, *, mirrored: bool = False) -> Conversation:
        """See `Reading`. A mirrored face is told of with left and right exchanged."""
        face = self.faces[index]
        if task == "label" or face.cot is None:
            return label_conversation(face.label, self.labels, self.questions)
        cot = _mirrored(face.cot) if mirrored else face.cot
        if task == "caption":
            return caption_conversation(cot.key_observations, self.questions)
        return explanation_conversation(cot, face.label, self.labels, self.order, self.questions)


@dataclass(frozen=True)
class Captioned:
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
        """See `Reading`."""
        return self.captions[index].id

    def image(self, index: int) -> "Image.Image":
        """See `Reading`."""
        caption = self.captions[index]
        return _opened(caption.image, caption.id, None)

    def conversation(self, index: int, task: Task, *, mirrored: bool = False) -> Conversation:
        """See `Reading`."""
        text = self.captions[index].text
        return caption_conversation(mirrored_text(text) if mirrored else text, self.questions)


def read_stage(data: DataConfig, stage: StageConfig, questions: Questions, split: str = "train") -> Reading:
    """What a stage learns from.

    Args:
        split: `train` or `valid`: which of the recipe's data sets.

    Raises:
        MissingData: it, or the texts, are not there, or none of its faces can be used.
        ExpllmError: they are damaged.
    """
    if stage.reads == "captions" and data.captions not in (None, "texts"):
        return Captioned(open_captions(_path(data, data.captions), data.limit), questions)
    faces = read_faces(data, stage, questions, split)
    if stage.reads == "captions":
        told = tuple(face for face in faces.faces if face.cot is not None)
        if not told:
            raise MissingData(
                "stage 1 has no captions: set data.captions, or data.texts and data.captions=texts"
            )
        return replace(faces, faces=told)
    return faces


def read_faces(data: DataConfig, stage: StageConfig, questions: Questions, split: str) -> Faces:
    """The faces of a recipe's data set, with their explanations.

    Raises:
        MissingData, ExpllmError: as `read_stage`.
    """
    named = data.train if split == "train" else data.valid
    if not named:
        raise MissingData(f"the recipe names no faces: set data.{split}, such as data.{split}=rafdb:{split}")
    dataset = open_dataset(_path(data, named), kind=data.kind)
    if split == "valid" and data.train:
        check_apart(lambda: open_dataset(_path(data, data.train), kind=data.kind), dataset)
    texts = dict(_texts(data.texts)) if data.texts else {}
    faces: list[Face] = []
    left_out = list(dataset.skipped)
    for sample in dataset:
        if sample.expression is None or sample.image is None:
            left_out.append((sample.id, "no label" if sample.image is not None else "no picture"))
            continue
        text = texts.get(sample.id, sample.text)
        cot, problem = _cot(text)
        if problem:
            left_out.append((sample.id, problem))
        faces.append(Face(sample.id, sample.expression, sample.image, sample.box, cot))
        if len(faces) == data.limit:
            break
    if not faces:
        raise MissingData(f"{named}: no face with a picture and a label")
    if texts and split == "train" and not any(face.cot for face in faces):
        raise MissingData(f"{data.texts}: explains none of the faces of {named}: were they made from others?")
    fingerprint = _fingerprint(dataset.fingerprint, faces)
    return Faces(tuple(faces), dataset.labels, questions, stage.order, fingerprint, tuple(left_out))


def _fingerprint(dataset: str, faces: Sequence[Face]) -> str:
    """Of the data set and of what is said of its faces: a training that goes on must read the same."""
    digest = hashlib.sha256(dataset.encode())
    for face in faces:
        digest.update(json.dumps([face.id, face.cot.text if face.cot else None]).encode())
    return digest.hexdigest()


def _path(data: DataConfig, name: str | None) -> str:
    assert name is not None
    return located(name) if data.root is None else str(Path(data.root) / name)


def _texts(path: str) -> Iterator[tuple[str, str]]:
    """Explanations by id, of an engine's run or of what it exported."""
    if (Path(path) / "run.json").is_file():
        from expllm.cot.merged import merged
        from expllm.runs import RunFolder

        with merged(RunFolder(Path(path))) as run:
            for ended in run.ended:
                cot = run.outcome(ended).record.get("cot")
                if cot:
                    yield ended.sample, CoT.from_dict(cot).text
        return
    for sample in open_dataset(path):
        if sample.text:
            yield sample.id, sample.text


def _cot(text: str | None) -> tuple[CoT | None, str]:
    """The three parts, or None and what is wrong with the text."""
    if not text:
        return None, ""
    try:
        return CoT.parse(text), ""
    except RecordError as error:
        return None, f"its explanation is left out: {error}"


def _mirrored(cot: CoT) -> CoT:
    return CoT(**{name: mirrored_text(getattr(cot, name)) for name in CoT.model_fields})


def _opened(ref: ImageRef, name: str, box: Rect | None) -> "Image.Image":
    from PIL import Image

    if box is None:
        return Image.fromarray(open_image(image_bytes(ref), name=name).pixels)
    # In full size: a small face in a large picture has no pixels to lose.
    return Image.fromarray(crop(open_image(image_bytes(ref), name=name, analysis_side=None), box))


def augmentation(stage: StageConfig) -> Augmentation | None:
    """How far the stage's pictures are changed; None: not at all.

    Raises:
        UsageError: a range has no such name, or is out of bounds.
    """
    from expllm.train.checked import made

    if stage.augment is False:
        return None
    return made(Augmentation, stage.augment if isinstance(stage.augment, dict) else {}, "train.augment")


def check_labels(faces: Sequence[Face], labels: Sequence[Expression]) -> None:
    """Refuses what no classifier can be trained on.

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
