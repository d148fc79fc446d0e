"""Claims about time, held against what moved when: order, overlap, moments, intervals, durations, repetition.

The movements that a text speaks of are found by the reader of claims; this module reads the words of time
around them. A claim of a movement that was not seen has no time that could be checked here: the audit of
movements refutes it. Of a text with headings the Key Observations are read: they tell the course.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from expllm.grounding.audit import claim_units
from expllm.grounding.claims import Claim
from expllm.grounding.reader import read_claims


class TimeVerdict(StrEnum):
    """What the course of the movements says to a claim about time."""

    SUPPORTED = "supported"
    WRONG_ORDER = "wrong order"
    WRONG_TIME = "wrong time"
    NOT_MEASURABLE = "not measurable"


@dataclass(frozen=True)
class Movement:
    """When one unit moved, in seconds."""

    unit: str
    onset: float
    apex_start: float
    apex_end: float
    offset: float


@dataclass(frozen=True)
class TimeClaim:
    """One statement about when something moved.

    Attributes:
        start, end: Its place in the text that was given.
        text: The characters between.
        kind: order, overlap, moment, interval, duration, repetition or speed.
        units: Names of the units that it is about.
        others: The units that they are compared with; empty for none.
        verdict: What the movements say to it.
        reason: One sentence without a full stop.
    """

    start: int
    end: int
    text: str
    kind: str
    units: tuple[str, ...]
    others: tuple[str, ...]
    verdict: TimeVerdict
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **vars(self),
            "units": list(self.units),
            "others": list(self.others),
            "verdict": self.verdict.value,
        }


WRONG_TIMES: Final = (TimeVerdict.WRONG_ORDER, TimeVerdict.WRONG_TIME)

TOLERANCE: Final = 0.1
"""Seconds by which order and moments may be off; one and a half frames where these are longer."""

ROUNDED: Final = 0.05
"""Seconds by which a time with one decimal is off."""

BRIEF, LONG = 0.7, 2.0
"""Seconds: what is brief lasts less, what is held lasts longer."""

SUDDEN, GRADUAL = 0.2, 0.6
"""Seconds of a rise that is sudden at most, and gradual at least."""

SHARE: Final = 0.3
"""Part of itself by which a duration may be off."""

_CLOCK: Final = r"(?:\d+:)?\d+:\d{2}(?:\.\d+)?|\d+(?:\.\d+)?\s*(?:s\b|secs?\b|seconds?\b)"
_ABOUT: Final = r"(?:about|around|roughly|some|nearly|almost|approximately)?\s*"
_INTERVAL: Final = re.compile(
    rf"\b(?:from|between)\s+{_ABOUT}({_CLOCK}|\d+(?:\.\d+)?)\s*(?:to|and|until|till|"
    rf"[-\u2013])\s*{_ABOUT}({_CLOCK})",
    re.I,
)
_MOMENT: Final = re.compile(rf"\bat\s+{_ABOUT}({_CLOCK})", re.I)
_NUMBERS: Final = {"half a": 0.5, "a": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0}
_DURATION: Final = re.compile(
    rf"\b(?:for|lasts?|lasting)\s+{_ABOUT}(\d+(?:\.\d+)?|{'|'.join(_NUMBERS)})\s*(?:s\b|secs?\b|seconds?\b)",
    re.I,
)
_BRIEFLY: Final = re.compile(r"\b(?:briefly|for a moment|momentarily|fleetingly|for an instant)\b", re.I)
_LONG: Final = re.compile(
    r"\b(?:for a long time|for several seconds|for a while|lingers?|lingering|sustained|long-held)\b", re.I
)
_TIMES: Final = re.compile(r"\b(once|twice|(?:two|three|four|five|\d+) times)\b", re.I)
_COUNTS: Final = {"once": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "five": 5}
_SUDDENLY: Final = re.compile(r"\b(?:suddenly|abruptly|all at once)\b", re.I)
_GRADUALLY: Final = re.compile(r"\b(?:gradually|slowly|little by little)\b", re.I)

_SAME_TIME: Final = re.compile(
    r"\b(?:while|as|when|whilst|at the same time|simultaneously|meanwhile|together with|along with"
    r"|alongside)\b",
    re.I,
)
_BEFORE: Final = re.compile(r"\b(?:before|prior to|ahead of)\b", re.I)
_AFTER: Final = re.compile(r"\bafter\b(?! that\b| this\b|wards)", re.I)
_THEN: Final = re.compile(
    r"\b(?:followed (?:shortly )?by|then|afterwards?|after that|after this|next|later|subsequently)\b", re.I
)
_OPENS_THEN: Final = re.compile(
    r"\W*(?:and )?(?:then|after that|after this|afterwards?|next|later|subsequently)\b", re.I
)
_OPENS_SAME: Final = re.compile(r"\W*(?:at the same time|meanwhile|simultaneously)\b", re.I)
_OPENS_FIRST: Final = re.compile(r"\W*(?:first|at first|initially|to begin with|in the beginning)\b", re.I)
_OPENS_LAST: Final = re.compile(r"\W*(?:finally|lastly|last|in the end|at the end)\b", re.I)
_OPENS_EARLIER: Final = re.compile(r"\W*(?:before that|before this|earlier|previously)\b", re.I)
_FORWARD: Final = re.compile(r"(?:^|[,;:]|\b(?:and|then|while|but|when|first|finally|later))\s*$", re.I)
_SENTENCE: Final = re.compile(r"\S.*?(?:[.!?;](?=\s|$)|$)", re.S)


def audit_times(text: str, movements: Sequence[Movement], interval: float = 0.04) -> tuple[TimeClaim, ...]:
    """Checks every claim of a text about time.

    Args:
        text: With or without the three headings.
        movements: What moved when.
        interval: Seconds between two frames: nothing is surer than that.
    """
    claims = [
        one for one in read_claims(text) if not one.negated and one.part in ("key_observations", "text")
    ]
    judge = _Judge(text, movements, max(TOLERANCE, 1.5 * interval))
    found = [*_of_sentences(text, claims, judge)]
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.kind)))


def seconds_of(clock: str) -> float:
    """Seconds that a time in a text names.

    >>> seconds_of("1:02.5")
    62.5
    """
    parts = [float(re.sub(r"[^\d.]", "", part)) for part in clock.split(":")]
    return sum(part * 60.0**power for power, part in enumerate(reversed(parts)))


@dataclass(frozen=True)
class _Sentence:
    start: int
    end: int
    claims: list[Claim]


def _sentences(text: str, claims: Sequence[Claim]) -> list[_Sentence]:
    spans = [(one.start(), one.end()) for one in _SENTENCE.finditer(text)]
    held = [_Sentence(a, b, [one for one in claims if a <= one.start < b]) for a, b in spans]
    return [one for one in held if one.claims]


def _of_sentences(text: str, claims: Sequence[Claim], judge: "_Judge") -> Iterator[TimeClaim]:
    before: Claim | None = None
    for sentence in _sentences(text, claims):
        words = text[sentence.start : sentence.end]
        yield from _about_one(words, sentence, judge)
        yield from _within(text, sentence, judge)
        yield from _from_before(words, sentence, before, claims, judge)
        before = sentence.claims[-1]


def _about_one(words: str, sentence: _Sentence, judge: "_Judge") -> Iterator[TimeClaim]:
    """Moments, intervals, durations, repetitions and speeds: each is about one movement."""
    taken: list[tuple[int, int]] = []
    for pattern, check in judge.checks:
        for match in pattern.finditer(words):
            if any(a < match.end() and match.start() < b for a, b in taken):
                continue
            taken.append(match.span())
            place = sentence.start + match.start(), sentence.start + match.end()
            claim = _owner(words, match.start(), sentence, place)
            yield judge.one(claim, place, check, match)


def _owner(words: str, at: int, sentence: _Sentence, place: tuple[int, int]) -> Claim:
    """The movement that words of time belong to: the next where they open a clause, else the last."""
    after = [one for one in sentence.claims if one.start >= place[1]]
    inside = [one for one in sentence.claims if one.start <= place[0] < one.end]
    before = [one for one in sentence.claims if one.end <= place[0]]
    if inside:
        return inside[0]
    if after and (not before or _FORWARD.search(words[:at])):
        return after[0]
    return before[-1] if before else sentence.claims[0]


def _within(text: str, sentence: _Sentence, judge: "_Judge") -> Iterator[TimeClaim]:
    """Order and overlap of two movements of one sentence."""
    for i, (one, other) in enumerate(zip(sentence.claims, sentence.claims[1:], strict=False)):
        if one.end > other.start:
            continue
        between, place = text[one.end : other.start], (one.start, other.end)
        opening = text[sentence.start : one.start] if i == 0 else ""
        if _BEFORE.search(between) or (_AFTER.search(opening) and not _OPENS_THEN.match(opening)):
            yield judge.order(one, other, place)
        elif _AFTER.search(between) or (_BEFORE.search(opening) and not _OPENS_EARLIER.match(opening)):
            yield judge.order(other, one, place)
        elif _SAME_TIME.search(between) or (_SAME_TIME.search(opening) and not _OPENS_SAME.match(opening)):
            yield judge.overlap(one, other, place)
        elif _THEN.search(between):
            yield judge.order(one, other, place)


def _from_before(
    words: str, sentence: _Sentence, before: Claim | None, claims: Sequence[Claim], judge: "_Judge"
) -> Iterator[TimeClaim]:
    """How a sentence follows the one before it."""
    first = sentence.claims[0]
    place = sentence.start, first.end
    if _OPENS_FIRST.match(words):
        for other in claims:
            if other is not first and not _same(other, first):
                yield judge.order(first, other, place)
    elif _OPENS_LAST.match(words):
        for other in claims:
            if other is not first and not _same(other, first):
                yield judge.order(other, first, place)
    elif before is None or _same(before, first):
        return
    elif _OPENS_THEN.match(words):
        yield judge.order(before, first, place)
    elif _OPENS_SAME.match(words):
        yield judge.overlap(before, first, place)
    elif _OPENS_EARLIER.match(words):
        yield judge.order(first, before, place)


def _same(one: Claim, other: Claim) -> bool:
    return set(claim_units(one)) == set(claim_units(other))


_Check = Callable[["re.Match[str]", list[Movement], float], str]
"""Empty if one of the movements fits, else what is wrong."""


class _Judge:
    def __init__(self, text: str, movements: Sequence[Movement], tolerance: float) -> None:
        self._text, self._movements, self._tolerance = text, movements, tolerance
        self.checks: tuple[tuple[re.Pattern[str], _Check], ...] = (
            (_INTERVAL, _interval), (_MOMENT, _moment), (_DURATION, _duration), (_BRIEFLY, _briefly),
            (_LONG, _long), (_TIMES, _times), (_SUDDENLY, _suddenly), (_GRADUALLY, _gradually),
        )  # fmt: skip

    def one(self, claim: Claim, place: tuple[int, int], check: _Check, match: "re.Match[str]") -> TimeClaim:
        """A claim about one movement."""
        held = self._of(claim)
        wrong = check(match, held, self._tolerance) if held else ""
        return self._claim(
            check.__name__.strip("_"), claim, None, place, TimeVerdict.WRONG_TIME if wrong else None, wrong
        )

    def order(self, first: Claim, second: Claim, place: tuple[int, int]) -> TimeClaim:
        """The first begins before the second, or with it."""
        ones, others = self._of(first), self._of(second)
        right = any(a.onset <= b.onset + self._tolerance for a in ones for b in others)
        reason = "" if right else f'"{first.text}" begins after "{second.text}"'
        return self._claim("order", first, second, place, None if right else TimeVerdict.WRONG_ORDER, reason)

    def overlap(self, one: Claim, other: Claim, place: tuple[int, int]) -> TimeClaim:
        """Both move at some moment."""
        right = any(
            min(a.offset, b.offset) - max(a.onset, b.onset) >= -self._tolerance
            for a in self._of(one)
            for b in self._of(other)
        )
        reason = "" if right else f'"{one.text}" and "{other.text}" do not overlap'
        return self._claim("overlap", one, other, place, None if right else TimeVerdict.WRONG_ORDER, reason)

    def _of(self, claim: Claim) -> list[Movement]:
        names = claim_units(claim)
        return [one for one in self._movements if one.unit in names]

    def _claim(
        self, kind: str, one: Claim, other: Claim | None, place: tuple[int, int], wrong: TimeVerdict | None,
        reason: str,
    ) -> TimeClaim:  # fmt: skip
        verdict = wrong or TimeVerdict.SUPPORTED
        if not self._of(one) or (other is not None and not self._of(other)):
            verdict, reason = TimeVerdict.NOT_MEASURABLE, "no such movement was seen"
        others = () if other is None else tuple(claim_units(other))
        text = self._text[place[0] : place[1]]
        return TimeClaim(*place, text, kind, tuple(claim_units(one)), others, verdict, reason)


def _moment(match: "re.Match[str]", held: list[Movement], tolerance: float) -> str:
    said, slack = seconds_of(match[1]), tolerance + ROUNDED
    if any(abs(said - m.onset) <= slack or m.apex_start - slack <= said <= m.apex_end + slack for m in held):
        return ""
    return f"says {said:g} s, begins at {_listed(m.onset for m in held)} s"


def _interval(match: "re.Match[str]", held: list[Movement], tolerance: float) -> str:
    start, end, slack = seconds_of(match[1]), seconds_of(match[2]), max(tolerance, 0.15) + ROUNDED
    if any(abs(start - m.onset) <= slack and abs(end - m.offset) <= slack for m in held):
        return ""
    seen = ", ".join(f"{m.onset:.1f}-{m.offset:.1f}" for m in held)
    return f"says {start:g}-{end:g} s, lasts {seen} s"


def _duration(match: "re.Match[str]", held: list[Movement], _: float) -> str:
    word = match[1].lower()
    said = _NUMBERS[word] if word in _NUMBERS else float(word)
    if any(abs((m.offset - m.onset) - said) <= SHARE * said + ROUNDED for m in held):
        return ""
    return f"says {said:g} s, lasts {_listed(m.offset - m.onset for m in held)} s"


def _briefly(match: "re.Match[str]", held: list[Movement], _: float) -> str:
    if any(m.offset - m.onset < BRIEF + ROUNDED for m in held):
        return ""
    return f'says "{match[0]}", lasts {_listed(m.offset - m.onset for m in held)} s'


def _long(match: "re.Match[str]", held: list[Movement], _: float) -> str:
    if any(m.offset - m.onset > LONG - ROUNDED for m in held):
        return ""
    return f'says "{match[0]}", lasts {_listed(m.offset - m.onset for m in held)} s'


def _times(match: "re.Match[str]", held: list[Movement], _: float) -> str:
    word = match[1].lower().split()[0]
    said = _COUNTS[word] if word in _COUNTS else int(word)
    seen = max(sum(m.unit == one.unit for m in held) for one in held)
    return "" if seen == said else f'says "{match[0]}", was seen {seen} times'


def _suddenly(match: "re.Match[str]", held: list[Movement], tolerance: float) -> str:
    if any(m.apex_start - m.onset <= SUDDEN + tolerance for m in held):
        return ""
    return f'says "{match[0]}", rises in {_listed(m.apex_start - m.onset for m in held)} s'


def _gradually(match: "re.Match[str]", held: list[Movement], tolerance: float) -> str:
    if any(m.apex_start - m.onset >= GRADUAL - tolerance for m in held):
        return ""
    return f'says "{match[0]}", rises in {_listed(m.apex_start - m.onset for m in held)} s'


def _listed(values: Iterator[float]) -> str:
    return ", ".join(dict.fromkeys(f"{value:.1f}" for value in values))
