"""The explanation over time: its course, its audit, and the words that never appear."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from expllm.core.vocabulary import AU_NAMES, Expression
from expllm.grounding.times import WRONG_TIMES
from expllm.video.events import Episode, Event, letter_of
from expllm.video.story import audit_story, write_story

ROOT = Path(__file__).parents[2]
BANNED = re.compile(r"micro-?expression|conceal|\blie\b|\blies\b|lying|deceiv|decept|leak|genuine|fake", re.I)


def event(unit: str, onset: float, offset: float, peak: float = 0.7) -> Event:
    return Event(
        person="P1", unit=unit, onset=onset, apex_start=onset + 0.2, apex_end=offset - 0.2, offset=offset,
        peak=peak, letter=letter_of(peak), rise=1.0, fall=1.0, uncertainty=0.04,
    )  # fmt: skip


def both(action: str, onset: float, offset: float, peak: float = 0.7) -> list[Event]:
    return [event(f"{side} {action}", onset, offset, peak) for side in ("left", "right")]


def episode(
    *events: Event, label: Expression = Expression.SURPRISE
) -> tuple[Episode, dict[str, float | None]]:
    peaks: dict[str, float | None] = dict.fromkeys(AU_NAMES, 0.0)
    for one in events:
        peaks[one.unit] = max(peaks[one.unit] or 0.0, one.peak)
    return Episode(
        number=0, person="P1", start=min(one.onset for one in events), end=max(one.offset for one in events),
        apex=3.0, apex_frame=75, events=tuple(sorted(events, key=lambda one: (one.onset, one.unit))),
        expression=label, probabilities={one: 0.86 if one is label else 0.02 for one in Expression},
    ), peaks  # fmt: skip


def test_a_course_is_told_in_its_order() -> None:
    told, peaks = episode(
        *both("brow raise", 2.0, 4.0), event("jaw drop", 3.0, 3.5), *both("lip corner pull", 6.0, 8.0)
    )
    cot = write_story(told, peaks)
    assert cot is not None
    first, second, third = re.split(r"(?<=\.)\s(?=[A-Z])", cot.key_observations)
    assert re.match(r"First, at 0:02\.0, both (eye)?brows", first)
    assert first.endswith("for about 2.0 s.")
    assert re.match(r"While the (eye)?brows are still (raised|lifted), at 0:03\.0, the jaw", second)
    assert second.endswith("briefly.")
    assert re.match(r"Finally, at 0:06\.0, both .*corners", third)
    assert "surprise" in cot.conclusion.lower()
    assert cot.word_count <= 130


def test_its_own_audit_bears_every_claim_out() -> None:
    told, peaks = episode(
        *both("brow raise", 2.0, 4.0), *both("brow raise", 5.0, 5.6), event("jaw drop", 2.05, 3.5)
    )
    cot = write_story(told, peaks)
    assert cot is not None
    assert "twice" in cot.key_observations
    assert "At the same time" in cot.key_observations
    found, times = audit_story(cot.text, told, peaks)
    assert not [one for one in found.problems if one.startswith('"')]
    assert times
    assert not [one for one in times if one.verdict in WRONG_TIMES]


def test_sides_that_move_differently_often_are_not_counted_together() -> None:
    told, peaks = episode(
        *both("brow raise", 2.0, 2.6), *both("brow raise", 3.5, 4.1), event("left brow raise", 2.8, 3.3)
    )
    cot = write_story(told, peaks)
    assert cot is not None
    assert "times" not in cot.key_observations
    _, times = audit_story(cot.text, told, peaks)
    assert not [one for one in times if one.verdict in WRONG_TIMES]


def test_a_text_with_the_course_reversed_is_found_out() -> None:
    told, peaks = episode(*both("brow raise", 2.0, 3.0), event("jaw drop", 5.0, 6.0))
    _, times = audit_story("First, the jaw drops. Then, both brows are raised.", told, peaks)
    assert any(one.verdict == "wrong order" for one in times)


def test_what_cannot_be_labelled_gets_no_text() -> None:
    told, peaks = episode(event("jaw drop", 1, 2))
    assert write_story(told.model_copy(update={"expression": None}), peaks) is None


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    command = [sys.executable, str(ROOT / "scripts" / "measure_times.py"), "--episodes", "40"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_faults_are_caught_and_truth_is_not_blamed(figures: dict[str, float]) -> None:
    assert figures["caught_share"] >= 0.95
    assert figures["alarm_share"] <= 0.05
    assert figures["own_alarms"] == 0
    assert figures["own_wrong_movements"] == 0


def test_no_source_or_text_speaks_of_what_cannot_be_seen() -> None:
    sources = [
        *(ROOT / "src" / "expllm" / "video").glob("*.py"),
        ROOT / "src" / "expllm" / "grounding" / "times.py",
    ]
    for path in [*sources, ROOT / "src" / "expllm" / "cli" / "video.py"]:
        quoted = " ".join(re.findall(r'"([^"\n]*)"', path.read_text(encoding="utf-8")))
        assert not BANNED.search(quoted), path.name
    for peak in (0.2, 0.9):
        told, peaks = episode(*both("brow lower", 1.0, 1.3, peak), event("jaw drop", 1.1, 1.4, peak))
        cot = write_story(told, peaks)
        assert cot is not None
        assert not BANNED.search(cot.text)
