"""Ctrl-C and `kill` in every long command: one line, the exit code of a shell, and nothing half written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from calling import call, checked, class_folders, faceless
from conftest import ASTRONAUT
from waiting import HANG_S

from expllm.files import signals

LONG = {
    "analyze": ("analyze", "FACES", "-o", "OUT.csv"),
    "aus": ("aus", "FACES", "-o", "OUT.csv"),
    "data check": ("data", "check", "folder", "FACES"),
    "eval accuracy": ("eval", "accuracy", "offline", "FACES", "-o", "OUT"),
    "eval transfer": ("eval", "transfer", "offline", "FACES", "-o", "OUT"),
    "eval cot": ("eval", "cot", "offline", "FACES", "-o", "OUT"),
    "eval ladder": ("eval", "ladder", "FACES", "-o", "OUT"),
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = {"happiness/a.jpg": ASTRONAUT.read_bytes(), "sadness/b.png": faceless()}
    return class_folders(tmp_path_factory.mktemp("faces"), pictures)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", LONG)
def test_a_signal_whose_exception_was_lost_still_ends_the_command(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, code: int
) -> None:
    """Python drops what a handler raises inside a finalizer or a callback of native code."""
    monkeypatch.setattr(signals, "_received", [number])
    names = {"FACES": str(faces), "OUT": str(tmp_path / "out"), "OUT.csv": str(tmp_path / "out.csv")}
    done = call(*(names.get(word, word) for word in LONG[name]))
    assert (done.code, done.out) == (code, "")
    assert done.complaints == (["expllm: interrupted"] if code == 130 else [])
    assert not (tmp_path / "out.csv").exists()


def test_an_evaluation_that_is_interrupted_keeps_whole_answers(tmp_path: Path) -> None:
    """A real process: the answers so far are whole lines, behind which the same command goes on."""
    count, run = 400, tmp_path / "run"
    for index in range(count):
        picture = tmp_path / "faces" / ("happiness", "sadness")[index % 2] / f"{index}.jpg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.symlink_to(ASTRONAUT)
    command = ("eval", "accuracy", "offline", str(tmp_path / "faces"), "-o", str(run), "--batch-size", "2")
    running = subprocess.Popen(
        [sys.executable, "-m", "expllm", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # fmt: skip
    deadline = time.monotonic() + HANG_S
    while not (run / "answers.jsonl").exists():
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=HANG_S)
    result = checked(running.returncode, out, err)
    assert (result.code, result.out, result.complaints) == (130, "", ["expllm: interrupted"])
    answered = (run / "answers.jsonl").read_text()
    assert answered.endswith("\n")
    assert 0 < len(answered.splitlines()) < count
    assert not [name for name in os.listdir(run) if name.endswith(".partial")]
