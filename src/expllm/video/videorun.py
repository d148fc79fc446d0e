"""A video's folder: what was measured, and the files made of it, whole or not at all.

OUT/NAME/run.json         settings, the file, what came of it
         stretches/       what was measured, ten seconds a file: a run goes on behind the last one
         frames.parquet   a row a face and frame (or frames.csv)
         events.csv       what moves when
         episodes.jsonl   events that belong together, with label and text
         apexes.csv       units at the apex of each episode: a data set for `expllm cot make`
         apexes/          the face there, a picture each
         people.csv       who is seen, and their faces at rest
         NAME.eaf, NAME.vtt, report.html, and annotated.webm on request
"""

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expllm import __version__
from expllm.core.errors import OutputError, UsageError, VideoError
from expllm.files.atomic import whole_file
from expllm.files.runs import RunFolder
from expllm.predict import FaceExplainer
from expllm.video.analysis import VideoAnalysis, VideoOptions, check_measured, measure_video
from expllm.video.annotated import write_annotated
from expllm.video.apexpictures import apex_name, explained_by, forget_apex_faces, write_apex_faces
from expllm.video.clip import Clip, ClipInfo
from expllm.video.course_tables import apexes_into, events_into, people_into
from expllm.video.elan import write_elan
from expllm.video.frametable import write_frames
from expllm.video.ray_shares import measure_on_cluster
from expllm.video.share_worker import measure_share
from expllm.video.stretch_store import StretchFolder
from expllm.video.stretches import StretchMeter, StretchShare, Watcher
from expllm.video.timelinepage import write_timeline
from expllm.video.webvtt import write_webvtt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from multiprocessing.process import BaseProcess

HASHED: Final = 2**20
"""Bytes at the beginning of a file that tell it from others, with its size."""

APEXES: Final = "apexes"
"""Folder of the faces at the apexes."""

MOVABLE: Final = frozenset({"input"})
"""Settings that may differ when a run goes on: the file may have been moved."""

_MIME: Final = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm"}


@dataclass(frozen=True)
class Products:
    """Which files are made of an analysis.

    Attributes:
        columns: Column set of the frames: expllm, pyfeat or openface.
        table: `parquet` or `csv`.
        report: Make the HTML page.
        annotate: Make the annotated video.
        blur: Make faces in it unrecognisable.
    """

    columns: str = "expllm"
    table: str = "parquet"
    report: bool = True
    annotate: bool = False
    blur: bool = False


class VideoRun:
    """One video in its folder.

    Args:
        source: Path of the video.
        path: The folder.
        options: How it is analysed.
    """

    def __init__(self, source: Path, path: Path, options: VideoOptions) -> None:
        self.source, self.path, self.options = source, path, options
        self._folder = RunFolder(path)
        self.stretches = StretchFolder(path / "stretches")

    def locked(self) -> "AbstractContextManager[None]":
        """Holds the folder for this process, which must do so while it analyses and writes.

        Raises:
            RunError: another process works on it.
            OutputError: it cannot be made.
        """
        return self._folder.locked()

    def analyze(
        self, meter: StretchMeter, *, workers: int = 1, ray: bool = False,
        watch: Callable[[ClipInfo], Watcher] | None = None,
    ) -> VideoAnalysis:  # fmt: skip
        """Measures what is not measured yet, and derives everything else.

        Args:
            meter: Measures in this process.
            workers: Processes that share the work.
            ray: They are those of the Ray cluster that was joined; this process only waits.
            watch: Is given the video, and gives what is told the progress.

        Raises:
            VideoError: the video cannot be read.
            RunError: the folder holds another run, or another process works on it.
            OutputError: the folder cannot be written.
        """
        with Clip(self.source, stream=self.options.stream) as clip:
            self._begin(clip, meter)
            told = watch(clip.info) if watch is not None else _silent
            if ray:
                measure_on_cluster(self.source, self.stretches, self.options, workers, told)
            else:
                with _helpers(self, workers) as helpers:
                    share = StretchShare(0, workers)
                    measure_video(clip, self.stretches, self.options, meter, share, told)
                    _wait_for(helpers, self.source)
            check_measured(self.stretches, clip.name)
            return VideoAnalysis(self.stretches, clip.info, self.options)

    def ask(self, explainer: FaceExplainer, analysis: VideoAnalysis) -> None:
        """Gives the episodes the labels and texts of a model that looks at their apex.

        Raises:
            VideoError: the video cannot be read any more.
        """
        with Clip(self.source, stream=self.options.stream) as clip:
            analysis.episodes = explained_by(explainer, clip, analysis, write=self.options.explain)

    def write(self, analysis: VideoAnalysis, products: Products, meter: StretchMeter) -> None:
        """Makes the files.

        Raises:
            OutputError: one cannot be written.
        """
        name = os.fspath(self.source)
        stem = self.path.name
        frames = self.path / f"frames.{products.table}"
        write_frames(frames, name, analysis, classifier=self.options.classifier, columns=products.columns)
        with whole_file(self.path / "events.csv") as file:
            events_into(file, analysis.events)
        with whole_file(self.path / "episodes.jsonl") as file:
            file.writelines(episode.to_json() + "\n" for episode in analysis.episodes)
        with whole_file(self.path / "people.csv") as file:
            people_into(file, analysis)
        faces = self._faces(analysis, products)
        pictures = {
            one.number: f"{APEXES}/{apex_name(one)}" for one in analysis.episodes if one.number in faces
        }
        with whole_file(self.path / "apexes.csv") as file:
            apexes_into(file, name, analysis, pictures)
        media = os.path.relpath(self.source, self.path)
        mime = _MIME.get(self.source.suffix.lower(), "video/unknown")
        write_elan(self.path / f"{stem}.eaf", media, mime, analysis.episodes, analysis.events)
        write_webvtt(self.path / f"{stem}.vtt", analysis.episodes)
        if products.report:
            write_timeline(self.path / "report.html", stem, analysis, faces)
        if products.annotate or products.blur:
            with Clip(self.source, stream=self.options.stream) as clip:
                write_annotated(self.path / "annotated.webm", clip, analysis, blur=products.blur)
        self._folder.begin({**self._settings(meter), "result": result_of(analysis)})

    def _faces(self, analysis: VideoAnalysis, products: Products) -> dict[int, bytes]:
        """The face at each apex; none where faces are to be made unrecognisable, or nothing happens."""
        if products.blur or not analysis.episodes:
            forget_apex_faces(self.path / APEXES)
            return {}
        with Clip(self.source, stream=self.options.stream) as clip:
            return write_apex_faces(self.path / APEXES, clip, analysis)

    def _begin(self, clip: Clip, meter: StretchMeter) -> None:
        """Writes the settings, or compares them with those that the run was begun with."""
        for left in (*self.path.glob(".*.partial"), *self.stretches.path.glob(".*.partial")):
            left.unlink(missing_ok=True)  # of a process that was killed while it wrote
        settings = self._settings(meter)
        if self._folder.exists:
            self._folder.resume(settings, MOVABLE)
        elif self.stretches.done():
            raise OutputError(f"{self.path}: holds stretches of another video: choose another folder")
        else:
            self._folder.begin(settings)

    def _settings(self, meter: StretchMeter) -> dict[str, Any]:
        return {
            "kind": "video", "expllm": __version__, "input": os.fspath(self.source),
            "file": _identity(self.source), "detector": meter.detector, "au_reader": meter.au_reader,
            **self.options.measuring(),
        }  # fmt: skip


def run_folders(sources: Sequence[Path], out: Path) -> list[Path]:
    """The folder of each video in `out`: its name without suffix, with it where two are called alike.

    Raises:
        UsageError: two videos have the same name.
    """
    stems = [source.stem for source in sources]
    names = [source.name if stems.count(source.stem) > 1 else source.stem for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"several videos are called {twice[0]}: give each folder a command of its own")
    return [out / name for name in names]


@contextmanager
def _helpers(run: VideoRun, workers: int) -> "Iterator[list[BaseProcess]]":
    """The other processes that measure; they are ended with the block."""
    context = multiprocessing.get_context("spawn")
    helpers: list[BaseProcess] = [
        context.Process(
            target=measure_share,
            args=(
                os.fspath(run.source),
                os.fspath(run.stretches.path),
                run.options,
                StretchShare(mine, workers),
            ),
        )
        for mine in range(1, workers)
    ]
    for helper in helpers:
        helper.start()
    try:
        yield helpers
    finally:
        for helper in helpers:
            if helper.is_alive():
                helper.terminate()
            helper.join()


def _wait_for(helpers: "Sequence[BaseProcess]", source: Path) -> None:
    for helper in helpers:
        helper.join()
        if helper.exitcode:
            raise VideoError(
                f"{source}: a worker ended with code {helper.exitcode}: run the command again to go on"
            )


def _silent(seconds: float, faces: int) -> None:
    """Watches nothing."""


def _identity(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        head = hashlib.sha256(file.read(HASHED)).hexdigest()
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256_of_first_mib": head}


def result_of(analysis: VideoAnalysis) -> Mapping[str, Any]:
    """What was found in a video, in figures."""
    info = asdict(replace(analysis.info, name=""))
    del info["name"]
    return {
        "video": info, "upright_size": list(analysis.size), "frames": analysis.frames,
        "first_time": analysis.span[0], "last_time": analysis.span[1],
        "damage": [asdict(one) for one in analysis.damage],
        "people": [asdict(person) for person in analysis.people],
        "excluded": [list(span) for span in analysis.options.exclude], "events": len(analysis.events),
        "episodes": len(analysis.episodes), "warnings": analysis.warnings,
    }  # fmt: skip
