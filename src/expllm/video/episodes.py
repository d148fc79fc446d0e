"""Episodes: events that belong together, the moment at which most moves, and what the face shows then."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.faces.au_classifier import AUClassifier
from expllm.video.courses import Course
from expllm.video.events import Episode, Event, grouped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AROUND_THE_APEX: Final = 0.1
"""Seconds before and after the apex over which probabilities are averaged."""

NO_CLEAR_MOMENT: Final = (
    "No frame of this episode can be relied on: its apex is in a blink, or the face is badly seen."
)
FEW_FRAMES: Final = "At {rate:.0f} frames a second brief events are too few frames to time."
FAST_ENOUGH: Final = 50.0
"""Frames a second from which brief events can be timed."""


def episodes_of(
    courses: Sequence[Course], events: Sequence[Event], classifier: AUClassifier
) -> list[Episode]:
    """The episodes of all people in the order of their start, with labels and without texts."""
    found = [
        _episode(course, group, classifier)
        for course in courses
        for group in grouped([event for event in events if event.person == course.person.name])
    ]
    found.sort(key=lambda one: (one.start, one.person))
    return [one.model_copy(update={"number": number}) for number, one in enumerate(found)]


def _episode(course: Course, group: tuple[Event, ...], classifier: AUClassifier) -> Episode:
    start, end = group[0].onset, max(event.offset for event in group)
    row, clear = _apex(course, start, end)
    probabilities = _mean_probabilities(course, row, classifier)
    warnings = [] if clear else [NO_CLEAR_MOMENT]
    rate = 1 / group[0].uncertainty if group[0].uncertainty else 0.0
    if rate < FAST_ENOUGH and any("brief" in event.flags for event in group):
        warnings.append(FEW_FRAMES.format(rate=rate))
    return Episode(
        number=0, person=course.person.name, start=start, end=end, apex=round(float(course.time[row]), 4),
        apex_frame=int(course.number[row]), events=group,
        expression=max(probabilities, key=probabilities.__getitem__) if probabilities else None,
        probabilities=probabilities, warnings=tuple(warnings),
    )  # fmt: skip


def _apex(course: Course, start: float, end: float) -> tuple[int, bool]:
    """The row at which most moves, and whether it is outside blinks and reliable."""
    import numpy as np

    inside = np.flatnonzero((course.time >= start - 1e-6) & (course.time <= end + 1e-6))
    if not len(inside):
        inside = np.array([int(np.abs(course.time - start).argmin())])
    clear = inside[course.reliable_rows[inside] & ~course.blinking[inside]]
    rows = clear if len(clear) else inside
    total = np.nansum(course.change[rows], axis=1)
    return int(rows[int(total.argmax())]), bool(len(clear))


def _mean_probabilities(course: Course, row: int, classifier: AUClassifier) -> dict[Expression, float] | None:
    """Over the reliable frames around a row: of what moves above rest, as the texts tell it.

    A face whose rest reads as a smile would else be called happy whatever it does.
    """
    import numpy as np

    values = course.change if course.is_above_rest else course.units
    near = np.abs(course.time - course.time[row]) <= AROUND_THE_APEX
    rows = np.flatnonzero(near & course.reliable_rows & ~course.blinking)
    held = [classifier.probabilities(vector_of(values[i])) for i in (rows if len(rows) else [row])]
    known = [one for one in held if one is not None]
    if not known:
        return None
    return {label: round(sum(one[label] for one in known) / len(known), 6) for label in known[0]}


def vector_of(values: "NDArray[np.float32]") -> AUVector:
    """Readings in the order of `AU_NAMES` as a vector; NaN is not measured."""
    return AUVector(
        {
            unit: None if math.isnan(value) else round(value, 4)
            for unit, value in zip(AU_NAMES, values.tolist(), strict=True)
        }
    )


def apex_units(course: Course, episode: Episode) -> AUVector:
    """The readings of the frame at an episode's apex."""
    import numpy as np

    row = int(np.abs(course.time - episode.apex).argmin())
    return vector_of(course.units[row])
