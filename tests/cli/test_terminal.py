"""What a terminal shows while a model works: on a real one (a pseudo-terminal), read as it is written."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest
from calling import process
from conftest import ASTRONAUT
from randommodels import run_with_model
from waiting import HANG_S

from expllm.cli.terminal import TerminalStatus

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HIDDEN, VISIBLE = "\x1b[?25l", "\x1b[?25h"


@contextmanager
def terminal() -> Iterator[tuple[int, Callable[[], str]]]:
    """A terminal's descriptor, and what was written to it so far."""
    ours, theirs = pty.openpty()
    read: list[bytes] = []

    def listen() -> None:
        while True:
            try:
                read.append(os.read(ours, 65536))
            except OSError:  # closed at the other end
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield theirs, lambda: b"".join(read).decode(errors="replace")
    finally:
        os.close(theirs)
        listener.join(10)
        os.close(ours)


@contextmanager
def standing_on(descriptor: int) -> Iterator[None]:
    """Python's stderr is that terminal."""
    with open(descriptor, "w", encoding="utf-8", closefd=False) as stream, redirect_stderr(stream):
        yield


def seen(shown: Callable[[], str], pattern: str) -> str:
    """Waits until something stands on the terminal; gives all that was written, escapes left out."""
    end = time.monotonic() + HANG_S
    while not re.search(pattern, text := ESCAPE.sub("", shown())):
        assert time.monotonic() < end, f"{pattern!r} never came: {text!r}"
        time.sleep(0.02)
    return text


def gone(shown: Callable[[], str], last: str) -> bool:
    """Waits until the cursor is back; whether lines were taken away behind the last words."""
    end = time.monotonic() + HANG_S
    while (text := shown()).count(VISIBLE) < text.count(HIDDEN) and time.monotonic() < end:
        time.sleep(0.02)
    return VISIBLE in text and text.rindex("\x1b[2K") > text.rindex(last)


def test_the_time_goes_on_while_nothing_else_happens() -> None:
    with terminal() as (descriptor, shown), standing_on(descriptor), TerminalStatus(shown=True) as status:
        status.begin("loading compact")
        seen(shown, r"loading compact, \d+ s")
        seen(shown, r"loading compact, [1-9]\d* s")
        status.doing("explaining 1 face")
        seen(shown, r"explaining 1 face, \d+ s")
        status.write("Both lip corners")
        status.write(" rise.")
        seen(shown, r"Both lip corners rise\.")
        status.clear()
        assert gone(shown, "rise.")


def test_it_can_begin_again_and_end_twice() -> None:
    with terminal() as (descriptor, shown), standing_on(descriptor), TerminalStatus(shown=True) as status:
        for picture in ("one", "two"):
            status.begin(f"looking at {picture}")
            seen(shown, rf"looking at {picture}, \d+ s")
            status.clear()
            status.clear()
        assert gone(shown, "looking at two")


@pytest.mark.parametrize("asked", [True, False])
def test_nothing_is_shown_where_nobody_watches(asked: bool, capfd: pytest.CaptureFixture[str]) -> None:
    with TerminalStatus(shown=asked) as status:
        status.begin("loading")
        status.write("a text")
        time.sleep(0.3)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_with_model(tmp_path_factory.mktemp("runs") / "mine")


@pytest.mark.slow
def test_a_model_is_seen_to_load_and_to_explain(run: Path, tmp_path: Path) -> None:
    with terminal() as (descriptor, shown):
        done = process("analyze", ASTRONAUT, "--model", run, "-o", tmp_path / "face.json", stderr=descriptor)
        text = seen(shown, r"explaining 1 face, \d+ s")
        assert gone(shown, "explaining")
    assert done.code == 0
    assert text.index("starting, ") < text.index("loading ") < text.index("explaining ")
    assert "Observations" not in text  # the text goes to the file


@pytest.mark.slow
def test_quiet_is_quiet(run: Path, tmp_path: Path) -> None:
    with terminal() as (descriptor, shown):
        done = process(
            "analyze", ASTRONAUT, "--model", run, "-q", "-o", tmp_path / "face.json", stderr=descriptor
        )
        assert (done.code, shown()) == (0, "")
