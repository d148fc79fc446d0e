"""Tables of what comes of a video: its events, its people, the apexes of its episodes."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

from expllm.core.errors import UsageError
from expllm.core.records import Box, FaceAnalysis, TimedUnit
from expllm.core.vocabulary import AU_NAMES
from expllm.report.columns import Cell, au_row
from expllm.report.output_writers import CsvWriter
from expllm.video.analysis import VideoAnalysis
from expllm.video.events import BLINK, DOUBTFUL, Event
from expllm.video.story import peaks_of
from expllm.video.timecode import clock

_REST: Final = "rest "
"""What the name of a unit begins with in the column of its resting value."""

_EVENT_COLUMNS: Final = (
    "person unit onset apex_start apex_end offset onset_ms apex_start_ms apex_end_ms offset_ms duration peak "
    "letter rise fall uncertainty flags reliable unreliable_because"
).split()


def events_into(file: IO[str], events: Sequence[Event]) -> None:
    """One row an event, its times in seconds and in milliseconds."""
    table = csv.DictWriter(file, _EVENT_COLUMNS, lineterminator="\n")
    table.writeheader()
    for event in events:
        row = event.to_dict()
        times = ("onset", "apex_start", "apex_end", "offset")
        row |= {f"{name}_ms": round(1000 * row[name]) for name in times}
        row |= {"duration": round(event.duration, 4), "flags": " ".join(event.flags)}
        row |= {"reliable": int(event.trusted)}
        row |= {"unreliable_because": " ".join(flag for flag in event.flags if flag in DOUBTFUL)}
        table.writerow(row)


def people_into(file: IO[str], analysis: VideoAnalysis) -> None:
    """One row a person: when they are seen, how often they blink, and their face at rest."""
    fixed = ["person", "frames", "first", "last", "x", "y", "width", "height", "blinks"]
    table = csv.DictWriter(file, [*fixed, *(_REST + unit for unit in AU_NAMES)], lineterminator="\n")
    table.writeheader()
    for course in analysis.courses:
        person = course.person
        blinks = sum(event.unit == BLINK and event.person == person.name for event in analysis.events)
        rest = {
            _REST + unit: None if value != value else round(value, 4)  # noqa: PLR0124
            for unit, value in zip(AU_NAMES, course.rest.tolist(), strict=True)
        }
        box = dict(zip(("x", "y", "width", "height"), person.box, strict=True))
        table.writerow(
            {"person": person.name, "frames": person.frames, "first": round(person.start, 4),
             "last": round(person.end, 4), **box, "blinks": blinks, **rest}
        )  # fmt: skip


def apexes_into(
    file: IO[str], name: str, analysis: VideoAnalysis, pictures: Mapping[int, str] = MappingProxyType({})
) -> None:
    """One row an episode, in the columns of `expllm aus`: its apex frame, and the peaks of its events.

    The column `course` says what moves when, as JSON. `expllm cot make` takes the file as a data set.

    Args:
        file: Takes the table.
        name: What the video is called.
        analysis: What was found in it.
        pictures: Of the face at the apex, by the number of the episode: what the column `input` holds then.
    """
    numbers = {course.person.name: i for i, course in enumerate(analysis.courses)}
    told: dict[tuple[int | None, int], str] = {
        (numbers[one.person], one.apex_frame): json.dumps([_timed(event).to_dict() for event in one.events])
        for one in analysis.episodes
    }

    def row(analysed: FaceAnalysis) -> dict[str, Cell]:
        return {**au_row(analysed), "course": told.get((analysed.face_id, analysed.frame), "")}

    with CsvWriter(file, row) as table:
        for episode in analysis.episodes:
            course = analysis.course_of(episode)
            x, y, width, height = course.box[int((course.number == episode.apex_frame).argmax())].tolist()
            picture = pictures.get(episode.number)
            whole = Box(x=round(x, 1), y=round(y, 1), width=round(width, 1), height=round(height, 1))
            analysed = FaceAnalysis(
                input=picture or f"{name}#{clock(episode.apex, 2)}", frame=episode.apex_frame,
                face_id=numbers[episode.person], status="ok",
                box=None if picture else whole,  # the picture is cut out already
                aus=peaks_of(course, episode), warnings=episode.warnings,
            )  # fmt: skip
            table.write([analysed], None)


def _timed(event: Event) -> TimedUnit:
    return TimedUnit(
        unit=event.unit, onset=event.onset, apex_start=event.apex_start, apex_end=event.apex_end,
        offset=event.offset, peak=event.peak,
    )  # fmt: skip


def read_rest(path: Path) -> dict[str, dict[str, float]]:
    """Resting values by person and unit, from a `people.csv`.

    Raises:
        UsageError: it is not one.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        found = {
            row["person"]: {
                name.removeprefix(_REST): float(value)
                for name, value in row.items()
                if name.startswith(_REST) and value
            }
            for row in rows
        }
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UsageError(f"{path}: not a people.csv of 'expllm video' ({error})") from None
    unknown = {unit for units in found.values() for unit in units} - set(AU_NAMES)
    if unknown or not any(found.values()):
        raise UsageError(f"{path}: not a people.csv of 'expllm video': it holds no resting values")
    return found
