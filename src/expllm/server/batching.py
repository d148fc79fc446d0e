"""Dynamic batching: a model explains faces together that come at about the same time."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field

from expllm.core.errors import ExpllmError
from expllm.core.records import FaceAnalysis
from expllm.predict.predictor import MeasuredFace, Predictor


@dataclass(frozen=True, eq=False)
class _Job:
    """Faces to be explained, or one to be written about.

    Attributes:
        on_piece: Takes the text piece by piece; False ends it. None: no pieces.
    """

    predictor: Predictor
    faces: Sequence[MeasuredFace]
    write: bool
    on_piece: Callable[[str], bool] | None = None
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
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._kept: _Job | None = None
        self.batches = 0
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def explain(
        self, predictor: Predictor, faces: Sequence[MeasuredFace], *, write: bool
    ) -> "Future[list[FaceAnalysis]]":
        """The analyses of faces: [`Predictor.explain`][expllm.predict.predictor.Predictor.explain]."""
        job = _Job(predictor, faces, write)
        self._jobs.put(job)
        return job.future

    def stream(
        self, predictor: Predictor, face: MeasuredFace, on_piece: Callable[[str], bool]
    ) -> "Future[list[FaceAnalysis]]":
        """The analysis of one face; `on_piece` takes its text piece by piece, and ends it with False."""
        job = _Job(predictor, [face], True, on_piece)
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Ends the thread, after the jobs that were given to it before."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._kept or self._jobs.get()) is not None:
            self._kept = None
            batch = [job] if job.on_piece else self._batch(job)
            batch = [one for one in batch if one.future.set_running_or_notify_cancel()]
            if not batch:
                continue
            self.batches += 1
            if batch[0].on_piece is not None:
                _answer([batch[0]], _written)
            else:
                _answer(batch, _explained)

    def _batch(self, first: _Job) -> list[_Job]:
        """The jobs that can be done in one go with the first."""
        batch, until = [first], time.monotonic() + self._wait
        while sum(len(one.faces) for one in batch) < self._together:
            try:
                other = self._jobs.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if other is None:
                self._jobs.put(None)
                break
            if other.on_piece is not None or other.write != first.write:
                self._kept = other
                break
            batch.append(other)
        return batch


def _answer(batch: list[_Job], work: Callable[[list[_Job]], list[list[FaceAnalysis]]]) -> None:
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


def _explained(batch: list[_Job]) -> list[list[FaceAnalysis]]:
    faces = [face for one in batch for face in one.faces]
    said = iter(batch[0].predictor.explain(faces, write=batch[0].write))
    return [[next(said) for _ in one.faces] for one in batch]


def _written(batch: list[_Job]) -> list[list[FaceAnalysis]]:
    return [[written(one.predictor, one.faces[0], one.on_piece or bool) for one in batch]]


def written(predictor: Predictor, face: MeasuredFace, on_piece: Callable[[str], bool]) -> FaceAnalysis:
    """A face's analysis, with its text given away piece by piece.

    Args:
        on_piece: Takes a piece; False stops the text, and the analysis holds the measurements only.
    """
    with closing(predictor.write(face)) as pieces:  # a model is free again as soon as nobody listens
        for piece in pieces:
            if not isinstance(piece, str):
                return piece
            if not on_piece(piece):
                break
    return face.analysis
