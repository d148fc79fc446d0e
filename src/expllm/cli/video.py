"""`expllm video`: what moves when, and an explanation over time."""

import glob
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from expllm.cli.ending import Ending, complain, leave
from expllm.cli.figures import JsonOption, print_json
from expllm.cli.options import (
    OUTPUT,
    AuSourceOption,
    DeviceOption,
    DtypeOption,
    LabelsOption,
    LicenceOption,
    MirroredOption,
    QuietOption,
)
from expllm.core.errors import ExitCode, ExpllmError, UsageError, VideoError
from expllm.core.packages import require

if TYPE_CHECKING:
    from expllm.predict import FaceExplainer
    from expllm.video.analysis import VideoAnalysis, VideoOptions
    from expllm.video.clip import ClipInfo, Sampling
    from expllm.video.courses import Rest
    from expllm.video.stretches import StretchMeter, Watcher
    from expllm.video.videorun import Products

FRAMES: Final = "Frames"
_REST: Final = "Faces at rest"

Videos = Annotated[
    list[str], typer.Argument(metavar="VIDEO", help="Videos, folders, globs.", show_default=False)
]
Out = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="Output folder, with one folder per video.")
]
Fps = Annotated[
    float | None,
    typer.Option("--fps", metavar="N", help="Analyze at most N frames per second.", rich_help_panel=FRAMES),
]
Every = Annotated[
    int, typer.Option("--every", metavar="N", min=1, help="Analyze every N-th frame.", rich_help_panel=FRAMES)
]
From = Annotated[
    str,
    typer.Option("--from", metavar="T", help="Start time: 12.5, 0:12.5, 1:02:03.", rich_help_panel=FRAMES),
]
To = Annotated[
    str | None, typer.Option("--to", metavar="T", help="End time. [default: the end]", rich_help_panel=FRAMES)
]
Stream = Annotated[
    int,
    typer.Option("--stream", metavar="N", min=0, help="Number of the video stream.", rich_help_panel=FRAMES),
]
Baseline = Annotated[
    Literal["auto", "none"],
    typer.Option(
        "--baseline",
        help="Resting face: its most frequent reading, or none.",
        rich_help_panel=_REST,
    ),
]
Neutral = Annotated[
    str | None,
    typer.Option(
        "--neutral", metavar="FROM-TO", help="Faces are at rest in this interval.", rich_help_panel=_REST
    ),
]
BaselineFrom = Annotated[
    Path | None,
    typer.Option(
        "--baseline-from",
        metavar="FILE",
        help="Take resting faces from the people.csv of another run.",
        rich_help_panel=_REST,
    ),
]
Exclude = Annotated[
    str | None,
    typer.Option(
        "--exclude",
        metavar="FROM-TO,...",
        help="Times that make no events and count as no rest: their rows stay, marked 'excluded'.",
        rich_help_panel=FRAMES,
    ),
]
People = Annotated[
    int | None,
    typer.Option("--people", metavar="N", min=1, help="Keep the N people who are visible longest."),
]
_Columns = Annotated[
    Literal["expllm", "pyfeat", "openface"],
    typer.Option("--columns", help="Columns of the table of frames.", rich_help_panel=OUTPUT),
]
_Table = Annotated[
    Literal["parquet", "csv"],
    typer.Option("--table", help="Format of the table of frames.", rich_help_panel=OUTPUT),
]
_NoExplain = Annotated[bool, typer.Option("--no-explain", help="Labels and events only, no texts.")]
NoReport = Annotated[bool, typer.Option("--no-report", help="Write no HTML page.", rich_help_panel=OUTPUT)]
Annotate = Annotated[
    bool,
    typer.Option(
        "--annotate", help="Also write annotated.webm: the video with boxes and bars.", rich_help_panel=OUTPUT
    ),
]
BlurFaces = Annotated[
    bool,
    typer.Option(
        "--blur-faces",
        help="The same, with detected faces blurred beyond recognition.",
        rich_help_panel=OUTPUT,
    ),
]
_Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Model that explains: rules (describe the whole course), or a model of 'expllm analyze', which "
        "sees the face at the apex.",
    ),
]
_Workers = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, help="Processes that share each video.")
]
_Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Measure on a Ray cluster: its address, auto, or local; --workers counts its shares. "
        "[default of --workers then: its processors]",
    ),
]

BETWEEN_LINES: Final = 0.5
"""Seconds between two lines of progress on a terminal."""


def video(
    videos: Videos,
    out: Out,
    fps: Fps = None,
    every: Every = 1,
    from_: From = "0",
    to: To = None,
    exclude: Exclude = None,
    stream: Stream = 0,
    baseline: Baseline = "auto",
    neutral: Neutral = None,
    baseline_from: BaselineFrom = None,
    people: People = None,
    mirrored: MirroredOption = False,
    au_source: AuSourceOption = "blendshapes",
    columns: _Columns = "expllm",
    table: _Table = "parquet",
    labels: LabelsOption = None,
    model: _Model = "rules",
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    licence: LicenceOption = "any",
    no_explain: _NoExplain = False,
    no_report: NoReport = False,
    annotate: Annotate = False,
    blur_faces: BlurFaces = False,
    workers: _Workers = 1,
    ray: _Ray = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Follow every face through videos: frames, events, episodes with texts, people.

    Run the same command again to resume. Times are the timestamps of the file. A person is a track: nobody is
    identified.
    """
    require("av")
    from expllm.cli.terminal import keep_stderr_to_ourselves
    from expllm.core.vocabulary import AUSource
    from expllm.video.analysis import VideoOptions
    from expllm.video.stretches import StretchMeter

    sampling, rest = _sampling(fps, every, from_, to), _rest(baseline, neutral, baseline_from)
    options = VideoOptions(
        sampling, stream, mirrored, rest, people, labels=labels or 8, explain=not no_explain,
        exclude=_spans(exclude), au_source=AUSource(au_source),
    )  # fmt: skip
    products = _products(
        columns, table, labels or 8, report=not no_report, annotate=annotate, blur=blur_faces
    )
    jobs = _jobs(videos, out)
    keep_stderr_to_ourselves()
    meter = StretchMeter(mirrored=mirrored, source=options.au_source, licence=licence)
    with meter, _explainer(model, labels, dtype, device, licence) as explainer:
        batch = _Batch(options, products, _shares(workers, ray), quiet, explainer, ray=ray is not None)
        for source, folder in jobs:
            batch.take(source, folder, meter)
    if as_json:
        print_json({"videos": batch.figures, "failed": batch.failed})
    leave(batch.ending())


def _jobs(videos: list[str], out: Path) -> list[tuple[Path, Path]]:
    """Each video with its folder."""
    from expllm.video.videorun import run_folders

    sources = list(_found(videos))
    return list(zip(sources, run_folders(sources, out), strict=True))


def _sampling(fps: float | None, every: int, start: str, stop: str | None) -> "Sampling":
    from expllm.video.clip import Sampling
    from expllm.video.timecode import parse_time

    return Sampling(fps, every, parse_time(start), None if stop is None else parse_time(stop))


def _spans(exclude: str | None) -> tuple[tuple[float, float], ...]:
    from expllm.video.timecode import parse_spans

    return () if exclude is None else parse_spans(exclude)


def _shares(workers: int, ray: str | None) -> int:
    """How many share each video; joins the Ray cluster, if one is given.

    Raises:
        MissingDependency: Ray is not installed.
        UsageError: nothing answers there.
    """
    if ray is None:
        return workers
    from expllm.cot.cluster import join_cluster
    from expllm.video.ray_shares import cluster_cpus

    join_cluster(ray)
    return workers if workers > 1 else cluster_cpus()


@contextmanager
def _explainer(
    model: str, labels: int | None, dtype: str, device: str, licence: str
) -> "Iterator[FaceExplainer | None]":
    """The model that explains; None for the rules."""
    from expllm.model.shipped import OFFLINE, canonical_name

    if canonical_name(model) == OFFLINE:
        yield None
        return
    from expllm.predict import open_explainer

    explainer = open_explainer(model, labels=labels, dtype=dtype, device=device, licence=licence)
    try:
        yield explainer
    finally:
        explainer.close()


def _products(
    columns: str, table: str, labels: int, *, report: bool, annotate: bool, blur: bool
) -> "Products":
    from expllm.core.vocabulary import label_set
    from expllm.video.videorun import Products

    label_set(labels)
    return Products(columns, table, report=report, annotate=annotate, blur=blur)


def _rest(baseline: str, neutral: str | None, given: Path | None) -> "Rest":
    from expllm.video import courses
    from expllm.video.course_tables import read_rest
    from expllm.video.timecode import parse_span

    if (baseline == "none") + (neutral is not None) + (given is not None) > 1:
        raise UsageError("--baseline none, --neutral and --baseline-from exclude each other")
    return courses.Rest(
        baseline == "auto", None if neutral is None else parse_span(neutral),
        None if given is None else read_rest(given),
    )  # fmt: skip


def _found(arguments: Sequence[str]) -> Iterator[Path]:
    """Every video that the arguments name; of folders and globs those with a video's suffix."""
    from expllm.files.folders import below
    from expllm.files.globs import matching
    from expllm.video.clip import SUFFIXES

    def of_folder(folder: str) -> Iterator[Path]:
        found = [Path(entry.path) for entry in below(folder) if not entry.left_out and entry.error is None]
        found = [path for path in found if path.suffix.lower() in SUFFIXES]
        if not found:
            raise UsageError(f"{folder}: the folder holds no videos")
        yield from found

    for argument in arguments:
        if os.path.isdir(argument):
            yield from of_folder(argument)
        elif not os.path.exists(argument) and glob.has_magic(argument):
            names = [name for name in matching(argument) if Path(name).suffix.lower() in SUFFIXES]
            if not names:
                raise UsageError(f"{argument}: no video matches")
            yield from map(Path, names)
        else:
            yield Path(argument)


@dataclass
class _Batch:
    """Videos one after the other, and how they went."""

    options: "VideoOptions"
    products: "Products"
    workers: int
    quiet: bool
    explainer: "FaceExplainer | None" = None
    ray: bool = False
    done: int = 0
    failed: int = 0
    damaged: int = 0
    faceless: int = 0
    figures: "list[dict[str, Any]]" = field(default_factory=list)

    def take(self, source: Path, folder: Path, meter: "StretchMeter") -> None:
        """Works through one video; its failure is told and counted."""
        from expllm.video.videorun import VideoRun

        progress = _Progress(source.name, shown=not self.quiet)
        try:
            run = VideoRun(source, folder, self.options)
            with run.locked():
                analysis = run.analyze(meter, workers=self.workers, ray=self.ray, watch=progress.begin)
                progress.clear()
                if self.explainer is not None:
                    run.ask(self.explainer, analysis)
                run.write(analysis, self.products, meter)
        except ExpllmError as error:
            progress.clear()
            if not isinstance(error, VideoError):
                raise
            complain(error.line)
            self.failed += 1
            _take_back(folder)
            return
        self._tell(analysis, source, folder)

    def _tell(self, analysis: "VideoAnalysis", source: Path, folder: Path) -> None:
        from expllm.video.damage import damage_lines
        from expllm.video.videorun import result_of

        self.done += 1
        self.figures.append({"input": str(source), "output": str(folder), **result_of(analysis)})
        self.damaged += bool(analysis.damage)
        self.faceless += not analysis.people
        for line in damage_lines(str(source), analysis.damage):
            complain(line)
        if self.quiet:
            return
        for warning in analysis.warnings:
            complain(f"{source}: {warning}")
        complain(
            f"{source}: {analysis.frames:,} frames, {_counted(len(analysis.people))}, "
            f"{_events(analysis)}, {len(analysis.episodes)} episodes -> {folder}"
        )

    def ending(self) -> Ending:
        whole = self.done + self.failed
        if self.failed:
            code = ExitCode.SOME_INPUTS_FAILED if self.done else ExitCode.FAILURE
            return Ending(code, f"{self.failed} of {whole} videos could not be analysed")
        if self.faceless == self.done:
            return Ending(ExitCode.NO_FACE, "no face was measured in any video")
        if self.damaged:
            return Ending(
                ExitCode.SOME_INPUTS_FAILED, f"{self.damaged} of {whole} videos are damaged in places"
            )
        return Ending()


def _take_back(folder: Path) -> None:
    """Removes the folder of a video that could not be opened, if it holds nothing but its lock."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == ["lock"]:
            (folder / "lock").unlink()
            folder.rmdir()


@dataclass
class _Progress:
    """`clip.mp4: 0:12:31 of 1:02:10, 61 frames/s, 2 faces, ETA 14 min` on a terminal."""

    name: str
    shown: bool
    _last: float = 0.0
    _began: float = 0.0
    _frames: int = 0
    _from: float | None = None
    _info: "ClipInfo | None" = field(default=None, repr=False)

    def begin(self, info: "ClipInfo") -> "Watcher":
        self._info, self._began = info, time.monotonic()
        self.shown = self.shown and sys.stderr.isatty()
        return self.step

    def step(self, seconds: float, faces: int) -> None:
        self._frames += 1
        self._from = seconds if self._from is None else self._from
        now = time.monotonic()
        if self.shown and now - self._last >= BETWEEN_LINES:
            self._last = now
            self._draw(seconds, faces, now - self._began)

    def _draw(self, seconds: float, faces: int, elapsed: float) -> None:
        from expllm.video.timecode import clock

        total = self._info.duration if self._info is not None else None
        of = f" of {clock(total, 0)}" if total else ""
        eta = ""
        done = seconds - (self._from or 0.0)
        if total and done > 0:
            left = elapsed * max(total - seconds, 0.0) / done
            eta = f", ETA {left / 60:.0f} min" if left >= 90 else f", ETA {left:.0f} s"
        rate = self._frames / max(elapsed, 1e-6)
        people = f"{faces} face{'' if faces == 1 else 's'}"
        sys.stderr.write(f"\r\033[K{self.name}: {clock(seconds, 0)}{of}, {rate:.0f} frames/s, {people}{eta}")
        sys.stderr.flush()

    def clear(self) -> None:
        if self.shown and self._frames:
            with suppress(OSError):
                sys.stderr.write("\r\033[K")
                sys.stderr.flush()


def _events(analysis: "VideoAnalysis") -> str:
    doubtful = sum(not event.trusted for event in analysis.events)
    return f"{len(analysis.events)} events" + (f" ({doubtful} doubtful)" if doubtful else "")


def _counted(people: int) -> str:
    return "1 person" if people == 1 else f"{people} people"
