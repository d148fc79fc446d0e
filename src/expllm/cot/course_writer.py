"""The course of some movements in words, by rules; and the audit of any text about one.

Key Observations tell the course: what begins first, what while that lasts, what then. What the movements may
mean together, and the conclusion, are written as for a picture, from the peaks of the movements.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.case import Case
from expllm.cot.format_check import WORD_LIMIT
from expllm.cot.rule_writer import conclude, interpret
from expllm.cot.words.grammar import Voice, sentence
from expllm.cot.words.naming import clause, part, state
from expllm.cot.words.observations import MOVEMENTS, Observation, Observations, describe
from expllm.grounding import Audit, audit
from expllm.grounding.times import BRIEF, TOLERANCE, WRONG_TIMES, Movement, TimeClaim, audit_times

INTERVAL: Final = 0.04
"""Seconds between two frames, where nobody says."""

SILENT: Final = 0.05
"""Change above rest below which a unit may be called at rest; between it and an event nothing is said."""

_STILL: Final = re.compile(r"\bstill(?=\s+(?:\w+(?:ed|en|wn)|up|down|open)\b)")
""""still raised": it goes on. To the reader of claims about a picture it would say that nothing moves."""

_MOVEMENT_OF: Final = {unit: movement for movement, units in MOVEMENTS.items() for unit in units}


class Timed(Protocol):
    """One unit's movement: times in seconds, intensity above rest 0-1."""

    @property
    def unit(self) -> str: ...

    @property
    def onset(self) -> float: ...

    @property
    def apex_start(self) -> float: ...

    @property
    def apex_end(self) -> float: ...

    @property
    def offset(self) -> float: ...

    @property
    def peak(self) -> float: ...


@dataclass(frozen=True)
class MovementCourse:
    """Movements that belong together.

    Attributes:
        events: Each of them.
        peaks: The strongest that each unit becomes; None where it was not measured.
        interval: Seconds between two frames: nothing is surer than that.
        clock: Writes a time; None where only the order may be told, without numbers.
    """

    events: Sequence[Timed]
    peaks: Mapping[str, float | None]
    interval: float = INTERVAL
    clock: Callable[[float], str] | None = None

    def audit(self, text: str, expression: Expression | None = None) -> tuple[Audit, tuple[TimeClaim, ...]]:
        """A text held against the movements: what moved how much, and when; and against its label."""
        movements = [
            Movement(one.unit, one.onset, one.apex_start, one.apex_end, one.offset) for one in self.events
        ]
        going_on = _STILL.sub(" " * len("still"), text)
        return audit(going_on, self.peaks, expression), audit_times(going_on, movements, self.interval)


def course_of(case: Case) -> MovementCourse:
    """What moved when in the engine's case, whose texts hold no numbers."""
    return MovementCourse(case.course, case.aus)


def audit_case(text: str, case: Case, expression: Expression | None = None) -> tuple[Audit, tuple[str, ...]]:
    """A text held against a case: its audit, and each wrong claim about time as a sentence."""
    if not case.course:
        return audit(text, case.aus, expression), ()
    report, times = course_of(case).audit(text, expression)
    wrong = (one for one in times if one.verdict in WRONG_TIMES)
    return report, tuple(f'"{one.text}": {one.reason}.' for one in wrong)


def write_course(
    course: MovementCourse,
    expression: Expression,
    probabilities: Mapping[Expression, float] | None = None,
    *,
    rest: bool = False,
) -> CoT:
    """Explains a course in at most `WORD_LIMIT` words.

    Args:
        course: What moved when.
        expression: The label to explain.
        probabilities: One probability (0-1) an expression, as for `write_cot`.
        rest: Movements that are no event are told, too, behind the others.
    """
    moves = _moves(course.events)
    observations = describe(AUVector(course.peaks) if rest else _told_vector(moves, course.peaks))
    seen = {one.movement: one for one in observations.seen}
    told = [move for move in moves if move.movement in seen]
    timed = {move.movement for move in told}
    others = [one for one in observations.seen if rest and one.movement not in timed]
    while True:
        for short in (False, True):
            cot = _draft(course, observations, told, others, (expression, probabilities), short=short)
            if cot.word_count <= WORD_LIMIT or (short and len(told) <= 1 and not others):
                return cot
        if others:
            others.pop()
        else:
            told.remove(min(told, key=lambda move: (move.peak, move.movement)))


@dataclass(frozen=True)
class _Move:
    """Events of one movement: both sides, all repetitions."""

    movement: str
    events: tuple[Timed, ...]

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


def _moves(events: Sequence[Timed]) -> list[_Move]:
    """The movements, by their beginning."""
    groups: dict[str, list[Timed]] = {}
    for event in events:
        groups.setdefault(_MOVEMENT_OF[event.unit], []).append(event)
    moves = [_Move(movement, _beside(found)) for movement, found in groups.items()]
    return sorted(moves, key=lambda move: (move.onset, move.movement))


def _beside(found: list[Timed]) -> tuple[Timed, ...]:
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
    course: MovementCourse, observations: Observations, told: Sequence[_Move], others: Sequence[Observation],
    label: tuple[Expression, Mapping[Expression, float] | None], *, short: bool,
) -> CoT:  # fmt: skip
    seen = {one.movement: one for one in observations.seen}
    chosen = [*(seen[move.movement] for move in told), *others]
    voice = Voice(observations.seed)
    lines = [*_course_in_words(course, told, seen, voice), *(sentence(clause(one, voice)) for one in others)]
    return CoT(
        key_observations=" ".join(lines) or "Movements of this episode are too weak to be told apart.",
        overall_emotional_interpretation=interpret(observations, *label, chosen, short),
        conclusion=conclude(observations, *label, chosen),
    )


def _course_in_words(
    course: MovementCourse, told: Sequence[_Move], seen: Mapping[str, Observation], voice: Voice
) -> list[str]:
    tolerance = max(TOLERANCE, 1.5 * course.interval)
    lines = []
    for i, move in enumerate(told):
        latest = all(event.onset <= move.onset + tolerance for other in told for event in other.events)
        last = i + 1 == len(told) and i > 1 and latest
        at = "" if course.clock is None else f"at {course.clock(move.onset)}, "
        opening = (
            _later(move, told[i - 1], seen, (at, tolerance, voice), last=last)
            if i
            else (at if len(told) == 1 else f"first, {at}")
        )
        lasting = _lasting(move, clocked=course.clock is not None)
        lines.append(sentence(f"{opening}{clause(seen[move.movement], voice)}{lasting}"))
    return lines


def _later(
    move: _Move, before: _Move, seen: Mapping[str, Observation], told: tuple[str, float, Voice], *, last: bool
) -> str:
    """How the sentence of a movement begins that is not the first.

    Args:
        told: When it begins, in words; the seconds by which order may be off; the voice.
    """
    at, tolerance, voice = told
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


def _lasting(move: _Move, *, clocked: bool) -> str:
    """How often, or for how long."""
    most = max(move.counts)
    if most > 1:
        words = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}
        if most not in words and not clocked:
            return ", several times" if len(move.counts) == 1 else ""
        # Where the sides differ, "on the right, three times" would be false of one of them.
        return f", {words.get(most, f'{most} times')}" if len(move.counts) == 1 else ""
    durations = [event.offset - event.onset for event in move.events]
    if max(durations) < BRIEF:
        return ", briefly"
    return f", for about {max(durations):.1f} s" if clocked else ""
