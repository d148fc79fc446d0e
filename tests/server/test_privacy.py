"""Nothing of a picture is written or logged: a marked one is sent in every way, and looked for everywhere."""

import base64
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from serving_expllm import ASTRONAUT, JPEG, Running, form, portrait, running

MARKER = b"canary-3f9c1e77-face"
NAME = "canary-name-5d1b.jpg"


def marked() -> bytes:
    """The portrait with a mark behind it: more than a megabyte, from which on forms are usually spooled."""
    return portrait() + MARKER * (2**20 // len(MARKER) + 1)


@contextmanager
def watched(folder: Path) -> Iterator[set[str]]:
    """Names of all that appears in a folder, even for a moment."""
    seen: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.002):
            seen.update(os.listdir(folder))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def send_everywhere(server: Running) -> None:
    """The marked picture to every endpoint that takes one, in each of its forms; whole and broken."""
    picture = marked()
    uri = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
    chat = {
        "model": "offline",
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}],
    }
    for data in (picture, picture[:9_000]):
        server.ask("POST", f"/v1/analyze?model={MARKER.decode()}", data, JPEG)
        assert server.analyze(data).status in (200, 422)
        for path in ("/v1/analyze", "/v1/analyze/batch"):
            body, headers = form(("image", NAME, data))
            assert server.ask("POST", path, body, headers).status in (200, 422)
    assert server.post("/v1/chat/completions", chat).status == 200
    assert server.post("/v1/chat/completions", {**chat, "stream": True}).status == 200
    assert server.post("/v1/explain", {"aus": {}, "model": "offline", "picture": uri}).status == 200
    faces = server.analyze(picture).json["faces"]
    named = [{**face, "input": NAME} for face in faces]
    for form_of in ("csv", "html"):
        answer = server.post(f"/v1/export?format={form_of}", {"items": [{"faces": named, "picture": uri}]})
        assert answer.status == 200, answer.body
    server.ask("GET", f"/{MARKER.decode()}?{MARKER.decode()}")
    server.post("/v1/audit", {"text": MARKER.decode() + " smiles.", "aus": {}})


def open_files() -> list[str]:
    """Where every open descriptor of this process leads."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return found


def test_nothing_of_a_picture_reaches_a_file_or_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path)
    with running() as server, watched(tmp_path) as appeared, caplog.at_level("DEBUG"):
        send_everywhere(server)
        assert not [name for name in open_files() if f"{tmp_path}/" in name]  # the folder itself is watched
    assert appeared == set()
    logged = "\n".join([*server.log, caplog.text, *capfd.readouterr()])
    for word in (MARKER.decode(), NAME, "127.0.0.1:"):
        assert word not in logged
    assert server.log == []


def test_metrics_name_nobody(server: Running) -> None:
    send_everywhere(server)
    text = server.ask("GET", "/metrics").body
    assert MARKER not in text
    assert NAME.encode() not in text
    assert b"127.0.0.1" not in text


def test_an_error_that_nobody_foresaw_is_logged_by_its_kind_and_place_alone() -> None:
    with running() as server:

        @server.server.app.get("/broken")
        async def broken() -> None:
            raise ValueError(MARKER.decode())

        answer = server.ask("GET", "/broken")
        assert answer.status == 500
        assert answer.error["code"] == "internal_error"
        assert MARKER not in answer.body
        (line,) = server.log
        assert line.startswith("internal error: ValueError")
        assert MARKER.decode() not in line
        assert answer.headers["x-request-id"] in line


class Loopback(HTTPServer):
    """A server that must see no request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self._Handler)
        self.seen = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class _Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert isinstance(self.server, Loopback)
            self.server.seen += 1
            self.send_response(200)
            self.end_headers()


def addresses(port: int) -> list[str]:
    """Where a server must not be led."""
    return [
        f"http://127.0.0.1:{port}/a.jpg", f"http://localhost:{port}/a.jpg", f"http://[::1]:{port}/a.jpg",
        f"http://[::ffff:127.0.0.1]:{port}/a.jpg", f"http://2130706433:{port}/a.jpg", f"http://0:{port}/a.jpg",
        f"http://127.1:{port}/a.jpg", f"HTTP://me:pass@127.0.0.1:{port}/a.jpg",
        "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "/etc/passwd", str(ASTRONAUT),
        f"ftp://127.0.0.1:{port}/a.jpg", f"gopher://127.0.0.1:{port}/_", f"//127.0.0.1:{port}/a.jpg",
        f"data:text/html,<img src=http://127.0.0.1:{port}/>", f" http://127.0.0.1:{port}/a.jpg", "",
    ]  # fmt: skip


@pytest.mark.parametrize("allow_url", [False, True])
def test_no_address_leads_to_this_machine_or_its_files(allow_url: bool) -> None:
    loopback = Loopback()
    with running(allow_url=allow_url) as server:
        for address in addresses(loopback.server_port):
            parts = [{"type": "image_url", "image_url": {"url": address}}]
            asked = {"model": "offline", "messages": [{"role": "user", "content": parts}]}
            answer = server.post("/v1/chat/completions", asked)
            assert answer.status in (400, 422), address
            assert answer.error["code"] in ("invalid_image_url", "invalid_image"), address
    time.sleep(0.1)
    loopback.shutdown()
    assert loopback.seen == 0


@pytest.mark.slow
def test_starting_imports_nothing_that_phones_home() -> None:
    """fastapi needs opentelemetry's interface; what would send anything is not there."""
    code = "import expllm.server.app, sys; print(*[m for m in sys.modules if 'opentelemetry' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "opentelemetry.exporter" not in done.stdout
    assert "opentelemetry.sdk" not in done.stdout
