"""Videos that are watched as server-sent events, over real sockets."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pandas as pd
import pytest
from faces_in_motion import small_walk, smile_video
from serving_expllm import Running, portrait, running
from test_serving_video import Halted, analysed, send, state
from waiting import HANG_S, wait_until

from expllm.core.vocabulary import AU_NAMES
from expllm.server.server_config import ServerLimits
from expllm.server.video_jobs import VideoJob, VideoJobs


@dataclass(frozen=True)
class Event:
    """One event as it came."""

    kind: str
    id: str | None
    data: Any


class Watching:
    """A stream of events that is open."""

    def __init__(self, reply: HTTPResponse) -> None:
        self.reply = reply

    def __iter__(self) -> Iterator[Event]:
        fields: dict[str, str] = {}
        for line in iter(self.reply.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                yield Event(fields["event"], fields.get("id"), json.loads(fields["data"]))
                fields = {}

    def next(self) -> Event:
        """The next event."""
        return next(iter(self))


@contextmanager
def watching(server: Running, number: str, **headers: str) -> Iterator[Watching]:
    """A client that watches a video; at the end of the block it hangs up."""
    connection = HTTPConnection(server.host, server.port, timeout=HANG_S)
    try:
        connection.request("GET", f"/v1/video/{number}/events", headers=headers)
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-store"
        yield Watching(reply)
    finally:
        connection.close()


def watched(server: Running, number: str, **headers: str) -> list[Event]:
    """All events until the server ends the stream."""
    with watching(server, number, **headers) as stream:
        return list(stream)


def jobs(server: Running) -> VideoJobs:
    assert server.analyzer.videos is not None
    return server.analyzer.videos


@pytest.fixture(scope="module")
def video_server() -> Iterator[Running]:
    with running(video=True, limits=ServerLimits(event_s=0.01, quiet_s=0.05)) as started:
        yield started


@pytest.fixture(scope="module")
def finished(video_server: Running) -> str:
    """The id of a video of two parts that is done."""
    return analysed(video_server, small_walk())


def test_a_video_is_told_while_it_is_measured(video_server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread is held behind the first ten seconds: what is told of them did not wait for the end."""
    go, measured = threading.Event(), VideoJob.watch

    def held(job: VideoJob, seconds: float, faces: int) -> None:
        measured(job, seconds, faces)
        assert seconds < 10 or go.wait(HANG_S)

    monkeypatch.setattr(VideoJob, "watch", held)
    with Halted(video_server) as halted:
        number = send(video_server, small_walk()).json["id"]
        with watching(video_server, number) as stream:
            told = [stream.next()]
            halted.release()
            while told[-1].kind != "part":
                told.append(stream.next())
            go.set()
            rest = list(stream)
    assert (told[0].kind, told[0].data["state"]) == ("progress", "queued")
    parts = [event for event in (*told, *rest) if event.kind == "part"]
    assert [(part.id, part.data["index"]) for part in parts] == [("1", 0), ("2", 1)]
    assert [part.data["span"] for part in parts] == [[0, 9.75], [10, 12.25]]
    assert [(part.data["frames"], part.data["seen"]) for part in parts] == [(40, 40), (10, 10)]
    known = [event.data for event in (*told, *rest) if event.kind == "progress"][1:]  # of those not queued
    assert known
    shares = [data["progress"] for data in known if data["progress"] is not None]
    assert shares == sorted(shares)
    assert (rest[-1].kind, rest[-1].id, rest[-1].data) == ("done", "end", state(video_server, number))


def test_a_part_has_the_highest_raw_reading_of_each_unit(video_server: Running) -> None:
    number = analysed(video_server, smile_video())
    part, done = (event for event in watched(video_server, number) if event.kind != "progress")
    assert (part.data["span"], part.data["damage"], done.kind) == ([0, 5.9], [], "done")
    peaks = part.data["peaks"]
    assert list(peaks) == list(AU_NAMES)
    table = video_server.ask("GET", f"/v1/video/{number}/files/frames.csv").body
    frames = pd.read_csv(io.BytesIO(table))
    for name, peak in peaks.items():
        column = frames[name]
        assert column.isna().all() if peak is None else peak == pytest.approx(column.max(), abs=2e-3), name
    assert peaks["left lip corner pull"] > 0.5


@pytest.mark.parametrize(
    ("last", "ids"),
    [("1", ["2", "end"]), ("2", ["end"]), ("99", ["end"]), ("nonsense", ["1", "2", "end"]),
     ("-1", ["1", "2", "end"]), ("9" * 300, ["1", "2", "end"]), ("", ["1", "2", "end"])],
)  # fmt: skip
def test_who_comes_back_is_told_what_is_new(
    video_server: Running, finished: str, last: str, ids: list[str]
) -> None:
    events = watched(video_server, finished, **{"Last-Event-ID": last})
    assert [event.id for event in events if event.id] == ids


def test_who_was_told_the_end_is_sent_away(video_server: Running, finished: str) -> None:
    path = f"/v1/video/{finished}/events"
    answer = video_server.ask("GET", path, headers={"Last-Event-ID": "end"})
    assert (answer.status, answer.body) == (204, b"")
    with Halted(video_server):
        number = send(video_server, small_walk()).json["id"]
        with watching(video_server, number, **{"Last-Event-ID": "end"}) as stream:
            assert stream.next().data["state"] == "queued"  # it has no end yet


def test_a_video_that_fails_or_is_deleted(video_server: Running) -> None:
    failed = watched(video_server, analysed(video_server, smile_video(), "?start=100"))[-1]
    assert (failed.kind, failed.id, failed.data["error"]["code"]) == ("failed", "end", "invalid_video")
    with Halted(video_server):
        number = send(video_server, small_walk()).json["id"]
        with watching(video_server, number) as stream:
            assert stream.next().kind == "progress"
            video_server.ask("DELETE", f"/v1/video/{number}")
            *_, last = stream
    assert (last.kind, last.data["state"], last.data["files"]) == ("failed", "failed", [])
    assert last.data["error"]["code"] == "video_not_found"
    answer = video_server.ask("GET", f"/v1/video/{number}/events")
    assert (answer.status, answer.error["code"]) == (404, "video_not_found")


def test_watchers_hold_no_thread_and_are_free_when_they_leave() -> None:
    limits = ServerLimits(event_s=0.01, quiet_s=0.05, video_streams=8)
    with running(video=True, limits=limits) as server, Halted(server):
        number = send(server, small_walk()).json["id"]
        with ExitStack() as held:
            streams = [held.enter_context(watching(server, number)) for _ in range(8)]
            assert {stream.next().data["state"] for stream in streams} == {"queued"}
            refused = server.ask("GET", f"/v1/video/{number}/events")
            assert (refused.status, refused.error["code"]) == (503, "busy")
            assert int(refused.headers["retry-after"]) >= 1
            assert server.analyze(portrait()).status == 200  # by the only thread
            assert jobs(server).watchers == 8
        wait_until(lambda: jobs(server).watchers == 0)
        with watching(server, number) as stream:
            assert stream.next().kind == "progress"
        assert server.log == []


def test_a_stream_in_which_nothing_happens_is_kept_alive(video_server: Running) -> None:
    with Halted(video_server):
        number = send(video_server, small_walk()).json["id"]
        with watching(video_server, number) as stream:
            lines = [stream.reply.readline() for _ in range(20)]
    assert lines[0] == b"retry: 2000\n"
    assert lines.count(b":\n") >= 3


def test_head_does_not_wait_for_the_end(video_server: Running) -> None:
    with Halted(video_server):
        number = send(video_server, small_walk()).json["id"]
        answer = video_server.ask("HEAD", f"/v1/video/{number}/events")
        assert (answer.status, answer.body) == (200, b"")
        wait_until(lambda: jobs(video_server).watchers == 0)


def test_events_need_the_key_that_the_video_needs() -> None:
    with running(video=True, keys=("sk-one",), limits=ServerLimits(event_s=0.01)) as server:
        key = {"Authorization": "Bearer sk-one"}
        number = server.ask("POST", "/v1/video?stop=0.5", smile_video(), key).json["id"]
        for headers in ({}, {"Authorization": "Bearer sk-two"}):
            for path in ("", "/events"):
                answer = server.ask("GET", f"/v1/video/{number}{path}", headers=headers)
                assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
        assert watched(server, number, **key)[-1].kind == "done"


def test_streams_end_when_the_server_ends() -> None:
    with running(video=True, limits=ServerLimits(event_s=0.01)) as server, Halted(server):
        number = send(server, small_walk()).json["id"]
        with watching(server, number) as stream:
            assert stream.next().kind == "progress"
            server.server.should_exit = True
            *_, last = stream
        assert (last.kind, last.data["error"]["code"]) == ("failed", "server_ending")
        assert server.log == []
