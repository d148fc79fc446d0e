"""A trained model: from the image of a face to a label with probabilities, and an explanation."""

import math
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from expllm.core.conversations import Order
from expllm.core.errors import UsageError
from expllm.core.packages import WEIGHT_PACKAGES, require
from expllm.core.records import Hint
from expllm.core.vocabulary import Expression
from expllm.faces.boxes import trained_boxes
from expllm.model.device import check_device, check_dtype, device_for, dtype_for
from expllm.model.rights import model_licences
from expllm.predict.base import FaceAnswer, FaceInput, ModelIdentity, examined_text, rounded
from expllm.predict.hints import Hints
from expllm.predict.verifying import SentenceVerifier, verifier

if TYPE_CHECKING:
    from PIL import Image

    from expllm.model.inference.generate import FaceVLM
    from expllm.model.inference.vlm_output import GeneratedText, LabelScores

_ORDERS: Final[tuple[Order, ...]] = ("label-first", "explanation-first")
_BATCH: Final = 8
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
        hint: Which action units it is told before it explains; None: as it was trained.
        licence: As for `open_explainer`.
        audited: Sentences that the measured action units refute are written anew, or left out.
        max_new_tokens: Most tokens of a text; the model's own limit if None.
        on_token: Called with each piece of a text while it is written about a single face.
        on_status: As for `open_explainer`.

    Raises:
        UsageError, MissingWeights, ModelError: as `model.layout.read_manifest` and `hints.Hints`.
        MissingDependency: PyTorch is not installed.
    """

    needs_image = True
    gives_probabilities = True
    spent = 0.0
    batch_size = _BATCH

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        order: Order | None = None,
        dtype: str = "auto",
        device: str = "auto",
        hint: Hint | None = None,
        licence: str | None = None,
        audited: bool = True,
        max_new_tokens: int | None = None,
        on_token: Callable[[str], object] | None = None,
        on_status: Callable[[str], object] = lambda _: None,
    ) -> None:
        require(*WEIGHT_PACKAGES)
        from expllm.model.manifest import calibrated_temperature, read_manifest, seal

        check_device(device)
        check_dtype(dtype)
        if order is not None and order not in _ORDERS:
            raise UsageError(f"the order cannot be {order!r}: use {' or '.join(_ORDERS)}")
        manifest = read_manifest(folder)
        self._manifest, self._preset = manifest, manifest.preset
        self._temperature = calibrated_temperature(folder, manifest.extra)
        self.needs_face_box = trained_boxes(manifest.card) is True  # `auto` spares face crops
        self.identity = self.writer = f"{name or folder} (sha256 {seal(manifest.to_dict())[:12]})"
        self._folder, self._order = folder, order or manifest.order
        self._dtype, self._device = dtype, device
        self._hints, self._audited = Hints(manifest.questions, hint, licence), audited
        self.licences = {**model_licences(manifest, name or ""), **self._hints.licences}
        self._limit = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
        self._on_token, self._name, self._on_status = on_token, name or str(folder), on_status
        self._vlm: FaceVLM | None = None
        self._lock = threading.Lock()

    def preload(self) -> None:
        """Reads the weights while faces are searched for."""

        def load() -> None:
            with self._lock, suppress(Exception):  # who asks next meets it again
                self._loaded()

        threading.Thread(target=load).start()

    @property
    def model(self) -> ModelIdentity:
        """See `FaceExplainer`.

        What was found out after training, such as a temperature, changes no answer; mirror images do.
        """
        from expllm.model.manifest import seal

        asked = {"mirrored": True} if self._manifest.extra.get("mirrored") is True else {}
        dtype = dtype_for(self._dtype, self._preset, device_for(self._device, self._preset))
        return ModelIdentity(
            self._name, seal({**self._manifest.to_dict(), "extra": asked}), str(dtype).removeprefix("torch."),
            trained_boxes(self._manifest.card), self._manifest.labels, self._temperature, self._order,
            self._audited, self._hints.kind,
        )  # fmt: skip

    def explain(self, faces: Sequence[FaceInput], *, write: bool = True) -> list[FaceAnswer]:
        """See `FaceExplainer`; the faces are one batch."""
        if not faces:
            return []
        with self._lock:
            self._loaded()
            self._on_status(f"explaining {len(faces)} face{'s' * (len(faces) > 1)}")
            if not write:
                return _labelled(self._loaded().score_labels(_crops(faces)))
            told = self._hints.of(faces)
            found = self._loaded().generate(
                _crops(faces), self._order, aus=told,
                on_token=self._on_token, verifiers=[self._verifier(face) for face in faces], **self._limit,
            )  # fmt: skip
        rows = zip(
            faces, _labelled(found.labels), _labelled(found.labels_after), found.explanations, strict=True
        )
        answers = [self._answer(*row) for row in rows]
        return [replace(one, hint=self._hints.told(aus)) for one, aus in zip(answers, told, strict=True)]

    def _answer(
        self, face: FaceInput, before: FaceAnswer, after: FaceAnswer, text: "GeneratedText"
    ) -> FaceAnswer:
        """With the label that the order chooses; the other one is held against it."""
        chosen, second = (before, after) if self._order == "label-first" else (after, before)
        explained = _explained(face, chosen, second.expression, text)
        return replace(
            explained, label=before.label, log_probabilities=before.log_probabilities,
            label_after=after.label,
        )  # fmt: skip

    def stream(self, face: FaceInput) -> Generator[str, None, FaceAnswer]:
        """See `FaceExplainer`. The label is found first, told before the text only if the order says so, and
        not asked a second time.
        """
        with self._lock:
            (label,) = _labelled(self._loaded().score_labels(_crops([face])))
            (crop,) = _crops([face])
            known = label.expression if self._order == "label-first" else None
            (told,) = self._hints.of([face])
            text = yield from self._loaded().stream(
                crop, label=known, aus=told, verifier=self._verifier(face), **self._limit
            )
        return replace(_explained(face, label, None, text), hint=self._hints.told(told))

    def close(self) -> None:
        """Lets go of the weights."""
        self._vlm = None

    def _verifier(self, face: FaceInput) -> "SentenceVerifier | None":
        return verifier(face.aus) if self._audited else None

    def _loaded(self) -> "FaceVLM":
        if self._vlm is None:
            from expllm.model.inference.generate import FaceVLM

            device = device_for(self._device, self._preset)
            self._on_status(f"{self._first_step()} {self._name}")
            dtype = dtype_for(self._dtype, self._preset, device)
            self._vlm = FaceVLM.load(self._folder, dtype, device)
        return self._vlm

    def _first_step(self) -> str:
        from expllm.model.gguf_cache import is_cached

        return "loading" if is_cached(self._preset.language) else "unpacking (once) and loading"


def _crops(faces: Sequence[FaceInput]) -> "list[Image.Image]":
    crops = [face.crop for face in faces if face.crop is not None]
    assert len(crops) == len(faces), "a model is shown faces"
    return crops


def _labelled(scores: "LabelScores") -> list[FaceAnswer]:
    """The label of each face, and the probabilities of all: as they are, and at the model's temperature."""
    import torch

    plain = torch.from_numpy(scores.sums).log_softmax(-1).tolist()
    rows = zip(scores.best, scores.log_probabilities.tolist(), plain, strict=True)
    return [
        FaceAnswer(
            best, rounded({label: math.exp(log) for label, log in zip(scores.labels, scaled, strict=True)}),
            label=best, log_probabilities=tuple(logs),
        )
        for best, scaled, logs in rows
    ]  # fmt: skip


def _explained(
    face: FaceInput, chosen: FaceAnswer, second: Expression | None, written: "GeneratedText"
) -> FaceAnswer:
    """An answer that is a label only, with its explanation."""
    checked = examined_text(
        written.text, written.problem, face.aus, chosen.expression, second, written.rejected
    )
    return replace(
        chosen, cot=written.cot, explanation=checked, tokens=written.tokens, sampled=written.sampled
    )
