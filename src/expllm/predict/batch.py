"""Many pictures, in order, on several threads, with flat memory.

Decoding, MediaPipe and Pillow all leave Python's lock while they work, so threads pay. Each thread has a
[`Predictor`][expllm.predict.predictor.Predictor] of its own; results come out in the order of the inputs.

The calling thread explains the faces of as many pictures at once as suit the explainer, while the threads
find the next ones. Which faces make a batch depends on the inputs alone, never on which thread was faster.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final

from expllm.core.errors import ExpllmError, ImageError
from expllm.core.records import FaceAnalysis
from expllm.core.threads import threads
from expllm.files.images import Picture, open_frames
from expllm.files.inputs import recorded_name
from expllm.predict.predictor import MeasuredFace, Predictor

AHEAD: Final = 4
"""Pictures under way or finished and not yet taken, per worker: bounds the memory."""


@dataclass(frozen=True)
class ImageToOpen:
    """A picture to be opened: how to call it, and the bytes if they are at hand (standard input).

    An error in place of the bytes says why they could not be had.
    """

    name: str
    data: bytes | ExpllmError | None = None


@dataclass(frozen=True)
class InputOutcome:
    """What became of one input: its analyses, or the error that names what is wrong with it."""

    name: str
    picture: Picture | None
    analyses: list[FaceAnalysis]
    error: ExpllmError | None = None
    note: str = ""
    """What was looked at, where that was not all of the file."""
    seen: list[MeasuredFace] = field(default_factory=list, repr=False)
    """Faces that are yet to be explained; empty in an outcome that is handed out."""

    @property
    def face_found(self) -> bool:
        return any(one.status == "ok" or one.explained for one in self.analyses)


def default_workers() -> int:
    """As many threads as may compute at once, at most four: beyond that the models only fight for memory."""
    return min(4, threads())


def analyze_many(
    sources: Iterable[ImageToOpen],
    make_predictor: Callable[[], Predictor],
    *,
    workers: int | None = None,
    allow_url: bool = False,
) -> Iterator[InputOutcome]:
    """The outcome of every source, in order. A broken input is an outcome, never an exception.

    Args:
        sources: Any number of pictures; taken one by one as workers become free.
        make_predictor: Called once a worker, for the first in the calling thread so that what is missing
            is found before any picture is opened.
        workers: Threads; one a processor (at most four) when None.
        allow_url: Names that are http(s) addresses are fetched.

    Raises:
        MissingWeights, MissingDependency: from `make_predictor`.
        ExpllmError: the model that explains cannot be used at all.
    """
    pool = _Predictors(make_predictor)
    found = _found(sources, pool, workers, allow_url)
    try:
        yield from _explained(found, pool.first)
    finally:
        found.close()
        pool.close()


def _found(
    sources: Iterable[ImageToOpen], pool: "_Predictors", workers: int | None, allow_url: bool
) -> Generator[InputOutcome, None, None]:
    executor = ThreadPoolExecutor(workers or default_workers(), thread_name_prefix="analyze")
    under_way: deque[Future[InputOutcome]] = deque()
    try:
        limit = AHEAD * (workers or default_workers())
        for source in sources:
            under_way.append(executor.submit(_analyze_one, source, pool, allow_url))
            if len(under_way) >= limit:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
        executor.shutdown(wait=True)


def _explained(found: Iterator[InputOutcome], predictor: Predictor) -> Iterator[InputOutcome]:
    """The outcomes with their faces explained, as many together as suit the model."""
    waiting: list[InputOutcome] = []
    for outcome in found:
        waiting.append(outcome)
        if max(len(waiting), sum(len(one.seen) for one in waiting)) >= predictor.batch_size:
            yield from _explain(waiting, predictor)
            waiting = []
    yield from _explain(waiting, predictor)


def _explain(outcomes: list[InputOutcome], predictor: Predictor) -> list[InputOutcome]:
    faces = [face for outcome in outcomes for face in outcome.seen]
    try:
        said = iter(predictor.explain(faces))
    except ExpllmError:  # of the model, not of a picture: no later face would fare better
        raise
    except Exception as error:  # of native code or memory: other batches may do better
        what = f"{type(error).__name__}: {error}"
        return [_failed(outcome, f"cannot be explained ({what})") for outcome in outcomes]
    return [
        replace(outcome, analyses=[next(said) for _ in outcome.seen], seen=[]) if outcome.seen else outcome
        for outcome in outcomes
    ]


def _failed(outcome: InputOutcome, why: str) -> InputOutcome:
    if not outcome.seen:
        return outcome
    return InputOutcome(outcome.name, None, [], ImageError(f"{outcome.name}: {why}; please report it"))


class _Predictors:
    """One predictor a thread, made on first use, all closed together."""

    def __init__(self, make: Callable[[], Predictor]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self.first = make()
        self._idle = [self.first]
        self._all = list(self._idle)
        self._of_thread = threading.local()

    def mine(self) -> Predictor:
        if not hasattr(self._of_thread, "predictor"):
            with self._lock:  # also keeps two models from opening, and silencing stderr, at once
                if not self._idle:
                    self._all.append(self._make())
                    self._idle.append(self._all[-1])
                self._of_thread.predictor = self._idle.pop()
        predictor: Predictor = self._of_thread.predictor
        return predictor

    def close(self) -> None:
        for predictor in self._all:
            predictor.close()


def _analyze_one(source: ImageToOpen, pool: _Predictors, allow_url: bool) -> InputOutcome:
    name = recorded_name(source.name)
    if isinstance(source.data, ExpllmError):
        return InputOutcome(name, None, [], source.data)
    try:
        image = source.name if source.data is None else source.data
        shown = None if source.data is None else source.name
        predictor = pool.mine()
        with closing(open_frames(image, name=shown, allow_url=allow_url)) as frames:
            # Messages shorten and escape its name, results do not.
            seen = predictor.measure_frames(replace(frame, name=name) for frame in frames)
        return InputOutcome(name, seen.picture, [], note=seen.note, seen=seen.faces)
    except ExpllmError as error:
        return InputOutcome(name, None, [], error)
    except MemoryError:
        return InputOutcome(name, None, [], ImageError(f"{name}: not enough memory to analyze it"))
    except Exception as error:  # of native code: one input must not end the others
        what = f"{type(error).__name__}: {error}"
        return InputOutcome(
            name, None, [], ImageError(f"{name}: cannot be analyzed ({what}); please report it")
        )
