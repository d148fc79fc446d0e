"""A trained model: it looks at the face, gives a label with probabilities, and writes."""

import math
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from expllm.core.conversations import Order
from expllm.core.errors import UsageError
from expllm.core.packages import WEIGHTS, require
from expllm.core.vocabulary import Expression
from expllm.faces.boxes import trained_boxes
from expllm.model.device import check_device, check_dtype, device_for, dtype_for
from expllm.model.rights import model_licences
from expllm.predict.base import Said, Shown, examined, rounded
from expllm.predict.verifying import SentenceVerifier, verifier

if TYPE_CHECKING:
    from PIL import Image

    from expllm.model.inference.generate import Answerer
    from expllm.model.inference.vlm_output import LabelScores, Written

ORDERS: Final[tuple[Order, ...]] = ("label-first", "explanation-first")
BATCH: Final = 8
"""Faces that are explained together: a step costs little more for eight than for one."""


class ModelExplainer:
    """A trained model. Its weights are loaded when it is asked first, once for all threads.

    Args:
        folder: As `expllm train` wrote it.
        name: How it is called in the results; the folder if None.
        order: Whether the label comes before its explanation, or behind it, as in the paper; None: as the
            model was trained.
        dtype: Of the weights, `float32` or `bfloat16`; `auto` as
            [`answering_type`][expllm.model.inference.packed_linear.answering_type]: 32 bits for a small
            model.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        audited: Sentences that the measured action units refute are written anew, or left out.
        max_new_tokens: Most tokens of a text; the model's own limit if None.
        heard: Told the text of a face that is explained alone, piece by piece, while it is written.
        on_status: As for `open_explainer`.

    Raises:
        UsageError, MissingWeights, ModelError: as `model.layout.read_manifest`.
        MissingDependency: PyTorch is not installed.
    """

    looks = True
    gives_probabilities = True
    spent = 0.0
    together = BATCH

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        order: Order | None = None,
        dtype: str = "auto",
        device: str = "auto",
        audited: bool = True,
        max_new_tokens: int | None = None,
        heard: Callable[[str], object] | None = None,
        on_status: Callable[[str], object] = lambda _: None,
    ) -> None:
        require(*WEIGHTS)
        from expllm.model.manifest import read_manifest, seal

        check_device(device)
        check_dtype(dtype)
        if order is not None and order not in ORDERS:
            raise UsageError(f"the order cannot be {order!r}: use {' or '.join(ORDERS)}")
        manifest = read_manifest(folder)
        self.labels, self._preset = manifest.labels, manifest.preset
        self.boxed = trained_boxes(manifest.card) is True  # `auto` spares face crops
        self.identity = self.writer = f"{name or folder} (sha256 {seal(manifest.to_dict())[:12]})"
        self._folder, self._order = folder, order or manifest.order
        self._dtype, self._device = dtype, device
        self.licences = model_licences(manifest, name or "")
        self._audited = audited
        self._limit = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
        self._heard, self._name, self._on_status = heard, name or str(folder), on_status
        self._answerer: Answerer | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Reads the weights while faces are searched for."""

        def load() -> None:
            with self._lock, suppress(Exception):  # who asks next meets it again
                self._loaded()

        threading.Thread(target=load).start()

    def explain(self, faces: Sequence[Shown], *, write: bool = True) -> list[Said]:
        """See `FaceExplainer`; the faces are one batch."""
        if not faces:
            return []
        with self._lock:
            self._loaded()
            self._on_status(f"explaining {len(faces)} face{'s' * (len(faces) > 1)}")
            if not write:
                return [Said(*one) for one in _told(self._loaded().labels(_crops(faces)))]
            found = self._loaded().both(
                _crops(faces), self._order, aus=[face.aus for face in faces], heard=self._heard,
                verifiers=[self._verifier(face) for face in faces], **self._limit,
            )  # fmt: skip
        before, after = _told(found.labels), _told(found.labels_after)
        chosen, second = (before, after) if self._order == "label-first" else (after, before)
        rows = zip(faces, chosen, second, found.explanations, strict=True)
        return [_said(face, label, other[0], text) for face, label, other, text in rows]

    def stream(self, face: Shown) -> Generator[str, None, Said]:
        """See `FaceExplainer`. The label is found first, told before the text only if the order says so, and
        not asked a second time.
        """
        with self._lock:
            (label,) = _told(self._loaded().labels(_crops([face])))
            (crop,) = _crops([face])
            told = label[0] if self._order == "label-first" else None
            text = yield from self._loaded().stream(
                crop, label=told, aus=face.aus, verifier=self._verifier(face), **self._limit
            )
        return _said(face, label, None, text)

    def close(self) -> None:
        """Lets go of the weights."""
        self._answerer = None

    def _verifier(self, face: Shown) -> "SentenceVerifier | None":
        return verifier(face.aus) if self._audited else None

    def _loaded(self) -> "Answerer":
        if self._answerer is None:
            from expllm.model.inference.generate import Answerer

            device = device_for(self._device, self._preset)
            self._on_status(f"{self._first_step()} {self._name}")
            dtype = dtype_for(self._dtype, self._preset, device)
            self._answerer = Answerer.load(self._folder, dtype, device)
        return self._answerer

    def _first_step(self) -> str:
        from expllm.model.gguf_cache import is_cached

        return "loading" if is_cached(self._preset.language) else "unpacking (once) and loading"


_Label = tuple[Expression, dict[Expression, float]]


def _crops(faces: Sequence[Shown]) -> "list[Image.Image]":
    crops = [face.crop for face in faces if face.crop is not None]
    assert len(crops) == len(faces), "a model is shown faces"
    return crops


def _told(scores: "LabelScores") -> list[_Label]:
    """The label of each face, and the probabilities of all."""
    shares = [
        {label: math.exp(log) for label, log in zip(scores.labels, row, strict=True)}
        for row in scores.log_probabilities.tolist()
    ]
    return list(zip(scores.best, map(rounded, shares), strict=True))


def _said(face: Shown, label: _Label, second: Expression | None, written: "Written") -> Said:
    checked = examined(written.text, written.problem, face.aus, label[0], second, written.rejected)
    return Said(*label, written.cot, checked)
