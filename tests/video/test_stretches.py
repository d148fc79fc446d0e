"""Stretches: exact resume, shared work, whole files."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from encoding import saved
from faces_in_motion import small_walk

from expllm.core.errors import OutputError
from expllm.video.analysis import people_of
from expllm.video.clip import Clip, Sampling
from expllm.video.stretch_store import StretchFolder
from expllm.video.stretches import StretchMeter, StretchShare


def measured(data: bytes, path: Path, share: StretchShare | None = None) -> StretchFolder:
    folder = StretchFolder(path)
    with StretchMeter() as meter, Clip(data) as clip:
        meter.measure(clip, folder, Sampling(), share)
    return folder


def contents(folder: StretchFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.path.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> StretchFolder:
    return measured(small_walk(), tmp_path_factory.mktemp("whole"))


def test_every_frame_is_in_one_stretch(whole: StretchFolder) -> None:
    stretches = list(whole.all())
    assert [len(one.time) for one in stretches] == [40, 10]
    assert [number for one in stretches for number in one.number.tolist()] == list(range(50))
    assert all(len(one.track) == len(one.time) for one in stretches)


def test_what_is_done_is_not_done_again_and_the_bytes_are_the_same(
    whole: StretchFolder, tmp_path: Path
) -> None:
    folder = StretchFolder(tmp_path)
    kept = whole.file(0).read_bytes()
    folder.file(0).write_bytes(kept)
    stamp = folder.file(0).stat().st_mtime_ns
    measured(small_walk(), tmp_path)
    assert contents(folder) == contents(whole)
    assert folder.file(0).stat().st_mtime_ns == stamp


def test_shares_together_give_the_same_bytes(whole: StretchFolder, tmp_path: Path) -> None:
    for mine in (1, 0):
        measured(small_walk(), tmp_path, StretchShare(mine, 2))
    assert contents(StretchFolder(tmp_path)) == contents(whole)


def test_shapes_are_forgotten_and_the_readings_stay(tmp_path: Path) -> None:
    folder = measured(small_walk(), tmp_path)
    before = folder.read(0)
    assert before.shapes is not None
    folder.forget_shapes()
    after = folder.read(0)
    assert after.shapes is None
    assert (after.units.tobytes(), after.box.tobytes()) == (before.units.tobytes(), before.box.tobytes())


def test_shapes_are_forgotten_also_when_a_run_was_killed_before_all_were(tmp_path: Path) -> None:
    folder = measured(small_walk(), tmp_path)
    people_of(folder, None)
    folder.write(measured(small_walk(), tmp_path / "again").read(1))  # as if the last had not been reached
    people_of(folder, None)
    assert [one.shapes for one in folder.all()] == [None, None]


def test_a_damaged_stretch_is_named(tmp_path: Path) -> None:
    folder = StretchFolder(tmp_path)
    folder.file(3).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(OutputError, match=r"000003\.npz: damaged .* delete it"):
        folder.read(3)


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_ends_with_the_same_bytes(
    whole: StretchFolder, tmp_path: Path
) -> None:
    video = saved(tmp_path, "walk.webm", small_walk())
    command = [sys.executable, "-m", "expllm", "video", str(video), "-o", str(tmp_path / "out"), "--quiet"]
    first = tmp_path / "out" / "walk" / "stretches" / "000000.npz"
    killed = 0
    stamps: dict[str, set[int]] = {"measured": set(), "without shapes": set()}
    for delay in (0.5, 2.0, 4.0, 5.0, 6.0):
        process = subprocess.Popen(command)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if first.exists():  # a run that came to its end has written it once more, without the shapes of faces
            state = "measured" if StretchFolder(first.parent).read(0).shapes is not None else "without shapes"
            stamps[state].add(first.stat().st_mtime_ns)
    assert killed
    assert all(len(seen) <= 1 for seen in stamps.values()), "a stretch that was done was done again"
    assert subprocess.run(command, check=False).returncode == 0
    done = StretchFolder(first.parent)
    assert [one.units.tobytes() for one in done.all()] == [one.units.tobytes() for one in whole.all()]
    again = {path.name: path.read_bytes() for path in first.parent.parent.iterdir() if path.is_file()}
    assert subprocess.run(command, check=False).returncode == 0
    for path in first.parent.parent.iterdir():
        if path.is_file() and path.name != "lock":
            assert again[path.name] == path.read_bytes(), path.name
