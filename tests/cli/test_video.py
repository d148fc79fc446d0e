"""`expllm video`: exit codes, one line an error, damage by place, folders."""

import json
from pathlib import Path

import pytest
from calling import call
from encoding import broken_in, encode, saved
from faces_in_motion import small_walk, walk, wall


def test_a_video_gets_a_folder_and_the_second_call_does_nothing_again(tmp_path: Path) -> None:
    video = saved(tmp_path, "walk.webm", small_walk())
    out = tmp_path / "out"
    done = call("video", str(video), "-o", str(out))
    assert done.code == 0, done.err
    assert "50 frames, 1 person" in done.err
    assert "Traceback" not in done.err
    names = {path.name for path in (out / "walk").iterdir()}
    assert {
        "frames.parquet",
        "events.csv",
        "episodes.jsonl",
        "people.csv",
        "run.json",
        "walk.eaf",
        "walk.vtt",
    } <= names
    stamps = {path: path.stat().st_mtime_ns for path in (out / "walk" / "stretches").iterdir()}
    again = call("video", str(video), "-o", str(out), "--columns", "pyfeat", "--table", "csv", "--json")
    assert again.code == 0, again.err
    told = json.loads(again.out)
    (figures,) = told["videos"]
    assert (figures["input"], figures["output"]) == (str(video), str(out / "walk"))
    assert (figures["frames"], len(figures["people"]), told["failed"]) == (50, 1, 0)
    result = json.loads((out / "walk" / "run.json").read_text())["result"]
    assert (figures["events"], figures["episodes"]) == (result["events"], result["episodes"])
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_damage_is_named_by_time_and_gives_3(tmp_path: Path) -> None:
    whole = encode(walk(40), fps=10, options={"g": "10", "bf": "0"})
    video = saved(tmp_path, "clip.mp4", broken_in(whole, [12, 13]))
    done = call("video", str(video), "-o", str(tmp_path / "out"), "--quiet")
    assert done.code == 3
    assert "clip.mp4: " in done.err
    assert "0:01." in done.err
    assert json.loads((tmp_path / "out" / "clip" / "run.json").read_text())["result"]["damage"]


def test_nobody_in_it_gives_4(tmp_path: Path) -> None:
    video = saved(tmp_path, "wall.mp4", encode(wall(8), fps=4))
    done = call("video", str(video), "-o", str(tmp_path / "out"))
    assert done.code == 4
    assert "no face" in done.err


def test_some_that_are_no_videos(tmp_path: Path) -> None:
    saved(tmp_path, "a.mp4", encode(walk(8), fps=4))
    saved(tmp_path, "b.mp4", b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n")
    done = call("video", str(tmp_path), "-o", str(tmp_path / "out"))
    assert done.code == 3
    assert "b.mp4: is a playlist" in done.err
    assert (tmp_path / "out" / "a" / "events.csv").exists()
    assert not (tmp_path / "out" / "b").exists()
    alone = call("video", str(tmp_path / "b.mp4"), "-o", str(tmp_path / "out"))
    assert alone.code == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--fps", "0"), ("--fps", "5", "--every", "2"), ("--from", "x"), ("--from", "5", "--to", "2"),
        ("--neutral", "3-1"), ("--exclude", "1-2,3"), ("--baseline", "some"), ("--columns", "mine"),
        ("--table", "xls"), ("--labels", "5"),
        ("--baseline", "none", "--neutral", "0-1"), ("--baseline-from", "nowhere.csv"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused_before_anything_is_begun(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    video = saved(tmp_path, "wall.mp4", encode(wall(2), fps=4))
    done = call("video", str(video), "-o", str(tmp_path / "out"), *options)
    assert done.code in (1, 2)
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_part_of_a_video_at_another_rate(tmp_path: Path) -> None:
    video = saved(tmp_path, "walk.mp4", encode(walk(40), fps=10))
    done = call(
        "video", str(video), "-o", str(tmp_path / "out"), "--from", "0:01", "--to", "3.0", "--fps", "5",
        "--table", "csv",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = (tmp_path / "out" / "walk" / "frames.csv").read_text().splitlines()
    assert len(rows) == 11
    assert [row.split(",")[1] for row in rows[1:3]] == ["10", "12"]
