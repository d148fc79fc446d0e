"""One HTML page of a video: a timeline of every person, the texts of episodes with their marked claims.

No script: bars and episodes are links within the page, so that the timeline is used with Tab and Enter; what
a bar means is its title, and a table says the same in words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_NAMES
from expllm.files.atomic import whole_file
from expllm.report.audit_html import MarkedPiece, marked_html
from expllm.report.html_shell import foot, jpeg_address, page_head, page_template, render
from expllm.report.rows import percent_text
from expllm.video.analysis import VideoAnalysis
from expllm.video.events import BLINK, Episode, Event
from expllm.video.story import audit_story, peaks_of
from expllm.video.timecode import clock

if TYPE_CHECKING:
    from markupsafe import Markup

LANE: Final = 16
"""Height of a unit's lane, in units of the drawing."""

_LEFT: Final = 190
"""Room for the names of units."""

_WIDTH: Final = 1000
"""Width of a stretch of the timeline without names."""

SPAN: Final = 60.0
"""Seconds that one row of the timeline shows: a longer video has several, one below the other."""


def write_timeline(
    path: Path, title: str, analysis: VideoAnalysis, faces: Mapping[int, bytes] = MappingProxyType({})
) -> None:
    """Writes the page.

    Args:
        path: The file.
        title: Its heading.
        analysis: What was found.
        faces: A JPEG of the apex of each episode, by its number.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as file:
        file.writelines(report_parts(title, analysis, faces))


def report_parts(
    title: str, analysis: VideoAnalysis, faces: Mapping[int, bytes] = MappingProxyType({})
) -> Iterator[str]:
    """The page, piece by piece."""
    return page_template("timeline.html").generate(
        head=page_head(title, render("bars.html"), ("report.css", "timeline.css")), foot=foot(),
        analysis=analysis, counts=_counts(analysis), faces=faces, lane=LANE, clock=clock,
        people=[_person(analysis, i) for i in range(len(analysis.people))],
        label_of=_label, share_of=_share, percent_text=percent_text, jpeg_address=jpeg_address,
        story=lambda episode: _story(analysis, episode),
    )  # fmt: skip


@dataclass(frozen=True)
class _Bar:
    """A movement in its lane; `kind` is its style, `target` where it leads in the page."""

    title: str
    kind: str
    x: float
    width: float
    opacity: float
    target: str


@dataclass(frozen=True)
class _Apex:
    episode: int
    title: str
    x: float


@dataclass(frozen=True)
class _Row:
    """A stretch of a person's timeline, in units of the drawing.

    Attributes:
        start, end: Seconds of the video.
        bands: (x, width) of the episodes behind the lanes.
        excluded: The same of what counts for nothing.
        lanes: (unit, its bars) from the top.
        apexes: The marks of the episodes' apexes.
        ticks: (x, seconds) of the scale.
    """

    start: float
    end: float
    bands: list[tuple[float, float]]
    excluded: list[tuple[float, float]]
    lanes: list[tuple[str, list[_Bar]]]
    apexes: list[_Apex]
    ticks: list[tuple[float, float]]

    names_end: ClassVar = _LEFT - 8
    width: ClassVar = _LEFT + _WIDTH + 10

    @property
    def height(self) -> int:
        return LANE * (len(self.lanes) + 1) + 22


@dataclass(frozen=True)
class _Person:
    """A person's part of the page.

    Attributes:
        table: Name of the place where their events stand as a table.
        tables: What the tables are called, and their events: those that may be told, and the doubtful ones.
    """

    name: str
    table: str
    tables: list[tuple[str, list[Event]]]
    episodes: list[Episode]
    rows: list[_Row]


def _person(analysis: VideoAnalysis, number: int) -> _Person:
    name, table = analysis.people[number].name, f"events-{number + 1}"
    events = [event for event in analysis.events if event.person == name]
    episodes = [one for one in analysis.episodes if one.person == name]
    excluded = analysis.options.exclude
    rows = [_row(events, episodes, table, excluded, *span) for span in _rows(*analysis.span)]
    told, doubtful = ([one for one in events if one.trusted is way] for way in (True, False))
    tables = [(f"All {len(told)} events as a table", told)]
    if doubtful:
        tables.append((f"{len(doubtful)} doubtful events, which no text tells", doubtful))
    return _Person(name, table, tables, episodes, rows)


def _rows(first: float, last: float) -> Iterator[tuple[float, float]]:
    start = first
    while start < last or start == first:
        yield start, min(start + SPAN, max(last, start + 1.0))
        start += SPAN


def _counts(analysis: VideoAnalysis) -> tuple[tuple[str, str], ...]:
    return (
        (f"{analysis.frames:,}", "frames"), (clock(analysis.span[1]), "the last frame"),
        (str(len(analysis.people)), "people"),
        (str(sum(event.trusted for event in analysis.events)), "events"),
        (str(len(analysis.episodes)), "episodes"), (str(len(analysis.damage)), "damaged places"),
    )  # fmt: skip


def _row(
    events: Sequence[Event], episodes: Sequence[Episode], table: str, excluded: Sequence[tuple[float, float]],
    start: float, end: float,
) -> _Row:  # fmt: skip
    """Lanes of the units that move between two times, episodes as bands behind them."""
    shown = [event for event in events if event.offset >= start and event.onset < end]

    def x(time: float) -> float:
        return _LEFT + _WIDTH * (min(max(time, start), end) - start) / (end - start)

    lanes = [
        (unit, [_bar(event, episodes, table, x) for event in shown if event.unit == unit])
        for unit in (*AU_NAMES, BLINK)
    ]
    behind = [one for one in episodes if one.end >= start and one.start < end]
    return _Row(
        start, end,
        [(x(one.start), max(x(one.end) - x(one.start), 1)) for one in behind],
        [(x(a), max(x(b) - x(a), 1)) for a, b in excluded if a < end and b >= start],
        [(unit, bars) for unit, bars in lanes if bars],
        [_apex(one, x) for one in episodes if start <= one.apex < end],
        [(x(time), time) for time in _ticks(start, end)],
    )  # fmt: skip


def _bar(event: Event, episodes: Sequence[Episode], table: str, x: Callable[[float], float]) -> _Bar:
    title = (
        f"{event.unit}, {clock(event.onset)} to {clock(event.offset)}, peak {event.peak:.2f} ({event.letter})"
        + (f", {', '.join(event.flags)}" if event.flags else "")
    )
    kind = "right" if event.unit.startswith("right") else "left" if event.unit.startswith("left") else "whole"
    width = max(x(event.offset) - x(event.onset), 2.0)
    owner = next((one for one in episodes if event in one.events), None)
    return _Bar(
        title, kind if event.trusted else f"{kind} doubtful", x(event.onset), width, 0.3 + 0.7 * event.peak,
        f"#episode-{owner.number}" if owner is not None else f"#{table}",
    )  # fmt: skip


def _apex(episode: Episode, x: Callable[[float], float]) -> _Apex:
    title = f"Episode {episode.number + 1}: apex at {clock(episode.apex)}, {_label(episode)}"
    return _Apex(episode.number, title, x(episode.apex))


def _label(episode: Episode) -> str:
    return "no label" if episode.expression is None else episode.expression.value


def _share(episode: Episode) -> float | None:
    """The probability of an episode's label, 0-1."""
    return (episode.probabilities or {}).get(episode.expression) if episode.expression else None


def _ticks(start: float, end: float) -> Iterator[float]:
    step = next(one for one in (1, 2, 5, 10, 20) if (end - start) / one <= 12)
    time = -(-start // step) * step
    while time <= end:
        yield time
        time += step


def _story(analysis: VideoAnalysis, episode: Episode) -> "Markup | str":
    """The three parts, claims marked with their verdicts."""
    cot = episode.cot
    if cot is None:
        return ""
    peaks = peaks_of(analysis.course_of(episode), episode)
    found, times = audit_story(cot.text, episode, peaks)
    marks = [(one.claim.start, one.claim.end, one.verdict.value, one.reason) for one in found.checked] + [
        (one.start, one.end, one.verdict.value, f"{one.kind}: {one.reason or 'fits the course'}")
        for one in times
    ]
    offset, parts = 0, []
    for heading, part in zip(CoT.HEADINGS, cot.parts, strict=True):
        offset = cot.text.index(part, offset)
        inside = [(a - offset, b - offset, kind, why) for a, b, kind, why in marks
                  if offset <= a and b <= offset + len(part)]  # fmt: skip
        parts.append((heading, list(_marked(part, inside))))
        offset += len(part)
    wrong = sum(one.verdict.value.startswith("wrong") for one in times)
    return marked_html(parts, f"Claims about time: {len(times) - wrong} of {len(times)} fit the course.")


def _marked(text: str, marks: Sequence[tuple[int, int, str, str]]) -> Iterator[MarkedPiece]:
    """A text with its claims; where two overlap the first is marked."""
    reached = 0
    for start, end, kind, why in sorted(marks):
        if start < reached:
            continue
        yield MarkedPiece(text[reached:start])
        yield MarkedPiece(text[start:end], kind.replace(" ", "-"), f"{kind}: {why}")
        reached = end
    yield MarkedPiece(text[reached:])
