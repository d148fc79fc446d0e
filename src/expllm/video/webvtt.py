"""Episodes as WebVTT: captions that any player shows under the video."""

from collections.abc import Sequence
from pathlib import Path

from expllm.files.atomic import whole_file
from expllm.video.events import Episode


def write_webvtt(path: Path, episodes: Sequence[Episode]) -> None:
    """Writes a file of captions, one an episode.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as file:
        file.write(webvtt_text(episodes))


def webvtt_text(episodes: Sequence[Episode]) -> str:
    """The captions."""
    parts = ["WEBVTT\n\nNOTE An estimate of what a face shows, not of what a person feels.\n"]
    for episode in sorted(episodes, key=lambda one: (one.start, one.number)):
        end = max(episode.end, episode.start + 0.001)
        parts.append(f"\n{episode.number + 1}\n{_stamp(episode.start)} --> {_stamp(end)}\n")
        parts.append(_escaped(_caption(episode)) + "\n")
    return "".join(parts)


def _caption(episode: Episode) -> str:
    label = "" if episode.expression is None else f": {episode.expression.value}"
    text = "" if episode.cot is None else "\n" + episode.cot.key_observations
    return f"{episode.person}{label}{text}"


def _stamp(seconds: float) -> str:
    millis = round(1000 * seconds)
    hours, rest = divmod(millis, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _escaped(text: str) -> str:
    lines = [" ".join(line.split()) for line in text.splitlines()]
    joined = "\n".join(line for line in lines if line)
    return joined.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
