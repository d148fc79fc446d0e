"""Dynamic batching: a model explains faces together that come at about the same time."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from expllm.errors import ExpllmError
from expllm.predict import Predictor, SeenFace
from expllm.records import FaceAnalysis


@dataclass(frozen=True, eq=False)
class _Asked:
    """Faces to be explained, or one to be written about.

    Attributes:
        heard: Takes the text piece by piece; False ends it. None: no pieces.
    """

    predictor: Predictor
    faces: Sequence[SeenFace]
    write: bool
    heard: Callable[[str], bool] | None = None
    future: "Future[list[FaceAnalysis]]" = field(default_factory=Future)


class ModelThread:
    """A thread of a model's own: it forms batches of the faces that wait for it.

    Answers in a batch may differ from answers alone in the last digits (docs/server.md).

    Args:
        together: Faces of a batch.
        wait: Seconds that the first face of a batch waits for others.
    """

    def __init__(self, together: int, wait: float) -> None:
        self._together, self._wait = together, wait
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._kept: _Asked | None = None
        self.batches = 0
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def explain(
        self, predictor: Predictor, faces: Sequence[SeenFace], *, write: bool
    ) -> "Future[list[FaceAnalysis]]":
        """The analyses of faces, as [`Predictor.explain`][expllm.predict.Predictor.explain] gives them."""
        asked = _Asked(predictor, faces, write)
        self._asked.put(asked)
        return asked.future

    def stream(
        self, predictor: Predictor, face: SeenFace, heard: Callable[[str], bool]
    ) -> "Future[list[FaceAnalysis]]":
        """The analysis of one face; `heard` takes its text piece by piece, and ends it with False."""
        asked = _Asked(predictor, [face], True, heard)
        self._asked.put(asked)
        return asked.future

    def close(self) -> None:
        """Ends the thread, after what was asked before."""
        self._asked.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (asked := self._kept or self._asked.get()) is not None:
            self._kept = None
            batch = [asked] if asked.heard else self._batch(asked)
            batch = [one for one in batch if one.future.set_running_or_notify_cancel()]
            if not batch:
                continue
            self.batches += 1
            if batch[0].heard is not None:
                _answer([batch[0]], _written)
            else:
                _answer(batch, _explained)

    def _batch(self, first: _Asked) -> list[_Asked]:
        """What can be asked in one go with the first."""
        batch, until = [first], time.monotonic() + self._wait
        while sum(len(one.faces) for one in batch) < self._together:
            try:
                other = self._asked.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if other is None:
                self._asked.put(None)
                break
            if other.heard is not None or other.write != first.write:
                self._kept = other
                break
            batch.append(other)
        return batch


def _answer(batch: list[_Asked], work: Callable[[list[_Asked]], list[list[FaceAnalysis]]]) -> None:
    """Gives each its answer; where a batch fails, and not because of the model, each is tried alone."""
    try:
        answers = work(batch)
    except Exception as error:
        if len(batch) > 1 and not isinstance(error, ExpllmError):
            for one in batch:
                _answer([one], work)
            return
        for one in batch:
            one.future.set_exception(error)
        return
    for one, answer in zip(batch, answers, strict=True):
        one.future.set_result(answer)


def _explained(batch: list[_Asked]) -> list[list[FaceAnalysis]]:
    faces = [face for one in batch for face in one.faces]
    said = iter(batch[0].predictor.explain(faces, write=batch[0].write))
    return [[next(said) for _ in one.faces] for one in batch]


def _written(batch: list[_Asked]) -> list[list[FaceAnalysis]]:
    return [[written(one.predictor, one.faces[0], one.heard or bool) for one in batch]]


def written(predictor: Predictor, face: SeenFace, heard: Callable[[str], bool]) -> FaceAnalysis:
    """A face's analysis, with its text given away piece by piece.

    Args:
        heard: Takes a piece; False: nobody listens any more, and what was measured is all that comes back.
    """
    for piece in predictor.write(face):
        if not isinstance(piece, str):
            return piece
        if not heard(piece):
            break
    return face.analysis
