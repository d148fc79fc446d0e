"""Who can be evaluated: trained models, chat models, and the shipped classifier on action units."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expllm.core.errors import ImageError, UsageError
from expllm.core.packages import WEIGHTS, require
from expllm.core.records import Rect
from expllm.core.vocabulary import Expression, label_set
from expllm.data import Sample
from expllm.evals.face_cutting import FaceCutter, refused, sample_bytes
from expllm.evals.runner import Identity, Labeller
from expllm.evals.saved_answers import Answer
from expllm.faces.au_classifier import AUClassifier
from expllm.faces.boxes import needs_boxes, overlap, trained_boxes
from expllm.model.device import AUTO, device_for, dtype_for
from expllm.model.shipped import OFFLINE, SHIPPED, canonical, model_folder
from expllm.predict import ChatOptions
from expllm.predict.opening import CHAT, ENDPOINT, check_chat_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from expllm.core.records import FaceAnalysis
    from expllm.model.inference.generate import Answerer
    from expllm.predict.predictor import Predictor

SMALLEST: Final = 5e-7
"""The offline classifier's probabilities are rounded to six digits: a 0 counts as half of the last one."""


@contextmanager
def labeller(
    model: str,
    truth: Sequence[Expression],
    *,
    boxes: bool | None = None,
    dtype: str = "auto",
    device: str = "auto",
    kind: str = "",
    chat: ChatOptions | None = None,
) -> Iterator[Labeller]:
    """Who is called `model`: `offline`, a trained model's folder or run, `chat:NAME` or `endpoint:URL`.

    Args:
        model: As the user says it.
        truth: The data set's label set; `offline` tells 8 expressions apart where contempt is one, else 7.
        boxes: Whether faces are boxed by the detector first; None: as the model was trained.
        dtype: Of a model's weights, `auto`, `float32` or `bfloat16`.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        kind: Of the data set, a key of `KINDS`.
        chat: How a chat model, or a server, is asked.

    Raises:
        UsageError: there is no such model, or it is given another one's options.
        MissingWeights, ModelError: as `model.layout.read_manifest`.
        MissingDependency: PyTorch is not installed.
        ChatError: a chat model cannot be asked.
    """
    model = canonical(model)
    check_chat_options(model, chat)
    if (model == OFFLINE or model.startswith((CHAT, ENDPOINT))) and {dtype, device} != {AUTO}:
        raise UsageError(f"{model} loads no weights on this machine: leave out --dtype and --device")
    if model == OFFLINE:
        if boxes is False:
            raise UsageError("the rules box every face: leave out --no-boxes")
        with OfflineLabeller(8 if Expression.CONTEMPT in truth else 7).opened() as offline:
            yield offline
    elif model.startswith(CHAT):
        from expllm.evals.chat_labeller import ChatLabeller

        with ChatLabeller(model, truth, boxes=bool(boxes), options=chat).opened() as asked:
            yield asked
    elif model.startswith(ENDPOINT):
        from expllm.evals.served_labeller import ServedLabeller

        with ServedLabeller(model, boxes=boxes, kind=kind, options=chat).opened() as served:
            yield served
    else:
        with ModelLabeller(model, boxes=boxes, dtype=dtype, device=device, kind=kind).opened() as own:
            yield own


class OfflineLabeller:
    """The classifier on action units, through `Predictor`.

    Args:
        labels: Tell 7 or 8 expressions apart.
    """

    def __init__(self, labels: int) -> None:
        self._count = labels
        digest = hashlib.sha256(AUClassifier.from_asset(labels).identity.encode()).hexdigest()
        self.identity = Identity(OFFLINE, digest, "float64", True, label_set(labels))
        self._predictor: Predictor | None = None

    @contextmanager
    def opened(self) -> Iterator["OfflineLabeller"]:
        """Frees the native models when the block ends."""
        try:
            yield self
        finally:
            if self._predictor is not None:
                self._predictor.close()

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        """See `Labeller`."""
        return [self._answer(sample) for sample in samples]

    def _answer(self, sample: Sample) -> Answer:
        if self._predictor is None:
            from expllm.predict.predictor import Predictor

            self._predictor = Predictor(labels=self._count)
        try:
            faces = self._predictor.analyze(sample_bytes(sample), name=sample.id)
        except ImageError as error:
            return refused(sample, "unreadable", error.line)
        face = _nearest(faces, sample.box)
        if face is None:
            return refused(sample, "no_face", "no face was found")
        if face.probabilities is None:
            return refused(sample, "no_face", f"the face cannot be measured ({face.status})")
        labels = self.identity.labels
        return answered(sample, labels, logs_of(face.probabilities, labels))


def logs_of(probabilities: Mapping[Expression, float], labels: Sequence[Expression]) -> list[float]:
    """[C] natural logarithms of rounded probabilities, normalised."""
    shares = [max(probabilities[label], SMALLEST) for label in labels]
    whole = math.log(math.fsum(shares))
    return [math.log(share) - whole for share in shares]


def _nearest(faces: "Sequence[FaceAnalysis]", box: Rect | None) -> "FaceAnalysis | None":
    """The face that a data set means: the largest, or the one that overlaps its box most."""
    if box is None:
        return faces[0] if faces else None
    placed = [
        (overlap((face.box.x, face.box.y, face.box.width, face.box.height), box), face)
        for face in faces
        if face.box is not None
    ]
    best = max(placed, key=lambda pair: pair[0], default=(0.0, None))
    return best[1] if best[0] > 0 else None


class ModelLabeller:
    """A trained model, asked for labels. Its weights are loaded when it is asked first.

    Args:
        model: The folder as `expllm train` wrote it, a run that holds it, or the name of a model that ships.
        boxes: Whether faces are boxed by the detector first; None: as it was trained.
        dtype: Of the weights, `auto`, `float32` or `bfloat16`.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        kind: Of the data set, for a model that was trained on boxes only where faces do not come cut out.

    Raises:
        UsageError, MissingWeights, ModelError: as `model.layout.read_manifest`.
        MissingDependency: PyTorch is not installed.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        boxes: bool | None = None,
        dtype: str = "auto",
        device: str = "auto",
        kind: str = "",
    ) -> None:
        require(*WEIGHTS)
        from expllm.model.manifest import read_manifest, seal

        folder = model_folder(model)
        manifest = read_manifest(folder)
        self._folder = folder
        self._device = device_for(device, manifest.preset)
        dtype = str(dtype_for(dtype, manifest.preset, self._device)).removeprefix("torch.")
        self._answerer: Answerer | None = None
        boxes = needs_boxes(trained_boxes(manifest.card), kind) if boxes is None else boxes
        self._cutter = FaceCutter(boxes)
        # What was found out after training, such as a temperature, changes no answer; mirror images do.
        asked = {"mirrored": True} if manifest.extra.get("mirrored") is True else {}
        digest = seal({**manifest.to_dict(), "extra": asked})
        temperature = _temperature(folder, manifest.extra)
        name = str(model) if model in SHIPPED else str(folder)
        self.identity = Identity(name, digest, dtype, boxes, manifest.labels, temperature)

    @contextmanager
    def opened(self) -> Iterator["ModelLabeller"]:
        """See `FaceCutter.opened`."""
        with self._cutter.opened():
            yield self

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        """See `Labeller`."""
        seen = [self.picture(sample) for sample in samples]
        pictures = [one for one in seen if not isinstance(one, Answer)]
        told = iter(self._log_probabilities(pictures))
        return [
            one if isinstance(one, Answer) else answered(sample, self.identity.labels, next(told))
            for sample, one in zip(samples, seen, strict=True)
        ]

    def _log_probabilities(self, pictures: "Sequence[Image.Image]") -> list[list[float]]:
        """[N, C] at a temperature of 1."""
        return normalised(self.answerer.labels(pictures).sums) if pictures else []

    @property
    def answerer(self) -> "Answerer":
        """The model; its weights are loaded by the first call."""
        if self._answerer is None:
            import torch

            from expllm.model.inference.generate import Answerer

            dtype = getattr(torch, self.identity.dtype)
            self._answerer = Answerer.load(self._folder, dtype, self._device)
        return self._answerer

    def picture(self, sample: Sample) -> "Image.Image | Answer":
        """The face, cut out as in training, or why there is none."""
        return self._cutter.picture(sample)


def _temperature(folder: Path, extra: Mapping[str, Any]) -> float:
    """What `expllm model calibrate` saved, if it was run.

    Raises:
        ModelError: it is no number above 0.
    """
    from expllm.model.manifest import ModelError

    found = extra.get("temperature", 1.0)
    if not isinstance(found, int | float) or not 0 < found < math.inf:
        raise ModelError(f"{folder}: the temperature is {found!r}, not a number above 0")
    return float(found)


def normalised(sums: "NDArray[np.float64]") -> list[list[float]]:
    """Logarithms [N, C] of which each row adds up to 1: at a temperature of 1."""
    import torch

    found: list[list[float]] = torch.from_numpy(sums).log_softmax(-1).tolist()
    return found


def answered(sample: Sample, labels: Sequence[Expression], logs: Sequence[float]) -> Answer:
    """The likeliest label, of equals the first.

    Args:
        logs: [C] natural logarithms, normalised.
    """
    assert sample.expression is not None
    best = max(range(len(labels)), key=lambda place: logs[place])
    return Answer(id=sample.id, truth=sample.expression, log_probabilities=tuple(logs), label=labels[best])
