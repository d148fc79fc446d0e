"""What only a real process has: signals, pipes that close, streams that are full or closed."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from calling import call, checked, process
from conftest import ASTRONAUT
from randommodels import run_with_model
from waiting import HANG_S, wait_until

from expllm.files import signals

COMMAND = [sys.executable, "-m", "expllm"]


@pytest.mark.parametrize(
    ("number", "code", "complaints"),
    [
        pytest.param(signal.SIGINT, 130, ["expllm: interrupted"], id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, [], id="kill", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_leaves_no_partial_file(
    tmp_path: Path, number: signal.Signals, code: int, complaints: list[str]
) -> None:
    """Ctrl-C or `kill` while many pictures are under way: nothing under the output's name."""
    for index in range(3000):
        (tmp_path / f"{index}.jpg").symlink_to(ASTRONAUT)
    results, overlays = tmp_path / "results", tmp_path / "overlays"
    results.mkdir()
    running = subprocess.Popen(
        [*COMMAND, "analyze", tmp_path, "-o", results / "faces.parquet", "--overlay", overlays],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # What a shell runs in the background ignores Ctrl-C, and what it starts inherits that.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509
    )
    wait_until(lambda: any(overlays.glob("*.png")) or running.poll() is not None)  # the first picture is done
    assert running.poll() is None
    assert len(os.listdir(results)) == 1
    running.send_signal(number)
    out, err = running.communicate(timeout=HANG_S)
    result = checked(running.returncode, out, err)
    assert (result.code, result.out, result.complaints) == (code, "", complaints)
    assert os.listdir(results) == []
    assert {path.suffix for path in overlays.iterdir()} == {".png"}
    assert 1 <= len(os.listdir(overlays)) < 3000


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_whose_exception_was_lost_still_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    """Python drops what a handler raises inside a finalizer or a callback of native code."""
    monkeypatch.setattr(signals, "_received", [number])
    result = call("aus", ASTRONAUT, "-o", tmp_path / "faces.csv")
    assert result.code == code
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_shows_words_while_they_are_written(tmp_path: Path, quiet: bool) -> None:
    """In a real pseudo-terminal: the text grows on stderr, is taken away, and the answer is printed."""
    run = run_with_model(tmp_path / "run")
    theirs, ours = pty.openpty()
    command = [*COMMAND, "analyze", str(ASTRONAUT), "--model", str(run), *["--quiet"] * quiet]
    running = subprocess.Popen(command, stdin=ours, stdout=ours, stderr=ours)
    os.close(ours)
    shown = b""
    try:
        while chunk := os.read(theirs, 65536):
            shown += chunk
    except OSError:  # Linux: the terminal is gone with its last process
        pass
    os.close(theirs)
    assert running.wait(HANG_S) == 0
    *growing, answer = shown.split(b"\x1b[2K\x1b[1A") if not quiet else [shown]
    assert b"Format problem" in answer  # a random model's text
    assert len(growing) > 3 or quiet


@pytest.mark.parametrize("format_", ["text", "csv", "json", "html"])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, format_: str) -> None:
    """`expllm aus folder | head -1`: the pipe is closed before all is written."""
    for number in range(3):
        shutil.copy(ASTRONAUT, tmp_path / f"{number}.jpg")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        result = call("aus", tmp_path, "--format", format_, stdout=pipe)
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("format_", ["text", "csv", "json", "html"])
def test_a_full_standard_output_is_one_line(format_: str) -> None:
    with open("/dev/full", "wb") as full:
        result = call("aus", ASTRONAUT, "--format", format_, stdout=full)
    advice = "the disk is full; free some space or choose another place"
    assert (result.code, result.complaints) == (1, [f"expllm: cannot write to standard output: {advice}"])


def test_help_on_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        result = process("--help", stdout=full)
    assert result.code == 1
    assert len(result.complaints) == 1
    assert result.err.startswith("expllm: cannot write to standard output: ")


def test_nobody_reads_stderr_and_the_locale_knows_no_letters(tmp_path: Path) -> None:
    """The results are written all the same, the exit code is right, and data is UTF-8 everywhere."""
    shutil.copy(ASTRONAUT, tmp_path / "中é.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    inputs = ["broken.jpg", "中é.jpg"]
    with open("/dev/full", "wb") as full:
        result = process(
            "aus", *inputs, "--format", "jsonl", stderr=full, cwd=tmp_path, env=environment
        )  # fmt: skip
    assert result.code == 3
    assert [(one.input, one.status) for one in result.analyses] == list(
        zip(inputs, ["error", "ok"], strict=True)
    )


def test_started_without_any_stream(tmp_path: Path) -> None:
    """As some schedulers start jobs: the output file holds the table, and no message of native code."""
    output = tmp_path / "faces.json"
    result = process(
        "aus", "-", ASTRONAUT, "-o", output,
        stdin=None, stdout=None, stderr=None, preexec_fn=lambda: os.closerange(0, 3),
    )  # fmt: skip
    assert result.code == 3
    assert [row["status"] for row in json.loads(output.read_text())] == ["error", "ok"]


def test_good_and_broken(tmp_path: Path) -> None:
    """Acceptance: the good analysis on stdout, one line for the broken file on stderr, and 3."""
    shutil.copy(ASTRONAUT, tmp_path / "good.jpg")
    (tmp_path / "broken.jpg").write_bytes(ASTRONAUT.read_bytes()[:20_000])
    result = process("analyze", "good.jpg", "broken.jpg", cwd=tmp_path)
    assert result.code == 3
    assert result.out.startswith("good.jpg")
    assert "happiness" in result.out
    assert "broken" not in result.out
    assert result.complaints == [
        "expllm: broken.jpg: cut short: the file ends before the picture does; copy or download it again"
    ]
