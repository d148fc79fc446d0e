"""The explanation of an episode over time, by rules; and the audit of any text about one."""

from collections.abc import Mapping
from typing import Final

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.cot.course_writer import INTERVAL, MovementCourse, write_course
from expllm.grounding import Audit
from expllm.grounding.times import TimeClaim
from expllm.video.courses import Course
from expllm.video.events import Episode
from expllm.video.timecode import clock

WRITER: Final = "offline"
"""Who writes: rules, as for pictures."""


def peaks_of(course: Course, episode: Episode) -> AUVector:
    """The strongest that each unit becomes in an episode, above rest; None where it was not measured."""
    import numpy as np

    inside = (course.time >= episode.start - 1e-6) & (course.time <= episode.end + 1e-6)
    peaks: dict[str, float | None] = {}
    for unit, change in zip(AU_NAMES, course.change[inside].T, strict=True):
        known = change[~np.isnan(change)]
        peaks[unit] = float(known.max()) if len(known) else None
    for event in episode.events:
        peaks[event.unit] = max(peaks[event.unit] or 0.0, event.peak)
    return AUVector({unit: None if peak is None else round(peak, 4) for unit, peak in peaks.items()})


def write_story(episode: Episode, peaks: Mapping[str, float | None]) -> CoT | None:
    """Explains an episode in at most `WORD_LIMIT` words; None where it has no label.

    Args:
        episode: With label and probabilities.
        peaks: See `peaks_of`.
    """
    if episode.expression is None:
        return None
    return write_course(movements_of(episode, peaks), episode.expression, episode.probabilities)


def audit_story(
    text: str, episode: Episode, peaks: Mapping[str, float | None]
) -> tuple[Audit, tuple[TimeClaim, ...]]:
    """A text about an episode held against its events: what moved how much, and when."""
    return movements_of(episode, peaks).audit(text)


def movements_of(episode: Episode, peaks: Mapping[str, float | None]) -> MovementCourse:
    """What moved when in an episode."""
    interval = max((event.uncertainty for event in episode.events), default=INTERVAL)
    return MovementCourse(episode.events, peaks, interval, clock)
