"""Many pictures, in order, on several threads, with flat memory.

Decoding, MediaPipe and Pillow all leave Python's lock while they work, so threads pay. Each thread has a
[`Predictor`][expllm.predict.Predictor] of its own; results come out in the order of the inputs.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from expllm.errors import ExpllmError, ImageError
from expllm.images import Picture, open_image
from expllm.inputs import recorded_name
from expllm.predict import Predictor
from expllm.records import FaceAnalysis

AHEAD: Final = 4
"""Pictures under way or finished and not yet taken, per worker: bounds the memory."""


@dataclass(frozen=True)
class Source:
    """A picture to be opened: how to call it, and the bytes if they are at hand (standard input).

    An error in place of the bytes says why they could not be had.
    """

    name: str
    data: bytes | ExpllmError | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one input: its analyses, or the error that names what is wrong with it."""

    name: str
    picture: Picture | None
    analyses: list[FaceAnalysis]
    error: ExpllmError | None = None

    @property
    def face_found(self) -> bool:
        return any(analysis.status == "ok" for analysis in self.analyses)


def default_workers() -> int:
    """As many threads as processors, at most four: beyond that the models only fight for memory."""
    return min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def analyze_many(
    sources: Iterable[Source],
    make_predictor: Callable[[], Predictor],
    *,
    workers: int | None = None,
    allow_url: bool = False,
) -> Iterator[Outcome]:
    """The outcome of every source, in order. A broken input is an outcome, never an exception.

    Args:
        sources: Any number of pictures; taken one by one as workers become free.
        make_predictor: Called once a worker, for the first in the calling thread so that what is missing
            is found before any picture is opened.
        workers: Threads; one a processor (at most four) when None.
        allow_url: Names that are http(s) addresses are fetched.

    Raises:
        MissingWeights, MissingDependency: from `make_predictor`.
    """
    pool = _Predictors(make_predictor)
    executor = ThreadPoolExecutor(workers or default_workers(), thread_name_prefix="analyze")
    under_way: deque[Future[Outcome]] = deque()
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
        pool.close()


class _Predictors:
    """One predictor a thread, made on first use, all closed together."""

    def __init__(self, make: Callable[[], Predictor]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._idle = [make()]
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


def _analyze_one(source: Source, pool: _Predictors, allow_url: bool) -> Outcome:
    name = recorded_name(source.name)
    if isinstance(source.data, ExpllmError):
        return Outcome(name, None, [], source.data)
    try:
        image = source.name if source.data is None else source.data
        shown = None if source.data is None else source.name
        picture = open_image(image, name=shown, allow_url=allow_url)
        picture = replace(picture, name=name)  # messages shorten and escape it, results do not
        return Outcome(name, picture, pool.mine().analyze_picture(picture))
    except ExpllmError as error:
        return Outcome(name, None, [], error)
    except MemoryError:
        return Outcome(name, None, [], ImageError(f"{name}: not enough memory to analyze it"))
    except Exception as error:  # of native code: one input must not end the others
        what = f"{type(error).__name__}: {error}"
        return Outcome(name, None, [], ImageError(f"{name}: cannot be analyzed ({what}); please report it"))
