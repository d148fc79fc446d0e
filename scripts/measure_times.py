"""How well claims about time are audited: faults put in, true sentences in other words, the rules' own texts.

    python scripts/measure_times.py --episodes 400

Episodes are drawn: three to ten events of units that can be read, on both sides or one, at times of their
own. The rules write a text about each. Into a text one fault is put at a time: a moment, a duration or a
number changed, two movements exchanged, an overlap claimed where there is none. Beside that true sentences
are told in wordings that the rules never use. Printed: faults caught, true claims that are called wrong.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from expllm.core.vocabulary import AU_BY_NAME, AU_NAMES, AUVector
from expllm.faces.au_classifier import AUClassifier
from expllm.faces.au_reader import BlendshapeReader
from expllm.grounding.times import WRONG_TIMES, Movement, audit_times
from expllm.video.events import Episode, Event, letter_of
from expllm.video.story import audit_story, write_story
from expllm.video.timecode import clock

MEASURED = BlendshapeReader().measured
SUBJECTS = {
    "brow raise": ("the brows", "raised"), "brow lower": ("the brows", "lowered"),
    "jaw drop": ("the jaw", "dropped"),
    "lip corner pull": ("the lip corners", "pulled up"), "upper lip raise": ("the upper lip", "raised"),
    "lip pucker": ("the lips", "puckered"), "lid raise": ("the upper lids", "raised"),
}  # fmt: skip
"""What is told in wordings of others: the part, and what happens to it."""


def draw_episode(seed: int) -> tuple[Episode, dict[str, float | None]]:
    """An episode with peaks of all units."""
    rng = np.random.default_rng([33, seed])
    actions = sorted({AU_BY_NAME[unit].action for unit in MEASURED})
    chosen = rng.choice(actions, size=int(rng.integers(2, 6)), replace=False)
    events: list[Event] = []
    for action in map(str, chosen):
        units = [unit for unit in MEASURED if AU_BY_NAME[unit].action == action]
        if len(units) == 2 and rng.random() < 0.3:
            units = [units[int(rng.integers(2))]]
        onset = float(rng.uniform(0, 6))
        for _ in range(2 if rng.random() < 0.15 else 1):
            rise, hold, fall = rng.uniform(0.1, 0.9), rng.uniform(0.05, 2.0), rng.uniform(0.1, 0.9)
            peak = float(rng.uniform(0.16, 1.0))
            for unit in units:
                jitter = float(rng.uniform(0, 0.04))
                start = round(onset + jitter, 4)
                events.append(_event(unit, start, rise, hold, fall, min(1.0, peak + jitter)))
            onset += rise + hold + fall + float(rng.uniform(0.4, 1.0))
    events.sort(key=lambda one: (one.onset, one.unit))
    peaks: dict[str, float | None] = {unit: 0.0 if unit in MEASURED else None for unit in AU_NAMES}
    for event in events:
        peaks[event.unit] = max(peaks[event.unit] or 0.0, event.peak)
    shares = AUClassifier.from_asset().probabilities(AUVector(peaks))
    assert shares is not None
    episode = Episode(
        number=seed, person="P1", start=events[0].onset, end=max(one.offset for one in events),
        apex=events[0].apex_start, apex_frame=0, events=tuple(events),
        expression=max(shares, key=shares.__getitem__), probabilities=shares,
    )  # fmt: skip
    return episode, peaks


def _event(unit: str, start: float, rise: float, hold: float, fall: float, peak: float) -> Event:
    return Event(
        person="P1", unit=unit, onset=start, apex_start=round(start + rise, 4),
        apex_end=round(start + rise + hold, 4), offset=round(start + rise + hold + fall, 4),
        peak=round(peak, 3), letter=letter_of(peak), rise=1.0, fall=1.0, uncertainty=0.04,
    )  # fmt: skip


def faults(text: str, episode: Episode, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Copies of a text with one fault each, and what kind it is."""
    moments = list(re.finditer(r"\bat (\d+:\d\d\.\d)", text))
    if moments:
        match = moments[int(rng.integers(len(moments)))]
        wrong = clock(episode.end + float(rng.uniform(0.5, 3)))
        yield "moment", text[: match.start(1)] + wrong + text[match.end(1) :]
    for match in re.finditer(r"for about (\d+\.\d) s", text):
        yield "duration", text[: match.start(1)] + f"{2.2 * float(match[1]) + 0.5:.1f}" + text[match.end(1) :]
        break
    if "briefly" in text:
        yield "duration", text.replace("briefly", "for about 2.5 s", 1)
    if "twice" in text:
        yield "repetition", text.replace("twice", "three times", 1)


def exchanged(episode: Episode) -> Iterator[tuple[str, str, bool]]:
    """Sentences about movements of an episode in wordings of others: kind, sentence, whether it is true."""
    spans: dict[str, tuple[float, float]] = {}
    for event in episode.events:
        action = AU_BY_NAME[event.unit].action
        if action in SUBJECTS and _count(episode, action) == 1:
            low, high = spans.get(action, (event.onset, event.offset))
            spans[action] = min(low, event.onset), max(high, event.offset)
    for one, other in combinations(sorted(spans, key=lambda action: spans[action]), 2):
        (a, a_end), (b, b_end) = spans[one], spans[other]
        x, y = _said(one), _said(other)
        if b - a > 0.3:
            yield "order", f"{x} before {y}.".capitalize(), True
            yield "order", f"{y} before {x}.".capitalize(), False
            yield "order", f"After {x}, {y}.", True
            yield "order", f"After {y}, {x}.", False
            yield "order", f"{x}. Later, {y}.".capitalize(), True
            yield "order", f"{y}. Next, {x}.".capitalize(), False
            yield "order", f"To begin with, {x}, and then {y}.", True
        if min(a_end, b_end) - max(a, b) > 0.2:
            yield "overlap", f"{x} while {y}.".capitalize(), True
        elif max(a, b) - min(a_end, b_end) > 0.3:
            yield "overlap", f"While {x}, {y}.", False
            yield "overlap", f"{x}; simultaneously, {y}.".capitalize(), False
    for action, (start, end) in spans.items():
        x, length = _said(action), end - start
        yield "interval", f"From {clock(start)} to {clock(end)}, {x}.", True
        yield "interval", f"From {clock(start + 1)} to {clock(end + 2)}, {x}.", False
        yield "duration", f"{x} for roughly {length:.1f} seconds.".capitalize(), True
        yield "duration", f"{x} for roughly {2 * length + 0.5:.1f} seconds.".capitalize(), False
        yield "repetition", f"{x} once.".capitalize(), True
        yield "repetition", f"{x} three times.".capitalize(), False
        if length > 1.0:
            yield "duration", f"{x} for a moment.".capitalize(), False
        if length < 1.7:
            yield "duration", f"{x} for several seconds.".capitalize(), False


def _count(episode: Episode, action: str) -> int:
    units = [event.unit for event in episode.events if AU_BY_NAME[event.unit].action == action]
    return max(units.count(unit) for unit in units)


def _said(action: str) -> str:
    subject, happens = SUBJECTS[action]
    return f"{subject} {'is' if subject in ('the jaw', 'the upper lip') else 'are'} {happens}"


def is_called_wrong(text: str, movements: Sequence[Movement]) -> bool:
    return any(one.verdict in WRONG_TIMES for one in audit_times(text, movements, 0.04))


def measure(count: int) -> dict[str, Any]:
    """Counts over drawn episodes."""
    put: Counter[str] = Counter()
    caught: Counter[str] = Counter()
    true: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    texts = own_alarms = own_claims = own_wrong_movements = 0
    for seed in range(count):
        episode, peaks = draw_episode(seed)
        cot = write_story(episode, peaks)
        assert cot is not None
        texts += 1
        found, times = audit_story(cot.text, episode, peaks)
        own_claims += len(times)
        own_alarms += sum(one.verdict in WRONG_TIMES for one in times)
        own_wrong_movements += sum(one.startswith('"') for one in found.problems)
        movements = [Movement(e.unit, e.onset, e.apex_start, e.apex_end, e.offset) for e in episode.events]
        for kind, text in faults(cot.text, episode, np.random.default_rng([34, seed])):
            put[kind] += 1
            caught[kind] += is_called_wrong(text, movements)
        for kind, text, right in exchanged(episode):
            if right:
                true[kind] += 1
                alarms[kind] += is_called_wrong(text, movements)
            else:
                put[kind] += 1
                caught[kind] += is_called_wrong(text, movements)
    return {
        "texts": texts, "own_claims": own_claims, "own_alarms": own_alarms,
        "own_wrong_movements": own_wrong_movements,
        "faults": put.total(), "caught": caught.total(),
        "caught_share": round(caught.total() / put.total(), 4),
        "true": true.total(), "alarms": alarms.total(),
        "alarm_share": round(alarms.total() / true.total(), 4),
        "by_kind": {
            kind: {"faults": put[kind], "caught": caught[kind], "true": true[kind], "alarms": alarms[kind]}
            for kind in sorted({*put, *true})
        },
    }  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--show", type=int, metavar="N", help="print the text of one episode, and its audit")
    args = parser.parse_args()
    if args.show is not None:
        episode, peaks = draw_episode(args.show)
        cot = write_story(episode, peaks)
        assert cot is not None
        print(cot.text)
        found, times = audit_story(cot.text, episode, peaks)
        print(*[f"{one.verdict}: {one.text!r} {one.reason}" for one in times], *found.problems, sep="\n")
        return
    print(json.dumps(measure(args.episodes), indent=1))


if __name__ == "__main__":
    main()
