"""The course of each person through a video: readings, what they do above rest, and what to doubt."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from expllm.core.vocabulary import AU_NAMES
from expllm.video.crosstalk import with_copies_flagged
from expllm.video.curves import (
    AFTER_A_BLINK,
    BEFORE_A_BLINK,
    HELD,
    above_rest,
    around,
    blinks,
    bridged,
    brief_gaps,
    densest,
    smoothed,
)
from expllm.video.events import Event, EventFinder, blink_event, is_misread_in_blinks
from expllm.video.persons import Person
from expllm.video.readings import Doubt
from expllm.video.stretch_store import Stretch, StretchFace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MISREAD: Final = Doubt.turned | Doubt.dark | Doubt.bright | Doubt.blurred | Doubt.clock | Doubt.excluded
"""Readings with one of these make no events and no baseline."""

EYES: Final = tuple(AU_NAMES.index(f"{side} eye close") for side in ("left", "right"))
GAP: Final = 3.0
"""Median intervals between frames from which there is a gap."""

LEAST_REST: Final = 5
"""Readings in a neutral span that a baseline needs."""


@dataclass(frozen=True)
class Rest:
    """Where a person's face is at rest.

    Attributes:
        auto: Take the densest value of each unit; False: take nothing off.
        span: From and to in seconds: the face is at rest there.
        given: Resting values by person and unit, from another video; a single person counts for all.
    """

    auto: bool = True
    span: tuple[float, float] | None = None
    given: Mapping[str, Mapping[str, float]] | None = None


@dataclass(eq=False)
class Course:
    """One person's way through a video; arrays have a row for each frame that shows them.

    Attributes:
        person: Who.
        number, time: Of the frame.
        box, pose, score: As measured.
        units: [n, units] as measured; NaN in blinks, but for the eyes, the mouth and the jaw.
        change: [n, units] above rest, smoothed and bridged over blinks: what events are made of.
        blinking: [n] in or beside a blink.
        doubt: [n] `Doubt` as numbers.
        rest: [units] resting values; NaN where not measured.
        runs: Rows of each blink.
        warnings: What makes the course less reliable.
    """

    person: Person
    number: "NDArray[np.int64]"
    time: "NDArray[np.float64]"
    box: "NDArray[np.float32]"
    pose: "NDArray[np.float32]"
    score: "NDArray[np.float32]"
    units: "NDArray[np.float32]"
    change: "NDArray[np.float32]"
    blinking: "NDArray[np.bool_]"
    doubt: "NDArray[np.int32]"
    breaks: "NDArray[np.bool_]"
    cuts: "NDArray[np.bool_]"
    rest: "NDArray[np.float32]"
    runs: list[tuple[int, int]]
    warnings: list[str] = field(default_factory=list)

    @property
    def is_above_rest(self) -> bool:
        """Whether something was taken off the readings."""
        import numpy as np

        return bool(np.nan_to_num(self.rest).any())

    @cached_property
    def reliable_rows(self) -> "NDArray[np.bool_]":
        """[n] rows that nothing speaks against; a blink does not, it only hides the other units."""
        reliable: NDArray[np.bool_] = (self.doubt & ~int(Doubt.blink)) == 0
        return reliable

    def events(self) -> list[Event]:
        """What this person does, in the order of onsets."""
        finder = EventFinder(self.person.name, self.time, self.pose, self.blinking, self.breaks, self.cuts)
        found = [
            event
            for i, unit in enumerate(AU_NAMES)
            for event in finder.find(unit, self.change[:, i], float(self.rest[i]))
        ]
        closing = self.units[:, EYES].min(axis=1)
        found = with_copies_flagged(found, self.time, self.change)
        found += [blink_event(self.person.name, self.time, closing, run) for run in self.runs]
        return sorted(found, key=lambda one: (one.onset, one.unit))


def courses_of(
    stretches: Iterable[Stretch], people: Mapping[StretchFace, int], rest: Rest, names: Mapping[int, str],
    excluded: Sequence[tuple[float, float]] = (),
) -> list[Course]:  # fmt: skip
    """The course of each person, in the order of their numbers.

    Args:
        stretches: All of a video, in order.
        people: Number of the person of each track.
        rest: How to find resting values.
        names: Of people, by number; others are called `P1`, `P2`, ...
        excluded: Spans in seconds that make no events, no rest and no apex.
    """
    parts: dict[int, list[dict[str, NDArray[Any]]]] = {}
    for stretch in stretches:
        for number, rows in _rows_by_person(stretch, people).items():
            parts.setdefault(number, []).append(_part(stretch, rows, excluded))
    return [
        _course(names.get(number, f"P{number + 1}"), _joined(parts[number]), rest) for number in sorted(parts)
    ]


def _rows_by_person(stretch: Stretch, people: Mapping[StretchFace, int]) -> "dict[int, NDArray[np.int64]]":
    import numpy as np

    owner = np.array([people.get((stretch.index, int(track)), -1) for track in stretch.track], np.int64)
    return {int(number): np.flatnonzero(owner == number) for number in np.unique(owner) if number >= 0}


def _part(
    stretch: Stretch, rows: "NDArray[np.int64]", excluded: Sequence[tuple[float, float]]
) -> "dict[str, NDArray[Any]]":
    frames = stretch.frame[rows]
    doubt = stretch.doubt[rows] | (~stretch.in_order[frames] * int(Doubt.clock))
    for start, end in excluded:
        inside = (stretch.time[frames] >= start) & (stretch.time[frames] < end)
        doubt = doubt | inside * int(Doubt.excluded)
    return {
        "number": stretch.number[frames], "time": stretch.time[frames], "cuts": stretch.cut[frames],
        "box": stretch.box[rows], "pose": stretch.pose[rows], "score": stretch.score[rows],
        "units": stretch.units[rows], "doubt": doubt,
    }  # fmt: skip


def _joined(parts: "list[dict[str, NDArray[Any]]]") -> "dict[str, NDArray[Any]]":
    import numpy as np

    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _course(name: str, held: "dict[str, NDArray[Any]]", rest: Rest) -> Course:
    """Readings of one person in order -> their course."""
    import numpy as np

    time, units, doubt = held["time"], held["units"], held["doubt"]
    box = [round(float(value), 1) for value in np.median(held["box"], axis=0)]
    person = Person(name, len(time), float(time[0]), float(time[-1]), (box[0], box[1], box[2], box[3]))
    usable = (doubt & int(MISREAD)) == 0
    breaks = _breaks(time) | held["cuts"]
    beside = breaks | np.append(breaks[1:], False)
    doubt = (doubt | np.where(beside, int(Doubt.gap), 0)).astype(np.int32)
    doubt[0] &= ~int(Doubt.gap)
    course = Course(
        person, held["number"], time, held["box"], held["pose"], held["score"], units,
        np.full_like(units, np.nan), np.zeros(len(time), np.bool_), doubt, breaks, held["cuts"],
        np.full(units.shape[1], np.nan, np.float32), [],
    )  # fmt: skip
    if usable.any():
        _rise_above_rest(course, usable, rest)
    return course


def _breaks(time: "NDArray[np.float64]") -> "NDArray[np.bool_]":
    """Rows that come long after the row before."""
    import numpy as np

    steps = np.diff(time)
    if not len(steps):
        return np.zeros(len(time), np.bool_)
    return np.concatenate([[False], steps > GAP * max(float(np.median(steps)), 1e-6)])


def _rise_above_rest(course: Course, usable: "NDArray[np.bool_]", rest: Rest) -> None:
    """Fills in blinks, resting values and what rises above them."""
    import numpy as np

    rows = np.flatnonzero(usable)
    time, raw = course.time[rows], course.units[rows]
    eyes = raw[:, EYES]
    open_ = np.array([densest(eyes[:, k]) for k in range(2)], np.float32)
    closing = above_rest(eyes, open_).min(axis=1)
    runs = blinks(time, closing)
    blinking = around(time, runs, BEFORE_A_BLINK, AFTER_A_BLINK)
    misread = blinking[:, None] & np.array([is_misread_in_blinks(unit) for unit in AU_NAMES])
    misread |= brief_gaps(time, raw)
    across = [bridged(time, raw[:, i], misread[:, i]) for i in range(raw.shape[1])]
    seen = smoothed(time, np.stack(across, axis=1))
    course.rest = _resting(course, time, np.where(misread, np.nan, seen), rest)
    course.change[rows] = above_rest(seen, course.rest)
    course.blinking[rows] = blinking
    course.runs = [(int(rows[a]), int(rows[b - 1]) + 1) for a, b in runs]
    course.doubt[rows] |= np.where(blinking, int(Doubt.blink), 0).astype(np.int32)
    misread[:, EYES] = False
    course.units[rows] = np.where(misread, np.nan, raw)


def _resting(
    course: Course, time: "NDArray[np.float64]", seen: "NDArray[np.float32]", rest: Rest
) -> "NDArray[np.float32]":
    """[units] resting values; NaN where a unit was not measured."""
    import numpy as np

    measured = ~np.isnan(seen).all(axis=0)
    given = _given(rest, course.person.name)
    if given is not None:
        return np.array([given.get(unit, 0.0) for unit in AU_NAMES], np.float32)
    if not rest.auto and rest.span is None:
        return np.where(measured, 0.0, np.nan).astype(np.float32)
    if rest.span is not None:
        inside = seen[(time >= rest.span[0]) & (time < rest.span[1])]
        if len(inside) >= LEAST_REST:
            with np.errstate(all="ignore"):
                middle = np.array([_median(inside[:, i]) for i in range(inside.shape[1])], np.float32)
            return np.where(measured & np.isnan(middle), 0.0, middle).astype(np.float32)
        course.warnings.append(
            f"{course.person.name} is not seen in the neutral span: resting values are their densest ones."
        )
    values = np.array([densest(seen[:, i]) for i in range(seen.shape[1])], np.float32)
    held = [unit for unit, value in zip(AU_NAMES, values, strict=True) if value > HELD]
    if held:
        course.warnings.append(
            f"A held expression may have been taken for the rest of {course.person.name}: {', '.join(held)}."
        )
    return values


def _median(values: "NDArray[np.float32]") -> float:
    import numpy as np

    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _given(rest: Rest, name: str) -> Mapping[str, float] | None:
    if rest.given is None:
        return None
    if len(rest.given) == 1:
        return next(iter(rest.given.values()))
    return rest.given.get(name)
