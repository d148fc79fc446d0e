"""The silence around native code, what a missing library says, and matplotlib that comes late."""

import os
import subprocess
import sys
import threading

import pytest
from conftest import ASTRONAUT
from waiting import HANG_S

from expllm.files.native import lose_native_stderr, missing_library, native_silence, own_stderr


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
            leave.wait(HANG_S)

    thread = threading.Thread(target=other)
    with native_silence():
        thread.start()
        assert started.wait(HANG_S)
    os.write(2, b"noise\n")  # the other thread still wants silence
    leave.set()
    thread.join()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_our_own_stderr_is_found_within_a_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with native_silence():
        own = own_stderr()
        os.write(2, b"noise\n")
    os.write(own, b"a line of ours\n")
    os.close(own)
    assert capfd.readouterr().err == "a line of ours\n"


def test_what_is_lost_stays_lost_when_a_silence_ends(capfd: pytest.CaptureFixture[str]) -> None:
    before = os.dup(2)
    with native_silence():
        lose_native_stderr()
    os.write(2, b"noise\n")
    os.dup2(before, 2)
    os.close(before)
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


def test_matplotlib_is_loaded_only_when_used() -> None:
    code = (
        "import sys\n"
        "from expllm.files.native import load_mediapipe\n"
        "mediapipe = load_mediapipe()\n"
        "assert not {name for name in sys.modules if name.split('.')[0] == 'matplotlib'}\n"
        "helpers = mediapipe.tasks.vision.drawing_utils\n"
        "real = helpers.plt.figure\n"
        "import matplotlib.pyplot\n"
        "assert real is matplotlib.pyplot.figure\n"
        "assert type(matplotlib).__name__ == 'module'\n"
        "print('well')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("well\n", 0), done.stderr


FORGOTTEN = """
import gc, threading
from expllm import Predictor

class Ring:
    pass

for _ in range(2):
    ring = Ring()
    ring.ring, ring.predictor = ring, Predictor(explain=False)
    ring.predictor.analyze({image!r})
    del ring
    gc.collect()
for thread in threading.enumerate():
    if thread.name == "close":
        thread.join()
left = Predictor(explain=False)
print("done")
"""


def test_a_forgotten_predictor_neither_hangs_nor_prints() -> None:
    """In a cycle, MediaPipe's own finalizer would wait for a thread that was collected with it."""
    code = FORGOTTEN.format(image=str(ASTRONAUT))
    ended = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, timeout=HANG_S, text=True
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n")
    assert "Error" not in ended.stderr


FORKED = """
import os
from expllm import Predictor
predictor = Predictor(explain=False)
child = os.fork()
if child == 0:
    raise SystemExit(0)
print(os.waitpid(child, 0)[1])
predictor.close()
"""


def test_a_fork_ends_while_its_parent_has_a_predictor_open() -> None:
    command = [sys.executable, "-c", FORKED]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=HANG_S, text=True)
    assert (ended.returncode, ended.stdout) == (0, "0\n")
