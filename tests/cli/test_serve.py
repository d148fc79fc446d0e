"""`expllm serve` as a shell starts it: what keeps it from starting, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from calling import call
from conftest import ASTRONAUT
from waiting import HANG_S, wait_until


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "0.0.0.0"), "--host 0.0.0.0 can be reached from other machines: give --key-env"),
        (("--key-env", "EXPLLM_NO_SUCH"), "EXPLLM_NO_SUCH is empty or not set"),
        (("--model", "nowhere/at/all"), "there is no model 'nowhere/at/all'"),
        (("--host", "192.0.2.1", "--no-key"), "cannot listen on 192.0.2.1"),
        (("--rate", "0"), "the rate is 0"),
        (("--workers", "0"), "--workers"),
    ],
)
def test_what_keeps_it_from_starting(arguments: tuple[str, ...], said: str) -> None:
    done = call("serve", "--port", "0", *arguments)
    assert done.code == 2
    assert said in done.err
    assert len(done.complaints) == 1


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = call("serve", "--port", str(port))
    assert done.code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.err


def test_a_model_file_that_is_damaged_ends_it_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "face_landmarker.task"
    broken.write_bytes(b"not a model")
    monkeypatch.setenv("EXPLLM_FACE_LANDMARKER", str(broken))
    done = call("serve", "--port", "0")
    assert done.code == 5
    assert "face_landmarker.task" in done.complaints[-1]


@contextmanager
def started() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command in a process of its own, and its port."""
    command = [sys.executable, "-m", "expllm", "serve", "--port", "0", "--model", "offline", "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"expllm: serving offline on http://127\.0\.0\.1:(\d+) \(Ctrl-C ends\)\n", line)
        assert found is not None
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=HANG_S)
    try:
        connection.request(method, path, body, {"Content-Type": "image/jpeg"})
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_everything_finish_that_was_admitted(number: signal.Signals) -> None:
    with started() as (process, port), ThreadPoolExecutor(8) as clients:
        wait_until(lambda: ask(port, "GET", "/health/ready") == 200)
        waiting = HTTPConnection("127.0.0.1", port, timeout=HANG_S)
        waiting.request("GET", "/health/live")
        waiting.getresponse().read()
        answers = [clients.submit(ask, port, "POST", "/v1/analyze", ASTRONAUT.read_bytes()) for _ in range(4)]
        wait_until(lambda: _places_taken(port) > 0 or all(answer.done() for answer in answers))
        os.kill(process.pid, number)
        assert [answer.result(HANG_S) for answer in answers] == [200] * 4
        assert process.wait(HANG_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
        with pytest.raises(OSError):  # noqa: PT011 - refused
            ask(port, "GET", "/health/live")


HANGS = """
import sys, time
from expllm.server.analyzer import Analyzer
from expllm.server.server_config import ServerConfig
limits = ServerConfig().limits  # what the command serves with
assert limits.drain_s + limits.close_s < 30, "compose.yaml gives it 30 s"
for name in ("drain_s", "close_s"):
    object.__setattr__(limits, name, 1.0)
Analyzer.close = lambda self: time.sleep(10**6)
from expllm.cli.main import run
sys.argv = ["expllm", "serve", "--port", "0", "--model", "offline", "--workers", "1"]
run()
"""


@pytest.mark.slow
def test_a_thread_that_hangs_does_not_keep_the_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", HANGS], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        port = int(re.findall(r":(\d+) ", process.stderr.readline())[0])
        wait_until(lambda: ask(port, "GET", "/health/ready") == 200)
        process.terminate()
        assert process.wait(HANG_S) == 1
        assert process.stderr.read() == "expllm: ended while a thread was still at work\n"
    finally:
        process.kill()
        process.wait()


def _places_taken(port: int) -> float:
    connection = HTTPConnection("127.0.0.1", port, timeout=HANG_S)
    try:
        connection.request("GET", "/metrics")
        found = re.search(r"^expllm_places_taken (\S+)", connection.getresponse().read().decode(), re.M)
        assert found is not None
        return float(found[1])
    finally:
        connection.close()
