"""Rendered clips whose movements are known: what is found, when, and of whom."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from encoding import encode, saved

from expllm.video.analysis import VideoAnalysis, VideoOptions
from expllm.video.clip import Sampling
from expllm.video.stretches import StretchMeter
from expllm.video.videorun import Products, VideoRun

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "tests" / "clips"
READ = {"brow raise", "jaw drop", "lip corner pull", "left lip corner pull"}
"""Units that the reader sees on the head of the clip."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def meter() -> Any:
    with StretchMeter() as opened:
        yield opened


def scored(
    video: Path, truth: Path, out: Path, meter: StretchMeter, sampling: Sampling | None = None
) -> tuple[dict[str, Any], VideoAnalysis]:
    run = VideoRun(video, out, VideoOptions(sampling or Sampling()))
    with run.locked():
        analysis = run.analyze(meter)
        run.write(analysis, Products(), meter)
    command = [sys.executable, str(ROOT / "scripts" / "score_video.py"), str(out), str(truth), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), analysis


def retimed(folder: Path, times: list[float]) -> Path:
    """The truth of the course, of a clip whose frames are shown at other times."""
    clip, *rest = (CLIPS / "course.jsonl").read_text().splitlines()
    truth = folder / "truth.jsonl"
    lines = [json.dumps({**json.loads(clip), "frames": len(times), "times": times}), *rest]
    truth.write_text("".join(line + "\n" for line in lines))
    return truth


def frames(video: Path) -> list[Any]:
    with av.open(str(video), "r") as clip:
        return [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]


def test_the_course_of_one_head(tmp_path: Path, meter: StretchMeter) -> None:
    found, analysis = scored(CLIPS / "course.webm", CLIPS / "course.jsonl", tmp_path / "course", meter)
    assert found["rows"] == [[300, 300]]
    assert found["time_error_ms"] <= 1
    assert found["people"] == [[1, 1]]
    assert found["blinks_found"] == found["blinks"] == 4
    assert found["apexes_in_blinks"] == 0
    for unit in READ:
        assert found["by_unit"][unit]["found"] == found["by_unit"][unit]["of"] == 1, unit
        assert found["by_unit"][unit]["onset_ms"][0] <= 120, unit
    assert found["onset_ms"][0] <= 60
    assert found["false"] == 0
    assert any(episode.cot is not None for episode in analysis.episodes)


def test_two_people_who_cross_are_not_swapped(tmp_path: Path, meter: StretchMeter) -> None:
    found, _ = scored(CLIPS / "crossing.webm", CLIPS / "crossing.jsonl", tmp_path / "crossing", meter)
    assert found["people"] == [[2, 2]]
    assert found["swaps"] == 0


@pytest.mark.parametrize("sampling", [Sampling(every=2), Sampling(every=3), Sampling(fps=5)])
def test_nor_where_few_frames_are_looked_at(tmp_path: Path, meter: StretchMeter, sampling: Sampling) -> None:
    found, analysis = scored(
        CLIPS / "crossing.webm", CLIPS / "crossing.jsonl", tmp_path / "few", meter, sampling
    )
    assert found["people"] == [[2, 2]]
    assert found["swaps"] == 0
    assert analysis.frames == {1: 30, 2: 75, 3: 50}[sampling.every]


def test_the_same_course_at_a_variable_rate(tmp_path: Path, meter: StretchMeter) -> None:
    kept = [i for i in range(300) if i % 7 != 3 and i % 11 != 5]
    pictures = frames(CLIPS / "course.webm")
    data = encode([pictures[i] for i in kept], [i / 25 for i in kept], container="webm", codec="libvpx-vp9",
                  options={"deadline": "realtime"})  # fmt: skip
    video = saved(tmp_path, "vary.webm", data)
    truth = retimed(tmp_path, [i / 25 for i in kept])
    found, analysis = scored(video, truth, tmp_path / "vary", meter)
    assert [row.time for row in analysis] == pytest.approx([i / 25 for i in kept], abs=1e-3)
    assert found["rows"] == [[len(kept), len(kept)]]
    assert found["missing"] == 0
    assert found["time_error_ms"] <= 1
    assert found["by_unit"]["jaw drop"]["found"] == 1
    assert found["by_unit"]["jaw drop"]["onset_ms"][0] <= 80


def test_the_same_course_damaged(tmp_path: Path, meter: StretchMeter) -> None:
    whole = encode(frames(CLIPS / "course.webm"), container="matroska", options={"g": "25", "bf": "0"})
    damaged = bytearray(whole)
    for start in (len(whole) // 7, len(whole) // 2):
        damaged[start : start + 300] = bytes(byte ^ 0x5A for byte in damaged[start : start + 300])
    video = saved(tmp_path, "damaged.mkv", bytes(damaged))
    found, analysis = scored(video, CLIPS / "course.jsonl", tmp_path / "damaged", meter)
    ((rows, there),) = found["rows"]
    assert there == 300
    assert 250 < rows < 300
    assert found["missing"] == 300 - rows
    assert found["unnamed"] == 0
    assert found["time_error_ms"] <= 1
    assert found["people"] == [[1, 1]]
    assert found["apexes_in_blinks"] == 0
    for unit in READ:  # neither place of damage is in one of them
        assert found["by_unit"][unit]["found"] == 1, unit
        assert found["by_unit"][unit]["onset_ms"][0] <= 120, unit
    assert analysis.damage


def test_the_same_course_lying_on_its_side(tmp_path: Path, meter: StretchMeter) -> None:
    lying = [
        np.ascontiguousarray(np.rot90(picture, -1)) for picture in frames(CLIPS / "course.webm")[100:160]
    ]
    video = saved(tmp_path, "phone.mp4", encode(lying, rotation=90))
    run = VideoRun(video, tmp_path / "phone", VideoOptions())
    with run.locked():
        analysis = run.analyze(meter)
    assert [person.frames for person in analysis.people] == [60]
    assert any(event.unit == "jaw drop" for event in analysis.events)
