"""Bodies that no client of good will sends: each gets an error of the one shape, none breaks anything."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from serving_expllm import JSON, Running, running
from waiting import HANG_S

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
USER = {"role": "user", "content": [IMAGE]}
CHAT = {"model": "offline", "messages": [USER]}


def changed(**fields: object) -> bytes:
    return json.dumps(CHAT | fields).encode()


def content(*parts: object) -> bytes:
    return changed(messages=[{"role": "user", "content": list(parts)}])


BODIES = [
    b"", b" ", b"{", b"}", b"null", b"true", b"0", b'"text"', b"[]", b"[[]]", b"{}", b"\x00", b"\xff\xfe{}",
    b'{"model"', b'{"model":}', b'{"model": "offline",}', b"{'model': 'offline'}", b"NaN", b"-", b"1e999",
    b"[" * 100_000, b'{"a":' * 50_000, b'{"a": ' + b"9" * 10_000 + b"}", b'"' + b"\\ud800" + b'"',
    b'{"model": "\\ud800", "messages": []}', b'{"model": "offline", "messages": "\xc3\x28"}',
    changed(model=None), changed(model=1), changed(model=""), changed(model=["offline"]),
    changed(model="x" * 99),
    changed(messages=None), changed(messages={}), changed(messages="hello"), changed(messages=[]),
    changed(messages=[None]), changed(messages=[1]), changed(messages=[[]]), changed(messages=[{}]),
    changed(messages=[{"role": "user"}]), changed(messages=[{"role": "king", "content": "x"}]),
    changed(messages=[{"role": "user", "content": 1}]), changed(messages=[{"role": "user", "content": None}]),
    changed(messages=[{"role": "user", "content": {}}]), changed(messages=[{"role": 1, "content": []}]),
    content(), content(None), content(1), content("x"), content({}), content({"type": 1}),
    content({"type": "image_url"}), content({"type": "image_url", "image_url": None}),
    content({"type": "image_url", "image_url": "data:,"}), content({"type": "image_url", "image_url": {}}),
    content({"type": "image_url", "image_url": {"url": None}}),
    content({"type": "image_url", "image_url": {"url": "data:"}}),
    content({"type": "image_url", "image_url": {"url": "data:;base64,"}}),
    content({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA\n=="}}),
    content({"type": "image_url", "image_url": {"url": "data:" + ";a" * 50_000}}),
    content({"type": "image_url", "image_url": {"url": "\x00"}}),
    content({"type": "text", "text": "no picture"}),
    content({"type": "input_audio", "input_audio": {}}), content({"type": "file", "file": {"file_id": "x"}}),
    changed(n=0), changed(n=2), changed(n="many"), changed(stream="perhaps"), changed(stream=[]),
    changed(stream_options=1), changed(stream_options={"include_usage": "perhaps"}), changed(user={}),
]  # fmt: skip
UNITS = [
    {}, {"aus": None}, {"aus": []}, {"aus": {"jaw drop": -0.1}}, {"aus": {"jaw drop": True}, "labels": 9},
    {"aus": {"jaw drop": False}},
    {"aus": {"": 0.5}}, {"aus": {"\ud800": 0.5}}, {"aus": {"jaw drop": {}}}, {"aus": {"jaw drop": "NaN"}},
    {"aus": {}, "expression": ""}, {"aus": {}, "expression": 1}, {"text": "x"}, {"aus": {"jaw drop": 1e308}},
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_chat_requests(server: Running, number: int) -> None:
    answer = server.ask("POST", "/v1/chat/completions", BODIES[number], JSON)
    assert answer.status in (400, 404, 422)
    assert answer.error["type"] == "invalid_request_error"
    assert server.log == []


@pytest.mark.parametrize("number", range(len(UNITS)))
def test_units(server: Running, number: int) -> None:
    for path in ("/v1/explain", "/v1/audit"):
        answer = server.post(path, UNITS[number])
        assert answer.status == 400, answer.body
        assert answer.error["type"] == "invalid_request_error"
    assert server.log == []


def test_json_that_is_not_strict_is_refused(server: Running) -> None:
    for value in (b"NaN", b"Infinity", b"-Infinity"):
        answer = server.ask("POST", "/v1/explain", b'{"aus": {"jaw drop": %s}}' % value, JSON)
        assert answer.status == 400
        assert answer.error["param"] == "aus.jaw drop"


def test_a_json_body_that_does_not_say_so_is_refused(server: Running) -> None:
    """A form of a foreign page cannot send JSON's own content type."""
    answer = server.ask("POST", "/v1/explain", b'{"aus": {}}', {"Content-Type": "text/plain"})
    assert answer.status == 400


def test_the_page_of_endpoints_loads_nothing(server: Running) -> None:
    page = server.ask("GET", "/docs")
    assert page.status == 200
    text = page.body.decode()
    for endpoint in ("/v1/analyze", "/v1/chat/completions", "/v1/audit", "/metrics"):
        assert endpoint in text
    assert not re.search(r"""(src|href)=["']?(https?:)?//|<script|@import|url\(""", text)
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_schema_describes_errors_and_pictures(server: Running) -> None:
    schema = server.ask("GET", "/openapi.json").json
    analyze = schema["paths"]["/v1/analyze"]["post"]
    assert set(analyze["requestBody"]["content"]) == {"image/*", "multipart/form-data"}
    for operations in schema["paths"].values():
        for operation in operations.values():
            for status, reply in operation["responses"].items():
                if int(status) >= 400:
                    (found,) = reply["content"].values()
                    assert found["schema"]["$ref"].endswith("/ErrorReply")


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """What is no picture is rightly refused, though its schema can only say that it is bytes."""
    with running(video=True) as server:
        schema = server.ask("GET", "/openapi.json").json
        assert "/v1/video/{number}/events" in schema["paths"]
        tried_by_schemathesis(server, tmp_path)


def tried_by_schemathesis(server: Running, folder: Path) -> None:
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--checks", "all",
        "--exclude-checks", "positive_data_acceptance", "--max-examples", "25", "--seed", "1", "--no-color",
        "--generation-database", "none",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG_S, cwd=folder)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert server.log == []
