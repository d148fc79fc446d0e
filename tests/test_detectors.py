"""Non-maximum suppression, the silence around native code, and what a missing library says."""

import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.detectors import Detection, missing_library, native_silence, suppress

corner = st.floats(0, 100, width=32)
boxes = st.lists(st.tuples(corner, corner, corner, corner, st.floats(0, 1, width=32)), max_size=12)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    areas = [float(np.prod(np.maximum(box[2:] - box[:2], 0))) for box in (a, b)]
    return shared / max(sum(areas) - shared, 1e-9)


@given(boxes)
def test_suppression_keeps_the_best_and_nothing_that_overlaps(rows: list[tuple[float, ...]]) -> None:
    table = np.array(rows, np.float32).reshape(-1, 5)
    table[:, 2:4] += table[:, :2]  # corners in order
    kept = suppress(table[:, :4], table[:, 4], 0.4).tolist()
    if len(table):
        assert kept[0] == int(np.argmax(table[:, 4]))
    scores = table[kept, 4].tolist()
    assert scores == sorted(scores, reverse=True)
    for i, first in enumerate(kept):
        assert all(overlap(table[first, :4], table[other, :4]) <= 0.4 + 1e-5 for other in kept[i + 1 :])
    for lost in set(range(len(table))) - set(kept):
        assert any(overlap(table[lost, :4], table[better, :4]) > 0.4 - 1e-5 for better in kept)


def test_centre() -> None:
    assert Detection((10, 20, 30, 40), 0.5).centre == (25, 40)


def test_silence_swallows_native_lines_and_ends(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before\n")
    with native_silence():
        os.write(2, b"noise\n")
        with native_silence():
            os.write(2, b"more noise\n")
        os.write(2, b"still noise\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_overlapping_silences_on_threads_give_stderr_back(capfd: pytest.CaptureFixture[str]) -> None:
    started, leave = threading.Event(), threading.Event()

    def other() -> None:
        with native_silence():
            started.set()
            leave.wait(5)

    thread = threading.Thread(target=other)
    with native_silence():
        thread.start()
        started.wait(5)
    os.write(2, b"noise\n")  # the other thread still wants silence
    leave.set()
    thread.join()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


@pytest.mark.parametrize(
    ("problem", "package"),
    [
        ("libGL.so.1: cannot open shared object file: No such file or directory", "libgl1"),
        ("libEGL.so.1: cannot open shared object file: No such file or directory", "libegl1"),
        ("libGLESv2.so.2: cannot open shared object file: No such file or directory", "libgles2"),
    ],
)
def test_a_missing_library_names_the_command(problem: str, package: str) -> None:
    line = missing_library(problem)
    assert "sudo apt-get install -y" in line
    assert package in line.split("install -y ")[1].strip("'").split()
    assert line.startswith(f"a system library is missing ({problem.split(':', maxsplit=1)[0]})")
    assert "\n" not in line


def test_another_problem_is_passed_on() -> None:
    assert missing_library("libfoo broke") == "MediaPipe cannot start: libfoo broke"
