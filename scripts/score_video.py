"""Hold what `expllm video` found against what is known: rendered truth, or a coder's ELAN file.

    expllm video tests/clips/course.webm -o t
    python scripts/score_video.py t/course tests/clips/course.jsonl
    python scripts/score_video.py t/interview interview.eaf    # tiers "P1: left brow raise", "brow raise"
    python scripts/score_video.py --pair t/head_00 head_00.jsonl --pair t/head_01 head_01.jsonl

A true event is found where an event of its unit overlaps it. A unit without a side stands for both sides: one
of them is enough, and neither is false. `--valid 0.8` leaves units out that the reader does not see on
rendered heads: those of which less than that share is found in all pairs together; they are named. Events
that the tool itself flags as doubtful (`drift`, `unsteady`, `mirrored`, `beside`) do not count. Everything is
printed as JSON with `--json`.
"""

from __future__ import annotations

import argparse
import csv
import json
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES
from expllm.video.events import DOUBTFUL

STRONG, LONG = 0.5, 0.160
"""Peak and seconds from which a true event must be found."""
FRAME_SLACK = 0.002
"""Seconds by which a row's time may miss that of its frame."""
SLACK = 0.1
"""Seconds by which an event may miss a true one and still be its."""


@dataclass(frozen=True)
class Event:
    unit: str
    onset: float
    offset: float
    peak: float
    person: str = ""
    flags: tuple[str, ...] = ()


@dataclass
class Truth:
    events: list[Event] = field(default_factory=list)
    blinks: list[tuple[float, float, str]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    clip: dict[str, Any] = field(default_factory=dict)


@dataclass
class Score:
    """Counts over some videos, and errors in milliseconds."""

    wanted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    onset: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    offset: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    minutes: float = 0.0
    blinks: int = 0
    blinks_found: int = 0
    apexes: int = 0
    apexes_in_blinks: int = 0
    swaps: int = 0
    people: list[tuple[int, int]] = field(default_factory=list)
    rows: list[tuple[int, int]] = field(default_factory=list)
    missing: int = 0
    unnamed: int = 0
    time_error: float = 0.0


def units_of(name: str) -> tuple[str, ...]:
    """Our units that a name stands for: itself, or both sides."""
    if name in AU_NAMES:
        return (name,)
    both = tuple(au.name for au in ACTION_UNITS if au.action == name)
    if not both:
        raise SystemExit(f"unknown unit {name!r} in the truth: use names such as 'left brow raise'")
    return both


def read_truth(path: Path) -> Truth:
    if path.suffix == ".eaf":
        return read_eaf(path)
    truth = Truth()
    for line in path.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if one["kind"] == "event":
            truth.events.append(
                Event(one["unit"], one["onset"], one["offset"], one["peak"], str(one["person"]))
            )
        elif one["kind"] == "blink":
            truth.blinks.append((one["start"], one["end"], str(one["person"])))
        elif one["kind"] == "frame":
            truth.frames.append(one)
        else:
            truth.clip = one
    return truth


def read_eaf(path: Path) -> Truth:
    """A coder's annotations: the tier names the unit, perhaps behind a person and a colon."""
    root = ET.parse(path).getroot()
    slots = {
        one.get("TIME_SLOT_ID"): int(one.get("TIME_VALUE", "0")) / 1000 for one in root.iter("TIME_SLOT")
    }
    truth = Truth()
    for tier in root.iter("TIER"):
        person, colon, unit = (tier.get("TIER_ID") or "").partition(":")
        unit = (unit if colon else person).strip().lower()
        if unit != "blink" and not any(unit in (au.name, au.action) for au in ACTION_UNITS):
            print(f"{path}: tier {tier.get('TIER_ID')!r} is no unit: left out")
            continue
        for one in tier.iter("ALIGNABLE_ANNOTATION"):
            start, end = slots[one.get("TIME_SLOT_REF1")], slots[one.get("TIME_SLOT_REF2")]
            if unit == "blink":
                truth.blinks.append((start, end, person if colon else ""))
            else:
                truth.events.append(Event(unit, start, end, 1.0, person if colon else ""))
    return truth


def read_events(folder: Path) -> list[Event]:
    with (folder / "events.csv").open(encoding="utf-8", newline="") as file:
        return [
            Event(row["unit"], float(row["onset"]), float(row["offset"]), float(row["peak"]), row["person"],
                  tuple(row["flags"].split()))
            for row in csv.DictReader(file)
        ]  # fmt: skip


def read_frames(folder: Path) -> list[dict[str, Any]]:
    parquet = folder / "frames.parquet"
    if parquet.exists():
        import pyarrow.parquet as pq

        wanted = ["frame", "time", "person", "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight"]
        rows: list[dict[str, Any]] = pq.read_table(parquet, columns=wanted).to_pylist()
        return rows
    with (folder / "frames.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def overlap(one: Event, other: Event) -> float:
    return min(one.offset, other.offset) - max(one.onset, other.onset)


def compare(
    truth: Truth, found: Sequence[Event], score: Score, left_out: frozenset[str], heads: Mapping[str, str]
) -> None:
    """Events of one video.

    Args:
        heads: Which true person each found one is; empty where there is one only.
    """
    found = [one for one in found if DOUBTFUL.isdisjoint(one.flags)]
    taken: set[int] = set()
    for true in truth.events:
        sides = units_of(true.unit)
        near = [
            i
            for i, one in enumerate(found)
            if one.unit in sides
            and heads.get(one.person, true.person) == true.person
            and overlap(one, true) > -SLACK
        ]
        taken.update(near)
        if true.peak < STRONG or true.offset - true.onset < LONG or true.unit in left_out:
            continue
        score.wanted[true.unit] += 1
        if near:
            best = found[max(near, key=lambda i: overlap(found[i], true))]
            score.found[true.unit] += 1
            score.onset[true.unit].append(1000 * (best.onset - true.onset))
            score.offset[true.unit].append(1000 * (best.offset - true.offset))
    for i, one in enumerate(found):
        if i not in taken and one.unit != "blink":
            score.false[one.unit] += 1
    blinks = [one for one in found if one.unit == "blink"]
    score.blinks += len(truth.blinks)
    score.blinks_found += sum(
        any(
            min(b.offset, end) - max(b.onset, start) > 0 and heads.get(b.person, person) == person
            for b in blinks
        )
        for start, end, person in truth.blinks
    )


def heads_of(rows: Sequence[dict[str, Any]], truth: Truth) -> dict[str, str]:
    """Which true person each found one mostly is."""
    return {
        person: str(Counter(numbers).most_common(1)[0][0])
        for person, numbers in followed_heads(rows, truth.frames).items()
    }


def compare_files(folder: Path, truth: Truth, score: Score, heads: Mapping[str, str]) -> None:
    """Rows, times, apexes and people of one video; `heads` as for `compare`."""
    rows = read_frames(folder)
    numbers = {int(row["frame"]): float(row["time"]) for row in rows}
    if truth.clip:
        score.minutes += truth.clip["people"] * truth.clip["seconds"] / 60
        compare_times(folder, sorted(numbers.values()), true_times(truth), score)
        names = {row["person"] for row in rows if row["person"]}
        score.people.append((len(names), truth.clip["people"]))
    for line in (folder / "episodes.jsonl").read_text(encoding="utf-8").splitlines():
        episode = json.loads(line)
        score.apexes += 1
        score.apexes_in_blinks += any(
            start < episode["apex"] < end and heads.get(episode["person"], person) == person
            for start, end, person in truth.blinks
        )
    score.swaps += swaps(rows, truth.frames)


def true_times(truth: Truth) -> list[float]:
    """When each frame is shown: `times` of the clip, or what its rate says."""
    given: list[float] | None = truth.clip.get("times")
    return given or [frame / truth.clip["fps"] for frame in range(truth.clip["frames"])]


def compare_times(folder: Path, times: Sequence[float], true: Sequence[float], score: Score) -> None:
    """Times of the rows; frames that have none must be named as damaged."""
    score.rows.append((len(times), len(true)))
    off = np.abs(np.asarray(times)[:, None] - np.asarray(true))
    score.time_error = max(score.time_error, 1000 * float(off.min(axis=1).max()))
    missing = [one for one, error in zip(true, off.min(axis=0), strict=True) if error > FRAME_SLACK]
    found = json.loads((folder / "run.json").read_text(encoding="utf-8"))["result"]["damage"]
    named = [(one["time"], one["until"] or one["time"]) for one in found if one["time"] is not None]
    score.missing += len(missing)
    score.unnamed += sum(
        not any(start - FRAME_SLACK <= one <= end + FRAME_SLACK for start, end in named) for one in missing
    )


def followed_heads(rows: Sequence[dict[str, Any]], frames: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """Which true head each found person is, frame by frame, while it is clear."""
    middles = {one["frame"]: one["middles"] for one in frames}
    heads: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row["person"] and int(row["frame"]) in middles:
            x = float(row["FaceRectX"]) + float(row["FaceRectWidth"]) / 2
            places = [abs(x - middle[0]) for middle in middles[int(row["frame"])]]
            near = sorted(places)
            if len(near) < 2 or near[1] - near[0] > 40:  # while they stand before each other nobody can tell
                heads[row["person"]].append(int(np.argmin(places)))
    return heads


def swaps(rows: Sequence[dict[str, Any]], frames: Sequence[dict[str, Any]]) -> int:
    """How often a name goes from one true head to another."""
    heads = followed_heads(rows, frames).values()
    return sum(sum(a != b for a, b in pairwise(one)) for one in heads)


def percentiles(values: Sequence[float]) -> list[float] | None:
    """Median and 90 % of the size of errors."""
    if not values:
        return None
    return [round(float(p), 1) for p in np.percentile(np.abs(values), [50, 90])]


def summary(score: Score) -> dict[str, Any]:
    onset = [value for one in score.onset.values() for value in one]
    offset = [value for one in score.offset.values() for value in one]
    wanted, found = score.wanted.total(), score.found.total()
    return {
        "events": wanted, "found": found, "found_share": round(found / wanted, 3) if wanted else None,
        "false": score.false.total(),
        "false_per_minute": round(score.false.total() / score.minutes, 2) if score.minutes else None,
        "onset_ms": percentiles(onset), "offset_ms": percentiles(offset),
        "blinks": score.blinks, "blinks_found": score.blinks_found,
        "apexes": score.apexes, "apexes_in_blinks": score.apexes_in_blinks,
        "swaps": score.swaps, "people": score.people, "rows": score.rows,
        "missing": score.missing, "unnamed": score.unnamed, "time_error_ms": round(score.time_error, 3),
        "by_unit": {
            unit: {"found": score.found[unit], "of": score.wanted[unit], "false": score.false[unit],
                   "onset_ms": percentiles(score.onset[unit]), "offset_ms": percentiles(score.offset[unit])}
            for unit in sorted({*score.wanted, *score.false})
        },
    }  # fmt: skip


def print_table(found: dict[str, Any], left_out: frozenset[str]) -> None:
    def row(name: str, value: object) -> None:
        print(f"{name:52} {value}")

    if left_out:
        row("units left out (not read on rendered heads)", ", ".join(sorted(left_out)))
    row(f"events found (peak >= {STRONG}, >= {1000 * LONG:.0f} ms)", f"{found['found']} of {found['events']}")
    row("false events", f"{found['false']} ({found['false_per_minute']} a minute and person)")
    row("onset error, median / 90 %, ms", found["onset_ms"])
    row("offset error, median / 90 %, ms", found["offset_ms"])
    row("blinks found", f"{found['blinks_found']} of {found['blinks']}")
    row("apexes inside a blink", f"{found['apexes_in_blinks']} of {found['apexes']}")
    row("rows, frames", found["rows"])
    row("frames without a row, of these not named as damaged", f"{found['missing']}, {found['unnamed']}")
    row("largest error of a row's time, ms", found["time_error_ms"])
    row("people found, people there", found["people"])
    row("swaps of people", found["swaps"])
    for unit, one in found["by_unit"].items():
        row(f"  {unit}", f"{one['found']} of {one['of']}, {one['false']} false, onset {one['onset_ms']} ms")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?", help="what expllm video wrote of one video")
    parser.add_argument("truth", type=Path, nargs="?", help="its truth: JSON Lines, or an ELAN file")
    parser.add_argument("--pair", type=Path, nargs=2, action="append", default=[], metavar=("RUN", "TRUTH"))
    parser.add_argument("--valid", type=float, default=0.0, help="least share found of a unit's events")
    parser.add_argument("--leave-out", default="", help="units that are not counted, separated by commas")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    pairs = [*args.pair, *([(args.run, args.truth)] if args.run and args.truth else [])]
    if not pairs:
        parser.error("give a run and its truth")
    held = [(folder, read_truth(truth), read_events(folder)) for folder, truth in pairs]
    left_out = frozenset(unit.strip() for unit in args.leave_out.split(",") if unit.strip())
    if args.valid:
        first = Score()
        for _, truth, events in held:
            compare(truth, events, first, left_out, {})
        left_out |= frozenset(u for u in first.wanted if first.found[u] < args.valid * first.wanted[u])
    score = Score()
    for folder, truth, events in held:
        heads = heads_of(read_frames(folder), truth) if truth.frames else {}
        compare(truth, events, score, left_out, heads)
        compare_files(folder, truth, score, heads)
    found = summary(score)
    if args.json:
        print(json.dumps({**found, "left_out": sorted(left_out)}))
    else:
        print_table(found, left_out)


if __name__ == "__main__":
    main()
