"""The one door from a picture to its analyses: for API, command line, evaluation and reports.

Faces are found and measured (`measuring`), and an explainer says what they show: rules, a trained model, or a
chat model (`explainers`).
"""

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from expllm.core.closing import Closing
from expllm.core.conversations import Order
from expllm.core.errors import NoFaceError
from expllm.core.records import FaceAnalysis, Hint
from expllm.core.vocabulary import AUSource, AUVector
from expllm.faces.crops import crops_of
from expllm.faces.finder import MAX_FACES
from expllm.faces.measure import FaceMeasurer
from expllm.files.images import ImageSource, Picture, open_frames
from expllm.predict import ChatOptions, FaceAnswer, FaceExplainer, FaceInput, open_explainer
from expllm.predict.abstention import abstained, check_abstain
from expllm.predict.hidden_units import seen_label, withheld
from expllm.predict.rules import RuleExplainer
from expllm.predict.table_faces import OTHER_SCALE, Explainer, measured_row

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["OTHER_SCALE", "Explainer", "MeasuredFace", "Predictor", "analyze", "measured_row"]


@dataclass(frozen=True, eq=False)
class MeasuredFace:
    """A face between the two halves of an analysis.

    Attributes:
        analysis: What was measured.
        input: What an explainer is given.
    """

    analysis: FaceAnalysis
    input: FaceInput

    def noted(self, warning: str) -> "MeasuredFace":
        """The same with one more warning."""
        warnings = (*self.analysis.warnings, warning)
        return replace(self, analysis=self.analysis.model_copy(update={"warnings": warnings}))

    def measured_as(self, aus: AUVector) -> "MeasuredFace":
        """The same face as if it had been measured so: what a model would write then."""
        analysis = self.analysis.model_copy(update={"aus": aus, "au_readings": None, "facs": None})
        return MeasuredFace(analysis, replace(self.input, aus=aus))


@dataclass(frozen=True, eq=False)
class MeasuredFrame:
    """A picture with the faces that were measured in it.

    Attributes:
        picture: The frame or page of it that was chosen.
        faces: Those found in it, largest first.
        note: What was looked at, where that was not all of the file; a sentence.
    """

    picture: Picture
    faces: list[MeasuredFace]
    note: str


class Predictor(Closing):
    """Explains faces. Open it once, use it for many pictures, close it (or use `with`).

    Not for two threads at once: give each thread its own. They may share an explainer.

    Args:
        detector: `"mediapipe"`, or the path of a SCRFD ONNX file.
        labels: Tell 7 or 8 expressions apart (8 adds contempt), without an `explainer`.
        mirrored: Pictures are mirror images, as selfie previews are: swap left and right.
        landmarker: Path of `face_landmarker.task`; found by itself when None.
        max_faces: At most so many faces a picture, the largest; `faces_found` says how many there are.
        explain: False stops at the action units: no expression, no text.
        explainer: Who explains; rules when None. Whoever opened it closes it.
        write: False: expressions and probabilities, but no text.
        abstain: Where no expression is so probable (0-1), the answer is "uncertain".
        measurer: Finds and measures the faces, in place of one of its own; whoever opened it closes it.
            `detector`, `landmarker`, `max_faces`, `au_source` and `licence` are then the measurer's.
        au_source: What action units are read from: `blendshapes`, `pixels`, or `both`.
        licence: `permissive` loads no weights for research only (`core.licences`).

    Raises:
        MissingWeights: a model file is missing.
        MissingDependency: a package or system library is missing.
        UsageError: `abstain` is no probability, or the explainer gives none.
    """

    batch_size = 1

    def __init__(
        self,
        *,
        detector: str | os.PathLike[str] = "mediapipe",
        labels: int = 8,
        mirrored: bool = False,
        landmarker: str | os.PathLike[str] | None = None,
        max_faces: int = MAX_FACES,
        explain: bool = True,
        explainer: FaceExplainer | None = None,
        write: bool = True,
        abstain: float | None = None,
        measurer: FaceMeasurer | None = None,
        au_source: AUSource | str = AUSource.BLENDSHAPES,
        licence: str | None = None,
    ) -> None:
        self._owned: FaceExplainer | None = None
        self._explainer = (explainer or RuleExplainer(labels)) if explain else None
        check_abstain(abstain, self._explainer)
        if self._explainer is not None:
            self.batch_size = self._explainer.batch_size
        self._write, self._abstain, self._mirrored = write, abstain, mirrored
        self._own_measurer = measurer is None
        self._measurer = measurer or FaceMeasurer(
            detector, landmarker=landmarker, max_faces=max_faces, au_source=au_source, licence=licence
        )

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        labels: int | None = None,
        order: Order | None = None,
        dtype: str = "auto",
        device: str = "auto",
        licence: str | None = None,
        hint: Hint | None = None,
        audited: bool | None = None,
        chat: ChatOptions | None = None,
        on_token: Callable[[str], object] | None = None,
        **options: Any,
    ) -> Self:
        """A predictor with the model of that name.

        Args:
            model: `rules`, `compact`, a trained model's folder or run, or `chat:NAME`; by default
                [`default_model`][expllm.model.shipped.default_model].
            labels, order, dtype, device, licence, hint, audited, chat, on_token: As for
                [`open_explainer`][expllm.predict.open_explainer].
            **options: As for [`Predictor`][expllm.predict.predictor.Predictor].

        Raises:
            UsageError: there is no such model, or an option is not for it.
            MissingWeights, MissingDependency, ModelError: a part of the model is missing or damaged.
            ChatError: a chat model cannot be asked.
        """
        explainer = open_explainer(
            model, labels=labels, order=order, dtype=dtype, device=device, licence=licence, hint=hint,
            audited=audited, chat=chat, on_token=on_token,
        )  # fmt: skip
        try:
            predictor = cls(explainer=explainer, licence=licence, **options)
        except BaseException:
            explainer.close()
            raise
        predictor._owned = explainer
        return predictor

    def analyze(self, image: ImageSource, *, name: str | None = None) -> list[FaceAnalysis]:
        """Every face of a picture, largest first; an empty list if it shows none.

        Args:
            image: Path, encoded bytes, NumPy array [H, W, 3] uint8 RGB, or a Pillow image.
            name: How to call it in the results; made from the source when None.

        Raises:
            ImageError: the picture cannot be read.
        """
        with closing(open_frames(image, name=name)) as frames:
            return self.explain(self.measure_frames(frames).faces)

    def analyze_picture(self, picture: Picture) -> list[FaceAnalysis]:
        """The same, for a picture that is already open."""
        return self.explain(self.measure(picture))

    def predict(
        self, images: Iterable[ImageSource], explain: bool = False, batch_size: int = 16
    ) -> list[list[FaceAnalysis]]:
        """Every face of each picture; labels at once, texts only when asked for.

        Args:
            images: As for `analyze`.
            explain: Write texts, too.
            batch_size: Faces that a model is shown together.

        Raises:
            ImageError: a picture cannot be read.
        """
        found = []
        for image in images:
            with closing(open_frames(image)) as frames:
                found.append(self.measure_frames(frames).faces)
        faces = [face for picture in found for face in picture]
        batches = [faces[at : at + batch_size] for at in range(0, len(faces), batch_size)]
        said = iter([one for batch in batches for one in self.explain(batch, write=explain)])
        return [[next(said) for _ in picture] for picture in found]

    def stream(self, image: ImageSource, *, name: str | None = None) -> Iterator[str | FaceAnalysis]:
        """The text about the largest face in pieces, as they are written, and then its analysis.

        Raises:
            ImageError: the picture cannot be read.
            NoFaceError: it shows no face.
        """
        with closing(open_frames(image, name=name)) as frames:
            seen = self.measure_frames(frames)
        if not seen.faces:
            raise NoFaceError(f"{seen.picture.name}: no face found")
        yield from self.write(seen.faces[0])

    def write(self, face: MeasuredFace) -> Generator[str | FaceAnalysis, None, None]:
        """The text about a face in pieces, as they are written, and then its analysis."""
        if self._explainer is None or not self._explained(face):
            yield face.analysis
            return
        said = yield from self._explainer.stream(face.input)
        yield self._completed(face.analysis, said, write=True)

    def measure(self, picture: Picture) -> list[MeasuredFace]:
        """The first half of `analyze`: faces found, measured and cut out. `explain` is the other half."""
        faces, measured = self._measurer.measure(picture, mirrored=self._mirrored)
        crops: Sequence[Image.Image | None] = [None] * len(faces)
        if self._explainer is not None and self._explainer.needs_image:
            boxes = [face.box for face in faces]
            crops = crops_of(picture, boxes, whole=not self._explainer.needs_face_box, flipped=self._mirrored)
        if self._explainer is not None:
            measured = [withheld(one) if one.hidden and not seen_label(one.aus) else one for one in measured]
        return [
            MeasuredFace(analysis, FaceInput(crop, analysis.aus, bool(analysis.hidden)))
            for analysis, crop in zip(measured, crops, strict=True)
        ]

    def measure_frames(self, frames: Iterable[Picture]) -> MeasuredFrame:
        """`measure` at the first frame or page with a face that can be measured; if none has, at the first.

        Args:
            frames: Those of one picture, as `open_frames` gives them: at least one.
        """
        for tried, picture in enumerate(frames, start=1):
            faces = self.measure(picture)
            measured = any(face.analysis.aus is not None for face in faces)
            if tried == 1 or measured:
                chosen, seen = picture, faces
            if measured:
                break
        note = _frame_note(chosen, tried, found=bool(seen))
        return MeasuredFrame(chosen, [face.noted(note) for face in seen] if note else seen, note)

    def explain(self, faces: Sequence[MeasuredFace], *, write: bool | None = None) -> list[FaceAnalysis]:
        """The second half of `analyze`, for faces of any pictures: they are one batch."""
        write = self._write if write is None else write
        asked = [face for face in faces if self._explained(face)]
        said: Iterator[FaceAnswer] = iter(())
        if self._explainer is not None and asked:
            said = iter(self._explainer.explain([face.input for face in asked], write=write))
        return [
            self._completed(face.analysis, next(said), write=write)
            if self._explained(face)
            else face.analysis
            for face in faces
        ]

    def close(self) -> None:
        """Frees the native models."""
        if self._own_measurer:
            self._measurer.close()
        if self._owned is not None:
            self._owned.close()

    def _explained(self, face: MeasuredFace) -> bool:
        """Whether anything can be said: of what was measured, or of what can be seen."""
        if self._explainer is None or face.analysis.status == "too_small" or face.analysis.uncertain:
            return False
        return self._explainer.needs_image or face.input.aus is not None

    def _completed(self, analysis: FaceAnalysis, said: FaceAnswer, *, write: bool) -> FaceAnalysis:
        assert self._explainer is not None
        assert analysis.provenance is not None
        writer = self._explainer.writer if write else "none"
        licences = {**analysis.provenance.licences, **self._explainer.licences}
        classifier = said.classifier or self._explainer.identity
        named = {"classifier": classifier, "writer": writer, "hint": said.hint, "licences": licences}
        provenance = analysis.provenance.model_copy(update=named)
        whole = analysis.model_copy(update={**said.fields(), "provenance": provenance})
        if whole.hidden and whole.expression not in (None, seen_label(whole.aus)):
            return withheld(whole)  # a model looked at what hides the face
        return abstained(whole, self._abstain)


def _frame_note(picture: Picture, tried: int, *, found: bool) -> str:
    if picture.frames == 1:
        return ""
    word, total = picture.word, f"{picture.frames:,}"
    if found:
        return f"Analyzed at {word} {picture.frame} of {total} only."
    searched = f"any of the {total}" if tried == picture.frames else f"{tried} of the {total}"
    return f"No face was found in {searched} {word}s."


def analyze(image: ImageSource, **options: Any) -> list[FaceAnalysis]:
    """Explains every face of a picture, largest first; an empty list if it shows none.

    The models stay loaded between calls. For many pictures in several threads, give each thread a
    [`Predictor`][expllm.predict.predictor.Predictor] of its own.

    Args:
        image: Path, encoded bytes, NumPy array [H, W, 3] uint8 RGB, or a Pillow image.
        **options: As for [`Predictor.load`][expllm.predict.predictor.Predictor.load].

    Raises:
        ImageError: the picture cannot be read.
        MissingWeights: a model file is missing.
        MissingDependency: a package or system library is missing.
    """
    with _LOCK:
        return _shared_predictor(**options).analyze(image)


_LOCK: Final = threading.Lock()


@lru_cache(maxsize=4)
def _shared_predictor(**options: Any) -> Predictor:
    return Predictor.load(**options)
