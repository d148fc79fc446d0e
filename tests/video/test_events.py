"""Events of known curves: times between frames, flags, and what belongs together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.video.events import (
    BEGINS,
    EDGE,
    LEAST_PEAK,
    MOST_EVENTS,
    Event,
    EventFinder,
    begins,
    grouped,
    letter_of,
)


def finder(times: np.ndarray, **changed: np.ndarray) -> EventFinder:
    held = {
        "pose": np.zeros((len(times), 3), np.float32),
        "blinking": np.zeros(len(times), bool),
        "breaks": np.zeros(len(times), bool),
        "cuts": np.zeros(len(times), bool),
    } | changed
    return EventFinder("P1", times, held["pose"], held["blinking"], held["breaks"], held["cuts"])


def bump(times: np.ndarray, start: float, rise: float, hold: float, fall: float, peak: float) -> np.ndarray:
    up = np.clip((times - start) / rise, 0, 1)
    down = np.clip((times - start - rise - hold) / fall, 0, 1)
    return (peak * (up - down)).astype(np.float32)


def event(onset: float, offset: float, unit: str = "jaw drop", person: str = "P1") -> Event:
    return Event(
        person=person, unit=unit, onset=onset, apex_start=onset, apex_end=offset, offset=offset, peak=0.5,
        letter="C", rise=1.0, fall=1.0, uncertainty=0.04,
    )  # fmt: skip


@given(
    start=st.floats(0.5, 2), rise=st.floats(0.2, 1), hold=st.floats(0.1, 1), fall=st.floats(0.2, 1),
    peak=st.floats(0.3, 1), seed=st.integers(0, 50),
)  # fmt: skip
def test_times_are_found_between_frames_at_any_rate(
    start: float, rise: float, hold: float, fall: float, peak: float, seed: int
) -> None:
    times = np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.05, 250))
    (found,) = finder(times).find("jaw drop", bump(times, start, rise, hold, fall, peak))
    assert found.onset == pytest.approx(start + EDGE * rise, abs=0.03)
    assert found.offset == pytest.approx(start + rise + hold + (1 - EDGE) * fall, abs=0.03)
    assert found.peak == pytest.approx(peak, abs=0.1)
    assert found.onset <= found.apex_start <= found.apex_end <= found.offset


def test_weak_movements_are_no_events_and_near_ones_are_one() -> None:
    times = np.arange(0, 20, 0.04)
    weak = bump(times, 1, 0.3, 0.5, 0.3, 0.15)
    noise = np.abs(np.random.default_rng(0).normal(0, 0.05, len(times))).astype(np.float32)
    assert [one.letter for one in finder(times).find("jaw drop", weak)] == ["B"]
    assert list(finder(times).find("jaw drop", np.maximum(weak, noise))) == []
    assert list(finder(times).find("jaw drop", bump(times, 1, 0.3, 0.5, 0.3, 0.09))) == []
    twice = np.maximum(bump(times, 1, 0.2, 0.3, 0.2, 0.8), bump(times, 1.73, 0.2, 0.3, 0.2, 0.6))
    assert len(list(finder(times).find("jaw drop", twice))) == 1
    apart = np.maximum(bump(times, 1, 0.2, 0.3, 0.2, 0.8), bump(times, 2.5, 0.2, 0.3, 0.2, 0.6))
    assert [round(one.peak, 1) for one in finder(times).find("jaw drop", apart)] == [0.8, 0.6]


def test_no_event_crosses_a_gap() -> None:
    times = np.concatenate([np.arange(0, 2, 0.04), np.arange(8, 10, 0.04)])
    breaks = np.concatenate([[False], np.diff(times) > 1])
    found = list(finder(times, breaks=breaks).find("jaw drop", np.full(len(times), 0.7, np.float32)))
    assert [(one.onset, one.offset) for one in found] == [(0.0, 1.96), (8.0, 9.96)]
    assert all("edge" in one.flags for one in found)


def test_a_weak_movement_whose_beginning_nobody_saw_may_be_the_resting_face() -> None:
    times = np.arange(0, 4, 0.04)
    held = np.where(times < 1, 0.25, 0.0).astype(np.float32)
    (weak,) = finder(times).find("jaw drop", held)
    assert weak.flags == ("edge", "rest")
    assert not weak.trusted
    (strong,) = finder(times).find("jaw drop", 3 * held)
    assert strong.flags == ("edge",)
    assert strong.trusted


def test_steady_units_have_events_of_less() -> None:
    still = np.zeros(100, np.float32)
    assert begins(still) == pytest.approx(LEAST_PEAK)
    assert begins(still + 0.05) == pytest.approx(0.15)
    assert begins(still + 0.15) == pytest.approx(BEGINS)
    assert begins(still + 0.9) == BEGINS
    assert begins(np.full(100, np.nan, np.float32)) == BEGINS


def test_flags_say_what_to_doubt() -> None:
    times = np.arange(0, 4, 0.04)
    values = bump(times, 1, 0.2, 0.1, 0.2, 0.9)
    (brief,) = finder(times).find("jaw drop", values)
    assert brief.flags == ("brief",)
    blinking = (times > 0.9) & (times < 1.1)
    (blinked,) = finder(times, blinking=blinking).find("left brow raise", values)
    assert "blink" in blinked.flags
    (unmoved,) = finder(times, blinking=blinking).find("jaw drop", values)
    assert "blink" not in unmoved.flags
    pose = np.zeros((len(times), 3), np.float32)
    pose[:, 1] = 5 * times
    (turning,) = finder(times, pose=pose).find("jaw drop", bump(times, 1, 0.2, 1.5, 0.2, 0.9))
    assert turning.flags == ("pose",)
    pose[:, 1] = 20 * bump(times, 0.5, 1.2, 0.2, 1.2, 1.0)
    (drifting,) = finder(times, pose=pose).find("jaw drop", bump(times, 0.5, 1.2, 0.2, 1.2, 0.4))
    assert drifting.flags == ("pose", "drift")
    assert grouped([drifting]) == []


def test_a_weak_event_that_creeps_while_the_head_turns_is_not_trusted() -> None:
    times = np.arange(0, 8, 0.04)
    pose = np.zeros((len(times), 3), np.float32)
    pose[:, 1] = 8 * np.sin(times)
    step = bump(times, 1, 0.2, 0.5, 2.5, 0.45)  # as brows read beyond some degrees
    (creeping,) = finder(times, pose=pose).find("right brow raise", step)
    assert creeping.flags == ("pose", "drift")
    (strong,) = finder(times, pose=pose).find("right brow raise", bump(times, 1, 0.2, 0.5, 2.5, 0.9))
    assert strong.flags == ("pose",)
    (quick,) = finder(times, pose=pose).find("right brow raise", bump(times, 1, 0.2, 1.5, 0.3, 0.45))
    assert quick.flags == ("pose",)
    (still,) = finder(times).find("right brow raise", step)
    assert still.trusted


def test_what_creeps_before_a_movement_is_not_its_beginning() -> None:
    times = np.arange(0, 10, 0.04)
    creeping = bump(times, 1, 2.0, 4.0, 2.0, 0.08)
    (found,) = finder(times).find("jaw drop", creeping + bump(times, 4, 0.4, 0.5, 0.4, 0.9))
    assert found.onset == pytest.approx(4, abs=0.4)
    assert found.offset == pytest.approx(5.3, abs=0.4)


@given(rise=st.floats(0.2, 1), fall=st.floats(0.2, 1), peak=st.floats(0.3, 0.9), creep=st.floats(0, 0.05))
def test_an_edge_lies_before_the_apex_and_not_before_the_movement(
    rise: float, fall: float, peak: float, creep: float
) -> None:
    times = np.arange(0, 8, 0.04)
    curve = (bump(times, 3, rise, 0.2, fall, peak) + creep * (times > 1)).astype(np.float32)
    (found,) = finder(times).find("jaw drop", curve)
    assert 3 - 2 * rise <= found.onset <= found.apex_start <= found.apex_end <= found.offset


def test_weak_movements_of_a_unit_that_reads_as_active_at_rest_are_doubted() -> None:
    times = np.arange(0, 4, 0.04)
    weak, strong = (bump(times, 1, 0.3, 0.3, 0.3, peak) for peak in (0.25, 0.4))
    assert [one.flags for one in finder(times).find("left brow raise", weak, rest=0.5)] == [("rest",)]
    for values, rest in ((weak, 0.2), (strong, 0.5), (weak, float("nan"))):
        assert [one.trusted for one in finder(times).find("left brow raise", values, rest=rest)] == [True]


@pytest.mark.parametrize(("peak", "letter"), [(0.1, "A"), (0.34, "B"), (0.5, "C"), (0.8, "D"), (1.0, "E")])
def test_letters(peak: float, letter: str) -> None:
    assert letter_of(peak) == letter


def test_episodes_are_events_that_follow_closely() -> None:
    groups = grouped([event(1, 2), event(2.2, 3, "chin raise"), event(5, 6), event(5.1, 5.3, "blink")])
    assert [[one.onset for one in group] for group in groups] == [[1, 2.2], [5]]


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 5)), min_size=1, max_size=60))
def test_every_event_is_in_one_episode_of_bearable_size(drawn: list[tuple[float, float]]) -> None:
    events = [event(onset, onset + length) for onset, length in drawn]
    groups = grouped(events)
    assert sorted(one.onset for group in groups for one in group) == sorted(one.onset for one in events)
    assert all(1 <= len(group) <= MOST_EVENTS for group in groups)
