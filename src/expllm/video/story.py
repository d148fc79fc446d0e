"""The explanation of an episode over time, by rules; and the audit of any text about one.

Key Observations tell the course: what begins first, what while that lasts, what then. What the movements may
mean together, and the conclusion, are written as for a picture, from the peaks of the events.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.cot.rule_writer import WORD_LIMIT, conclude, interpret
from expllm.cot.words.grammar import Voice, sentence
from expllm.cot.words.naming import clause, part, state
from expllm.cot.words.observations import MOVEMENTS, Observation, Observations, describe
from expllm.grounding import Audit, audit
from expllm.grounding.times import BRIEF, TOLERANCE, Movement, TimeClaim, audit_times
from expllm.video.courses import Course
from expllm.video.events import Episode, Event
from expllm.video.timecode import clock

WRITER: Final = "offline"
"""Who writes: rules, as for pictures."""

SILENT: Final = 0.05
"""Change above rest below which a unit may be called at rest; between it and an event nothing is said."""

_STILL: Final = re.compile(r"\bstill(?=\s+(?:\w+(?:ed|en|wn)|up|down|open)\b)")
""""still raised": it goes on. To the reader of claims about a picture it would say that nothing moves."""

_MOVEMENT_OF: Final = {unit: movement for movement, units in MOVEMENTS.items() for unit in units}


@dataclass(frozen=True)
class _Move:
    """Events of one movement in an episode: both sides, all repetitions."""

    movement: str
    events: tuple[Event, ...]

    @property
    def peak(self) -> float:
        return max(event.peak for event in self.events)

    @property
    def onset(self) -> float:
        return min(event.onset for event in self.events)

    @property
    def offset(self) -> float:
        """Of its first time: it ends when the last of its sides does."""
        first = [event for event in self.events if event.onset <= self.events[0].offset]
        return max(event.offset for event in first)

    @property
    def counts(self) -> set[int]:
        """How often it comes, on each of its sides."""
        units = [event.unit for event in self.events]
        return {units.count(unit) for unit in units}


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
    moves = _moves(episode.events)
    observations = describe(_told_vector(moves, peaks))
    seen = {one.movement: one for one in observations.seen}
    told = [move for move in moves if move.movement in seen]
    while True:
        for short in (False, True):
            cot = _draft(episode, observations, told, seen, short=short)
            if cot.word_count <= WORD_LIMIT or (short and len(told) <= 1):
                return cot
        told.remove(min(told, key=lambda move: (move.peak, move.movement)))


def audit_story(
    text: str, episode: Episode, peaks: Mapping[str, float | None]
) -> tuple[Audit, tuple[TimeClaim, ...]]:
    """A text about an episode held against its events: what moved how much, and when."""
    movements = [
        Movement(one.unit, one.onset, one.apex_start, one.apex_end, one.offset) for one in episode.events
    ]
    interval = max((event.uncertainty for event in episode.events), default=0.04)
    going_on = _STILL.sub(" " * len("still"), text)
    return audit(going_on, peaks), audit_times(going_on, movements, interval)


def _moves(events: Sequence[Event]) -> list[_Move]:
    """The movements of an episode, by their beginning."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(_MOVEMENT_OF[event.unit], []).append(event)
    moves = [_Move(movement, _beside(found)) for movement, found in groups.items()]
    return sorted(moves, key=lambda move: (move.onset, move.movement))


def _beside(found: list[Event]) -> tuple[Event, ...]:
    """Events of one movement; of the other side only those that overlap with the stronger side."""
    strongest = max(found, key=lambda one: one.peak).unit
    own = [event for event in found if event.unit == strongest]
    others = [
        event
        for event in found
        if event.unit != strongest
        and any(min(event.offset, one.offset) > max(event.onset, one.onset) for one in own)
    ]
    return tuple(sorted([*own, *others], key=lambda one: (one.onset, one.unit)))


def _told_vector(moves: Sequence[_Move], peaks: Mapping[str, float | None]) -> AUVector:
    """Peaks of what is told; at rest is what hardly moves; the rest is left open."""
    told = {
        unit: max(event.peak for event in move.events if event.unit == unit)
        for move in moves
        for unit in {event.unit for event in move.events}
    }
    quiet = {unit: peak for unit, peak in peaks.items() if peak is not None and peak < SILENT}
    return AUVector({**quiet, **told})


def _draft(
    episode: Episode, observations: Observations, told: Sequence[_Move], seen: Mapping[str, Observation], *,
    short: bool,
) -> CoT:  # fmt: skip
    assert episode.expression is not None
    chosen = [seen[move.movement] for move in told]
    label, shares = episode.expression, episode.probabilities
    return CoT(
        key_observations=_course_in_words(episode, told, seen, Voice(observations.seed)),
        overall_emotional_interpretation=interpret(observations, label, shares, chosen, short),
        conclusion=conclude(observations, label, shares, chosen),
    )


def _course_in_words(
    episode: Episode, told: Sequence[_Move], seen: Mapping[str, Observation], voice: Voice
) -> str:
    if not told:
        return "Movements of this episode are too weak to be told apart."
    interval = max(event.uncertainty for event in episode.events)
    tolerance = max(TOLERANCE, 1.5 * interval)
    lines = []
    for i, move in enumerate(told):
        before = told[i - 1] if i else None
        latest = all(event.onset <= move.onset + tolerance for other in told for event in other.events)
        opening = _opening(
            move,
            before,
            seen,
            tolerance,
            voice,
            last=i + 1 == len(told) and i > 1 and latest,
            alone=len(told) == 1,
        )
        lines.append(sentence(f"{opening}{clause(seen[move.movement], voice)}{_lasting(move)}"))
    return " ".join(lines)


def _opening(
    move: _Move, before: _Move | None, seen: Mapping[str, Observation], tolerance: float, voice: Voice, *,
    last: bool, alone: bool,
) -> str:  # fmt: skip
    """How a sentence says when its movement begins."""
    at = f"at {clock(move.onset)}, "
    if before is None:
        return at if alone else f"first, {at}"
    if before.offset - move.onset > tolerance:
        if move.onset - before.onset <= tolerance:
            return "at the same time, "
        if before.movement == "eye close":  # "partly closed" would claim a degree
            return f"meanwhile, {at}"
        return f"while {_still(seen[before.movement], voice)}, {at}"
    return f"finally, {at}" if last else f"then, {at}"


def _still(observation: Observation, voice: Voice) -> str:
    """ "the brows are still raised"."""
    where, plural = part(observation, voice)
    name = where.removeprefix("both ").removeprefix("the ")
    return f"the {name} {'are' if plural else 'is'} still {state(observation, voice)}"


def _lasting(move: _Move) -> str:
    """How often, or for how long."""
    most = max(move.counts)
    if most > 1:
        words = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}
        # Where the sides differ, "on the right, three times" would be false of one of them.
        return f", {words.get(most, f'{most} times')}" if len(move.counts) == 1 else ""
    longest = max(move.events, key=lambda event: event.duration)
    if all(event.duration < BRIEF for event in move.events):
        return ", briefly"
    return f", for about {longest.duration:.1f} s"
