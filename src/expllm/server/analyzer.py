"""From uploaded pictures to analyses, on threads: some find and measure faces, some belong to a model."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from fastapi import Request

from expllm.core.errors import NoFaceError
from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import AU_NAMES, AUSource, AUVector
from expllm.faces.measure import FaceMeasurer, missed_warnings
from expllm.files.images import open_frames
from expllm.predict import FaceExplainer, FaceInput
from expllm.predict.predictor import MeasuredFace, Predictor
from expllm.server.admission import AdmittedPlace, Queue
from expllm.server.batching import ModelThread, written
from expllm.server.bodies import Upload, attended
from expllm.server.prometheus import Metrics
from expllm.server.served_models import ServedModels
from expllm.server.server_config import ServerConfig
from expllm.server.video_jobs import VideoJobs

_T = TypeVar("_T")
_TRIAL_SIDE: Final = 64
"""Pixels of the blank picture that everything is tried with at the start."""
_NO_FACE: Final = "No face was found."


@dataclass(frozen=True)
class AnalysisOptions:
    """How a picture is to be analyzed.

    Attributes:
        model: Who explains; None for the default.
        labels: 7 or 8 expressions, of the rules.
        write: With a text.
        mirrored: The picture is a mirror image.
    """

    model: str | None = None
    labels: int | None = None
    write: bool = True
    mirrored: bool = False


@dataclass(frozen=True)
class MeasuredPicture:
    """A picture in which faces were looked for.

    Attributes:
        name: As messages call it.
        faces: The largest first.
        warnings: What concerns the whole picture, in sentences.
    """

    predictor: Predictor
    name: str
    faces: list[MeasuredFace]
    warnings: tuple[str, ...]

    def of(self, faces: list[MeasuredFace]) -> "MeasuredPicture":
        """The same with some of the faces only."""
        return replace(self, faces=faces)

    @property
    def largest(self) -> MeasuredFace:
        """The largest face.

        Raises:
            NoFaceError: there is none.
        """
        if not self.faces:
            raise NoFaceError(f"{self.name}: no face found")
        return self.faces[0]


@dataclass(frozen=True)
class AnalyzedPicture:
    """The analyses of a picture, and what concerns all of it."""

    analyses: list[FaceAnalysis]
    warnings: tuple[str, ...]


class Analyzer:
    """Analyzes pictures for many clients at once; for use on one event loop.

    Args:
        config: What the server was started with.

    Attributes:
        models: Those that are served.
        queue: Everything that computes takes a place in it.
        videos: Those that are analysed, where the server takes any.
        ready: Everything has been loaded and tried.
        draining: The server ends.
        failure: Why it cannot become ready.

    Raises:
        ExpllmError: as `ServedModels`.
    """

    def __init__(self, config: ServerConfig) -> None:
        self.config, self.models = (
            config,
            ServedModels(config.models, dtype=config.dtype, device=config.device, licence=config.licence),
        )
        self.queue = Queue(config.workers, config.workers * config.limits.waiting_per_worker)
        self.metrics = Metrics(self.queue)
        self.ready = self.draining = False
        self.failure: Exception | None = None
        self._executor = ThreadPoolExecutor(config.workers, thread_name_prefix="serve")
        self._of_thread = threading.local()
        self._measurers: list[FaceMeasurer] = []
        self._opening = threading.Lock()
        self.videos = (
            VideoJobs(config.limits, self._opening, config.log, AUSource(config.au_source))
            if config.video
            else None
        )
        self._model_threads = {
            name: ModelThread(explainer.batch_size, config.limits.together_s)
            for name, explainer in self.models.by_name.items()
            if explainer.batch_size > 1
        }

    async def warm_up(self, on_failure: Callable[[], object]) -> None:
        """Loads everything and tries it once; `failure` says what went wrong."""
        together = threading.Barrier(self.config.workers)  # so that each thread takes one
        trials = [self._executor.submit(self._try_thread, together) for _ in range(self.config.workers)]
        trials += [self._executor.submit(_try_model, one) for one in self.models.by_name.values()]
        try:
            await asyncio.gather(*(asyncio.wrap_future(trial) for trial in trials))
        except Exception as error:
            self.failure = error
            on_failure()
        else:
            self.ready = True

    async def analyze(
        self, place: AdmittedPlace, upload: Upload, options: AnalysisOptions
    ) -> AnalyzedPicture:
        """Every face of a picture.

        Raises:
            ApiError: there is no such model.
            ImageError: the picture cannot be read.
        """
        self.models.explainer(options.model, options.labels)
        if self._model_thread(options):
            measured = await self.look(place, upload, options)
            found = AnalyzedPicture(await self.explain(place, measured, options), measured.warnings)
        else:  # on the same thread, at once
            found = await self.run(place, lambda: self._explained(self._look(upload, options), options))
        self.count(place, found.analyses)
        return found

    def count(self, place: AdmittedPlace, analyses: list[FaceAnalysis]) -> None:
        """One picture more for the metrics."""
        self.metrics.analyzed(analyses, waited=place.waited, worked=place.worked)

    async def look(self, place: AdmittedPlace, upload: Upload, options: AnalysisOptions) -> MeasuredPicture:
        """Finds and measures the faces of a picture; nothing is said of them yet.

        Raises:
            ApiError, ImageError: as `analyze`.
        """
        self.models.explainer(options.model, options.labels)
        return await self.run(place, lambda: self._look(upload, options))

    async def explain(
        self, place: AdmittedPlace, measured: MeasuredPicture, options: AnalysisOptions
    ) -> list[FaceAnalysis]:
        """What is said of the faces that were found."""
        if thread := self._model_thread(options):
            future = thread.explain(measured.predictor, measured.faces, write=options.write)
        else:
            future = self._executor.submit(lambda: self._explained(measured, options).analyses)
        return await place.result(future)

    async def write(
        self, place: AdmittedPlace, measured: MeasuredPicture, options: AnalysisOptions
    ) -> AsyncGenerator[str | FaceAnalysis, None]:
        """The text about the largest face in pieces, as they are written, and then its analysis."""
        loop, listening = asyncio.get_running_loop(), threading.Event()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        listening.set()

        def on_piece(piece: str | None) -> bool:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)
            return listening.is_set()

        face = measured.largest
        future: Future[list[FaceAnalysis]]
        if thread := self._model_thread(options):
            future = thread.stream(measured.predictor, face, on_piece)
        else:
            future = self._executor.submit(lambda: [written(measured.predictor, face, on_piece)])
        place.hold(future)
        future.add_done_callback(lambda _: on_piece(None))
        try:
            while (piece := await asyncio.wait_for(pieces.get(), self.config.limits.work_s)) is not None:
                yield piece
            yield (await place.result(future))[0]
        finally:
            listening.clear()

    async def run(self, place: AdmittedPlace, work: Callable[[], _T]) -> _T:
        """What `work` gives, on one of the threads."""
        return await place.result(self._executor.submit(place.begun(work)))

    async def compute(self, request: Request, work: Callable[[], _T]) -> _T:
        """What `work` gives on one of the threads; it takes a place as pictures do.

        Raises:
            ClientGone, ApiError: as `attended`.
        """
        with self.queue.enter() as place:
            return await attended(request, self.run(place, work), self.config.limits.work_s)

    def close(self) -> None:
        """Waits for the threads and frees what is native."""
        if self.videos is not None:
            self.videos.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
        for thread in self._model_threads.values():
            thread.close()
        for measurer in self._measurers:
            measurer.close()
        self.models.close()

    def _look(self, upload: Upload, options: AnalysisOptions) -> MeasuredPicture:
        predictor = self._predictor(self.models.explainer(options.model, options.labels), options.mirrored)
        limits = self.config.limits.image
        with closing(open_frames(upload.read(limits), name=upload.name, limits=limits)) as frames:
            seen = predictor.measure_frames(frames)
        warnings = () if seen.faces else (seen.note or _NO_FACE, *missed_warnings(seen.picture.full_size))
        return MeasuredPicture(predictor, seen.picture.name, seen.faces, warnings)

    def _explained(self, measured: MeasuredPicture, options: AnalysisOptions) -> AnalyzedPicture:
        analyses = measured.predictor.explain(measured.faces, write=options.write)
        return AnalyzedPicture(analyses, measured.warnings)

    def _predictor(self, explainer: FaceExplainer, mirrored: bool) -> Predictor:
        """The calling thread's measurer, with an explainer that all threads share."""
        if not hasattr(self._of_thread, "measurer"):
            with self._opening:  # two that open at once would silence each other
                self._of_thread.measurer = FaceMeasurer(
                    au_source=self.config.au_source, licence=self.config.licence
                )
                self._measurers.append(self._of_thread.measurer)
        return Predictor(explainer=explainer, measurer=self._of_thread.measurer, mirrored=mirrored)

    def _model_thread(self, options: AnalysisOptions) -> ModelThread | None:
        name = options.model or (self.models.default if options.labels is None else None)
        return None if name is None else self._model_threads.get(name)

    def _try_thread(self, together: threading.Barrier) -> None:
        together.wait()
        from PIL import Image

        blank = Image.new("RGB", (_TRIAL_SIDE, _TRIAL_SIDE))
        with closing(open_frames(blank)) as frames:
            self._predictor(self.models.explainer(None), False).measure_frames(frames)


def _try_model(explainer: FaceExplainer) -> None:
    from PIL import Image

    blank = Image.new("RGB", (_TRIAL_SIDE, _TRIAL_SIDE)) if explainer.needs_image else None
    shown = FaceInput(blank, AUVector(dict.fromkeys(AU_NAMES, 0.0)))
    explainer.explain([shown], write=not explainer.needs_image)
