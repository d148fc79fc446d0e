"""Faces of a video: what moves first is told, asked for, and held against the course."""

import csv
import json
from pathlib import Path
from typing import Any

import honest
import pytest
from running import order, served

from expllm.cli.cot_make import work
from expllm.core.records import TimedUnit
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.cot.case import Case, course_text
from expllm.cot.course_writer import audit_case, course_of, write_course
from expllm.cot.format_check import format_problems
from expllm.data import open_dataset

LABELS = (Expression.SURPRISE, Expression.HAPPINESS, Expression.NEUTRAL)


def timed(unit: str, onset: float, offset: float, peak: float = 0.7) -> TimedUnit:
    return TimedUnit(
        unit=unit, onset=onset, apex_start=onset + 0.2, apex_end=offset - 0.2, offset=offset, peak=peak
    )


def case(*events: TimedUnit, **more: float) -> Case:
    aus = dict.fromkeys(AU_NAMES, 0.0) | {one.unit: one.peak for one in events}
    aus |= {name.replace("_", " "): value for name, value in more.items()}
    return Case(AUVector(aus), LABELS, Expression.SURPRISE, events)


SURPRISED = (
    timed("left brow raise", 2.0, 4.0),
    timed("right brow raise", 2.0, 4.0),
    timed("jaw drop", 3.0, 5.0),
    timed("left lip corner pull", 6.0, 7.0),
    timed("right lip corner pull", 6.0, 7.0),
)


def test_what_moves_first_is_told_without_a_number() -> None:
    cot = write_course(course_of(case(*SURPRISED)), Expression.SURPRISE, rest=True)
    first, second, third = cot.key_observations.split(". ")
    assert first.startswith("First, both ")
    assert "brow" in first
    assert second.startswith("While the ")
    assert "jaw" in second
    assert third.startswith("Finally, ")
    assert format_problems(cot.text, Expression.SURPRISE)[1] == ()


def test_a_movement_without_an_event_is_told_behind_the_others() -> None:
    slow = case(*SURPRISED[:3], chin_raise=0.3)
    cot = write_course(course_of(slow), Expression.SURPRISE, rest=True)
    assert "chin" in cot.key_observations.split(". ")[-1].lower()
    report, wrong = audit_case(cot.text, slow, Expression.SURPRISE)
    assert not wrong
    assert not report.missed


def test_a_wrong_order_is_found_out() -> None:
    text = "First, the jaw drops strongly. Then both brows rise strongly. Finally, both lip corners rise."
    told = case(*SURPRISED)
    assert audit_case(text, told)[1]
    right = "First, both brows rise strongly. Then the jaw drops strongly. Finally, both lip corners rise."
    assert audit_case(right, told)[1] == ()
    assert audit_case(text, Case(told.aus, LABELS, None))[1] == ()


def test_only_faces_of_a_video_are_asked_for_an_order() -> None:
    assert course_text(()) == ""
    told = course_text(SURPRISED)
    assert "'left brow raise' from 0.0 s to 2.0 s; " in told
    assert "what moves first" in told


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table as `expllm video` writes it: a face with a course, and one without."""
    path = tmp_path / "apexes.csv"
    head = ["input", "frame", "face_id", "status", "label", *AU_NAMES, "course"]
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, head)
        rows.writeheader()
        known = dict(case(*SURPRISED).aus)
        course = json.dumps([one.to_dict() for one in SURPRISED])
        fixed = {"frame": 0, "face_id": 0, "status": "ok", "label": "surprise", **known}
        rows.writerow({"input": "a.jpg", "course": course, **fixed})
        rows.writerow({"input": "b.jpg", "course": "", **fixed})
    return path


def test_a_table_of_apexes_holds_the_course(table: Path) -> None:
    with_course, without = open_dataset(str(table))
    assert with_course.course == SURPRISED
    assert without.course is None


def test_a_course_that_is_none_is_named(table: Path) -> None:
    table.write_text(table.read_text().replace('left brow raise"",', 'left ear raise"",', 1))
    dataset = open_dataset(str(table))
    assert len(list(dataset)) == 1


def test_the_engine_tells_the_order_by_rules(table: Path, tmp_path: Path) -> None:
    work(order(table, tmp_path / "run", "", model="offline", base_url=None, key_env=None))
    texts = _key_observations(tmp_path / "run")
    assert texts["a.jpg"].startswith("First, both ")
    assert not texts["b.jpg"].startswith("First, ")


def test_a_model_is_told_the_order(table: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(payload: dict[str, Any]) -> str:
        asked.append(json.dumps(payload))
        return honest.of_payload(payload)

    with served(answer) as server:
        work(order(table, tmp_path / "run", server.url))
    assert {"what moves first" in one for one in asked if "step-by-step" in one} == {True, False}


def _key_observations(run: Path) -> dict[str, str]:
    from expllm.cot.export import export
    from expllm.files.runs import RunFolder

    target = run.parent / "out.jsonl"
    export(RunFolder(run), "jsonl", target, statuses=("resolved", "unresolved", "invalid"))
    records = [json.loads(line) for line in target.read_text().splitlines()]
    return {one["id"]: (one["cot"] or {}).get("key_observations", "") for one in records}
