"""A video on a Ray cluster, and one whose runs are killed twenty times: the same bytes."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from encoding import saved
from faces_in_motion import small_walk, walk_video
from ray_cluster import one_node, two_nodes
from waiting import wait_until

from expllm.core.errors import VideoError
from expllm.video.analysis import VideoOptions
from expllm.video.ray_shares import measure_on_cluster
from expllm.video.stretch_store import StretchFolder
from expllm.video.stretches import StretchMeter
from expllm.video.videorun import Products, VideoRun

KILLS = 20


def files(folder: Path) -> dict[str, bytes]:
    """Everything but the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def command(clip: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "expllm", "video", str(clip), "-o", str(out), "--table", "csv", "-q", *more]


def ended_or_measured(
    process: "subprocess.Popen[bytes]", folder: StretchFolder, stretches: int
) -> Callable[[], bool]:
    return lambda: process.poll() is not None or len(folder.done()) >= stretches


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_though_it_loses_a_node(tmp_path: Path) -> None:
    clip = saved(tmp_path, "walk.mp4", small_walk())
    with StretchMeter() as meter:
        alone = VideoRun(clip, tmp_path / "alone", VideoOptions())
        with alone.locked():
            alone.write(alone.analyze(meter), Products(table="csv"), meter)
        with two_nodes() as kill:
            lost = [kill]
            run = VideoRun(clip, tmp_path / "cluster", VideoOptions())

            def watch(seconds: float, faces: int) -> None:
                if lost:
                    lost.pop()()

            with run.locked():
                analysis = run.analyze(meter, workers=2, ray=True, watch=lambda _: watch)
                run.write(analysis, Products(table="csv"), meter)
    assert not lost
    one, other = files(tmp_path / "alone"), files(tmp_path / "cluster")
    for found in (one, other):
        found.pop("alone.vtt", None)
    assert {name: data for name, data in one.items() if name.startswith("stretches")} == {
        name: data for name, data in other.items() if name.startswith("stretches")
    }
    for name in ("frames.csv", "events.csv", "people.csv", "apexes.csv", "episodes.jsonl"):
        assert one[name] == other[name]


@pytest.mark.slow
def test_a_share_says_why_it_was_stopped(tmp_path: Path) -> None:
    with one_node(1), pytest.raises(VideoError, match="there is no such file"):
        measure_on_cluster(
            tmp_path / "no.mp4", StretchFolder(tmp_path / "out"), VideoOptions(), 1, lambda *_: None
        )


@pytest.mark.slow
def test_twenty_kills_change_no_byte_and_cost_one_stretch_each(tmp_path: Path) -> None:
    clip = saved(tmp_path, "walk.mp4", walk_video(seconds=60, fps=5))
    subprocess.run(command(clip, tmp_path / "whole"), check=True)
    out, draws = tmp_path / "killed", random.Random(7)
    folder = StretchFolder(out / "walk" / "stretches")
    for _ in range(KILLS):
        before = {index: folder.file(index).stat().st_mtime_ns for index in folder.done()}
        with subprocess.Popen(command(clip, out)) as process:
            wanted = len(before) + (draws.random() < 0.3)  # some die early, some after one more stretch
            wait_until(ended_or_measured(process, folder, wanted))
            time.sleep(draws.uniform(0.0, 3.0))
            process.send_signal(signal.SIGKILL)
        kept = {index: folder.file(index).stat().st_mtime_ns for index in before}
        shapes_forgotten = (folder.path / "people.json").exists()
        assert shapes_forgotten or kept == before  # what is whole is never measured again
        assert folder.done() >= set(before)
    subprocess.run(command(clip, out), check=True)
    assert files(out) == files(tmp_path / "whole")
