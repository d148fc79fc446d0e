"""A full server says so at once; who hangs up gives up the place; what was let in is answered."""

import asyncio
import base64
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from openai import OpenAI
from serving_expllm import JPEG, Answer, Running, form, portrait, running
from waiting import HANG_S, wait_until

from expllm.server.admission import Queue
from expllm.server.http_errors import ApiError
from expllm.server.server_config import ServerLimits

TIGHT = ServerLimits(waiting_per_worker=1)


class Blocked:
    """The one thread of a server is busy until the block ends."""

    def __init__(self, server: Running) -> None:
        self._go = threading.Event()
        self._executor = server.analyzer._executor

    def __enter__(self) -> "Blocked":
        began = threading.Event()

        def wait() -> None:
            began.set()
            self._go.wait(HANG_S)

        self._executor.submit(wait)
        assert began.wait(HANG_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._go.set()


def test_a_full_server_refuses_at_once_and_answers_those_it_let_in() -> None:
    with running(limits=TIGHT) as server, ThreadPoolExecutor(8) as clients:
        with Blocked(server):
            admitted = [clients.submit(server.analyze, portrait()) for _ in range(2)]
            wait_until(lambda: server.analyzer.queue.taken == 2)
            head = b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
            with server.connection() as connection:  # no body is read
                connection.sendall(head)
                assert connection.recv(100).startswith(b"HTTP/1.1 503")
            refused: list[Answer] = [
                server.analyze(portrait()),
                server.post("/v1/explain", {"aus": {}}),
                server.ask("POST", "/v1/analyze/batch", *form(("image", "a.jpg", portrait()))),
            ]
            assert "expllm_places_taken 2.0" in server.ask("GET", "/metrics").body.decode()
            assert server.ask("GET", "/health/ready").status == 200
        for answer in refused:
            assert answer.status == 503
            assert answer.error["code"] == "busy"
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert [one.result(HANG_S).status for one in admitted] == [200, 200]
        wait_until(lambda: server.analyzer.queue.taken == 0)


def test_openais_client_waits_and_tries_again_by_itself() -> None:
    with (
        running(limits=ServerLimits(waiting_per_worker=0)) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=9) as client,
        ThreadPoolExecutor(2) as clients,
    ):
        uri = "data:image/jpeg;base64," + base64.b64encode(portrait()).decode()
        messages: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}]
        with Blocked(server):
            first = clients.submit(server.analyze, portrait())
            wait_until(lambda: server.analyzer.queue.taken == 1)
            second = clients.submit(client.chat.completions.create, model="offline", messages=messages)
            wait_until(lambda: 'code="503"' in server.ask("GET", "/metrics").body.decode())
        assert first.result(HANG_S).status == 200
        assert second.result(HANG_S).choices[0].message.content


def test_who_hangs_up_gives_up_the_place() -> None:
    with running(limits=TIGHT) as server:
        with Blocked(server):
            head = b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            head += b"Content-Length: %d\r\n\r\n" % len(portrait())
            connections = [server.connection() for _ in range(2)]
            for connection in connections:
                connection.sendall(head + portrait())
            wait_until(lambda: server.analyzer.queue.taken == 2)
            for connection in connections:
                connection.close()
            wait_until(lambda: server.analyzer.queue.taken == 0)
        assert server.analyze(portrait()).status == 200
        text = server.ask("GET", "/metrics").body.decode()
        assert 'expllm_requests_total{code="499",route="/v1/analyze"} 2.0' in text
        assert "expllm_faces_total 1.0" in text, "pictures of clients who left were analyzed"
        assert server.log == []


def test_work_that_takes_too_long_is_answered_and_keeps_its_place_until_it_ends() -> None:
    with running(limits=ServerLimits(waiting_per_worker=1, work_s=0.2)) as server:
        with Blocked(server):
            answer = server.analyze(portrait())
            assert answer.status == 504
            assert answer.error["code"] == "timeout"
        wait_until(lambda: server.analyzer.queue.taken == 0)


def test_a_batch_needs_one_place_and_waits_for_the_others() -> None:
    with running(limits=ServerLimits(waiting_per_worker=0)) as server:
        body, headers = form(*[("image", f"{n}.jpg", portrait()) for n in range(4)])
        answer = server.ask("POST", "/v1/analyze/batch", body, headers)
        lines = [json.loads(line) for line in answer.body.splitlines()]
        assert [line["object"] for line in lines] == ["analysis"] * 4
        wait_until(lambda: server.analyzer.queue.taken == 0)


def test_a_stream_whose_client_left_gives_its_place_back() -> None:
    with running(limits=TIGHT) as server:
        body, headers = form(*[("image", "a.jpg", portrait())] * 3)
        head = f"POST /v1/analyze/batch HTTP/1.1\r\nContent-Length: {len(body)}\r\n"
        head += f"Content-Type: {headers['Content-Type']}\r\nHost: localhost\r\n\r\n"
        for _ in range(4):
            with server.connection() as connection:
                connection.sendall(head.encode() + body)
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
            wait_until(lambda: server.analyzer.queue.taken == 0)
        assert server.analyze(portrait()).status == 200


def test_a_batch_limits_unknown_models_too(server: Running) -> None:
    body, headers = form(("image", "a.jpg", portrait()))
    assert server.ask("POST", "/v1/analyze/batch?model=x", body, headers).status == 404
    assert server.ask("POST", "/v1/analyze", body, JPEG).status == 422
    assert server.analyzer.queue.taken == 0


# The queue alone


def test_those_who_wait_come_before_those_who_come() -> None:
    async def story() -> list[str]:
        queue, told = Queue(1, 0), []
        first = queue.enter()
        waiting = asyncio.ensure_future(queue.wait())
        await asyncio.sleep(0)
        first.leave()
        first.leave()  # once only
        with pytest.raises(ApiError):
            queue.enter()
        (await waiting).leave()
        queue.enter().leave()
        told.append(str(queue.taken))
        return told

    assert asyncio.run(story()) == ["0"]


def test_places_become_fewer_and_more_while_they_are_taken() -> None:
    async def story() -> tuple[list[bool], int]:
        queue, full = Queue(2, 0), []
        places = [queue.enter() for _ in range(2)]
        for workers in (1, 0, 3):
            queue.resize(workers, 0)
            full.append(queue.full)
        for place in places:
            place.leave()
        queue.resize(1, 0)
        queue.enter()
        full.append(queue.full)
        return full, queue.taken

    assert asyncio.run(story()) == ([True, True, False, True], 1)


def test_a_waiter_that_gives_up_costs_no_place() -> None:
    async def story() -> int:
        queue = Queue(1, 0)
        first = queue.enter()
        waiters = [asyncio.ensure_future(queue.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        first.leave()  # wakes the second
        waiters[1].cancel()  # which has its turn already, and gives it on
        (await waiters[2]).leave()
        await asyncio.gather(*waiters, return_exceptions=True)
        return queue.taken

    assert asyncio.run(asyncio.wait_for(story(), HANG_S)) == 0


def test_a_place_is_kept_by_the_thread_that_works_on_it() -> None:
    async def story() -> tuple[int, int]:
        queue, working = Queue(1, 0), Future[int]()
        place = queue.enter()
        working.set_running_or_notify_cancel()
        waiting = asyncio.ensure_future(place.result(working))
        await asyncio.sleep(0)
        waiting.cancel()
        place.leave()
        during = queue.taken
        working.set_result(1)
        await asyncio.sleep(0.01)
        return during, queue.taken

    assert asyncio.run(story()) == (1, 0)


def test_the_time_to_wait_follows_the_rate() -> None:
    async def story() -> list[int]:
        queue, told = Queue(2, 8), []
        for _ in range(10):
            queue.enter()
        for seconds in (0.01, 8.0):
            for _ in range(100):
                queue.free(seconds)
                queue.enter()
            told.append(queue.retry_after)
        return told

    assert asyncio.run(story()) == [1, 36]
