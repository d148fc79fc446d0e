"""What models that a server runs share when they are evaluated: cut faces go there, replies come back."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from expllm.core.vocabulary import AUVector
from expllm.data import Sample
from expllm.evals.face_cutting import FaceCutter
from expllm.evals.saved_answers import Answer
from expllm.predict import FaceExplainer, Shown

if TYPE_CHECKING:
    from expllm.core.errors import ExpllmError

Told = TypeVar("Told")


class RemoteLabeller(ABC, Generic[Told]):
    """A labeller whose explainer asks a server.

    Args:
        explainer: It is closed when `opened` ends.
        boxes: Whether faces are boxed by the detector first.
    """

    def __init__(self, explainer: FaceExplainer, *, boxes: bool) -> None:
        self._closed_with, self._cutter = explainer, FaceCutter(boxes)

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Ends the connections and frees the face detector when the block ends."""
        try:
            with self._cutter.opened():
                yield self
        finally:
            self._closed_with.close()

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        """See `Labeller`.

        Raises:
            ChatError: no question can be answered before somebody mends the cause.
        """
        return self._answers(samples, [None] * len(samples), write=False)

    def explain(
        self, samples: Sequence[Sample], measured: "Sequence[AUVector | ExpllmError]"
    ) -> list[Answer]:
        """Labels with explanations: see `evals.explaining.Writer`."""
        aus = [one if isinstance(one, AUVector) else None for one in measured]
        return self._answers(samples, aus, write=True)

    @abstractmethod
    def _ask(self, faces: list[Shown], *, write: bool) -> Sequence[Told]:
        """What the server says of each face, in their order."""

    @abstractmethod
    def _answer(self, sample: Sample, told: Told) -> Answer:
        """A reply as an answer; without a label it counts as wrong, and says why."""

    def _answers(
        self, samples: Sequence[Sample], aus: Sequence[AUVector | None], *, write: bool
    ) -> list[Answer]:
        seen = [self._cutter.picture(sample) for sample in samples]
        faces = [
            Shown(one, units) for one, units in zip(seen, aus, strict=True) if not isinstance(one, Answer)
        ]
        told = iter(self._ask(faces, write=write))
        return [
            one if isinstance(one, Answer) else self._answer(sample, next(told))
            for sample, one in zip(samples, seen, strict=True)
        ]
