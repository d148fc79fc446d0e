"""One HTML page of a video: a timeline of every person, the texts of episodes with their marked claims.

No script: bars and episodes are links within the page, so that the timeline is used with Tab and Enter; what
a bar means is its title, and a table says the same in words.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_NAMES
from expllm.files.atomic import whole_file
from expllm.report.html_shell import foot, html_text, page_head
from expllm.report.rows import percent_text
from expllm.video.analysis import VideoAnalysis
from expllm.video.events import BLINK, Episode, Event
from expllm.video.story import audit_story, peaks_of
from expllm.video.timecode import clock

LANE: Final = 16
"""Height of a unit's lane, in units of the drawing."""

_LEFT: Final = 190
"""Room for the names of units."""

_WIDTH: Final = 1000
"""Width of a stretch of the timeline without names."""

SPAN: Final = 60.0
"""Seconds that one row of the timeline shows: a longer video has several, one below the other."""

_NOTE: Final = (
    '<p class="key">Each bar is one movement above rest: darker is stronger. Hatched bars are doubtful: they '
    "come with the turn of the head, or their unit is often misread. Tab goes from bar to bar, Enter to its "
    "episode. Letters A-E are like those of FACS; no certified coder gave them.</p>"
)


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
    yield page_head(title, _NOTE, ("report.css", "timeline.css"))
    yield _summary(analysis)
    for person in analysis.people:
        yield f'<section aria-label="{html_text(person.name)}"><h2>{html_text(person.name)}</h2>'
        events = [event for event in analysis.events if event.person == person.name]
        episodes = [one for one in analysis.episodes if one.person == person.name]
        for start, end in _rows(*analysis.span):
            yield _timeline(person.name, events, episodes, start, end)
        yield from (_episode(analysis, episode, faces.get(episode.number)) for episode in episodes)
        yield _table(events)
        yield "</section>"
    yield "</main>" + foot()


def _rows(first: float, last: float) -> Iterator[tuple[float, float]]:
    start = first
    while start < last or start == first:
        yield start, min(start + SPAN, max(last, start + 1.0))
        start += SPAN


def _summary(analysis: VideoAnalysis) -> str:
    counts = (
        (f"{analysis.frames:,}", "frames"), (clock(analysis.span[1]), "the last frame"),
        (str(len(analysis.people)), "people"), (str(len(analysis.events)), "events"),
        (str(len(analysis.episodes)), "episodes"), (str(len(analysis.damage)), "damaged packets"),
    )  # fmt: skip
    items = "".join(
        f"<li><strong>{html_text(value)}</strong> {html_text(name)}</li>" for value, name in counts
    )
    notes = "".join(f'<p class="checks wrong">{html_text(warning)}</p>' for warning in analysis.warnings)
    return f'<div class="counts"><ul>{items}</ul></div>{notes}'


def _timeline(
    person: str, events: Sequence[Event], episodes: Sequence[Episode], start: float, end: float
) -> str:
    """Lanes of the units that move between two times, episodes as bands behind them."""
    shown = [event for event in events if event.offset >= start and event.onset < end]
    units = [unit for unit in (*AU_NAMES, BLINK) if any(event.unit == unit for event in shown)]
    height = LANE * (len(units) + 1) + 22

    def x(time: float) -> float:
        return _LEFT + _WIDTH * (min(max(time, start), end) - start) / (end - start)

    parts = [
        f'<svg class="timeline" role="group" aria-label="{html_text(person)}, {clock(start)} to '
        f'{clock(end)}" viewBox="0 0 {_LEFT + _WIDTH + 10} {height}">{_HATCH}'
    ]
    parts += [
        f'<rect class="episode" x="{x(one.start):.1f}" y="0" width="{max(x(one.end) - x(one.start), 1):.1f}" '
        f'height="{height - 20}"/>'
        for one in episodes
        if one.end >= start and one.start < end
    ]
    for lane, unit in enumerate(units):
        parts.append(
            f'<text x="{_LEFT - 8}" y="{LANE * lane + 12}" text-anchor="end">{html_text(unit)}</text>'
        )
        parts += [_bar(event, episodes, x, LANE * lane) for event in shown if event.unit == unit]
    parts += [_apex(one, x, height) for one in episodes if start <= one.apex < end]
    parts += [
        f'<text class="tick" x="{x(time):.1f}" y="{height - 4}" text-anchor="middle">{clock(time, 0)}</text>'
        for time in _ticks(start, end)
    ]
    return "".join(parts) + "</svg>"


_HATCH: Final = (
    '<defs><pattern id="doubtful" width="5" height="5" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="2" height="5"/></pattern></defs>'
)


def _bar(event: Event, episodes: Sequence[Episode], x: Callable[[float], float], top: int) -> str:
    title = (
        f"{event.unit}, {clock(event.onset)} to {clock(event.offset)}, peak {event.peak:.2f} ({event.letter})"
        + (f", {', '.join(event.flags)}" if event.flags else "")
    )
    kind = "right" if event.unit.startswith("right") else "left" if event.unit.startswith("left") else "whole"
    width = max(x(event.offset) - x(event.onset), 2.0)
    kind += "" if event.trusted else " doubtful"
    rect = (
        f'<rect class="bar-{kind}" x="{x(event.onset):.1f}" y="{top + 2}" '
        f'width="{width:.1f}" height="{LANE - 4}" fill-opacity="{0.3 + 0.7 * event.peak:.2f}" rx="2"/>'
    )
    owner = next((one for one in episodes if event in one.events), None)
    target = f"#episode-{owner.number}" if owner is not None else "#events"
    return f'<a href="{target}" aria-label="{html_text(title)}"><title>{html_text(title)}</title>{rect}</a>'


def _apex(episode: Episode, x: Callable[[float], float], height: int) -> str:
    label = "no label" if episode.expression is None else episode.expression.value
    title = f"Episode {episode.number + 1}: apex at {clock(episode.apex)}, {label}"
    at = x(episode.apex)
    return (
        f'<a href="#episode-{episode.number}" aria-label="{html_text(title)}">'
        f'<title>{html_text(title)}</title><path class="apex" d="M{at:.1f} {height - 22}l-5 -9h10z"/></a>'
    )


def _ticks(start: float, end: float) -> Iterator[float]:
    step = next(one for one in (1, 2, 5, 10, 20) if (end - start) / one <= 12)
    time = -(-start // step) * step
    while time <= end:
        yield time
        time += step


def _episode(analysis: VideoAnalysis, episode: Episode, face: bytes | None) -> str:
    label = "no label" if episode.expression is None else episode.expression.value
    share = (episode.probabilities or {}).get(episode.expression) if episode.expression else None
    sure = "" if share is None else f" {percent_text(share)}"
    warnings = "".join(f'<p class="checks wrong">{html_text(one)}</p>' for one in episode.warnings)
    return (
        f'<article class="episode-card" id="episode-{episode.number}" tabindex="-1"><h3>Episode '
        f"{episode.number + 1}, {clock(episode.start)} to {clock(episode.end)}: {html_text(label)}{sure}</h3>"
        f'{_thumbnail(episode, face)}<p class="key">Most moves at {clock(episode.apex, 2)} '
        f"(frame {episode.apex_frame}). Writer: {html_text(episode.writer)}.</p>"
        f"{_text(analysis, episode)}{warnings}</article>"
    )


def _thumbnail(episode: Episode, face: bytes | None) -> str:
    if face is None:
        return ""
    data = base64.b64encode(face).decode("ascii")
    alt = html_text(f"{episode.person} at {clock(episode.apex)}")
    return f'<img class="apex-face" src="data:image/jpeg;base64,{data}" alt="{alt}"/>'


def _text(analysis: VideoAnalysis, episode: Episode) -> str:
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
        parts.append(f'<div class="part"><h4>{html_text(heading)}</h4><p>{_marked(part, inside)}</p></div>')
        offset += len(part)
    wrong = sum(one.verdict.value.startswith("wrong") for one in times)
    summary = f"Claims about time: {len(times) - wrong} of {len(times)} fit the course."
    return "".join(parts) + f'<p class="audit">{summary}</p>'


def _marked(text: str, marks: Sequence[tuple[int, int, str, str]]) -> str:
    """A text with its claims; where two overlap the first is marked."""
    pieces, reached = [], 0
    for start, end, kind, why in sorted(marks):
        if start < reached:
            continue
        pieces.append(html_text(text[reached:start]) if text[reached:start].strip() else text[reached:start])
        pieces.append(
            f'<mark class="{kind.replace(" ", "-")}" title="{html_text(f"{kind}: {why}")}">'
            f"{html_text(text[start:end])}</mark>"
        )
        reached = end
    return "".join(pieces) + html_text(text[reached:])


def _table(events: Sequence[Event]) -> str:
    rows = "".join(
        f"<tr><td>{html_text(one.unit)}</td><td>{clock(one.onset, 2)}</td><td>{clock(one.apex_start, 2)}</td>"
        f"<td>{clock(one.offset, 2)}</td><td>{one.peak:.2f}</td><td>{one.letter}</td>"
        f"<td>{html_text(', '.join(one.flags))}</td></tr>"
        for one in events
    )
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("unit", "onset", "apex", "offset", "peak", "letter", "flags")
    )
    return (
        f'<details id="events" class="events"><summary>All {len(events)} events as a table</summary>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></details>"
    )
