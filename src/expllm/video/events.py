"""What moves when: events of one unit, and episodes of several.

An event is a rise of one action unit above its resting value and its fall. An episode is a group of events of
one person that overlap or follow each other closely.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from expllm.core.records import CoT, Explanation, Probability, Record
from expllm.core.vocabulary import AU_BY_NAME, Expression
from expllm.video.curves import HELD, spans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BEGINS, ENDS = 0.2, 0.06
"""Intensity above rest from which a movement is always an event, and below which it is over."""

LEAST_PEAK, OVER_NOISE = 0.1, 3.0
"""Intensity from which it is one in a unit that is steady otherwise: so many times what the unit does without
moving, which is 90 % of its readings below `BEGINS`."""

EDGE: Final = 0.04
"""Share of its own peak at which an event begins and ends. Readings see the first part of a movement late:
held against where the movement itself crosses a tenth of its peak, onsets of rendered heads were 48 ms off
(median) with 0.1, and 28 ms with this."""

_STEEP, _STEEPEST = 0.3, 0.5
"""Shares of its peak between which a movement is steep."""

CREEP: Final = 4.0
"""How many times as long as that it takes at most from its edge to the lower of the two: a smooth movement
takes 1.9 times as long. What creeps for longer before it, such as brows that follow the turn of the head, is
not its beginning."""

_APEX: Final = 0.9
"""Share of its peak from which an event is at its apex."""

MERGED: Final = 0.12
"""Seconds between two rises of a unit that are still one event."""

_BRIEF: Final = 0.5
"""Seconds below which an event is flagged as brief."""

_TURNED: Final = 6.0
"""Degrees that the head turns during an event from which it is flagged: smiles read less with it."""

LETTERS: Final = ((0.15, "A"), (0.35, "B"), (0.65, "C"), (0.85, "D"), (1.01, "E"))
"""Upper ends of intensities, and their letters: like those of FACS, but no certified coder gave them."""

FOLLOWS: Final = 0.3
"""Seconds between events that still belong to one episode."""

MOST_EVENTS: Final = 12
"""Events of an episode; a longer one is parted where the least goes on."""

DRIFTS: Final = 0.6
"""Share of an event's course that the turn of the head explains, from which it is taken for its effect."""

SLOW: Final = 0.4
"""Seconds that both the rise and the fall of such an event take at least."""

_CREEPS, _WEAK, _TURNING = 0.5, 0.5, 4.0
"""Seconds that the rise or the fall of an event takes at least, the peak below which, and the degrees from
which it is taken for an effect of the turn of the head all the same: brows read 0.05 to one side and 0.4 to
the other, at a step."""

UNSEEN: Final = 0.3
"""Peak below which an event may be a matter of the resting face: where it begins or ends outside what was
seen, or where the unit reads as active at rest (`HELD`), so that its noise looks like movements."""

UNSTEADY: Final = frozenset({"lid raise"})
"""Actions whose events are more often wrong than right on rendered heads: lids are read as raised when brows
rise, eyes look up or a blink ends."""

Flag = Literal["blink", "pose", "drift", "unsteady", "mirrored", "beside", "rest", "cut", "brief", "edge"]
"""What to think of an event.

`blink`: an edge of it is in a blink and is a straight line; `pose`: the head turned meanwhile; `drift`: it
comes and goes slowly with the turn of the head; `unsteady`: a unit that is misread too often; `mirrored`: a
weak copy of what the other side does; `beside`: of what mouth or jaw do besides; `rest`: it is weak, and its
beginning or end was not seen, or the unit reads as active at rest. These five are left out of episodes and
texts. `cut`: a new take begins in it; `brief`: shorter than half a second; `edge`: it begins or ends outside
what was seen.
"""

DOUBTFUL: Final[frozenset[Flag]] = frozenset({"drift", "unsteady", "mirrored", "beside", "rest"})
"""Flags of events that are not told."""

BLINK: Final = "blink"
"""Unit of an event that is a blink of both eyes."""

_Seconds = Annotated[float, Field(ge=0)]


class Event(Record):
    """One movement of one unit, with its times in seconds of the video.

    Attributes:
        person: Who.
        unit: Which action unit, with its side; or `blink`.
        onset, offset: Where it crosses 4 % of its peak, between frames.
        apex_start, apex_end: Where it is within a tenth of its peak.
        peak: Highest intensity above rest, 0-1.
        letter: A-E, like the letters of FACS; no certified coder gave it.
        rise, fall: Mean speed of the rise and the fall, in intensity a second.
        uncertainty: How far apart frames are: no time is surer than that.
        flags: See `Flag`.
    """

    person: str
    unit: str
    onset: _Seconds
    apex_start: _Seconds
    apex_end: _Seconds
    offset: _Seconds
    peak: Probability
    letter: str
    rise: float
    fall: float
    uncertainty: float
    flags: tuple[Flag, ...] = ()

    @property
    def duration(self) -> float:
        return self.offset - self.onset

    def flagged(self, *flags: Flag) -> "Event":
        """The same with further flags."""
        return self.model_copy(update={"flags": (*self.flags, *flags)}) if flags else self

    @property
    def trusted(self) -> bool:
        """It may be told: nothing says that it is the reading of something else."""
        return DOUBTFUL.isdisjoint(self.flags)


class Episode(Record):
    """Events of one person that belong together, with what they show at their strongest.

    Attributes:
        number: From 0, over the whole video.
        person: Who.
        start, end: First onset and last offset, in seconds.
        apex: When most moves, outside blinks; the explanation speaks of that moment's face.
        apex_frame: Number of that frame in the file.
        events: In the order of their onsets.
        expression, probabilities: What the face shows around the apex.
        cot: The explanation over time in its three parts.
        explanation: The text as a model wrote it, and its checks; None for one composed by rules.
        writer: Who wrote it.
        warnings: What makes it less reliable.
    """

    number: int
    person: str
    start: _Seconds
    end: _Seconds
    apex: _Seconds
    apex_frame: int
    events: tuple[Event, ...]
    expression: Expression | None = None
    probabilities: dict[Expression, Probability] | None = None
    cot: CoT | None = None
    explanation: Explanation | None = None
    writer: str = "none"
    warnings: tuple[str, ...] = ()


def letter_of(peak: float) -> str:
    """The letter of an intensity.

    >>> letter_of(0.4)
    'C'
    """
    return next(letter for end, letter in LETTERS if peak < end)


def is_misread_in_blinks(unit: str) -> bool:
    """Whether a blink disturbs the reading of a unit.

    Mouth and jaw move by 0.004 (median) in the blinks of rendered heads, brows by up to 0.46.

    >>> is_misread_in_blinks("jaw drop")
    False
    """
    return AU_BY_NAME[unit].region not in {"mouth", "jaw"}


class EventFinder:
    """Finds the events in the curves of one person.

    Args:
        person: Their name.
        times: [n] seconds.
        pose: [n, 3] degrees.
        blinking: [n] rows in or beside a blink.
        breaks: [n] rows that begin anew: after a gap or a cut.
        cuts: [n] rows with which a new take begins.
    """

    def __init__(
        self, person: str, times: "NDArray[np.float64]", pose: "NDArray[np.float32]",
        blinking: "NDArray[np.bool_]", breaks: "NDArray[np.bool_]", cuts: "NDArray[np.bool_]",
    ) -> None:  # fmt: skip
        import numpy as np

        self._person, self._times, self._pose = person, times, pose
        self._blinking, self._cuts = blinking, cuts
        starts = [0, *np.flatnonzero(breaks[1:] + 0).tolist()] if len(times) else []
        self._starts = sorted({0, *(int(i) + 1 for i in starts[1:])})
        steps = np.diff(times)
        self._interval = float(np.median(steps)) if len(steps) else 0.0

    def find(self, unit: str, values: "NDArray[np.float32]", rest: float = 0.0) -> Iterator[Event]:
        """The events of a unit.

        Args:
            values: [n] intensities above rest, smoothed, bridged across blinks; NaN where not measured.
            rest: The resting value that was taken off.
        """
        least = begins(values)
        for first, end in self._parts(values):
            runs = _runs(self._times[first:end], values[first:end], least)
            for k, (a, b) in enumerate(runs):
                low = first if k == 0 else first + _valley(values[first:end], runs[k - 1][1], a)
                high = (
                    end if k + 1 == len(runs) else first + _valley(values[first:end], b, runs[k + 1][0]) + 1
                )
                event = self._event(unit, values, (first + a, first + b), (low, high))
                at_rest = event.peak < UNSEEN and (rest > HELD or "edge" in event.flags)
                yield event.flagged("rest") if at_rest else event

    def _parts(self, values: "NDArray[np.float32]") -> Iterator[tuple[int, int]]:
        """Runs of rows without a gap and with values."""
        import numpy as np

        ends = [*self._starts[1:], len(values)]
        for start, end in zip(self._starts, ends, strict=True):
            for a, b in spans(~np.isnan(values[start:end])):
                yield start + a, start + b

    def _event(
        self, unit: str, values: "NDArray[np.float32]", run: tuple[int, int], limits: tuple[int, int]
    ) -> Event:
        times = self._times
        top = run[0] + int(values[run[0] : run[1]].argmax())
        peak = float(values[top])
        left = right = top
        while left > run[0] and values[left - 1] >= _APEX * peak:
            left -= 1
        while right + 1 < run[1] and values[right + 1] >= _APEX * peak:
            right += 1
        onset, before = _edge(times, values, left, peak, limits[0], -1)
        offset, after = _edge(times, values, right, peak, limits[1] - 1, 1)
        apex = float(times[left]), float(times[right])
        edge = onset is None or offset is None
        onset = float(times[before]) if onset is None else onset
        offset = float(times[after]) if offset is None else offset
        rise, fall = apex[0] - onset, offset - apex[1]
        creeps = max(rise, fall) >= _CREEPS and peak < _WEAK
        flags = self._flags(values, (before, after + 1), slow=min(rise, fall) >= SLOW, creeps=creeps)
        if is_misread_in_blinks(unit) and (self._blinking[before] or self._blinking[after]):
            flags.append("blink")
        if AU_BY_NAME[unit].action in UNSTEADY:
            flags.append("unsteady")
        if edge:
            flags.append("edge")
        if offset - onset < _BRIEF:
            flags.append("brief")
        return Event(
            person=self._person, unit=unit, onset=_ms(onset), apex_start=_ms(apex[0]), apex_end=_ms(apex[1]),
            offset=_ms(offset), peak=round(peak, 3), letter=letter_of(peak),
            rise=_speed(peak, rise, self._interval), fall=_speed(peak, fall, self._interval),
            uncertainty=_ms(self._interval), flags=tuple(flags),
        )  # fmt: skip

    def _flags(
        self, values: "NDArray[np.float32]", rows: tuple[int, int], *, slow: bool, creeps: bool
    ) -> list[Flag]:
        flags: list[Flag] = []
        first, end = rows
        turned = self._pose[first:end, :2]
        degrees = float((turned.max(axis=0) - turned.min(axis=0)).max())
        if degrees > _TURNED:
            flags.append("pose")
            if slow and explained_variance(values[first:end], turned) >= DRIFTS:
                flags.append("drift")
        if creeps and degrees > _TURNING and "drift" not in flags:
            flags.append("drift")
        if self._cuts[first + 1 : end].any():
            flags.append("cut")
        return flags


def begins(values: "NDArray[np.float32]") -> float:
    """Intensity above rest from which a unit's movement is an event: the lower, the steadier the unit is."""
    import numpy as np

    low = values[values < BEGINS]  # not those that are NaN
    if not len(low):
        return BEGINS
    return float(np.clip(OVER_NOISE * np.percentile(low, 90), LEAST_PEAK, BEGINS))


def explained_variance(values: "NDArray[np.float32]", pose: "NDArray[np.float32]") -> float:
    """Share of the variance of values [n] that pitch and yaw [n, 2] explain linearly, 0-1."""
    import numpy as np

    if len(values) < 8 or not (spread := float(values.var())):
        return 0.0
    terms = np.column_stack([pose, np.ones(len(values))]).astype(np.float64)
    fitted = terms @ np.linalg.lstsq(terms, values.astype(np.float64), rcond=None)[0]
    return 1 - float((values - fitted).var()) / spread


def blink_event(
    person: str, times: "NDArray[np.float64]", closing: "NDArray[np.float32]", run: tuple[int, int]
) -> Event:
    """A blink as an event: its times are those of the frames that show it."""
    a, b = run
    peak = float(closing[a:b].max())
    interval = float(times[1] - times[0]) if len(times) > 1 else 0.0
    apex = a + int(closing[a:b].argmax())
    onset, apex_time, offset = (_ms(float(times[i])) for i in (max(a - 1, 0), apex, min(b, len(times) - 1)))
    return Event(
        person=person, unit=BLINK, onset=onset, apex_start=apex_time, apex_end=apex_time, offset=offset,
        peak=round(min(peak, 1.0), 3), letter=letter_of(peak),
        rise=_speed(peak, apex_time - onset, interval), fall=_speed(peak, offset - apex_time, interval),
        uncertainty=_ms(interval),
    )  # fmt: skip


def grouped(events: Sequence[Event]) -> list[tuple[Event, ...]]:
    """Trusted events of one person as episodes, each in the order of onsets; blinks belong to none."""
    groups: list[list[Event]] = []
    reached = float("-inf")
    for event in sorted(events, key=lambda one: (one.onset, one.unit)):
        if event.unit == BLINK or not event.trusted:
            continue
        if not groups or event.onset > reached + FOLLOWS:
            groups.append([])
            reached = event.offset
        groups[-1].append(event)
        reached = max(reached, event.offset)
    return [part for group in groups for part in _parted(tuple(group))]


def _parted(group: tuple[Event, ...]) -> list[tuple[Event, ...]]:
    """A group in parts of at most `MOST_EVENTS`, parted where the least goes on."""
    if len(group) <= MOST_EVENTS:
        return [group]

    def going_on(i: int) -> tuple[float, int]:
        start = group[i].onset
        return sum(one.peak for one in group[:i] if one.offset > start), abs(2 * i - len(group))

    best = min(range(2, len(group) - 1), key=going_on)
    return [*_parted(group[:best]), *_parted(group[best:])]


def _runs(times: "NDArray[np.float64]", values: "NDArray[np.float32]", least: float) -> list[tuple[int, int]]:
    """Runs of rows above `ENDS` that reach the least peak; those with a short gap between them are one."""
    runs: list[tuple[int, int]] = []
    for a, b in spans(values >= ENDS):
        if values[a:b].max() < least:
            continue
        if runs and times[a] - times[runs[-1][1] - 1] < MERGED:
            runs[-1] = (runs[-1][0], b)
        else:
            runs.append((a, b))
    return runs


def _valley(values: "NDArray[np.float32]", end: int, start: int) -> int:
    """The lowest row between two runs."""
    return end + int(values[end:start].argmin()) if start > end else end


def _edge(
    times: "NDArray[np.float64]", values: "NDArray[np.float32]", at: int, peak: float, limit: int, way: int
) -> tuple[float | None, int]:
    """When an event begins (`way` -1) or ends (1), and the last row in it; as `_crossing` says it."""
    edge, row = _crossing(times, values, at, EDGE * peak, limit, way)
    steep, _ = _crossing(times, values, at, _STEEP * peak, limit, way)
    steepest, _ = _crossing(times, values, at, _STEEPEST * peak, limit, way)
    if steep is None or steepest is None:
        return edge, row
    farthest = steep + CREEP * (steep - steepest)
    if way * (farthest - (float(times[row]) if edge is None else edge)) >= 0:
        return edge, row
    while way * (float(times[row]) - farthest) > 0:
        row -= way
    return farthest, row


def _crossing(
    times: "NDArray[np.float64]", values: "NDArray[np.float32]", at: int, level: float, limit: int, way: int
) -> tuple[float | None, int]:
    """When a curve falls below a level, going one way from a row, and the last row above it.

    None where it does not, up to the limit.
    """
    while at != limit and values[at + way] >= level:
        at += way
    if at == limit:
        return None, at
    high, low = float(values[at]), float(values[at + way])
    share = (high - level) / max(high - low, 1e-9)
    return float(times[at] + share * (times[at + way] - times[at])), at


def _speed(peak: float, seconds: float, interval: float) -> float:
    return round(peak / max(seconds, interval, 1e-3), 2)


def _ms(seconds: float) -> float:
    return round(max(seconds, 0.0), 4)
