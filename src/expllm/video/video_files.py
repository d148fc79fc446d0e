"""What comes of a video as files in memory, by name; the command writes the same into a folder."""

import io
from collections.abc import Callable, Mapping
from typing import Final

from expllm.video.analysis import VideoAnalysis
from expllm.video.course_tables import events_into, people_into
from expllm.video.elan import elan_document
from expllm.video.frametable import frames_into
from expllm.video.timelinepage import report_parts
from expllm.video.webvtt import webvtt_text


def _frames(binary: bool) -> Callable[[str, VideoAnalysis], bytes]:
    def made(name: str, analysis: VideoAnalysis) -> bytes:
        if binary:
            data = io.BytesIO()
            frames_into(data, name, analysis, binary=True, classifier=analysis.options.classifier)
            return data.getvalue()
        text = io.StringIO(newline="")
        frames_into(text, name, analysis, binary=False, classifier=analysis.options.classifier)
        return text.getvalue().encode("utf-8", "surrogateescape")

    return made


def _events(_: str, analysis: VideoAnalysis) -> bytes:
    text = io.StringIO(newline="")
    events_into(text, analysis.events)
    return text.getvalue().encode()


def _people(_: str, analysis: VideoAnalysis) -> bytes:
    text = io.StringIO(newline="")
    people_into(text, analysis)
    return text.getvalue().encode()


def _episodes(_: str, analysis: VideoAnalysis) -> bytes:
    return "".join(episode.to_json() + "\n" for episode in analysis.episodes).encode()


def _report(name: str, analysis: VideoAnalysis) -> bytes:
    return "".join(report_parts(name, analysis)).encode("utf-8", "surrogateescape")


def _elan(name: str, analysis: VideoAnalysis) -> bytes:
    return elan_document(name, "video/unknown", analysis.episodes, analysis.events)


def _captions(_: str, analysis: VideoAnalysis) -> bytes:
    return webvtt_text(analysis.episodes).encode()


FILES: Final[Mapping[str, tuple[str, Callable[[str, VideoAnalysis], bytes]]]] = {
    "frames.csv": ("text/csv; charset=utf-8", _frames(binary=False)),
    "frames.parquet": ("application/vnd.apache.parquet", _frames(binary=True)),
    "events.csv": ("text/csv; charset=utf-8", _events),
    "episodes.jsonl": ("application/x-ndjson", _episodes),
    "people.csv": ("text/csv; charset=utf-8", _people),
    "report.html": ("text/html; charset=utf-8", _report),
    "episodes.eaf": ("application/xml", _elan),
    "episodes.vtt": ("text/vtt; charset=utf-8", _captions),
}
"""Name -> its media type, and what makes it of the video's name and analysis."""
