"""The door before several replicas: what it sees to itself, what it sends on, and what a lost one changes."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from openai import OpenAI
from serving_expllm import Answer, Running, form, portrait, running
from waiting import HANG_S, wait_until

from expllm.cli.serve import serve
from expllm.core.errors import UsageError
from expllm.server.door import door_before
from expllm.server.replica import ReplicaState
from expllm.server.replica_pool import Replica, ReplicaPool, replica_settings
from expllm.server.server_config import ServerConfig, ServerLimits

KEY = "sk-front"


class KnownReplicas(ReplicaPool):
    """Replicas whose addresses are known: nothing is started, and nothing watched."""

    def __init__(self, config: ServerConfig, urls: list[str], key: str) -> None:
        super().__init__(config)
        self._urls, self.key = urls, key

    async def start(self, on_failure: Callable[[], object]) -> None:
        for index, url in enumerate(self._urls):
            replica = Replica(index, None)
            self._replicas.append(replica)
            await self._found(replica, ReplicaState(url, 0, True, None, ()))

    async def close(self) -> None:
        """There is nothing to end."""


@contextmanager
def door(urls: list[str], key: str = KEY, **given: Any) -> Iterator[Running]:
    """A door before servers that run already."""
    with running(
        lambda config, give_up: door_before(KnownReplicas(config, urls, key), config, give_up), **given
    ) as started:
        yield started


@pytest.fixture(scope="module")
def replica() -> Iterator[Running]:
    with running(**replica_settings(ServerConfig(), KEY)) as started:
        yield started


@pytest.fixture(scope="module")
def front(replica: Running) -> Iterator[Running]:
    with door([replica.url]) as started:
        yield started


@pytest.mark.parametrize("path", ["/", "/docs", "/health/ready", "/v1/models", "/metrics", "/page/app.js"])
def test_head_is_get_without_a_body(front: Running, path: str) -> None:
    answer = front.ask("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")


def test_answers_are_those_of_a_server_without_replicas(front: Running, server: Running) -> None:
    asks: list[Callable[[Running], Answer]] = [
        lambda one: one.analyze(portrait(), "?audit=true"),
        lambda one: one.post("/v1/explain", {"aus": {"jaw drop": 0.5}}),
        lambda one: one.ask("GET", "/v1/vocabulary"),
        lambda one: one.ask("GET", "/v1/video/none"),
        lambda one: one.ask("GET", "/"),
        lambda one: one.post("/v1/explain", {"aus": {"no such": 1}}),
        lambda one: one.analyze(b"no picture"),
        lambda one: one.ask("GET", "/openapi.json"),
    ]
    for ask in asks:
        through, alone = ask(front), ask(server)
        assert (through.status, through.body) == (alone.status, alone.body)
        for name in ("content-type", "content-security-policy", "cache-control"):
            assert through.headers.get(name) == alone.headers.get(name)
        assert through.headers["x-request-id"] != alone.headers["x-request-id"]


def test_openais_client_streams_through_it(front: Running) -> None:
    import base64

    uri = "data:image/jpeg;base64," + base64.b64encode(portrait()).decode()
    messages: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}]
    with OpenAI(base_url=f"{front.url}/v1", api_key="none") as client:
        whole = client.chat.completions.create(model="offline", messages=messages)
        stream: Any = client.chat.completions.create(model="offline", messages=messages, stream=True)
        text = "".join(piece.choices[0].delta.content or "" for piece in stream if piece.choices)
    assert text == whole.choices[0].message.content


def test_a_replica_is_closed_to_whoever_does_not_know_its_key(replica: Running) -> None:
    assert replica.analyze(portrait()).status == 401


def test_keys_hosts_origins_and_rates_are_the_doors(replica: Running) -> None:
    with door([replica.url], keys=("sk-own",), rate=2) as front:
        own = {"Authorization": "Bearer sk-own"}
        assert front.ask("GET", "/v1/models").status == 401
        assert front.ask("GET", "/v1/models", headers={"Authorization": f"Bearer {KEY}"}).status == 401
        assert front.ask("GET", "/v1/models", headers=own | {"Host": "evil.example"}).status == 400
        assert front.post("/v1/explain", {"aus": {}}, Origin="http://evil.example", **own).status == 403
        facts = front.ask("GET", "/page/server.json").json
        assert (facts["needs_key"], facts["local"], facts["models"]) == (True, True, ["offline"])
        assert [front.ask("GET", "/v1/models", headers=own).status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("target", ["@127.0.0.1:PORT/", "http://127.0.0.1:PORT/", "//127.0.0.1:PORT/x", "*"])
def test_an_address_cannot_lead_the_door_elsewhere(front: Running, target: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.3)
        asked = target.replace("PORT", str(elsewhere.getsockname()[1]))
        with front.connection() as connection:
            connection.sendall(
                f"GET {asked} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 4")
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_a_batch_comes_line_by_line(front: Running) -> None:
    body, headers = form(*[("image", f"{n}.jpg", portrait() if n else b"no picture") for n in range(3)])
    answer = front.ask("POST", "/v1/analyze/batch", body, headers)
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["object"] for line in lines] == ["error", "analysis", "analysis"]
    assert answer.headers["content-type"] == "application/x-ndjson"
    wait_until(lambda: front.service.queue.taken == 0)
    assert front.service.live[0].under_way == 0


def test_figures_tell_replicas_apart(front: Running) -> None:
    front.analyze(portrait())
    text = front.ask("GET", "/metrics").body.decode()
    assert 'expllm_requests_total{code="200",replica="0",route="/v1/analyze"}' in text
    assert "expllm_door_replicas 1.0" in text
    assert 'expllm_door_answers_total{code="200"}' in text


def test_who_is_one_too_many_is_refused_before_the_body_is_read(replica: Running) -> None:
    with (
        door([replica.url], limits=ServerLimits(waiting_per_worker=0)) as front,
        ThreadPoolExecutor(1) as clients,
    ):
        go = threading.Event()
        replica.analyzer._executor.submit(go.wait, HANG_S)
        first = clients.submit(front.analyze, portrait())
        wait_until(lambda: front.service.queue.taken == 1)
        second = front.analyze(portrait())
        go.set()
        assert (second.status, second.error["code"]) == (503, "busy")
        assert second.headers["retry-after"]
        assert first.result(HANG_S).status == 200


def test_who_hangs_up_costs_no_place(replica: Running) -> None:
    with door([replica.url]) as front:
        go = threading.Event()
        replica.analyzer._executor.submit(go.wait, HANG_S)
        head = b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        with front.connection() as connection:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(portrait()) + portrait())
            wait_until(lambda: replica.analyzer.queue.taken == 1)
        wait_until(lambda: replica.analyzer.queue.taken == 0 and front.service.queue.taken == 0)
        go.set()
        assert front.service.live[0].under_way == 0


def test_a_request_goes_to_another_replica_where_the_first_does_not_answer(replica: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with door([gone, replica.url]) as front:
        answers = [front.analyze(portrait()) for _ in range(3)]
        assert [one.status for one in answers] == [200] * 3
        assert front.service.moved == 1
        assert len(front.service.live) == 1
        assert front.log[-1] == "replica 0 was lost: Ray starts it again"


def test_where_no_replica_is_left_the_answer_says_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expllm.server.replica_pool.PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with door([gone]) as front:
        answer = front.analyze(portrait())
        assert (answer.status, answer.error["code"]) == (503, "no_replica")
        assert int(answer.headers["retry-after"]) > 0
        again = front.analyze(portrait())
        assert (again.status, again.error["code"]) == (503, "no_replica")
        assert front.ask("GET", "/health/ready").status == 503


@pytest.mark.slow
def test_a_batch_whose_replica_is_killed_is_whole_all_the_same(replica: Running) -> None:
    command = [sys.executable, "-m", "expllm", "serve", "--model", "offline", "--port", "0", "--workers", "1"]
    with ExitStack() as held:
        process = held.enter_context(
            subprocess.Popen([*command, "--key-env", "EXPLLM_TEST_KEY"], stderr=subprocess.PIPE, text=True)
        )
        held.callback(process.kill)
        assert process.stderr is not None
        url = process.stderr.readline().split()[-3]
        key = _test_key()
        second = held.enter_context(running(keys=(key,)))
        front = held.enter_context(door([url, second.url], key))
        wait_until(lambda: _ready(url))
        body, headers = form(*[("image", f"{n}.jpg", portrait()) for n in range(16)])
        with front.connection() as connection:
            head = f"POST /v1/analyze/batch HTTP/1.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            head += f"Content-Type: {headers['Content-Type']}\r\nHost: localhost\r\n\r\n"
            connection.sendall(head.encode() + body)
            answer = connection.recv(2**16)
            process.send_signal(signal.SIGKILL)
            while more := connection.recv(2**16):
                answer += more
    numbers = [json.loads(line)["index"] for line in answer.split(b"\r\n") if line.startswith(b"{")]
    assert numbers == list(range(16))
    assert answer.endswith(b"0\r\n\r\n")


def _test_key() -> str:
    import os

    return os.environ["EXPLLM_TEST_KEY"]


def _ready(url: str) -> bool:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(f"{url}/health/ready", timeout=HANG_S) as answer:
            return bool(answer.status == 200)
    except HTTPError:
        return False


def test_videos_and_replicas_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="--video and --ray exclude each other"):
        serve(video=True, ray="auto")
    with pytest.raises(UsageError, match="--replicas needs --ray"):
        serve(replicas=2)
