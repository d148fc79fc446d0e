"""How a server ends: requests are finished or refused in time, and a thread that hangs does not keep it."""

import threading
from concurrent.futures import ThreadPoolExecutor

from serving_expllm import portrait, running
from test_queue import Blocked
from waiting import HANG_S, wait_until

from expllm.server.server_config import ServerLimits


def test_what_was_let_in_is_answered_while_it_ends() -> None:
    with running() as server, ThreadPoolExecutor(2) as clients:
        with Blocked(server):
            answers = [clients.submit(server.analyze, portrait()) for _ in range(2)]
            wait_until(lambda: server.analyzer.queue.taken == 2)
            server.server.should_exit = True
            wait_until(lambda: server.service.draining)
        assert [answer.result(HANG_S).status for answer in answers] == [200, 200]
        assert server.log == []


def test_what_cannot_be_finished_in_time_is_refused() -> None:
    limits = ServerLimits(drain_s=1, close_s=HANG_S)
    with running(limits=limits) as server, ThreadPoolExecutor(1) as clients, Blocked(server):
        answer = clients.submit(server.analyze, portrait())
        wait_until(lambda: server.analyzer.queue.taken == 1)
        server.server.should_exit = True
        refused = answer.result(HANG_S)
        assert (refused.status, refused.error["code"]) == (503, "server_ending")
        assert int(refused.headers["retry-after"]) >= 1
        assert server.log == []


def test_a_thread_that_does_not_end_is_reported() -> None:
    told = threading.Event()
    with running(overdue=told.set, limits=ServerLimits(drain_s=0, close_s=0.1)) as server, Blocked(server):
        server.server.should_exit = True
        assert told.wait(HANG_S)


def test_one_that_ends_in_time_is_not() -> None:
    told = threading.Event()
    with running(overdue=told.set) as server:
        assert server.analyze(portrait()).status == 200
    server.server._patience.join(HANG_S)  # cancelled, it ends at once
    assert not told.is_set()
