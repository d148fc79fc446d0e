"""Replicas on a real Ray cluster, one of them killed under load: no admitted request is lost."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from ray_cluster import one_node
from serving_expllm import Running, portrait, running
from waiting import wait_until

from expllm.server.door import create_door
from expllm.server.replica import ReplicaServer

CLIENTS, EACH = 6, 12


class Client:
    """Asks again when it is told to, as the openai client does."""

    def __init__(self, server: Running, seen: "Counter[int]") -> None:
        self._server, self._seen = server, seen

    def work(self) -> list[int]:
        """The last status of each of its requests."""
        return [self._until_answered() for _ in range(EACH)]

    def _until_answered(self) -> int:
        while True:
            answer = self._server.analyze(portrait())
            self._seen[answer.status] += 1
            if answer.status != 503:
                return answer.status
            time.sleep(int(answer.headers["retry-after"]))  # each 503 has one


def processes(server: Running) -> list[int]:
    """The numbers of the processes that the log speaks of."""
    return [int(found[1]) for line in server.log if (found := re.search(r"\(process (\d+)\)", line))]


@pytest.mark.slow
def test_a_replica_is_killed_under_load_and_no_request_is_lost(
    record_property: Callable[[str, object], None],
) -> None:
    with one_node(2):
        with running(partial(create_door, replicas=2)) as server, ThreadPoolExecutor(CLIENTS) as clients:
            wait_until(lambda: len(server.service.live) == 2)
            seen: Counter[int] = Counter()
            answers = [clients.submit(Client(server, seen).work) for _ in range(CLIENTS)]
            wait_until(lambda: seen[200] >= CLIENTS and min(r.under_way for r in server.service.live) > 0)
            os.kill(processes(server)[0], signal.SIGKILL)
            assert [status for one in answers for status in one.result()] == [200] * CLIENTS * EACH
            assert server.service.moved >= 1
            assert set(seen) <= {200, 503}
            wait_until(lambda: len(server.service.live) == 2)  # Ray has started it again
            assert len(set(processes(server))) == 3
            assert server.analyze(portrait()).status == 200
            record_property("answers with one of two replicas killed", dict(seen))
            record_property("requests sent on to the other replica", server.service.moved)
        wait_until(lambda: not any(map(_alive, processes(server))))


@pytest.mark.slow
def test_a_node_with_another_version_says_so() -> None:
    with one_node(1) as ray:
        actor = ray.remote(num_cpus=1)(ReplicaServer).remote({"models": ("offline",)}, "0.0.0")
        state = ray.get(actor.state.remote())
        assert state.failure.startswith("this node has ExpLLM ")
        assert not state.ready


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
