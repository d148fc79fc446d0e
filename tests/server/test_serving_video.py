"""Videos as jobs: sent, watched, fetched, deleted; limits; nothing of them on a disk."""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import webvtt
from encoding import encode, sound_only
from faces_in_motion import smile_video, wall
from serving_expllm import Answer, Running, form, running
from test_privacy import MARKER, open_files, watched
from waiting import HANG_S, wait_until

import expllm
from expllm.faces.au_reader import load_calibration
from expllm.server.http_errors import ApiError
from expllm.server.server_config import ServerLimits
from expllm.server.video_replies import VideoQuery
from expllm.video.clip import Sampling
from expllm.video.events import Episode

WEBM = {"Content-Type": "video/webm"}


@pytest.fixture(scope="module")
def video_server() -> Iterator[Running]:
    with running(video=True) as started:
        yield started


@pytest.fixture(scope="module")
def finished(video_server: Running) -> str:
    """The id of a video that was analysed."""
    return analysed(video_server, smile_video())


def send(server: Running, data: bytes, query: str = "") -> Answer:
    return server.ask("POST", f"/v1/video{query}", data, WEBM)


def state(server: Running, number: str) -> Any:
    answer = server.ask("GET", f"/v1/video/{number}")
    assert answer.status == 200, answer.body
    return answer.json


def analysed(server: Running, data: bytes, query: str = "") -> str:
    answer = send(server, data, query)
    assert answer.status == 202, answer.body
    number: str = answer.json["id"]
    wait_until(lambda: state(server, number)["state"] in ("done", "failed"))
    return number


def done(server: Running, number: str) -> None:
    wait_until(lambda: state(server, number)["state"] == "done")


class Halted:
    """The thread that analyses videos is busy until the block ends."""

    def __init__(self, server: Running) -> None:
        assert server.analyzer.videos is not None
        self._executor, self._go = server.analyzer.videos._executor, threading.Event()

    def __enter__(self) -> "Halted":
        self._executor.submit(self._go.wait, HANG_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Lets it go on, before the block ends."""
        self._go.set()


def test_a_video_is_explained_as_in_python(video_server: Running, finished: str) -> None:
    assert state(video_server, finished)["progress"] == 1.0
    found = video_server.ask("GET", f"/v1/video/{finished}/result").json
    with expllm.analyze_video(smile_video(), name="video") as expected:
        assert found["episodes"] == [episode.to_dict() for episode in expected.episodes]
        assert found["events"] == [event.to_dict() for event in expected.events]
    assert found["frames"] == 60
    (person,) = found["people"]
    assert person["name"] == "P1"
    for audit in found["audits"]:
        assert audit["times"]
        assert not [one for one in audit["times"] if one["verdict"].startswith("wrong")]
        for claim in (*audit["claims"], *audit["times"]):
            assert audit["text"][claim["start"] : claim["end"]] == claim["text"]


def test_every_file_is_what_its_name_says(video_server: Running, finished: str) -> None:
    files = {
        name: video_server.ask("GET", f"/v1/video/{finished}/files/{name}")
        for name in state(video_server, finished)["files"]
    }
    assert {answer.status for answer in files.values()} == {200}
    assert all(name in files[name].headers["content-disposition"] for name in files)
    body = {name: answer.body for name, answer in files.items()}
    frames = pd.read_csv(io.BytesIO(body["frames.csv"]))
    assert len(frames) == len(pd.read_parquet(io.BytesIO(body["frames.parquet"]))) == 60
    events = list(csv.DictReader(io.StringIO(body["events.csv"].decode())))
    episodes = [Episode.from_json(line) for line in body["episodes.jsonl"].splitlines()]
    assert len(events) >= sum(len(one.events) for one in episodes) > 0
    assert body["report.html"].startswith(b"<!DOCTYPE html>")
    assert ET.fromstring(body["episodes.eaf"]).tag == "ANNOTATION_DOCUMENT"
    assert len(webvtt.from_string(body["episodes.vtt"].decode()).captions) == len(episodes)
    assert body["people.csv"].startswith(b"person,")
    assert video_server.ask("GET", f"/v1/video/{finished}/files/secrets.txt").status == 404


def test_frames_are_chosen_as_on_the_command_line() -> None:
    assert VideoQuery.model_validate({"every": 3, "start": 1.0}).options.sampling == Sampling(
        None, 3, 1.0, None
    )
    assert VideoQuery.model_validate({"fps": 5.0}).options.sampling == Sampling(5.0)
    assert VideoQuery.model_validate({"exclude": "0:01-0:02,4-5.5"}).options.exclude == (
        (1.0, 2.0),
        (4.0, 5.5),
    )
    with pytest.raises(ApiError, match="either fps or every"):
        _ = VideoQuery.model_validate({"every": 3, "fps": 5.0}).options


def test_a_form_brings_the_name(video_server: Running) -> None:
    body, headers = form(("video", "holiday.webm", smile_video()))
    answer = video_server.ask("POST", "/v1/video?stop=1&explain=false", body, headers)
    assert answer.status == 202, answer.body
    assert answer.json["name"] == "holiday.webm"
    wait_until(lambda: state(video_server, answer.json["id"])["state"] == "done")
    found = video_server.ask("GET", f"/v1/video/{answer.json['id']}/result").json
    assert found["frames"] == 10
    assert found["audits"] == [None] * len(found["episodes"])


def test_a_deleted_video_is_gone_at_once(video_server: Running) -> None:
    with Halted(video_server):
        number = send(video_server, smile_video()).json["id"]
        assert state(video_server, number)["state"] == "queued"
        assert video_server.ask("GET", f"/v1/video/{number}/result").error["code"] == "not_ready"
        assert video_server.ask("DELETE", f"/v1/video/{number}").status == 204
        for method, path in (("GET", ""), ("GET", "/result"), ("DELETE", ""), ("GET", "/files/events.csv")):
            answer = video_server.ask(method, f"/v1/video/{number}{path}")
            assert (answer.status, answer.error["code"]) == (404, "video_not_found")
    assert video_server.analyzer.videos is not None
    queue = video_server.analyzer.videos._queue
    wait_until(lambda: queue.taken == 0)


def test_a_video_that_is_being_analysed_ends_when_it_is_deleted(video_server: Running) -> None:
    long = encode((picture for picture in wall(500)), fps=25)
    number = send(video_server, long).json["id"]
    wait_until(lambda: state(video_server, number)["frames"] > 0)
    running_now = state(video_server, number)
    assert 0 <= running_now["progress"] < 1
    video_server.ask("DELETE", f"/v1/video/{number}")
    assert video_server.analyzer.videos is not None
    queue = video_server.analyzer.videos._queue
    wait_until(lambda: queue.taken == 0)
    assert video_server.log == []


@pytest.mark.parametrize(
    ("data", "query", "status", "code"),
    [
        (b"", "", 400, "missing_video"),
        (b"no video", "", 422, "invalid_video"),
        (b"#EXTM3U\nhttp://127.0.0.1:1/a.ts\n", "", 422, "invalid_video"),
        (b"\xff\xd8\xff\xe0 a picture", "", 422, "invalid_video"),
        (b"x", "?fps=0", 400, "invalid_value"),
        (b"x", "?start=3&stop=2", 400, "invalid_value"),
        (b"x", "?neutral=never", 400, "invalid_value"),
        (b"x", "?exclude=1-2,never", 400, "invalid_value"),
        (b"x", "?model=offline", 400, "invalid_value"),
    ],
)
def test_what_is_no_video_is_refused(
    video_server: Running, data: bytes, query: str, status: int, code: str
) -> None:
    answer = send(video_server, data, query)
    assert (answer.status, answer.error["code"]) == (status, code), answer.body


def test_sound_alone_is_refused_and_a_span_without_frames_fails(video_server: Running) -> None:
    assert send(video_server, sound_only()).error["code"] == "invalid_video"
    number = analysed(video_server, smile_video(), "?start=100")
    failed = state(video_server, number)
    assert (failed["state"], failed["error"]["code"]) == ("failed", "invalid_video")
    answer = video_server.ask("GET", f"/v1/video/{number}/result")
    assert (answer.status, answer.error["code"]) == (422, "invalid_video")


def test_limits_are_said_before_a_body_is_read() -> None:
    limits = ServerLimits(body_bytes=50_000, video_bytes=300_000, videos_waiting=1, videos_kept=3)
    with running(video=True, limits=limits) as server:
        assert server.analyze(b"x" * 50_001).status == 413
        assert send(server, b"x" * 300_001).error["code"] == "body_too_large"
        with Halted(server):
            sent = [send(server, smile_video(), "?stop=0.5") for _ in range(2)]
            assert [answer.status for answer in sent] == [202, 202]
            with server.connection() as connection:  # no body is read
                connection.sendall(
                    b"POST /v1/video HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
                )
                head = connection.recv(1000)
            assert head.startswith(b"HTTP/1.1 503")
            assert b"retry-after" in head.lower()
            assert server.post("/v1/explain", {"aus": {}}).status == 200  # pictures go on
        for answer in sent:
            done(server, answer.json["id"])
        assert analysed(server, smile_video(), "?stop=0.5")
        assert send(server, smile_video()).error["code"] == "busy"  # three are kept
        server.ask("DELETE", f"/v1/video/{sent[0].json['id']}")
        assert send(server, smile_video(), "?stop=0.5").status == 202


def test_results_are_forgotten_in_time() -> None:
    with running(video=True, limits=ServerLimits(video_keep_s=0.05)) as server:
        number = send(server, smile_video(), "?stop=0.3").json["id"]
        wait_until(lambda: server.ask("GET", f"/v1/video/{number}").status == 404)
        assert server.analyzer.videos is not None
        assert server.analyzer.videos._jobs == {}


def test_a_server_takes_no_videos_unless_told_to(server: Running) -> None:
    answer = send(server, smile_video())
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert server.ask("GET", "/page/server.json").json["video"] is False


def test_nothing_of_a_video_reaches_a_file_or_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    name = f"{MARKER.decode()}.webm"
    data = smile_video() + MARKER * (2**20 // len(MARKER))
    with running(video=True) as server, watched(tmp_path) as appeared, caplog.at_level("DEBUG"):
        number = analysed(server, data, "?stop=1")
        body, headers = form(("video", name, data))
        assert server.ask("POST", f"/v1/video?neutral={MARKER.decode()}", body, headers).status == 400
        again = server.ask("POST", "/v1/video?start=2&stop=4", body, headers).json["id"]
        wait_until(lambda: state(server, again)["state"] == "done")
        for file in state(server, again)["files"]:
            assert server.ask("GET", f"/v1/video/{again}/files/{file}").status == 200
        assert not [name for name in open_files() if f"{tmp_path}/" in name]  # the folder itself is watched
        server.ask("DELETE", f"/v1/video/{number}")
        assert MARKER not in server.ask("GET", "/metrics").body
    assert appeared == set()
    logged = "\n".join([*server.log, caplog.text, *capfd.readouterr()])
    assert MARKER.decode() not in logged
    assert server.log == []


@pytest.mark.slow
def test_sigterm_ends_a_video_and_leaves_nothing(tmp_path: Path) -> None:
    long = encode((picture for picture in wall(1500)), fps=25)
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "expllm", "serve", "--port", "0", "--model", "offline", "--video"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().split(":")[-1].split()[0].strip("/"))
        connection = HTTPConnection("127.0.0.1", port, timeout=HANG_S)
        wait_until(lambda: asked(connection, "GET", "/health/ready")[0] == 200)
        number = asked(connection, "POST", "/v1/video", long)[1]["id"]
        wait_until(lambda: asked(connection, "GET", f"/v1/video/{number}")[1]["frames"] > 0)
        assert list(tmp_path.iterdir()) == []
        process.terminate()
        assert process.wait(HANG_S) == 0
    assert list(tmp_path.iterdir()) == []


def asked(connection: HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    connection.request(method, path, body, WEBM)
    reply = connection.getresponse()
    content = reply.read()
    return reply.status, json.loads(content)


def readings(count: int = 120) -> dict[str, Any]:
    """What a browser would send: a smile between 4 and 8 seconds, ten pictures a second."""
    entries = load_calibration()["aus"].values()
    names = sorted({channel for one in entries for channel in one.get("channels", ())})
    smile = [max(0.0, 1 - abs(i - 60) / 20) for i in range(count)]
    scores = [[0.95 * share if name.startswith("mouthSmile") else 0.0 for name in names] for share in smile]
    given = [
        {"time": i / 10, "scores": row, "box": [200, 100, 160, 200], "pose": [0, 0, 0]}
        for i, row in enumerate(scores)
    ]
    given[2] |= {"scores": None, "box": None, "pose": None}
    return {"names": names, "readings": given}


def test_numbers_of_a_camera_are_explained_over_time(server: Running) -> None:
    answer = server.post("/v1/course", readings())
    assert answer.status == 200, answer.body
    found = answer.json
    (person,) = found["people"]
    assert (found["frames"], person["frames"]) == (120, 119)
    (episode,) = found["episodes"]
    assert episode["expression"] == "happiness"
    assert 4 <= episode["start"] < 5.5 < episode["apex"] < 6.5 < episode["end"] <= 8
    assert "corners" in found["audits"][0]["text"]


def test_a_camera_that_saw_nobody(server: Running) -> None:
    given = readings(5)
    for one in given["readings"]:
        one.update(scores=None)
    found = server.post("/v1/course", given).json
    assert (found["people"], found["episodes"]) == ([], [])


@pytest.mark.parametrize("fault", ["order", "length", "missing", "range", "empty", "many"])
def test_numbers_that_make_no_sense(server: Running, fault: str) -> None:
    given = readings(10)
    if fault == "order":
        given["readings"][5]["time"] = 0.1
    elif fault == "length":
        given["readings"][5]["scores"] = [0.1]
    elif fault == "missing":
        given["names"][0] = "nothing"
    elif fault == "range":
        given["readings"][5]["scores"][0] = 1.5
    elif fault == "empty":
        given["readings"] = []
    else:
        given["readings"] = [{"time": i} for i in range(2001)]
    answer = server.post("/v1/course", given)
    assert answer.status == 400, answer.body
    assert answer.error["message"]
